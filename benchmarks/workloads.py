"""What the subjects of a comparison work on: stream records in batches, and the aggregates that are kept of them.

Every record has the attributes of a real order line (examples/complete/data), so that sizes are those of a real table;
what differs between workloads is which rows the records fall into, and whether items are changed and deleted.
Random ones are drawn with a fixed seed: the records are the same in every run.
"""

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, batched, islice
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "examples" / "complete" / "data"
#: Records of a batch: the default of modules/aggregator.
BATCH_SIZE = 1_000
STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
_KEYS = ("invoice_no", "line_no")
#: Sequence numbers of a stream have about this length.
_FIRST_SEQUENCE_NUMBER = 442158450000000001745043909100

Image = dict[str, dict[str, Any]]
Record = dict[str, Any]
Amounts = dict[str, Decimal]


@dataclass(frozen=True)
class Aggregation:
    """One aggregate, twice: as it is declared, and by hand, as a function made for it alone would compute it.

    ``row`` gives the primary key of the item's row, None where the item does not count, ``amounts`` what it adds.
    """

    name: str
    declaration: dict[str, Any]
    row: Callable[[Image], tuple[str, str] | None]
    amounts: Callable[[Image], Amounts]


def _quantity(image: Image) -> Decimal:
    return Decimal(image["quantity"]["N"])


def _revenue(image: Image) -> Decimal:
    return _quantity(image) * Decimal(image["unit_price"]["N"])


def _sales(image: Image) -> Amounts:
    return {"lines": Decimal(1), "quantity": _quantity(image), "revenue": _revenue(image)}


def _day(image: Image) -> str:
    return f"day#{image['invoice_date']['S'][:10]}"


def _customer(image: Image) -> str:
    return str(image["customer_id"]["S"]) if "customer_id" in image else "none"


def _text(name: str) -> Callable[[Image], str]:
    return lambda image: str(image[name]["S"])


def _sum(value: str) -> dict[str, str]:
    return {"function": "sum", "value": value}


_SALES = {"lines": {"function": "count"}, "quantity": _sum("quantity"), "revenue": _sum("quantity * unit_price")}
_BY_DAY = {"attribute": "invoice_date", "unit": "day", "timezone": "Europe/London"}


def _grouped(name: str, attribute: str, value: Callable[[Image], str], *, daily: bool, **more: Any) -> Aggregation:
    """Sales by one attribute and, where ``daily``, day."""
    bucket = {"time_bucket": _BY_DAY} if daily else {}
    return Aggregation(
        name,
        {"group_by": [attribute], **bucket, **more, "measures": _SALES},
        lambda image: (f"{name}#{value(image)}", _day(image) if daily else "all"),
        _sales,
    )


BY_PRODUCT_DAY = Aggregation(
    "sales_by_product_day",
    {"group_by": ["stock_code"], "where": "quantity > 0", "time_bucket": _BY_DAY, "measures": _SALES},
    lambda image: (f"sales_by_product_day#{image['stock_code']['S']}", _day(image)) if _quantity(image) > 0 else None,
    _sales,
)
BY_COUNTRY = Aggregation(
    "sales_by_country",
    {
        "group_by": ["country"],
        "measures": {
            "lines": {"function": "count"},
            "revenue": _sum("quantity * unit_price"),
            "unit_price": {"function": "avg", "value": "unit_price"},
        },
        "rank_by": "revenue",
    },
    lambda image: (f"sales_by_country#{image['country']['S']}", "all"),
    lambda image: {
        "lines": Decimal(1),
        "revenue": _revenue(image),
        "unit_price_sum": Decimal(image["unit_price"]["N"]),
    },
)
TOTAL = Aggregation("sales_total", {"measures": _SALES}, lambda image: ("sales_total", "all"), _sales)
#: The three aggregates of the demo (examples/complete). Its maximum and distinct count are left out: no peer has them.
DEMO = (BY_PRODUCT_DAY, BY_COUNTRY, TOTAL)
BY_PRODUCT = _grouped("sales_by_product", "stock_code", _text("stock_code"), daily=False)
EIGHT = (
    *DEMO,
    _grouped("sales_by_customer", "customer_id", _customer, daily=False, group_defaults={"customer_id": "none"}),
    _grouped("sales_by_country_day", "country", _text("country"), daily=True),
    BY_PRODUCT,
    _grouped("sales_by_customer_day", "customer_id", _customer, daily=True, group_defaults={"customer_id": "none"}),
    _grouped("sales_by_invoice", "invoice_no", _text("invoice_no"), daily=False),
)
#: What the demo declares in full, which only a ledger can keep.
DEMO_IN_FULL = (
    BY_PRODUCT_DAY,
    Aggregation(
        BY_COUNTRY.name,
        {
            **BY_COUNTRY.declaration,
            "measures": {
                **BY_COUNTRY.declaration["measures"],
                "largest": {"function": "max", "value": "quantity * unit_price"},
                "invoices": {"function": "distinct", "value": "invoice_no"},
            },
        },
        BY_COUNTRY.row,
        BY_COUNTRY.amounts,
    ),
    TOTAL,
)


@dataclass(frozen=True)
class Workload:
    """Records in the order of the stream, and the aggregates. ``for_ledger`` says that no other subject can do it."""

    name: str
    what: str
    aggregations: tuple[Aggregation, ...]
    records: Callable[[], Iterator[Record]]
    for_ledger: bool = False

    def batches(self, size: int = BATCH_SIZE) -> Iterator[list[Record]]:
        """The records in batches of ``size``, the last of what is left."""
        return map(list, batched(self.records(), size))

    @property
    def declaration(self) -> dict[str, Any]:
        """The aggregates as the function gets them."""
        return {aggregation.name: aggregation.declaration for aggregation in self.aggregations}


