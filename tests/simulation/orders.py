"""What the simulations aggregate, and the same computed independently: plain Python over the items of the source table.

Nothing here uses the package: the declarations are what it is given, the recomputation is what it has to equal.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]
#: The numbers of a row by attribute.
Numbers = dict[str, Decimal]

#: Of the rows by day, before and after a change.
RETENTION_DAYS, LONGER_RETENTION_DAYS = 2, 3
PRODUCTS = ("tea", "coffee", "cocoa")

_BY_DAY: dict[str, Any] = {
    "orders": {"function": "count"},
    "most": {"function": "max", "value": "quantity"},
    "products": {"function": "distinct", "value": "product"},
}
#: The declared aggregates before and after a change: of one nothing changes, of others the measures or the retention;
#: one comes.
BEFORE: dict[str, Any] = {
    "by_product": {
        "group_by": ["product"],
        "rank_by": "revenue",
        "measures": {
            "orders": {"function": "count"},
            "revenue": {"function": "sum", "value": "quantity * price"},
            "cheapest": {"function": "min", "value": "price"},
            "dearest": {"function": "max", "value": "price"},
            "notes": {"function": "distinct", "value": "note"},
            "latest": {"function": "last", "value": "note", "order_by": "at"},
        },
    },
    "total": {
        "where": "quantity > 0",
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "price": {"function": "avg", "value": "price"},
            "spread": {"function": "variance", "value": "price", "scale": 2},
            "prices": {"function": "percentile", "value": "price"},
        },
    },
    "by_day": {
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": RETENTION_DAYS},
        "measures": _BY_DAY,
    },
    "by_note": {"group_by": ["note"], "measures": {"orders": {"function": "count"}}},
}
_HOT: dict[str, Any] = {
    "orders": {"function": "count"},
    "prices": {"function": "percentile", "value": "price"},
    "cheapest": {"function": "min", "value": "price"},
    "latest": {"function": "last", "value": "note", "order_by": "at"},
    "notes": {"function": "distinct", "value": "note"},
}
#: One more, with a row that is spread over parts, before and after a change of how many they are.
HOT_BEFORE = {"hot": {"write_shards": 3, "measures": _HOT}}
HOT_AFTER = {"hot": {"write_shards": 2, "measures": _HOT}}
#: Of those before the change what can be kept without a ledger: measures that are sums.
LINEAR: dict[str, Any] = {
    name: aggregate
    | {
        "measures": {
            measure: body
            for measure, body in aggregate["measures"].items()
            if body["function"] not in ("min", "max", "first", "last", "distinct")
        }
    }
    for name, aggregate in (BEFORE | HOT_BEFORE).items()
}
AFTER: dict[str, Any] = {
    "by_product": BEFORE["by_product"],
    "total": {
        "where": "quantity > 1",
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "orders": {"function": "count"},
            "discount": {"function": "sum", "value": "0 * quantity"},
            "earliest": {"function": "first", "value": "quantity", "order_by": "at"},
        },
    },
    "by_day": {
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": LONGER_RETENTION_DAYS},
        "measures": _BY_DAY,
    },
    "by_note": {
        "group_by": ["note"],
        "measures": {"orders": {"function": "count"}, "discount": {"function": "sum", "value": "0 * quantity"}},
    },
    "by_product_month": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "unit": "month"},
        "measures": {
            "revenue": {"function": "sum", "value": "quantity * price"},
            "notes": {"function": "distinct", "value": "note"},
            "cheapest": {"function": "min", "value": "price"},
        },
    },
}


@dataclass
class Share:
    """What an item adds to one row: numbers; values to be counted once; and what extremes are taken of, by index: the
    number that it is sorted by, the ends with their attributes, and the value where it is another."""

    numbers: Numbers
    values: dict[str, str] = field(default_factory=dict)
    indexed: dict[str, tuple[Decimal, list[tuple[str, str]], dict[str, Any] | None]] = field(default_factory=dict)
    expires_at: int | None = None


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


def shares(aggregates: dict[str, Any], item: Item) -> dict[Key, Share]:
    """What an item adds to which rows."""
    if is_bad(item):
        return {}
    product, at, note = item["product"]["S"], item["at"]["S"], item["note"]["S"]
    quantity, price = Decimal(item["quantity"]["N"]), Decimal(item["price"]["N"])
    moment = _moment(item)
    one, none = Decimal(1), Decimal(0)
    found = {
        (f"by_product#{product}", "all"): Share(
            {"orders": one, "revenue": quantity * price},
            {"notes": note},
            {
                "cheapest": (price, [("highest", "dearest"), ("lowest", "cheapest")], None),
                "latest@at": (moment, [("highest", "latest")], {"S": note}),
            },
        )
    }
    changed = "by_product_month" in aggregates
    if not changed:
        if quantity > 0:
            numbers = {"quantity": quantity, "price_sum": price, "spread_sum": price, _bin(price): one}
            found["total", "all"] = Share(numbers | {"spread_sum_of_squares": price * price})
        found[f"by_note#{note}", "all"] = Share({"orders": one})
    else:
        if quantity > 1:
            found["total", "all"] = Share(
                {"quantity": quantity, "orders": one, "discount": none},
                {},
                {"earliest@at": (moment, [("lowest", "earliest")], {"N": plain(quantity)})},
            )
        found[f"by_note#{note}", "all"] = Share({"orders": one, "discount": none})
        found[f"by_product_month#{product}", f"month#{at[:7]}"] = Share(
            {"revenue": quantity * price}, {"notes": note}, {"cheapest": (price, [("lowest", "cheapest")], None)}
        )
    days = LONGER_RETENTION_DAYS if changed else RETENTION_DAYS
    found["by_day", f"day#{at[:10]}"] = Share(
        {"orders": one},
        {"products": product},
        {"most": (quantity, [("highest", "most")], None)},
        end_of_day(at) + int(timedelta(days).total_seconds()),
    )
    if "hot" in aggregates:
        hot = _hot(item)
        found[f"hot#=part/{_part(aggregates, item)}", "all"] = Share(hot.numbers, {}, hot.indexed)
        found[f"hot#=values/{_spread(aggregates, note)}", "all"] = Share({}, hot.values)
    if aggregates is LINEAR:
        return {row: Share(share.numbers, expires_at=share.expires_at) for row, share in found.items() if share.numbers}
    return found


def _hot(item: Item) -> Share:
    """What an item adds to the row that is spread over parts."""
    price = Decimal(item["price"]["N"])
    return Share(
        {"orders": Decimal(1), _bin(price): Decimal(1)},
        {"notes": item["note"]["S"]},
        {
            "cheapest": (price, [("lowest", "cheapest")], None),
            "latest@at": (_moment(item), [("highest", "latest")], {"S": item["note"]["S"]}),
        },
    )


def _part(aggregates: dict[str, Any], item: Item) -> int:
    """The part of the row that an item belongs to: the same whatever the item holds."""
    return _spread(aggregates, f"item#{item['id']['S']}")


def _spread(aggregates: dict[str, Any], text: str) -> int:
    shards: int = aggregates["hot"]["write_shards"]
    return zlib.crc32(text.encode()) % shards


def in_one_piece(
    aggregates: dict[str, Any], items: Iterable[Item], kept: Mapping[str, Item] = MappingProxyType({})
) -> Item:
    """The measures of the row that is spread over parts, as they are to be read; empty where it has no items.

    The arguments are those of :func:`rows`.
    """
    found = [
        # At the same time the part decides before the item does.
        (f"{_part(aggregates, item)}#{owner}", Share(_hot(item).numbers) if aggregates is LINEAR else _hot(item))
        for owner, item in [*((f"item#{item['id']['S']}", item) for item in items), *kept.items()]
        if not is_bad(item)
    ]
    return measures(found) if found else {}


def _moment(item: Item) -> Decimal:
    """The time of an order in microseconds since 1970."""
    return Decimal(int(datetime.fromisoformat(item["at"]["S"]).timestamp()) * 1_000_000)


def _bin(price: Decimal) -> str:
    """The bin of a percentile: the smallest power of gamma that is not below the price."""
    gamma = 1.01 / 0.99
    return f"prices_bin_p{next(n for n in range(-300, 300) if gamma**n >= float(price))}"


def end_of_day(at: str) -> int:
    """The epoch second at which the day of a time (ISO 8601) or of a row's sort key ends."""
    start = datetime.fromisoformat(f"{at.removeprefix('day#')[:10]}T00:00:00+00:00")
    return int((start + timedelta(days=1)).timestamp())


