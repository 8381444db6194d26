"""The deliveries without a ledger against an in-process DynamoDB (moto): event in, rows out."""

import logging
import time
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from aggregator import delivery, deltas, records, watermark
from aggregator.at_least_once import parts
from aggregator.contributions import RowKey
from aggregator.handler import SAFETY_MARGIN, Aggregator, ConfigurationError
from aggregator.records import UnusableEvent
from aggregator.row_schema import OWN_TABLE
from aggregator.rows import MAX_AMOUNTS, Rows, update_of
from aggregator.transactions import RowDelta
from aggregator.watermark import DELIVERABLE_SECONDS, attribute, position, tidying
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, rows, scan

SALES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {"orders": {"function": "count"}, "revenue": {"function": "sum", "value": "quantity * price"}},
    },
    "total": {"where": "quantity > 0", "measures": {"price": {"function": "avg", "value": "price"}}},
}
SHARD = "shardId-00000001767225600123-5a1b2c3d"
TEA, COFFEE = ("by_product#tea", "all"), ("by_product#coffee", "all")


class Context:
    """The context that Lambda hands to the handler."""

    def __init__(self, seconds: float = 60) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


class Faulty:
    """A client whose writes of rows fail as told by ``fault``, which gets the number of the call and the key."""

    def __init__(self, client: Any, fault: Any) -> None:
        self._client = client
        self._fault = fault
        self.calls = 0

    def update_item(self, **arguments: Any) -> Any:
        self.calls += 1
        fault = self._fault(self.calls, arguments["Key"]["pk"]["S"])
        if fault == "throttled":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "UpdateItem")
        answer = self._client.update_item(**arguments)
        if fault == "lost":
            raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return answer

    def delete_item(self, **arguments: Any) -> Any:
        return self._client.delete_item(**arguments)


def function(client: Any, kind: str, aggregates: dict[str, Any] | None = None) -> Aggregator:
    return Aggregator(
        environment(aggregates or SALES, kind), lambda: client, lambda write, wave: [write(one) for one in wave]
    )


def deliver(
    client: Any, kind: str, *batch: dict[str, Any], shard: str = SHARD, seconds: float = 60, **window: Any
) -> dict[str, Any]:
    """Deliver records to a fresh function and return its answer."""
    more = {"shardId": shard, "state": {}, "isFinalInvokeForWindow": False, **window} if kind == "watermark" else {}
    return function(client, kind).handle({**event(batch), **more}, Context(seconds))


def order(product: str, quantity: Any = 1, price: Any = "2.50") -> dict[str, Any]:
    return {"product": product, "quantity": Decimal(quantity), "price": Decimal(price)}


