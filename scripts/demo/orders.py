"""The demo's order lines, and what the aggregates have to be, computed straight from them without the package."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from scripts.localstack.settings import ROOT

DATA = ROOT / "examples" / "complete" / "data" / "2010-12-01.csv"

#: The attributes of a row that are compared: everything but the readable repetition of its key.
Row = dict[str, Decimal]
Rows = dict[tuple[str, str], Row]


@dataclass(frozen=True)
class OrderLine:
    """One line of the file. A line has no key of its own: the lines of an invoice are numbered."""

    invoice_no: str
    line_no: int
    stock_code: str
    description: str
    quantity: int
    invoice_date: str
    unit_price: Decimal
    customer_id: str
    country: str

    @property
    def key(self) -> tuple[str, int]:
        """The primary key of the line in the source table."""
        return self.invoice_no, self.line_no

    def body(self) -> dict[str, Any]:
        """The JSON body for the API; a line without customer has no such attribute."""
        attributes = {**vars(self), "unit_price": float(self.unit_price)}
        if not self.customer_id:
            del attributes["customer_id"]
        return attributes

    def item(self) -> dict[str, Any]:
        """The item of the source table in DynamoDB JSON, as the API would put it."""
        numbers = ("line_no", "quantity", "unit_price")
        values = {name: str(value) for name, value in vars(self).items() if value != ""}
        return {name: {"N" if name in numbers else "S": value} for name, value in values.items()}

    def with_quantity(self, quantity: int) -> OrderLine:
        """The same line with another quantity."""
        return replace(self, quantity=quantity)


def read(path: Path = DATA) -> list[OrderLine]:
    """Read the order lines of a file of the data set, in its order."""
    lines: Counter[str] = Counter()
    orders = []
    with path.open(newline="", encoding="utf-8") as file:
        for record in csv.DictReader(file):
            lines[record["InvoiceNo"]] += 1
            orders.append(
                OrderLine(
                    invoice_no=record["InvoiceNo"],
                    line_no=lines[record["InvoiceNo"]],
                    stock_code=record["StockCode"],
                    description=record["Description"],
                    quantity=int(record["Quantity"]),
                    invoice_date=record["InvoiceDate"],
                    unit_price=Decimal(record["UnitPrice"]),
                    customer_id=record["CustomerID"].removesuffix(".0"),
                    country=record["Country"],
                )
            )
    return orders


def recompute(orders: Iterable[OrderLine]) -> Rows:
    """The rows of the aggregates of examples/complete over these order lines."""
    rows: defaultdict[tuple[str, str], Row] = defaultdict(lambda: defaultdict(Decimal))
    invoices: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for order in orders:
        revenue = order.quantity * order.unit_price
        if order.quantity > 0:
            product_day = rows[f"sales_by_product_day#{order.stock_code}", f"day#{order.invoice_date[:10]}"]
            _add(product_day, items=1, lines=1, quantity=order.quantity, revenue=revenue)
        key = (f"sales_by_country#{order.country}", "all")
        _add(rows[key], items=1, lines=1, revenue=revenue, unit_price_sum=order.unit_price)
        rows[key]["largest"] = max(rows[key].get("largest", revenue), revenue)
        invoices[key].add(order.invoice_no)
        _add(rows["sales_total", "all"], items=1, lines=1, quantity=order.quantity, revenue=revenue)
    for key, distinct in invoices.items():
        rows[key]["invoices"] = Decimal(len(distinct))
    return {key: dict(row) for key, row in rows.items()}


def _add(row: Row, **amounts: int | Decimal) -> None:
    for name, amount in amounts.items():
        row[name] += amount
