"""Predicted against counted cost of the demo's order lines: the tables of docs/cost.md and the README.

    python -m benchmarks.cost

The prediction is that of scripts/cost; the count is of what the function sends to a DynamoDB in memory, by AWS's rules.
"""

import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))

from aggregator.definition import parse
from aggregator.delivery import DELIVERIES, LEDGER, NONE, WATERMARK
from aggregator.handler import Aggregator
from aggregator.measures import LINEAR
from benchmarks.capacity import Metered
from benchmarks.subjects import Context
from scripts.cost import units
from scripts.cost.__main__ import compare
from scripts.cost.estimate import Traffic
from scripts.cost.load import Mix, Write, of_sample
from scripts.cost.prices import Prices
from scripts.cost.sizes import item_bytes
from scripts.demo import orders
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import STREAM_ARN, image
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

#: The aggregates of examples/complete, as `terraform console` prints them.
DEMO = json.loads((Path(__file__).parent / "demo_aggregates.json").read_text())


class Counter(Metered):
    """A client that counts the units of every delivery, those of the indexes that rank groups with them."""

    def __init__(self, database: DynamoDB, ranked: set[str]) -> None:
        super().__init__(database)
        self._ranked = ranked

    def _commit(self, changes: list[Any]) -> None:
        super()._commit(changes)
        for _, _, old, new in changes:
            for name in self._ranked:
                places = [item.get(name) for item in (old, new) if item and "rank_group" in item and name in item]
                if len(places) < 2 or places[0] != places[1]:
                    self.written += len(places)


def events(lines: Sequence[orders.OrderLine], batch: int) -> Iterator[dict[str, Any]]:
    """The stream's events of these order lines: inserted, in batches of so many, from one shard."""
    records = (
        {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": STREAM_ARN,
            "dynamodb": {
                "ApproximateCreationDateTime": 1_767_225_600,
                "SequenceNumber": str(10**24 + number),
                "Keys": {name: item[name] for name in ("invoice_no", "line_no")},
                "NewImage": item,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
        for number, item in enumerate(map(item_of, lines))
    )
    for some in itertools.batched(records, batch):
        yield {"Records": list(some), "shardId": "shardId-00000001414576573621-f55eea83"}


def item_of(line: orders.OrderLine) -> dict[str, Any]:
    """The item that the demo's API makes of an order line, in DynamoDB JSON."""
    return image(**{name: value for name, value in vars(line).items() if value != ""})


def counted(declared: dict[str, Any], lines: Sequence[orders.OrderLine], delivery: str, batch: int) -> Counter:
    """What the function writes and reads, counted by AWS's rules."""
    database = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
    ranked = {it["rank_by"] for it in declared.values() if it.get("rank_by")}
    client = Counter(database, ranked)
    variables = environment(declared, delivery)
    function = Aggregator(variables, lambda: client, lambda write, wave: [write(one) for one in wave])
    for event in events(lines, batch):
        if function.handle(event, Context())["batchItemFailures"]:
            raise RuntimeError("a batch was not applied: nothing can be said of what it costs")
    return client


KEY = ("invoice_no", "line_no")
#: Records a second of the tables, and so many in an invocation: with a batching window of a second, one shard.
RATES = (10, 100, 1_000)
_LINEAR = {
    name: {**it, "measures": {measure: m for measure, m in it["measures"].items() if m["function"] in LINEAR}}
    for name, it in DEMO.items()
}
#: What is compared, by what the tables call it.
DECLARED: dict[str, dict[str, Any]] = {
    "one aggregate, by product and day": {"sales_by_product_day": DEMO["sales_by_product_day"]},
    "the demo's three, without max and distinct": _LINEAR,
    "the demo's three": DEMO,
}
#: The order lines that the prediction is made of.
SAMPLE = 1_000


def writes_of(declared: dict[str, Any], lines: Sequence[orders.OrderLine]) -> list[Write]:
    """The insertions of these order lines, with what they contribute."""
    return of_sample(parse(json.dumps(declared)), [item_of(line) for line in lines], KEY, Mix())


class Agreement(NamedTuple):
    """Write units of a record: counted, predicted from all order lines, and from the first :data:`SAMPLE` of them."""

    aggregates: str
    delivery: str
    batch: int
    counted: float
    predicted: float
    from_sample: float

    def error(self, predicted: float) -> float:
        """By what part of the counted units a prediction is wrong."""
        return predicted / self.counted - 1


def agreements() -> list[Agreement]:
    """Predicted and counted for each delivery, with every measure that it can keep."""
    lines = orders.read()
    found = []
    for name, declared in list(DECLARED.items())[1:]:
        definition = parse(json.dumps(declared))
        writes = writes_of(declared, lines)
        for delivery in DELIVERIES if declared is _LINEAR else (LEDGER,):
            for batch in RATES:
                real = counted(declared, lines, delivery, batch).written / len(lines)
                predicted = [
                    units.of(delivery, definition, some, batch).written / len(some)
                    for some in (writes, writes[:SAMPLE])
                ]
                found.append(Agreement(name, delivery, batch, real, *predicted))
    return found


def agreement_table(found: Sequence[Agreement]) -> str:
    """In Markdown."""
    rows = [
        f"| aggregates | delivery | batch | counted | predicted | | from the first {SAMPLE:,} lines | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for it in found:
        cells = [it.aggregates, f"`{it.delivery}`", f"{it.batch:,}", f"{it.counted:.3f}"]
        for predicted in (it.predicted, it.from_sample):
            cells += [f"{predicted:.3f}", f"{it.error(predicted):+.1%}".replace("-0.0%", "+0.0%")]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def bills(rates: Sequence[int] = RATES) -> str:
    """Write units of a record and USD a month by rate, aggregates and method, in Markdown."""
    lines = orders.read()
    size = round(sum(item_bytes(item_of(line)) for line in lines) / len(lines))
    rows = [
        "| aggregates | records a second | one update a record and row | `none` | `watermark` | `ledger` |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, declared in DECLARED.items():
        writes = writes_of(declared, lines)
        for rate in rates:
            found = compare(parse(json.dumps(declared)), writes, Traffic(rate, size, batch=rate), Prices())
            cells = [name, f"{rate:,}"]
            for method in (units.UPDATE_PER_RECORD, NONE, WATERMARK, LEDGER):
                it = found.get(method)
                cells.append(f"{it['write_units_a_record']:.2f}: {it['usd_a_month']:,.0f} USD" if it else "")
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(agreement_table(agreements()))
    print()
    print(bills())