def numbers(client: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """Items and revenue of the rows by product."""
    return {key: (row["items"], row["revenue"]) for key, row in rows(client).items() if key[0].startswith("by_product")}


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_inserts_changes_and_deletions_add_up(dynamodb, kind):
    source = SourceTable()
    deliver(dynamodb, kind, source.put("1", **order("tea", 3)), source.put("2", **order("tea", 1)))
    deliver(dynamodb, kind, source.put("1", **order("coffee", 2)), source.put("2", **order("tea", 4)))
    assert numbers(dynamodb) == {COFFEE: ("1", "5"), TEA: ("1", "10")}
    deliver(dynamodb, kind, source.delete("2"), source.put("3", **order("coffee")))
    assert numbers(dynamodb)[COFFEE] == ("2", "7.5")
    row = rows(dynamodb)[COFFEE]
    assert (row["aggregate"], row["group"], row["orders"]) == ("by_product", {"product": {"S": "coffee"}}, "2")
    assert rows(dynamodb)["total", "all"]["price_sum"] == "5"
    assert scan(dynamodb, LEDGER_TABLE) == []


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_a_bad_image_contributes_nothing_and_is_counted(dynamodb, kind, caplog):
    source = SourceTable()
    with caplog.at_level(logging.INFO, "aggregator"):
        deliver(dynamodb, kind, source.put("1", **order("tea")), source.put("2", product="tea"))
        deliver(dynamodb, kind, source.put("2", **order("tea")), source.put("1", product="tea", quantity="two"))
    assert numbers(dynamodb) == {TEA: ("1", "2.5")}
    assert [record.unusable for record in caplog.records] == [1, 1]
    assert "quantity" in caplog.records[0].reason


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_rows_past_their_retention_are_not_written(dynamodb, kind):
    by_day = {
        "by_day": {
            "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 2},
            "measures": {"orders": {"function": "count"}},
        }
    }
    source = SourceTable()
    batch = [source.put("1", at="2010-12-01T08:26:00Z"), source.put("2", at="9000-01-01T00:00:00Z")]
    answer = function(dynamodb, kind, by_day).handle({**event(batch), "shardId": SHARD}, Context())
    assert answer["batchItemFailures"] == []
    assert list(rows(dynamodb)) == [("by_day", "day#9000-01-01")]


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_out_of_time_the_earliest_record_of_a_missing_row_is_reported(dynamodb, kind):
    source = SourceTable()
    batch = [source.put("1", **order("coffee")), source.put("2", **order("tea")), source.put("3", **order("tea"))]
    client = Faulty(dynamodb, lambda _, pk: "throttled" if pk == TEA[0] else None)
    answer = deliver(client, kind, *batch, seconds=SAFETY_MARGIN + 0.5)
    assert answer["batchItemFailures"] == [{"itemIdentifier": batch[1]["dynamodb"]["SequenceNumber"]}]
    assert numbers(dynamodb) == {COFFEE: ("1", "2.5")}
    assert deliver(dynamodb, kind, *batch[1:])["batchItemFailures"] == []
    assert numbers(dynamodb) == {COFFEE: ("1", "2.5"), TEA: ("2", "5")}


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_a_row_that_cannot_take_its_numbers_does_not_block(dynamodb, kind, caplog):
    source = SourceTable()
    deliver(dynamodb, kind, source.put("1", **order("tea")))
    dynamodb.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": TEA[0]}, "sk": {"S": TEA[1]}},
        UpdateExpression="SET revenue = :text",
        ExpressionAttributeValues={":text": {"S": "edited by hand"}},
    )
    answer = deliver(dynamodb, kind, source.put("2", **order("tea")), source.put("3", **order("coffee")))
    assert answer["batchItemFailures"] == []
    assert rows(dynamodb)[COFFEE]["items"] == "1"
    assert caplog.records[-1].invalid_rows == 1


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_nothing_is_taken_back_from_a_row_that_is_not_there(dynamodb, kind):
    source = SourceTable()
    source.put("1", **order("tea"))
    assert deliver(dynamodb, kind, source.delete("1"))["batchItemFailures"] == []
    assert rows(dynamodb) == {}


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_permanent_faults_fail_the_batch(dynamodb, kind):
    dynamodb.delete_table(TableName=AGGREGATE_TABLE)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        deliver(dynamodb, kind, SourceTable().put("1", **order("tea")))


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_a_stream_without_old_images_is_refused(dynamodb, kind):
    source = SourceTable()
    source.put("1", **order("tea"))
    record = source.put("1", **order("coffee"))
    del record["dynamodb"]["OldImage"]
    with pytest.raises(UnusableEvent, match="NEW_AND_OLD_IMAGES"):
        deliver(dynamodb, kind, record)


# none


def test_none_deletes_a_row_with_its_last_item(dynamodb):
    source = SourceTable()
    deliver(dynamodb, "none", source.put("1", **order("tea")))
    deliver(dynamodb, "none", source.delete("1"))
    assert rows(dynamodb) == {}


def test_none_does_not_delete_a_row_that_an_item_has_joined_meanwhile(dynamodb):
    source = SourceTable()
    deliver(dynamodb, "none", source.put("1", **order("tea")))

    class Joining(Faulty):
        def delete_item(self, **arguments: Any) -> Any:
            if arguments["Key"]["pk"]["S"] == TEA[0] and self.calls < 10:
                self.calls = 10
                deliver(dynamodb, "none", source.put("2", **order("tea", 4)))
            return super().delete_item(**arguments)

    deliver(Joining(dynamodb, lambda *_: None), "none", source.delete("1"))
    assert numbers(dynamodb) == {TEA: ("1", "10")}


def test_none_reports_the_earliest_record_of_an_item_not_the_one_that_changed_the_row(dynamodb):
    source = SourceTable()
    batch = [
        source.put("1", **order("coffee")),
        source.put("2", **order("cocoa")),
        source.put("1", **order("tea")),
    ]
    client = Faulty(dynamodb, lambda _, pk: "throttled" if pk == TEA[0] else None)
    answer = deliver(client, "none", *batch, seconds=SAFETY_MARGIN + 0.5)
    assert answer["batchItemFailures"] == [{"itemIdentifier": batch[0]["dynamodb"]["SequenceNumber"]}]


