"""An endpoint that answers as DynamoDB would where all goes well, after a fixed time, and counts what it is asked.

    python -m benchmarks.stub --port 8000 --single 4 --transaction 12

It keeps nothing: no row is ever there, no condition ever fails. What is left is the client's work and the number of
round trips, whatever the speed of an emulator. ``GET /`` gives the counts since the last ``GET`` as JSON:
``{"UpdateItem": {"calls": 3, "actions": 3}, ...}``.
"""

import argparse
import asyncio
import json
from collections import defaultdict

#: What clients read out of an answer.
_ANSWERS = {"BatchGetItem": b'{"Responses":{}}', "Query": b'{"Items":[],"Count":0}'}


class Stub:
    """Answers requests after ``single`` or ``transaction`` seconds."""

    def __init__(self, *, single: float, transaction: float) -> None:
        self._single = single
        self._transaction = transaction
        self._counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"calls": 0, "actions": 0})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request (HTTP/1.1 with Content-Length, which is what botocore sends)."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *fields = head.split("\r\n")
                headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = self._take_counts() if line.startswith("GET") else await self._answer(headers, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            # The client is done.
            writer.close()

    async def _answer(self, headers: dict[str, str], body: bytes) -> bytes:
        operation = headers["x-amz-target"].partition(".")[2]
        is_transaction = operation.startswith("Transact")
        # Nobody promises how long a batch of statements takes; no longer than a transaction, as it asks for less.
        takes_longer = is_transaction or operation == "BatchExecuteStatement"
        await asyncio.sleep(self._transaction if takes_longer else self._single)
        counts = self._counts[operation]
        counts["calls"] += 1
        # To parse it would take longer than to answer; a name in quotes stands nowhere else.
        if operation == "BatchExecuteStatement":
            statements = body.count(b'"Statement":')
            counts["actions"] += statements
            return b'{"Responses":[%b]}' % b",".join([b"{}"] * statements)
        counts["actions"] += body.count(b'"TableName"') if is_transaction else 1
        return _ANSWERS.get(operation, b"{}")

    def _take_counts(self) -> bytes:
        counts = json.dumps(self._counts).encode()
        self._counts.clear()
        return counts


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stub", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--single", type=float, default=4, metavar="MS", help="milliseconds of a call (4)")
    parser.add_argument(
        "--transaction", type=float, default=12, metavar="MS", help="milliseconds of a transaction (12)"
    )
    options = parser.parse_args()
    stub = Stub(single=options.single / 1000, transaction=options.transaction / 1000)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", options.port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
