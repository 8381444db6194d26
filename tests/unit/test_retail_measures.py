"""Every measure of one day of a retailer's order lines, against the answers of SQLite; and what a change costs in a
group of a hundred items and of a hundred thousand.

Against the DynamoDB of the simulations: moto would take minutes.
"""

import csv
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aggregator.contributions import RowKey
from aggregator.definition import parse
from aggregator.ledger import index_item, index_sort_key, references_key
from aggregator.measures import Indexed, Measure, bin_of, quantile
from aggregator.reading import measures_of
from tests.simulation.dynamodb import DynamoDB
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE
from tests.unit.test_handler import Context, aggregator

DATA = Path(__file__).parents[2] / "examples" / "complete" / "data" / "2010-12-01.csv"
VALUE = "quantity * unit_price"
MEASURES: dict[str, Any] = {
    "revenue": {"function": "sum", "value": VALUE},
    "lines": {"function": "count"},
    "customers": {"function": "distinct", "value": 'coalesce(customer_id, "none")'},
    "smallest": {"function": "min", "value": VALUE},
    "largest": {"function": "max", "value": VALUE},
    "values": {"function": "percentile", "value": VALUE},
    "deviation": {"function": "stddev", "value": VALUE, "scale": 4},
    "opening": {"function": "first", "value": "unit_price", "order_by": "invoice_date"},
    "closing": {"function": "last", "value": "unit_price", "order_by": "invoice_date"},
}


def bucket(unit: str) -> dict[str, str]:
    return {"attribute": "invoice_date", "unit": unit, "timezone": "Europe/London"}


RETAIL: dict[str, Any] = {
    "by_product_day": {"group_by": ["stock_code"], "time_bucket": bucket("day"), "measures": MEASURES},
    "by_country_month": {"group_by": ["country"], "time_bucket": bucket("month"), "measures": MEASURES},
    "total": {"measures": MEASURES},
}
#: The rows of each aggregate, as SQLite names their keys.
KEYS = {
    "by_product_day": ("stock_code", "'day#' || substr(invoice_date, 1, 10)"),
    "by_country_month": ("country", "'month#' || substr(invoice_date, 1, 7)"),
    "total": ("''", "'all'"),
}
QUANTILES = (0.5, 0.95)

Line = dict[str, Any]


def order_lines() -> dict[str, Line]:
    """The order lines by a key of their own."""
    with DATA.open(newline="") as file:
        return {
            f"{number:04}": {
                "stock_code": line["StockCode"],
                "quantity": Decimal(line["Quantity"]),
                "invoice_date": line["InvoiceDate"],
                "unit_price": Decimal(line["UnitPrice"]),
                "country": line["Country"],
            }
            | ({"customer_id": line["CustomerID"]} if line["CustomerID"] else {})
            for number, line in enumerate(csv.DictReader(file))
        }


def tables() -> DynamoDB:
    return DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})


def cents(amount: Decimal) -> int:
    """An amount of money as a whole number of pence: SQLite's numbers are exact as long as they are whole."""
    assert amount == round(amount, 2)
    return int(amount * 100)


def answers(lines: dict[str, Line]) -> dict[tuple[str, str], dict[str, Any]]:
    """What SQLite answers for every row, by its key; ``values`` are the sorted line values in pence."""
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE TABLE lines (id TEXT, stock_code TEXT, invoice_date TEXT, unit_price INTEGER, country TEXT, "
        "customer_id TEXT, value INTEGER)"
    )
    database.executemany(
        "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                key,
                line["stock_code"],
                line["invoice_date"],
                cents(line["unit_price"]),
                line["country"],
                line.get("customer_id", "none"),
                cents(line["quantity"] * line["unit_price"]),
            )
            for key, line in lines.items()
        ],
    )
    found = {}
    for aggregate, (group, sk) in KEYS.items():
        for name, sort_key, revenue, count, customers, smallest, largest, squares in database.execute(
            f"SELECT {group}, {sk}, sum(value), count(*), count(DISTINCT customer_id), min(value), max(value), "  # noqa: S608
            "sum(value * value) FROM lines GROUP BY 1, 2"
        ):
            # A separate query a row for what depends on the order: at the same time the key of the line decides.
            inside = f"FROM lines WHERE {group} = ? AND {sk} = ? ORDER BY"
            opening, closing = (
                database.execute(
                    f"SELECT unit_price {inside} invoice_date {way}, id {way} LIMIT 1",
                    (name, sort_key),
                ).fetchone()[0]
                for way in ("ASC", "DESC")
            )
            values = database.execute(f"SELECT value {inside} value", (name, sort_key)).fetchall()
            found[f"{aggregate}#{name}" if name else aggregate, sort_key] = {
                "revenue": Fraction(revenue, 100),
                "lines": count,
                "customers": customers,
                "smallest": Fraction(smallest, 100),
                "largest": Fraction(largest, 100),
                "variance": Fraction(count * squares - revenue * revenue, (100 * count) ** 2),
                "opening": Fraction(opening, 100),
                "closing": Fraction(closing, 100),
                "values": [value for (value,) in values],
            }
    database.close()
    return found