def test_none_counts_twice_what_is_delivered_twice_and_what_answers_are_lost_for(dynamodb):
    source = SourceTable()
    batch = [source.put("1", **order("tea"))]
    deliver(dynamodb, "none", *batch)
    deliver(dynamodb, "none", *batch)
    assert numbers(dynamodb) == {TEA: ("2", "5")}
    deliver(Faulty(dynamodb, lambda call, pk: "lost" if call == 1 else None), "none", source.put("2", **order("tea")))
    assert numbers(dynamodb) == {TEA: ("4", "10")}


def test_none_writes_a_row_once_a_batch(dynamodb):
    source = SourceTable()
    client = Faulty(dynamodb, lambda *_: None)
    deliver(client, "none", *(source.put(str(number), **order("tea")) for number in range(50)))
    assert client.calls == 2
    client.calls = 0
    deliver(client, "none", source.put("x", **order("coffee")), source.delete("x"))
    assert client.calls == 0


def test_amounts_beyond_one_expression_are_cut():
    amounts = {f"m{number}": Decimal(number) for number in range(2 * MAX_AMOUNTS + 1)}
    cut = parts(RowDelta(3, amounts, joined=True))
    assert [(part.items, len(part.amounts)) for part in cut] == [(3, MAX_AMOUNTS), (0, MAX_AMOUNTS), (0, 1)]
    assert {name: amount for part in cut for name, amount in part.amounts.items()} == amounts


# watermark


def test_the_same_batch_or_a_part_of_it_changes_nothing(dynamodb):
    source = SourceTable()
    batch = [source.put("1", **order("tea")), source.put("1", **order("coffee")), source.put("2", **order("tea"))]
    deliver(dynamodb, "watermark", *batch)
    before = scan(dynamodb, AGGREGATE_TABLE)
    for again in (batch, batch[:1], batch[:2], batch[1:], batch[2:], batch[::-1]):
        assert deliver(dynamodb, "watermark", *again) == {"state": {}, "batchItemFailures": []}
        assert scan(dynamodb, AGGREGATE_TABLE) == before


def test_a_batch_that_comes_again_with_another_end_brings_only_what_is_missing(dynamodb):
    source = SourceTable()
    batch = [source.put(str(number), **order("tea")) for number in range(5)]
    batch += [source.delete("0"), source.put("1", **order("coffee"))]
    for end in (1, 3, 2, 6, 7):
        deliver(dynamodb, "watermark", *batch[:end])
    assert numbers(dynamodb) == {TEA: ("3", "7.5"), COFFEE: ("1", "2.5")}


def test_a_lost_answer_is_found_out(dynamodb):
    source = SourceTable()
    client = Faulty(dynamodb, lambda call, pk: "lost" if call <= 2 else None)
    assert deliver(client, "watermark", source.put("1", **order("tea")))["batchItemFailures"] == []
    assert numbers(dynamodb) == {TEA: ("1", "2.5")}


def test_a_request_carried_out_late_is_refused(dynamodb):
    source = SourceTable()
    batch = [source.put(str(number), **order("tea")) for number in range(3)]
    late: list[dict[str, Any]] = []

    class Late(Faulty):
        def update_item(self, **arguments: Any) -> Any:
            late.append(arguments)
            raise ReadTimeoutError(endpoint_url="http://dynamodb")

    deliver(Late(dynamodb, None), "watermark", *batch, seconds=SAFETY_MARGIN + 0.2)
    deliver(dynamodb, "watermark", *batch[:1])
    for request in late:
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            dynamodb.update_item(**request)
    deliver(dynamodb, "watermark", *batch)
    assert numbers(dynamodb) == {TEA: ("3", "7.5")}


def test_shards_have_watermarks_of_their_own(dynamodb):
    source = SourceTable()
    early, late = source.put("1", **order("tea")), source.put("2", **order("tea"))
    deliver(dynamodb, "watermark", late, shard="shardId-00000001767225600124-aaaaaaaa")
    deliver(dynamodb, "watermark", early)
    row = rows(dynamodb)[TEA]
    assert row["items"] == "2"
    assert {name for name in row if name.startswith("@")} == {"@1767225600124-aaaaaaaa", "@1767225600123-5a1b2c3d"}


def test_a_row_whose_changes_cancel_out_advances_its_watermark(dynamodb):
    source = SourceTable()
    batch = [source.put("1", **order("tea")), source.delete("1")]
    deliver(dynamodb, "watermark", *batch)
    deliver(dynamodb, "watermark", batch[1])
    assert numbers(dynamodb) == {TEA: ("0", "0")}


