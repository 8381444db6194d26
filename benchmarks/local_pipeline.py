"""A pipeline on DynamoDB Local alone, for loads that are too much for LocalStack on a small machine.

Real are AWS's engine with its streams, the function's code, and the commands. In the place of Lambda stands a process
that reads the stream and calls the function, and as much of Lambda's API as the commands ask of a function.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))

import boto3
from botocore.config import Config

from aggregator.handler import CONCURRENCY, Aggregator
from scripts.aggregates.__main__ import PACKAGE
from scripts.localstack.server import HostBackend
from scripts.localstack.settings import Endpoint, Folder
from tests.support.function import environment
from tests.support.stream import as_lambda_delivers, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, create_tables

REGION = "us-east-1"
SOURCE_TABLE = "orders-source"
#: Seconds for DynamoDB Local to answer after its start.
READY = 60
#: Seconds between two looks at a shard that had nothing new, and until a failed batch is tried again.
PAUSE = 0.2
#: Seconds that an invocation may take; the function stops a few before.
TIMEOUT = 120

#: The aggregates of examples/complete, which scripts/demo/orders.py recomputes.
AGGREGATES: dict[str, Any] = json.loads((Path(__file__).parent / "demo_aggregates.json").read_text())


@dataclass(frozen=True)
class LocalPipeline:
    """Three tables, and what a process needs to reach them: ``environment`` are the variables of the AWS clients."""

    environment: dict[str, str]
    client: Any
    function: dict[str, str]

    def outputs(self) -> dict[str, Any]:
        """What `terraform output -json` would print for the commands."""
        names = {
            "function_arn": f"arn:aws:lambda:{REGION}:000000000000:function:orders",
            "source_table_name": SOURCE_TABLE,
            "failure_bucket_name": "none",
            "event_source_mapping_uuid": "none",
        }
        return {"operations": {"value": names}}

    @contextlib.contextmanager
    def delivering(self) -> Iterator[None]:
        """Make the source table's stream, and deliver what is in it from then on."""
        described = self.client.update_table(
            TableName=SOURCE_TABLE,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        arguments = (described["TableDescription"]["LatestStreamArn"], self.function, self.environment)
        process = multiprocessing.get_context("spawn").Process(target=_deliver, args=arguments, daemon=True)
        process.start()
        try:
            yield
        finally:
            process.terminate()
            process.join()


@contextlib.contextmanager
def running() -> Iterator[LocalPipeline]:
    """DynamoDB Local with empty tables, and the API of Lambda; the source table has no stream yet."""
    folder = Folder()
    folder.path.mkdir(exist_ok=True)
    HostBackend(Endpoint.from_environment(), folder).prepare()
    function = environment(AGGREGATES)
    with _dynamodb_local(folder.dynamodb) as dynamodb, _lambda_api(function) as lambda_api:
        variables = Endpoint.from_environment().client_environment()
        variables |= {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb, "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb}
        variables |= {"AWS_ENDPOINT_URL_LAMBDA": lambda_api}
        os.environ.update(variables)
        client = boto3.client("dynamodb")
        _wait_for(client)
        create_tables(client)
        client.create_table(
            TableName=SOURCE_TABLE,
            KeySchema=[
                {"AttributeName": "invoice_no", "KeyType": "HASH"},
                {"AttributeName": "line_no", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "invoice_no", "AttributeType": "S"},
                {"AttributeName": "line_no", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield LocalPipeline(variables, client, function)


@contextlib.contextmanager
def _dynamodb_local(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["java", "-Xmx2g", f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}", "-jar"]
    command += [str(folder / "DynamoDBLocal.jar"), "-inMemory", "-port", str(port), "-disableTelemetry"]
    # It writes a file of its own into the folder that it is started in.
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(client: Any) -> None:
    end = time.monotonic() + READY
    while True:
        try:
            client.list_tables()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE)
        else:
            return


@contextlib.contextmanager
def _lambda_api(function: Mapping[str, str]) -> Iterator[str]:
    """GetFunctionConfiguration of a function that runs the committed package with these variables."""
    configuration = json.dumps(
        {
            "CodeSha256": b64encode(sha256(PACKAGE.read_bytes()).digest()).decode(),
            "LastModified": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "Environment": {"Variables": function},
        }
    ).encode()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(configuration)))
            self.end_headers()
            self.wfile.write(configuration)

        def log_message(self, *_: Any) -> None:
            """Nothing: the requests are of no interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Context:
    """As Lambda's: the time that an invocation has left."""

    def __init__(self) -> None:
        self._end = time.monotonic() + TIMEOUT

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def _deliver(stream_arn: str, function: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Read a stream from its beginning and call the function with what is there; a process of its own."""
    os.environ.update(variables)
    threads = ThreadPoolExecutor(CONCURRENCY)
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=CONCURRENCY)
    aggregator = Aggregator(function, lambda: boto3.client("dynamodb", config=config), threads.map)
    streams = boto3.client("dynamodbstreams")
    positions: dict[str, str | None] = {}
    while True:
        for shard in streams.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]:
            if shard["ShardId"] not in positions:
                positions[shard["ShardId"]] = streams.get_shard_iterator(
                    StreamArn=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
        delivered = 0
        for shard_id, position in positions.items():
            if position is not None:
                page = streams.get_records(ShardIterator=position)
                _invoke(aggregator, [as_lambda_delivers(record, stream_arn) for record in page["Records"]])
                positions[shard_id] = page.get("NextShardIterator")
                delivered += len(page["Records"])
        if not delivered:
            time.sleep(PAUSE)


def _invoke(aggregator: Aggregator, records: list[dict[str, Any]]) -> None:
    """Call the function until it reports nothing left, as an event source mapping with unlimited retries does."""
    while records:
        try:
            failures = aggregator.handle(event(records), _Context())["batchItemFailures"]
        except Exception as error:
            print(f"an invocation failed and is tried again: {error!r}", file=sys.stderr, flush=True)
            time.sleep(PAUSE)
            continue
        if not failures:
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        records = records[numbers.index(failures[0]["itemIdentifier"]) :]


__all__ = ["AGGREGATE_TABLE", "LEDGER_TABLE", "REGION", "SOURCE_TABLE", "LocalPipeline", "running"]
