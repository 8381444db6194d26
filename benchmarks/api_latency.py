"""What a request to the API takes, to write an item and to read rows, and what a million of each cost.

    python -m benchmarks.api_latency

On LocalStack it applies examples/complete, posts order lines, and then asks in turn, one request at a time: an item by
POST /items, and the same PutItem by the SDK; one row, a range and the top 10 by the API, and the same by the function's
code in this process, which asks the same tables. What is left between the two of a pair is the imitation of API Gateway
and Lambda, and says nothing of AWS. Prices are AWS's list prices, scripts/cost.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import boto3

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))

from aggregator.read_api.handler import ReadApi
from benchmarks.cost import item_of
from benchmarks.engines import localstack
from scripts.api_client import ApiClient
from scripts.cost.estimate import Request, million
from scripts.cost.prices import Prices
from scripts.cost.sizes import READ_UNIT, WRITE_UNIT, item_bytes, units
from scripts.demo import aggregates, orders
from scripts.demo.__main__ import TOTAL, wait_for
from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.support.read_api import event

#: Order lines that are there before, of twelve countries, and what is read of them, by what it is called.
LINES = [replace(line, country=f"country {number % 12}") for number, line in enumerate(orders.read()[:200])]
_OF_A_PRODUCT = ("/aggregates/sales_by_product_day/rows", {"group.stock_code": LINES[0].stock_code})
READS = {
    "one row": (_OF_A_PRODUCT[0], {**_OF_A_PRODUCT[1], "at": "2010-12-01"}),
    "range of a month": (_OF_A_PRODUCT[0], {**_OF_A_PRODUCT[1], "from": "2010-12-01", "to": "2010-12-31"}),
    "top 10": ("/aggregates/sales_by_country/groups", {"limit": "10"}),
}
WRITE = "item"
#: In an answer that there is nothing to read for.
HAS_NONE = '"rows":[]'
#: Seconds that DynamoDB takes for a call: an assumption, as in scripts/cost.
CALL_SECONDS = 0.004
#: Of the function that reads, unless said otherwise.
MEMORY_GB = 0.5


class Kind(NamedTuple):
    """One kind of request: milliseconds through the API and without it, one each a round, and what AWS charges for."""

    api: Sequence[float]
    direct: Sequence[float]
    request: Request


class Counted:
    """Calls and read units, eventually consistent, of a boto3 DynamoDB client."""

    def __init__(self, client: Any) -> None:
        self.calls, self.read_units = 0, 0.0
        client.meta.events.register("after-call.dynamodb.Query", self._query)
        client.meta.events.register("after-call.dynamodb.BatchGetItem", self._batch)

    def _query(self, parsed: dict[str, Any], **_: Any) -> None:
        self.calls += 1
        self.read_units += units(sum(map(item_bytes, parsed["Items"])), READ_UNIT) / 2

    def _batch(self, parsed: dict[str, Any], **_: Any) -> None:
        self.calls += 1
        items = itertools.chain.from_iterable(parsed["Responses"].values())
        self.read_units += sum(units(item_bytes(item), READ_UNIT) for item in items) / 2


def milliseconds(call: Callable[[], Any], is_right: Callable[[Any], bool]) -> float:
    """How long a call takes. Raises ``RuntimeError`` where its answer is not the right one."""
    began = time.perf_counter()
    answer = call()
    took = (time.perf_counter() - began) * 1_000
    if not is_right(answer):
        raise RuntimeError(f"no such answer was expected: {answer}")
    return took


def measure(client: Any, outputs: dict[str, Any], environment: dict[str, str], rounds: int) -> dict[str, Kind]:
    """The kinds of requests by name, from the outputs of the example and the environment of its reading function."""
    api = ApiClient(
        api_id=outputs["api_id"], stage_name=outputs["api_stage_name"], invoke_url=outputs["api_invoke_url"]
    )
    reader = ReadApi(environment, lambda: client)
    line = LINES[0]
    item = item_of(line)
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in (WRITE, *READS)}
    # Not the start of a function and the first of all connections.
    api.get(*READS["one row"])
    reader.handle(event(READS["one row"][0] + "?" + urlencode(READS["one row"][1])))
    for number in range(rounds):
        body = {**line.body(), "invoice_no": f"api-{number}"}
        times[WRITE][0].append(milliseconds(partial(api.post_item, body), lambda it: it.status == 201))
        put = {
            "TableName": outputs["source_table_name"],
            "Item": {**item, "invoice_no": {"S": f"sdk-{number}"}},
            "ConditionExpression": "attribute_not_exists(invoice_no)",
        }
        times[WRITE][1].append(milliseconds(partial(client.put_item, **put), bool))
        for name, (path, parameters) in READS.items():
            asked = event(f"{path}?{urlencode(parameters)}")
            through, direct = times[name]
            through.append(
                milliseconds(
                    lambda p=path, q=parameters: api.get(p, q), lambda it: it.status == 200 and HAS_NONE not in it.body
                )
            )
            direct.append(milliseconds(partial(reader.handle, asked), lambda it: HAS_NONE not in it["body"]))
    found = {WRITE: Kind(*times[WRITE], Request(write_units=units(item_bytes(item), WRITE_UNIT)))}
    counted = Counted(client)
    for name, (path, parameters) in READS.items():
        calls, read_units, cpu = counted.calls, counted.read_units, time.process_time()
        reader.handle(event(f"{path}?{urlencode(parameters)}"))
        seconds = time.process_time() - cpu + (counted.calls - calls) * CALL_SECONDS
        spent = Request(read_units=counted.read_units - read_units, gb_seconds=seconds * MEMORY_GB)
        found[name] = Kind(*times[name], spent)
    return found


def table(kinds: dict[str, Kind], prices: Prices) -> str:
    """The table in Markdown."""
    lines = ["| request | p50 | p99 | without, p50 | without, p99 | share of LocalStack, p50 | a million |"]
    lines.append("| --- |" + " --- |" * 6)
    for name, kind in kinds.items():
        (half, most), (direct, direct_most) = (_percentiles(times) for times in (kind.api, kind.direct))
        usd = sum(line.usd for line in million(kind.request, prices))
        lines.append(
            f"| {name} | {half:.0f} ms | {most:.0f} ms | {direct:.0f} ms | {direct_most:.0f} ms | "
            f"{1 - direct / half:.0%} | {usd:.2f} USD |"
        )
    return "\n".join(lines)


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[98]


def main() -> int:
    """Apply, measure, print, and take everything down; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.api_latency", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200, help="requests of each kind (default: 200)")
    rounds = parser.parse_args().rounds
    with localstack(), tempfile.TemporaryDirectory() as folder:
        stack = Stack(ROOT / "examples" / "complete", Path(folder), {"name": "latency", "deletion_protection": False})
        stack.init()
        try:
            stack.apply()
            outputs = stack.outputs()
            client = boto3.client("dynamodb")
            for line in LINES:
                client.put_item(TableName=outputs["source_table_name"], Item=item_of(line))
            wait_for(lambda: aggregates.get(client, outputs["aggregate_table_name"], TOTAL).get("lines") == len(LINES))
            name = f"{outputs['function_name'].removesuffix('-aggregator')}-read"
            configuration = boto3.client("lambda").get_function_configuration(FunctionName=name)
            print(table(measure(client, outputs, configuration["Environment"]["Variables"], rounds), Prices()))
        finally:
            stack.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