def test_an_empty_row_expires_and_stays_where_an_item_comes_again(dynamodb):
    source = SourceTable()
    deliver(dynamodb, "watermark", source.put("1", **order("tea")))
    assert "expires_at" not in rows(dynamodb)[TEA]
    removal = source.delete("1")
    deliver(dynamodb, "watermark", removal)
    left = int(rows(dynamodb)[TEA]["expires_at"]) - time.time()
    assert DELIVERABLE_SECONDS - 60 < left <= DELIVERABLE_SECONDS
    deliver(dynamodb, "watermark", removal)
    assert rows(dynamodb)[TEA]["items"] == "0"
    deliver(dynamodb, "watermark", source.put("1", **order("tea")))
    assert rows(dynamodb)[TEA]["items"] == "1"
    assert "expires_at" not in rows(dynamodb)[TEA]


def test_an_empty_row_left_untidy_is_tidied_when_its_batch_comes_again(dynamodb):
    source = SourceTable()
    deliver(dynamodb, "watermark", source.put("1", **order("tea")))
    removal = source.delete("1")

    def no_tidying(call: int, pk: str) -> str | None:
        return "throttled" if call > 1 else None

    answer = deliver(Faulty(dynamodb, no_tidying), "watermark", removal, seconds=SAFETY_MARGIN + 0.3)
    assert answer["batchItemFailures"] == [{"itemIdentifier": removal["dynamodb"]["SequenceNumber"]}]
    assert "expires_at" not in rows(dynamodb)[TEA]
    deliver(dynamodb, "watermark", removal)
    assert "expires_at" in rows(dynamodb)[TEA]


def test_tidying_removes_only_watermarks_whose_records_cannot_come_any_more():
    now = 10 * DELIVERABLE_SECONDS
    row = {
        "items": {"N": "1"},
        "revision": {"S": "r"},
        "@old": {"S": f"{position(7)}/{now - DELIVERABLE_SECONDS}"},
        "@young": {"S": f"{position(7)}/{now - DELIVERABLE_SECONDS + 1}"},
    }
    update = tidying(row, now, OWN_TABLE)
    assert update is not None
    assert update.request() == {
        "UpdateExpression": "REMOVE #n0",
        "ExpressionAttributeNames": {"#n0": "@old", "#n1": "revision"},
        "ExpressionAttributeValues": {":v0": {"S": "r"}},
        "ConditionExpression": "#n1 = :v0",
    }
    # A row that is edited so that it has no revision is tidied only as long as it has none.
    revision = row.pop("revision")
    update = tidying(row, now, OWN_TABLE)
    assert update is not None
    assert update.request() == {
        "UpdateExpression": "REMOVE #n0",
        "ExpressionAttributeNames": {"#n0": "@old", "#n1": "revision"},
        "ConditionExpression": "attribute_not_exists(#n1)",
    }
    del row["@old"]
    assert tidying(row | {"revision": revision}, now, OWN_TABLE) is None


@pytest.mark.parametrize("edited", [{"N": "7"}, {"M": {}}, {"NULL": True}, {"S": "zzz"}, {"S": "40/7"}])
def test_a_watermark_edited_by_hand_neither_blocks_nor_hides_records(edited, caplog):
    """The condition refuses another type for ever; behind another text all records would pass for duplicates."""
    caplog.set_level("WARNING", "aggregator")
    # moto does not compare values of different types.
    database, source = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"]}), SourceTable()
    deliver(database, "watermark", source.put("1", **order("tea")))
    database.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": TEA[0]}, "sk": {"S": TEA[1]}},
        UpdateExpression="SET #watermark = :edited",
        ExpressionAttributeNames={"#watermark": attribute(SHARD)},
        ExpressionAttributeValues={":edited": edited},
    )
    batch = [source.put("2", **order("tea")), source.put("3", **order("coffee"))]
    assert deliver(database, "watermark", *batch, seconds=10)["batchItemFailures"] == []
    items = {row["pk"]["S"]: row["items"]["N"] for row in database.items(AGGREGATE_TABLE)}
    assert items == {"by_product#tea": "1", "by_product#coffee": "1", "total": "3"}
    line = caplog.records[-1]
    assert line.invalid_rows == 1
    assert line.reason == f"in a row {attribute(SHARD)} is not what this delivery writes there: edited by hand"