def order_lines() -> list[Image]:
    """The order lines of the retailer as items of the source table, in the order of the files."""
    images = []
    numbers: dict[str, int] = {}
    for path in sorted(DATA.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                invoice = line["InvoiceNo"]
                numbers[invoice] = numbers.get(invoice, 0) + 1
                image = {
                    "invoice_no": {"S": invoice},
                    "line_no": {"N": str(numbers[invoice])},
                    "stock_code": {"S": line["StockCode"]},
                    "description": {"S": line["Description"]},
                    "quantity": {"N": line["Quantity"]},
                    "invoice_date": {"S": line["InvoiceDate"]},
                    "unit_price": {"N": line["UnitPrice"]},
                    "customer_id": {"S": line["CustomerID"].removesuffix(".0")},
                    "country": {"S": line["Country"]},
                }
                if not image["customer_id"]["S"]:
                    del image["customer_id"]
                images.append(image)
    return images


def stream(changes: Iterator[tuple[Image | None, Image | None]]) -> Iterator[Record]:
    """The stream's records of changes, each given as the item before and after."""
    for number, (old, new) in enumerate(changes):
        item = new or old or {}
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": 1_767_225_600 + number // 1_000,
            "Keys": {name: item[name] for name in _KEYS},
            **({"NewImage": new} if new else {}),
            **({"OldImage": old} if old else {}),
            "SequenceNumber": str(_FIRST_SEQUENCE_NUMBER + 1_000 * number),
            "SizeBytes": 400,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        yield {
            "eventID": f"{number:032x}",
            "eventName": "MODIFY" if old and new else "INSERT" if new else "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": change,
            "eventSourceARN": STREAM_ARN,
        }


def inserted(each: Callable[[int], dict[str, str]], records: int) -> Iterator[Record]:
    """So many inserted order lines; ``each`` gives what is another in the line of this number."""
    lines = order_lines()

    def images() -> Iterator[tuple[None, Image]]:
        for number in range(records):
            # The lines of further rounds through the file are other items.
            around, line = divmod(number, len(lines))
            own = {"invoice_no": f"{lines[line]['invoice_no']['S']}-{around}"} if around else {}
            texts = {name: {"S": text} for name, text in (own | each(number)).items()}
            yield None, lines[line] | texts

    return stream(images())


def retail() -> Iterator[Record]:
    """The order lines as they are, in the order of the file."""
    return inserted(lambda number: {}, len(order_lines()))


def zipf(records: int, products: int, exponent: float = 1.1) -> Iterator[Record]:
    """Order lines of products whose popularity follows Zipf's law."""
    chance = random.Random(1)  # noqa: S311 - a workload, no secret
    weights = list(accumulate(rank**-exponent for rank in range(1, products + 1)))
    drawn = chance.choices(range(products), cum_weights=weights, k=records)
    return inserted(lambda number: {"stock_code": f"product-{drawn[number]}"}, records)


def changed(records: int) -> Iterator[Record]:
    """A quarter insertions, half changes, of which every second moves the line to another product, a quarter deletions;
    insertions alone as long as there are fewer than 100 items."""
    chance = random.Random(2)  # noqa: S311 - a workload, no secret
    lines = order_lines()

    def images() -> Iterator[tuple[Image | None, Image | None]]:
        new = iter(lines)
        there: list[Image] = []
        for number in range(records):
            kind = chance.choice("icmd") if len(there) >= 100 else "i"
            place = chance.randrange(len(there)) if there else 0
            if kind == "i":
                line = next(new)
                there.append(line)
                yield None, line
            elif kind == "d":
                there[place], there[-1] = there[-1], there[place]
                yield there.pop(), None
            else:
                old, other = there[place], chance.choice(lines)
                moved = {"stock_code": other["stock_code"]} if kind == "m" else {}
                there[place] = {**old, "quantity": {"N": str(number % 50 + 1)}, **moved}
                yield old, there[place]

    return stream(images())


def _of_three_batches(records: Callable[[], Iterator[Record]]) -> Callable[[], Iterator[Record]]:
    return lambda: islice(records(), 3 * BATCH_SIZE)


WORKLOADS = (
    Workload("retail", "order lines of a day in the order of the file, three aggregates", DEMO, retail),
    Workload("retail-1", "the same with one aggregate, by product and day", (BY_PRODUCT_DAY,), retail),
    Workload("retail-8", "the same with eight aggregates", EIGHT, retail),
    Workload("hot", "one group for all", (TOTAL,), _of_three_batches(retail)),
    Workload(
        "distinct",
        "every item in a group of its own",
        (BY_PRODUCT_DAY,),
        lambda: inserted(lambda number: {"stock_code": f"product-{number}"}, 3 * BATCH_SIZE),
    ),
    Workload(
        "zipf", "10,000 products by Zipf's law, exponent 1.1", (BY_PRODUCT_DAY,), lambda: zipf(3 * BATCH_SIZE, 10_000)
    ),
    Workload("changes", "insertions, changes, moves and deletions", DEMO, lambda: changed(3 * BATCH_SIZE)),
    Workload("demo", "retail with the demo's maximum and distinct count", DEMO_IN_FULL, retail, for_ledger=True),
)
