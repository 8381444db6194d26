"""Rows in tables that were not made for them: other key names, a hash key only, the source table itself (on moto)."""

import json
import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aggregator.contributions import RowKey
from aggregator.definition import ROW_ATTRIBUTES, parse
from aggregator.handler import Aggregator, ConfigurationError
from aggregator.records import UnusableEvent
from aggregator.row_schema import MARKER, OWN_TABLE, RowSchema, RowSchemaError
from aggregator.source import SourceTable as Source
from tests.support.function import environment
from tests.support.stream import SourceTable, event, image
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, entries, scan

ROOT = Path(__file__).resolve().parents[2]
LINEAR = {
    "by_product_day": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 30},
        "measures": {"orders": {"function": "count"}, "quantity": {"function": "sum", "value": "quantity"}},
    },
    "total": {"measures": {"quantity": {"function": "avg", "value": "quantity"}}},
}
#: What only a ledger keeps right: it needs rows to be read before they are written.
INDEXED = {
    "range": {
        "group_by": ["product"],
        "measures": {
            "largest": {"function": "max", "value": "quantity"},
            "products": {"function": "distinct", "value": "product"},
        },
    }
}
DELIVERIES = {"ledger": LINEAR | INDEXED, "watermark": LINEAR, "none": LINEAR}
SCHEMAS = {
    "other names": RowSchema("group_key", "bucket_key", ttl_attribute="ttl"),
    "hash key only": RowSchema("id", None),
    "prefix and hash key only": RowSchema("id", None, "aggregate#", "ttl"),
    "prefix and both keys": RowSchema("id", "line", "aggregate#"),
}
SHARD = "shardId-00000001767225600123-5a1b2c3d"
TABLE = "orders-source"


class Context:
    """The context that Lambda hands to the handler."""

    def __init__(self) -> None:
        self._end = time.monotonic() + 60

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def declared(schema: RowSchema) -> dict[str, str]:
    """The environment variable as modules/aggregator sets it: what is not the default."""
    return {
        "ROW_SCHEMA": json.dumps(
            {name: value for name, value in vars(schema).items() if value != getattr(OWN_TABLE, name)}
        )
    }


def function(
    client: Any,
    kind: str,
    schema: RowSchema,
    *,
    table: str = TABLE,
    ledger: str = LEDGER_TABLE,
    aggregates: dict[str, Any] | None = None,
) -> Callable[..., list[Any]]:
    """Deliver a batch to a fresh function and return its batch item failures."""
    more = {"AGGREGATE_TABLE": table, "LEDGER_TABLE": ledger, **declared(schema)}
    settings = environment(aggregates or DELIVERIES[kind], kind, **more)

    def deliver(*batch: Mapping[str, Any]) -> list[Any]:
        aggregator = Aggregator(settings, lambda: client, lambda write, work: [write(one) for one in work])
        return aggregator.handle({**event(batch), "shardId": SHARD}, Context())["batchItemFailures"]

    return deliver


def create(client: Any, schema: RowSchema, table: str = TABLE) -> None:
    client.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(schema.key_attributes, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in schema.key_attributes],
        BillingMode="PAY_PER_REQUEST",
    )


def order(product: str, quantity: int, day: int = 1) -> dict[str, Any]:
    return {"product": product, "quantity": Decimal(quantity), "at": f"9000-01-0{day}T08:00:00Z"}


def history() -> list[list[dict[str, Any]]]:
    """Batches in which items come, move to another group and go, and rows become empty."""
    source = SourceTable("arn:aws:dynamodb:us-east-1:123456789012:table/elsewhere/stream/2026-01-01T00:00:00.000")
    return [
        [source.put("1", **order("tea", 3)), source.put("2", **order("tea", 5))],
        [source.put("3", **order("cocoa", 7)), source.put("2", **order("coffee", 4, day=2))],
        [source.delete("3"), source.put("1", **order("tea", 2))],
        [source.put("4", **order("cocoa", 1))],
    ]