@pytest.mark.parametrize(
    ("edited", "expires"),
    [({"N": "99.5"}, False), ({"N": "1e30"}, True), ({"S": "never"}, True), ({"NULL": True}, True)],
)
def test_an_expiry_of_any_kind_can_be_tidied(edited, expires):
    update = tidying({"items": {"N": "0"}, "expires_at": edited}, 1_000, OWN_TABLE)
    assert (update is not None) == expires
    if update is not None:
        assert update.sets["expires_at"] == {"N": str(1_000 + DELIVERABLE_SECONDS)}


def test_a_row_that_expires_sooner_keeps_that():
    row = {"items": {"N": "0"}, "revision": {"S": "r"}, "expires_at": {"N": "1500"}}
    assert tidying(row, 1_000, OWN_TABLE) is None
    assert tidying({**row, "expires_at": {"N": str(2_000 + DELIVERABLE_SECONDS)}}, 1_000, OWN_TABLE) is not None


def test_watermarks_compare_as_numbers_of_any_length():
    ordered = [position(number) for number in (9, 10, 99, 100, 10**21, 10**39)]
    assert ordered == sorted(ordered)
    # What stands behind a watermark's number does not make it less than that number.
    assert not f"{position(10)}/1767225600" < position(10)
    assert f"{position(10)}/1767225600" < position(11)


def test_a_watermark_is_named_after_its_shard():
    assert attribute("shardId-00000001414576573621-f55eea83") == "@1414576573621-f55eea83"
    assert attribute("another") == "@another"


def test_more_amounts_than_one_expression_takes_are_written_in_turn(dynamodb):
    measures = {f"m{number}": {"function": "count"} for number in range(50)}
    aggregates = {"all": {"measures": measures}}
    source = SourceTable()
    aggregator = function(dynamodb, "watermark", aggregates)
    batch = [source.put(str(number), n=Decimal(number)) for number in range(3)]
    assert aggregator.handle({**event(batch), "shardId": SHARD}, Context())["batchItemFailures"] == []
    assert rows(dynamodb)["all", "all"]["m49"] == "3"


def test_steps_are_cut_where_an_expression_would_be_too_long(monkeypatch, dynamodb):
    monkeypatch.setattr(watermark, "MAX_AMOUNTS", 0)
    source = SourceTable()
    client = Faulty(dynamodb, lambda *_: None)
    batch = [source.put(str(number), **order("tea")) for number in range(3)]
    assert deliver(client, "watermark", *batch)["batchItemFailures"] == []
    # Three steps each of the two rows.
    assert client.calls == 6
    assert numbers(dynamodb) == {TEA: ("3", "7.5")}


@pytest.mark.parametrize("early", [False, True])
def test_the_last_invocation_of_a_window_has_nothing_to_do(dynamodb, early):
    answer = deliver(dynamodb, "watermark", isFinalInvokeForWindow=True, isWindowTerminatedEarly=early)
    assert answer == {"state": {}, "batchItemFailures": []}


def test_an_event_without_shard_is_refused(dynamodb):
    with pytest.raises(UnusableEvent, match="tumbling window"):
        function(dynamodb, "watermark").handle(event([SourceTable().put("1", **order("tea"))]), Context())


# Both


@pytest.mark.parametrize("kind", ["watermark", "none", "ledger"])
def test_the_empty_batch_by_which_an_apply_checks_the_configuration_is_answered(kind):
    answer = function(None, kind).handle({"Records": []}, Context())
    assert answer["batchItemFailures"] == []


def test_none_goes_on_with_the_parts_of_a_row_that_were_not_written(monkeypatch, dynamodb):
    monkeypatch.setattr("aggregator.at_least_once.MAX_AMOUNTS", 1)
    client = Faulty(dynamodb, lambda call, _: "throttled" if call == 2 else None)
    measures = {name: {"function": "count"} for name in ("a", "b", "c")}
    source = SourceTable()
    answer = function(client, "none", {"all": {"measures": measures}}).handle(
        event([source.put("1", n=Decimal(1)), source.put("2", n=Decimal(1))]), Context()
    )
    assert answer == {"batchItemFailures": []}
    row = rows(dynamodb)["all", "all"]
    assert [row[name] for name in ("items", "a", "b", "c")] == ["2", "2", "2", "2"]


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_no_call_is_started_once_the_time_is_over(dynamodb, kind):
    """Each call takes five seconds: of the write and what tidies the row after it, only the first still fits."""
    clock = [0.0]

    class Slow(Faulty):
        def update_item(self, **arguments: Any) -> Any:
            clock[0] += 5
            return super().update_item(**arguments)

        def delete_item(self, **arguments: Any) -> Any:
            self.calls += 1
            clock[0] += 5
            return super().delete_item(**arguments)

    class SlowContext:
        def get_remaining_time_in_millis(self) -> int:
            return int((SAFETY_MARGIN + 1 - clock[0]) * 1000)

    source = SourceTable()
    inserted, deleted = source.put("1", product="tea", quantity=1, price=1), source.delete("1")
    only = {"by_product": SALES["by_product"]}
    window = {"shardId": SHARD}
    function(dynamodb, kind, only).handle({**event([inserted]), **window}, Context())
    client = Slow(dynamodb, lambda *_: None)
    answer = function(client, kind, only).handle({**event([deleted]), **window}, SlowContext())
    assert client.calls == 1
    assert answer["batchItemFailures"] == [{"itemIdentifier": "102"}]


