"""What the simulations aggregate, and the same computed independently: plain Python over the items of the source table.

Nothing here uses the package: the declarations are what it is given, the recomputation is what it has to equal.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]
#: The numbers of a row by attribute.
Numbers = dict[str, Decimal]

#: Of the rows by day, before and after a change.
RETENTION_DAYS, LONGER_RETENTION_DAYS = 2, 3
PRODUCTS = ("tea", "coffee", "cocoa")

#: The declared aggregates before and after a change: one stays, two change, one goes, one comes.
BEFORE: dict[str, Any] = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "orders": {"function": "count"},
            "revenue": {"function": "sum", "value": "quantity * price"},
        },
    },
    "total": {
        "where": "quantity > 0",
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "price": {"function": "avg", "value": "price"},
        },
    },
    "by_day": {
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": RETENTION_DAYS},
        "measures": {"orders": {"function": "count"}},
    },
    "by_note": {"group_by": ["note"], "measures": {"orders": {"function": "count"}}},
}
AFTER: dict[str, Any] = {
    "by_product": BEFORE["by_product"],
    "total": {
        "where": "quantity > 1",
        "measures": {"quantity": {"function": "sum", "value": "quantity"}, "orders": {"function": "count"}},
    },
    "by_day": {
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": LONGER_RETENTION_DAYS},
        "measures": BEFORE["by_day"]["measures"],
    },
    "by_product_month": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "unit": "month"},
        "measures": {"revenue": {"function": "sum", "value": "quantity * price"}},
    },
}


def random_item(random: Random, key: str, now: float, *, bad: float) -> Item:
    """An order; with probability ``bad`` one that cannot be aggregated."""
    at = datetime.fromtimestamp(int(now), UTC) - timedelta(days=random.choice((0, 0, 0, 1, 40)))
    item: Item = {
        "id": {"S": key},
        "product": {"S": random.choice(PRODUCTS)},
        "quantity": {"N": str(random.randint(0, 3))},
        "price": {"N": random.choice(("1", "2.5", "0.01"))},
        "at": {"S": at.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "note": {"S": str(random.randint(0, 2))},
    }
    if random.random() < bad:
        fault = random.choice(("missing", "text", "null"))
        if fault == "missing":
            del item["product"]
        else:
            item["quantity"] = {"S": "two"} if fault == "text" else {"NULL": True}
    return item


def is_bad(item: Item) -> bool:
    """Whether the item has to be quarantined."""
    return "product" not in item or "N" not in item["quantity"]


def contributions(aggregates: dict[str, Any], item: Item) -> dict[Key, tuple[Numbers, int | None]]:
    """What an item adds to which rows, and when they expire (epoch second)."""
    if is_bad(item):
        return {}
    product, at = item["product"]["S"], item["at"]["S"]
    quantity, price = Decimal(item["quantity"]["N"]), Decimal(item["price"]["N"])
    rows: dict[Key, tuple[Numbers, int | None]] = {
        (f"by_product#{product}", "all"): ({"orders": Decimal(1), "revenue": quantity * price}, None)
    }
    if aggregates is BEFORE:
        if quantity > 0:
            rows["total", "all"] = ({"quantity": quantity, "price_sum": price}, None)
        rows[f"by_note#{item['note']['S']}", "all"] = ({"orders": Decimal(1)}, None)
    else:
        if quantity > 1:
            rows["total", "all"] = ({"quantity": quantity, "orders": Decimal(1)}, None)
        rows[f"by_product_month#{product}", f"month#{at[:7]}"] = ({"revenue": quantity * price}, None)
    days = RETENTION_DAYS if aggregates is BEFORE else LONGER_RETENTION_DAYS
    rows["by_day", f"day#{at[:10]}"] = ({"orders": Decimal(1)}, end_of_day(at) + int(timedelta(days).total_seconds()))
    return rows


def end_of_day(at: str) -> int:
    """The epoch second at which the day of a time (ISO 8601) or of a row's sort key ends."""
    start = datetime.fromisoformat(f"{at.removeprefix('day#')[:10]}T00:00:00+00:00")
    return int((start + timedelta(days=1)).timestamp())


def description(key: Key) -> dict[str, Any]:
    """The readable attributes of a row."""
    aggregate, grouped, value = key[0].partition("#")
    attribute = "note" if aggregate == "by_note" else "product"
    readable: dict[str, Any] = {
        "aggregate": {"S": aggregate},
        "group": {"M": {attribute: {"S": value}} if grouped else {}},
    }
    unit, _, start = key[1].partition("#")
    if start:
        day = start if unit == "day" else f"{start}-01"
        readable |= {"bucket": {"S": unit}, "bucket_start": {"S": f"{day}T00:00:00+00:00"}}
    return readable


def rows(aggregates: dict[str, Any], items: Iterable[Item], now: float) -> dict[Key, Item]:
    """The rows, without revision, that a recomputation from the items gives, but for those past their retention."""
    sums: dict[Key, Numbers] = {}
    expiry: dict[Key, int | None] = {}
    for item in items:
        for key, (numbers, expires_at) in contributions(aggregates, item).items():
            row = sums.setdefault(key, {"items": Decimal(0)})
            for name, number in {"items": Decimal(1), **numbers}.items():
                row[name] = row.get(name, Decimal(0)) + number
            expiry[key] = expires_at
    return {
        key: {name: {"N": plain(number)} for name, number in numbers.items()}
        | description(key)
        | ({} if expiry[key] is None else {"expires_at": {"N": str(expiry[key])}})
        for key, numbers in sums.items()
        if not is_past(expiry[key], now)
    }


def is_past(expires_at: int | None, now: float) -> bool:
    """Whether a row is past its retention."""
    return expires_at is not None and expires_at <= now


def ledger_text(aggregates: dict[str, Any], item: Item) -> str:
    """The contributions of an item as they have to stand in the ledger."""
    entries = [
        [*key, {name: plain(number) for name, number in sorted(numbers.items())}] + ([expires_at] if expires_at else [])
        for key, (numbers, expires_at) in sorted(contributions(aggregates, item).items())
    ]
    return json.dumps(entries, separators=(",", ":"))


def plain(number: Decimal) -> str:
    """A number as DynamoDB writes it."""
    return f"{number.normalize():f}" if number else "0"
