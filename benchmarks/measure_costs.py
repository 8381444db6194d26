"""What each function of measures costs in capacity and storage: the table of docs/measures.md.

    python -m benchmarks.measure_costs

Counted from the requests that the package sends to a DynamoDB in memory, by AWS's rules (:mod:`benchmarks.capacity`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aggregator.handler import Aggregator
from benchmarks.capacity import Metered
from benchmarks.subjects import Context
from tests.simulation.attribute_values import size
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

#: Items in the row when a change is measured.
ITEMS = 100
VALUE = {"value": "quantity * unit_price"}
#: The measures of one aggregate, by what the table calls them.
FUNCTIONS: dict[str, dict[str, Any]] = {
    "count": {"m": {"function": "count"}},
    "sum": {"m": {"function": "sum", **VALUE}},
    "avg": {"m": {"function": "avg", **VALUE}},
    "variance or stddev": {"m": {"function": "variance", **VALUE}},
    "percentile": {"m": {"function": "percentile", **VALUE}},
    "min or max": {"m": {"function": "min", **VALUE}},
    "min and max": {"m": {"function": "min", **VALUE}, "n": {"function": "max", **VALUE}},
    "first or last": {"m": {"function": "last", "value": "unit_price", "order_by": "invoice_date"}},
    "distinct": {"m": {"function": "distinct", "value": "customer_id"}},
}


class Costs(NamedTuple):
    """Write and read units of an insert, a change of the value and a deletion, each a batch of its own, and bytes of
    the row and of the ledger for an item."""

    units: list[tuple[int, float]]
    row: int
    ledger: int


def line(number: int, quantity: int) -> dict[str, Any]:
    """An order line; every second customer has two."""
    return {
        "stock_code": "85123A",
        "quantity": quantity,
        "unit_price": 2,
        "customer_id": str(17_850 + number // 2),
        "invoice_date": f"2010-12-01T{8 + number // 60:02}:{number % 60:02}:00Z",
    }


def costs(measures: dict[str, Any]) -> Costs:
    """What these measures cost in one row of :data:`ITEMS` items, of which the one that changes is no extreme."""
    database = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
    client = Metered(database)
    declared = {"by_product": {"group_by": ["stock_code"], "measures": measures}}
    function = Aggregator(environment(declared), lambda: client, lambda write, wave: [write(one) for one in wave])
    source = SourceTable()
    function.handle(event([source.put(f"order-{n:03}", **line(n, n + 1)) for n in range(ITEMS)]), Context())
    row = sum(map(size, database.items(AGGREGATE_TABLE)))
    ledger = sum(map(size, database.items(LEDGER_TABLE))) // ITEMS
    units = []
    for change in _changes(source):
        client.reset()
        function.handle(event([change]), Context())
        units.append((client.written, client.read))
    return Costs(units, row, ledger)


def _changes(source: SourceTable) -> Iterator[dict[str, Any]]:
    yield source.put("new", **line(ITEMS // 2, ITEMS // 2))
    # Another value, and for distinct another customer: one who has bought before.
    yield source.put("new", **line(ITEMS // 3, ITEMS // 3))
    yield source.delete("new")


def table() -> str:
    """The table in Markdown."""
    plain = costs(FUNCTIONS["count"])
    lines = [
        "| function | write units: insert | change | delete | read units: insert | change | delete "
        "| bytes of the row | bytes of the ledger an item |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, measures in FUNCTIONS.items():
        found = costs(measures)
        numbers = [*(f"{written}" for written, _ in found.units), *(f"{read:g}" for _, read in found.units)]
        more = [f"{found.row - plain.row:+}", f"{found.ledger - plain.ledger:+}"]
        if name == "count":
            more = [str(plain.row), str(plain.ledger)]
        lines.append(f"| {' | '.join([name, *numbers, *more])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