@pytest.mark.parametrize("kind", ["watermark", "none"])
@pytest.mark.parametrize("setting", [{"APPEND_ONLY": "true"}, {"ON_SOURCE_EXPIRY": "keep"}])
def test_what_needs_a_ledger_is_refused_without_one(kind, setting):
    with pytest.raises(ConfigurationError, match=f"{next(iter(setting))}: needs delivery ledger"):
        Aggregator(environment(SALES, kind, **setting), lambda: None, map)


def test_an_unknown_delivery_is_refused_with_the_three():
    with pytest.raises(ConfigurationError, match="ledger, watermark or none"):
        function(None, "exactly-once")


@pytest.mark.parametrize("kind", ["watermark", "none"])
def test_measures_that_are_not_linear_are_refused_all_at_once(kind):
    linear = {name: {"function": name, "value": "price"} for name in ("sum", "avg", "variance", "stddev", "percentile")}
    others = {name: {"function": name, "value": "price"} for name in ("min", "max", "distinct")}
    others |= {name: {"function": name, "value": "price", "order_by": "at"} for name in ("first", "last")}
    aggregates = {"a": {"measures": linear}, "b": {"measures": others}}
    with pytest.raises(ConfigurationError) as refused:
        Aggregator(environment(aggregates, kind), lambda: None, map)
    assert str(refused.value).count("cannot be kept") == len(others)
    assert all(f"aggregates.b.measures.{name}: cannot be kept" in str(refused.value) for name in others)
    Aggregator(environment({"a": {"measures": linear}}, kind), lambda: None, map)
    Aggregator(environment(aggregates, "ledger"), lambda: None, map)


def test_only_the_ledger_needs_a_ledger_table():
    for kind in delivery.DELIVERIES:
        variables = environment(SALES, kind)
        del variables["LEDGER_TABLE"]
        if kind == "ledger":
            with pytest.raises(ConfigurationError, match="LEDGER_TABLE"):
                Aggregator(variables, lambda: None, map)
        else:
            Aggregator(variables, lambda: None, map)


def test_steps_of_records_add_up_to_the_telescoped_ones():
    definition = function(None, "none")._definition
    source = SourceTable()
    batch = [
        source.put("1", **order("tea")),
        source.put("1", product="tea"),
        source.put("1", **order("coffee", 2)),
        source.put("2", **order("coffee")),
        source.delete("1"),
        source.put("1", **order("tea", 7)),
    ]
    parsed = records.parse(event(batch))
    each, ends = deltas.per_record(definition, parsed), deltas.telescoped(definition, parsed)
    assert (each.unusable, ends.unusable) == (1, 0)
    for row in each.rows:
        one, _ = deltas.delta(each.rows[row], 0)
        other, _ = deltas.delta(ends.rows.get(row, []), 0)
        assert one.items == other.items
        assert {n: a for n, a in one.amounts.items() if a} == {n: a for n, a in other.amounts.items() if a}


def test_an_update_fits_in_an_expression(dynamodb):
    definition = function(None, "none")._definition
    key = RowKey(*TEA)
    amounts = {f"a_rather_long_name_of_a_bin_{number}": Decimal(1) for number in range(MAX_AMOUNTS)}
    update = update_of(definition, key, RowDelta(1, amounts, joined=True), OWN_TABLE)
    assert len(update.request()["UpdateExpression"]) < 4_096
    assert Rows(dynamodb, table=AGGREGATE_TABLE, definition=definition, schema=OWN_TABLE).update(key, update).written