def as_own(schema: RowSchema, item: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it would stand in a table of its own, without its revision and the times at watermarks."""
    names = {schema.ttl_attribute: "expires_at"}
    key = schema.key_of(item)
    if schema.range_key is None:
        (text,) = key
        pk, sk = text.rsplit("#", 1 if text.endswith("#all") else 2)[0], text
        key = (pk, sk.removeprefix(f"{pk}#"))
    assert key[0].startswith(schema.key_prefix)
    rest = {
        names.get(name, name): {"S": value["S"].partition("/")[0]} if name.startswith("@") else value
        for name, value in item.items()
        if name not in (*schema.key_attributes, "revision", MARKER)
    }
    return {"pk": key[0].removeprefix(schema.key_prefix), "sk": key[1], **rest}


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


@pytest.mark.parametrize("kind", DELIVERIES)
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_rows_are_the_same_in_any_table(dynamodb, kind, schema):
    create(dynamodb, schema)
    create(dynamodb, OWN_TABLE, "other-ledger")
    own = function(dynamodb, kind, OWN_TABLE, table=AGGREGATE_TABLE)
    other = function(dynamodb, kind, schema, ledger="other-ledger")
    for batch in history():
        assert own(*batch) == other(*batch) == []
    expected = [as_own(OWN_TABLE, row) for row in scan(dynamodb, AGGREGATE_TABLE)]
    assert in_order([as_own(schema, row) for row in scan(dynamodb, TABLE)]) == in_order(expected)
    assert len(expected) > 3
    assert entries(dynamodb, "other-ledger").keys() == entries(dynamodb).keys()


class Stream:
    """The stream of a table of this DynamoDB: records of all that has changed since they were last asked for."""

    def __init__(self, client: Any, schema: RowSchema) -> None:
        self._client = client
        self._schema = schema
        self._sequence = 100
        self._items: dict[tuple[str, ...], dict[str, Any]] = {}

    def records(self) -> list[dict[str, Any]]:
        before, self._items = self._items, {self._schema.key_of(item): item for item in scan(self._client, TABLE)}
        keys = sorted(key for key in before | self._items if before.get(key) != self._items.get(key))
        return [self._record(before.get(key), self._items.get(key)) for key in keys]

    def _record(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
        self._sequence += 1
        item = new or old or {}
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": 1_767_225_600 + self._sequence,
            "Keys": {name: item[name] for name in self._schema.key_attributes},
            "SequenceNumber": str(self._sequence),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        return {
            "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}/stream/2026-01-01T00:00:00.000",
            "dynamodb": change | ({"NewImage": new} if new else {}) | ({"OldImage": old} if old else {}),
        }


class Counting:
    """A client that counts the calls that write."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.writes = 0

    def __getattr__(self, method: str) -> Any:
        self.writes += method in ("put_item", "update_item", "delete_item", "transact_write_items")
        return getattr(self._client, method)


#: In which a row would count as an item does.
COUNTING = {
    "by_product": {
        "group_by": ["product"],
        "group_defaults": {"product": "none"},
        "measures": {"orders": {"function": "count"}},
    },
    "total": {"measures": {"orders": {"function": "count"}}},
}
SAME_TABLE = {name: schema for name, schema in SCHEMAS.items() if schema.key_prefix}


@pytest.mark.parametrize("kind", DELIVERIES)
@pytest.mark.parametrize("schema", SAME_TABLE.values(), ids=SAME_TABLE)
def test_what_the_function_writes_into_its_source_causes_no_further_write(dynamodb, kind, schema):
    create(dynamodb, schema)
    client = Counting(dynamodb)
    deliver = function(client, kind, schema, aggregates=COUNTING)
    stream = Stream(dynamodb, schema)

    def item(key: str, **attributes: Any) -> dict[str, Any]:
        return image(**dict.fromkeys(schema.key_attributes, key), **attributes)

    def until_quiet() -> int:
        """Deliver what is in the stream until there is nothing; returns how many deliveries made writes."""
        writing = 0
        for _ in range(10):
            batch = stream.records()
            if not batch:
                return writing
            before = client.writes
            assert deliver(*batch) == []
            writing += client.writes > before
        raise AssertionError("every write causes another one")

    for key, product in (("1", "tea"), ("2", "tea"), ("3", "cocoa")):
        dynamodb.put_item(TableName=TABLE, Item=item(key, **order(product, 2)))
    assert until_quiet() == 1
    dynamodb.put_item(TableName=TABLE, Item=item("2", **order("coffee", 4)))
    dynamodb.delete_item(TableName=TABLE, Key={name: {"S": "3"} for name in schema.key_attributes})
    assert until_quiet() == 1
    found = [as_own(schema, row) for row in scan(dynamodb, TABLE) if MARKER in row]
    assert {row["pk"]: row["orders"]["N"] for row in found} == {
        "by_product#tea": "1",
        "by_product#coffee": "1",
        "total": "2",
        # With watermarks an empty row stays until no record that it guards against can come.
        **({"by_product#cocoa": "0"} if kind == "watermark" else {}),
    }
    assert all("aggregate#" not in key for key in entries(dynamodb))


@pytest.mark.parametrize("kind", DELIVERIES)
def test_a_stream_of_the_aggregate_table_without_a_prefix_is_refused_before_anything_is_written(dynamodb, kind):
    schema = RowSchema("id", None)
    create(dynamodb, schema)
    dynamodb.put_item(TableName=TABLE, Item=image(id="1", **order("tea", 2)))
    batch = Stream(dynamodb, schema).records()
    with pytest.raises(UnusableEvent, match=r"every row that is written would be aggregated again; give .* a prefix"):
        function(dynamodb, kind, schema)(*batch)
    assert (len(scan(dynamodb, TABLE)), scan(dynamodb, LEDGER_TABLE)) == (1, [])


@pytest.mark.parametrize("kind", DELIVERIES)
def test_rows_under_other_keys_than_those_of_their_table_are_refused(dynamodb, kind):
    create(dynamodb, RowSchema("id", None))
    dynamodb.put_item(TableName=TABLE, Item=image(id="1", **order("tea", 2)))
    batch = Stream(dynamodb, RowSchema("id", None)).records()
    with pytest.raises(UnusableEvent, match="orders-source is id, but rows are to be written under pk and sk"):
        function(dynamodb, kind, RowSchema(key_prefix="aggregate#"))(*batch)


def test_a_prefix_means_nothing_for_items_of_another_table(dynamodb):
    schema = RowSchema(key_prefix="aggregate#")
    source = SourceTable()
    record = source.put("aggregate#1", **order("tea", 2))
    assert record["eventSourceARN"].split("/")[1] == "orders-source"
    function(dynamodb, "ledger", schema, table=AGGREGATE_TABLE)(record)
    assert list(entries(dynamodb)) == ["item#aggregate%231"]


def test_a_scan_for_a_backfill_leaves_out_rows(dynamodb):
    schema = SCHEMAS["prefix and hash key only"]
    create(dynamodb, schema)
    for key in ("1", "aggregate#total#all", "2"):
        dynamodb.put_item(TableName=TABLE, Item=image(id=key))
    source = Source(dynamodb, table=TABLE, key_attributes=["id"], schema=schema)
    page = source.scan_keys(segment=0, total_segments=1, start=None, limit=100)
    assert sorted(key["id"]["S"] for key in page.keys) == ["1", "2"]


def test_a_row_without_range_key_has_both_parts_in_its_hash_key():
    key = RowKey("sales#tea", "day#2010-12-01")
    assert RowSchema("id", None, "aggregate#").primary_key(key) == {"id": {"S": "aggregate#sales#tea#day#2010-12-01"}}
    assert RowSchema("id", "line", "aggregate#").primary_key(key) == {
        "id": {"S": "aggregate#sales#tea"},
        "line": {"S": "day#2010-12-01"},
    }
    assert OWN_TABLE.primary_key(key) == {"pk": {"S": "sales#tea"}, "sk": {"S": "day#2010-12-01"}}


@pytest.mark.parametrize("pk", ["sales", "sales#all", "sales#day#=part/3", "sales##"])
@pytest.mark.parametrize("sk", ["all", "day#2010-12-01", "hour#2010-12-01T08:00Z"])
@pytest.mark.parametrize("range_key", [None, "line"])
def test_the_row_is_known_again_by_its_key(pk, sk, range_key):
    schema, row = RowSchema("id", range_key, "aggregate#"), RowKey(pk, sk)
    assert schema.row_key(schema.primary_key(row)) == row


def test_the_longest_group_has_a_key_in_every_table(dynamodb):
    schema = RowSchema("id", None, "a" * 64)
    create(dynamodb, schema)
    source = SourceTable()
    # 1,920 bytes with the aggregate's name and the separator; one more is too long.
    longest = "x" * (1_920 - len("by_product_day#"))
    deliver = function(dynamodb, "ledger", schema, table=TABLE, aggregates={"by_product_day": LINEAR["by_product_day"]})
    records = [source.put("1", **order(longest, 1)), source.put("2", **order(longest + "x", 1))]
    for record in records:
        record["eventSourceARN"] = record["eventSourceARN"].replace("orders-source", "elsewhere")
    assert deliver(*records) == []
    (row,) = scan(dynamodb, TABLE)
    assert row["items"] == {"N": "1"}
    found = entries(dynamodb)
    assert "error" not in found["item#1"]
    assert "too long for a key" in found["item#2"]["error"]["S"]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("[]", "has to be a JSON map"),
        ("no json", "has to be a JSON map"),
        ('{"hash_key": null}', "has to be a JSON map"),
        ('{"sort_key": "sk"}', "has to be a JSON map from hash_key, range_key, key_prefix, ttl_attribute"),
        ('{"hash_key": "group"}', "'group' cannot be a key"),
        ('{"hash_key": "@key"}', "do not begin with @"),
        ('{"hash_key": "sk"}', "'sk' cannot be a key .* these have different names"),
        ('{"ttl_attribute": "revision"}', "'revision' cannot be a key or the time of expiry"),
        ('{"key_prefix": "aggregate*"}', r"'aggregate\*' cannot begin the keys of rows"),
        (
            '{"ttl_attribute": "quantity"}',
            "by_product_day.measures.quantity: would be kept in quantity, which is a key",
        ),
        ('{"hash_key": "quantity_sum"}', "total.measures.quantity: would be kept in quantity_sum, which is a key"),
    ],
)
def test_a_schema_in_which_no_rows_can_be_kept_is_refused(dynamodb, schema, reason):
    settings = environment(LINEAR, ROW_SCHEMA=schema)
    with pytest.raises(ConfigurationError, match=reason):
        Aggregator(settings, lambda: dynamodb, map)