def description(aggregates: dict[str, Any], key: Key) -> dict[str, Any]:
    """The readable attributes of a row."""
    aggregate, _, rest = key[0].partition("#")
    readable: dict[str, Any] = {
        "aggregate": {"S": aggregate},
        "group": {"M": {attribute: {"S": rest} for attribute in aggregates[aggregate].get("group_by", [])}},
    }
    kind, _, number = rest.partition("/")
    if kind in ("=part", "=values"):
        readable["part" if kind == "=part" else "values_part"] = {"N": number}
    if "rank_by" in aggregates[aggregate]:
        readable["rank_group"] = {"S": f"{aggregate}#{key[1]}"}
    unit, _, start = key[1].partition("#")
    if start:
        day = start if unit == "day" else f"{start}-01"
        readable |= {"bucket": {"S": unit}, "bucket_start": {"S": f"{day}T00:00:00+00:00"}}
    return readable


def rows(
    aggregates: dict[str, Any], items: Iterable[Item], now: float, kept: Mapping[str, Item] = MappingProxyType({})
) -> dict[Key, Item]:
    """The rows, without revision, that a recomputation from the items gives, but for those past their retention.

    ``kept`` are items that have expired and count all the same, by the partition key of their ledger entry.
    """
    found: dict[Key, list[tuple[str, Share]]] = {}
    for owner, item in [*((f"item#{item['id']['S']}", item) for item in items), *kept.items()]:
        for key, share in shares(aggregates, item).items():
            found.setdefault(key, []).append((owner, share))
    return {
        key: measures(parts)
        | description(aggregates, key)
        | ({} if parts[0][1].expires_at is None else {"expires_at": {"N": str(parts[0][1].expires_at)}})
        for key, parts in found.items()
        if not is_past(parts[0][1].expires_at, now)
    }