def check_rows(client: DynamoDB, lines: dict[str, Line]) -> None:
    """Every row equals SQLite's answer, and there are no others."""
    expected = answers(lines)
    definition = parse(json.dumps(RETAIL))
    items = {(item["pk"]["S"], item["sk"]["S"]): item for item in client.items(AGGREGATE_TABLE)}
    assert items.keys() == expected.keys()
    for key, item in items.items():
        found, wanted = measures_of(definition.aggregates[item["aggregate"]["S"]], item, QUANTILES), expected[key]
        for q, value in found.pop("values").items():
            exact = wanted["values"][math.floor(q * (len(wanted["values"]) - 1))] / 100
            assert value == pytest.approx(exact, rel=0.01), (key, q)
        # Of 38 digits the last is rounded; what comes of it when squared is compared.
        deviation = Fraction(found.pop("deviation"))
        assert abs(deviation * deviation - wanted["variance"]) <= wanted["variance"] / 10**35, key
        assert {name: Fraction(value) for name, value in found.items()} == {name: wanted[name] for name in found}, key


def test_every_row_equals_the_answer_of_sqlite_after_inserts_deletions_and_changes():
    random = Random(1)  # noqa: S311 - no secret
    client, source, lines = tables(), SourceTable(), order_lines()
    assert len(lines) == 3_108
    function = aggregator(client, RETAIL)

    def deliver(records: Iterable[Any]) -> None:
        records = list(records)
        for start in range(0, len(records), 1_000):
            batch = event(records[start : start + 1_000])
            assert function.handle(batch, Context(600)) == {"batchItemFailures": []}

    deliver([source.put(key, **line) for key, line in lines.items()])
    check_rows(client, lines)
    assert not any("error" in entry for entry in client.items(LEDGER_TABLE))

    gone = random.sample(sorted(lines), len(lines) // 2)
    for key in gone:
        del lines[key]
    records = [source.delete(key) for key in gone]
    for key in random.sample(sorted(lines), len(lines) // 4):
        # Another quantity, a corrected price, or the line of another product, country, customer or time.
        other = random.choice(list(lines.values()))
        names = random.sample(["quantity", "unit_price", "stock_code", "country", "invoice_date"], 2)
        lines[key] = lines[key] | {name: other[name] for name in names}
        records.append(source.put(key, **lines[key]))
    random.shuffle(records)
    deliver(records)
    check_rows(client, lines)

    # Nothing is left of what nobody has any more.
    deliver([source.delete(key) for key in list(lines)])
    assert client.items(AGGREGATE_TABLE) == []
    assert {entry["sk"]["S"] for entry in client.items(LEDGER_TABLE)} == {"item"}


@pytest.mark.parametrize("accuracy", ["0.005", "0.01", "0.05"])
def test_quantiles_of_100_000_values_are_as_near_as_is_promised_also_after_half_of_them_are_gone(accuracy):
    random = Random(2)  # noqa: S311 - no secret
    measure = Measure("v", "percentile", None, 4, accuracy=Decimal(accuracy))
    line_values = [line["quantity"] * line["unit_price"] for line in order_lines().values()]
    values = [
        round(value * Decimal(random.randrange(5_000, 20_000)) / 10_000, 4)
        for value in random.choices(line_values, k=100_000)
    ]
    bins = [bin_of(value, measure) for value in values]
    counts = Counter(bins)
    check_quantiles(counts, values, measure)
    left = random.sample(range(len(values)), len(values) // 2)
    for index in set(range(len(values))) - set(left):
        counts[bins[index]] -= 1
    check_quantiles(counts, [values[index] for index in left], measure)


def check_quantiles(counts: Counter[str], values: list[Decimal], measure: Measure) -> None:
    ordered = sorted(values)
    for q in (0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1):
        exact = float(ordered[math.floor(q * (len(ordered) - 1))])
        found = quantile(counts, q, measure.accuracy)
        assert found is not None
        assert abs(found - exact) <= float(measure.accuracy) * abs(exact) * (1 + 1e-9)


# ---------------------------------------------------------------------------------------------------------------------
# What a change costs, whatever the number of items
# ---------------------------------------------------------------------------------------------------------------------

COSTS: dict[str, Any] = {
    "total": {
        "measures": {
            "smallest": {"function": "min", "value": "x"},
            "largest": {"function": "max", "value": "x"},
            "buyers": {"function": "distinct", "value": "buyer"},
        }
    }
}


class Counting:
    """A client that counts its calls, the items written and the items that were read."""

    def __init__(self, client: DynamoDB) -> None:
        self._client = client
        self.counts: Counter[str] = Counter()

    def put_item(self, **arguments: Any) -> Any:
        self.counts.update(calls=1, written=1)
        return self._client.put_item(**arguments)

    def transact_write_items(self, **arguments: Any) -> Any:
        self.counts.update(calls=1, written=len(arguments["TransactItems"]))
        return self._client.transact_write_items(**arguments)

    def query(self, **arguments: Any) -> Any:
        answer = self._client.query(**arguments)
        self.counts.update(calls=1, read=len(answer["Items"]))
        return answer

    def batch_get_item(self, **arguments: Any) -> Any:
        answer = self._client.batch_get_item(**arguments)
        self.counts.update(calls=1, read=sum(map(len, answer["Responses"].values())))
        return answer


def costs(items: int) -> tuple[list[Counter[str]], list[dict[str, Any]]]:
    """What changes of the lowest item, one in the middle and the highest cost in a group of so many, and the measures
    of the row after each."""
    client, source = tables(), SourceTable()
    key = RowKey("total", "all")
    few = [source.put(str(n), x=n, buyer=str(n % 10)) for n in (0, items // 2, items - 1)]
    aggregator(client, COSTS).handle(event(few), Context())
    # The others are put there as the function would, which would take its time.
    for n in set(range(items)) - {0, items // 2, items - 1}:
        entry = Indexed(Decimal(n), ())
        sort_key = index_sort_key(entry, f"item#{n}")
        client.put_item(TableName=LEDGER_TABLE, Item=index_item(key, "largest", sort_key, entry, None))
    for buyer in range(10):
        pk = references_key(key, "buyers", str(buyer), None)
        count = {"N": str(len(range(buyer, items, 10)))}
        item = {"pk": {"S": pk}, "sk": {"S": "references"}, "references": count}
        client.put_item(TableName=LEDGER_TABLE, Item=item)
    client.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": "total"}, "sk": {"S": "all"}},
        UpdateExpression="SET #items = :items, buyers = :buyers",
        ExpressionAttributeNames={"#items": "items"},
        ExpressionAttributeValues={":items": {"N": str(items)}, ":buyers": {"N": "10"}},
    )
    counting = Counting(client)
    changes = [
        source.put(str(items // 2), x=items // 2 + 1, buyer="someone"),
        source.put("0", x=3, buyer="1"),
        source.delete(str(items - 1)),
        source.put("new", x=-1, buyer="7"),
    ]
    costs, found = [], []
    for change in changes:
        counting.counts.clear()
        assert aggregator(counting, COSTS).handle(event([change]), Context()) == {"batchItemFailures": []}
        costs.append(Counter(counting.counts))
        (row,) = client.items(AGGREGATE_TABLE)
        found.append(measures_of(parse(json.dumps(COSTS)).aggregates["total"], row))
    return costs, found


def test_a_change_costs_as_much_in_a_group_of_100_000_items_as_in_one_of_100():
    few, measures_of_few = costs(100)
    many, measures_of_many = costs(100_000)
    assert few == many
    assert [(one["smallest"], one["buyers"]) for one in measures_of_few] == [(0, 11), (1, 11), (1, 11), (-1, 11)]
    assert [one["largest"] for one in measures_of_few] == [99, 99, 98, 98]
    assert [one["largest"] for one in measures_of_many] == [99_999, 99_999, 99_998, 99_998]
    assert max(one["calls"] for one in many) <= 4
    assert max(one["read"] for one in many) <= 5