def test_a_key_named_as_a_bin_of_a_percentile_is_refused():
    percentile = {"function": "percentile", "value": "quantity"}
    definition = parse(json.dumps({"total": {"measures": {"quantity": percentile}}}))
    (measure,) = definition.aggregates["total"].measures
    schema = RowSchema(f"{measure.attributes[0]}0", None)
    assert measure.is_bin(schema.hash_key)
    assert len(schema.problems(definition)) == 1
    assert RowSchema("id", None).problems(definition) == []


def test_a_schema_that_cannot_be_is_refused_where_it_is_made():
    with pytest.raises(RowSchemaError, match="1 to 64 letters"):
        RowSchema(key_prefix="x" * 65)


@pytest.mark.parametrize("file", ["modules/aggregator/variables.tf", "modules/tables/variables.tf"])
def test_terraform_refuses_the_names_of_keys_and_expiry_that_the_function_refuses(file):
    with pytest.raises(RowSchemaError) as error:
        RowSchema(hash_key="aggregate")
    refused = re.search(r"none of ([a-z_, ]+);", str(error.value))[1].split(", ")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert [re.findall(r'"(\w+)"', names) for names in re.findall(r'\["aggregate",[^]]*\]', text)] == [refused]
    (told,) = re.findall(r"rows have attributes named (aggregate, [a-z_, ]+),", text)
    assert re.split(", | and ", told) == refused


def test_terraform_refuses_the_names_of_measures_that_the_function_refuses():
    text = (ROOT / "modules/definition/main.tf").read_text(encoding="utf-8")
    reserved = [re.findall(r'"(\w+)"', names) for names in re.findall(r'\["aggregate",[^]]*\]', text)]
    assert reserved == [sorted(ROW_ATTRIBUTES)]