def measures(parts: list[tuple[str, Share]]) -> Item:
    """The measures of a row and its number of items, from what each item, by its ledger entry's key, adds to it."""
    sums: Numbers = {"items": Decimal(len(parts))}
    values: dict[str, set[str]] = {}
    standing: dict[tuple[str, str], list[tuple[Decimal, str, dict[str, Any] | None]]] = {}
    for owner, share in parts:
        for name, number in share.numbers.items():
            sums[name] = sums.get(name, Decimal(0)) + number
        for name, value in share.values.items():
            values.setdefault(name, set()).add(value)
        for by, ends, value_at in share.indexed.values():
            for end in ends:
                standing.setdefault(end, []).append((by, owner, value_at))
    row: Item = {name: {"N": plain(number)} for name, number in sums.items()}
    row |= {name: {"N": str(len(distinct))} for name, distinct in values.items()}
    for (end, attribute), candidates in standing.items():
        # At the same time the key of the item decides.
        by, _, value_at = (min if end == "lowest" else max)(candidates, key=lambda one: one[:2])
        if value_at is None:
            row[attribute] = {"N": plain(by)}
        else:
            row[attribute] = value_at
            row[f"{attribute}_at"] = {"S": datetime.fromtimestamp(int(by) // 1_000_000, UTC).isoformat()}
    return row


def is_past(expires_at: int | None, now: float) -> bool:
    """Whether a row is past its retention."""
    return expires_at is not None and expires_at <= now


def ledger_rows(aggregates: dict[str, Any], item: Item) -> list[Any]:
    """The contributions of an item as they have to stand in the ledger, without the layout of the rows."""
    return [_ledger_row(key, share) for key, share in sorted(shares(aggregates, item).items())]


def _ledger_row(key: Key, share: Share) -> list[Any]:
    row: list[Any] = [*key, {name: plain(number) for name, number in sorted(share.numbers.items())}]
    if share.expires_at is not None or share.indexed or share.values:
        row.append(share.expires_at)
    if share.indexed or share.values:
        row.append(
            {
                name: [plain(by), [list(end) for end in ends]] + ([] if value is None else [value])
                for name, (by, ends, value) in share.indexed.items()
            }
        )
    if share.values:
        row.append(share.values)
    return row


def without_layout(text: str) -> list[Any]:
    """The contributions in a ledger entry, without the layout of the rows."""
    return [[*row[:3], *row[4:]] for row in json.loads(text)]


def plain(number: Decimal) -> str:
    """A number as DynamoDB writes it."""
    return f"{number.normalize():f}" if number else "0"
