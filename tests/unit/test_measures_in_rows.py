"""Extremes, distinct values, spreads and percentiles through the whole function, against an in-process DynamoDB (moto).

tests/simulation interleaves them with everything that can go wrong; here each stands by itself.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from aggregator.definition import parse
from aggregator.reading import measures_of
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, rows, scan
from tests.unit.test_handler import Context, Faulty, aggregator, error

SALES: dict[str, Any] = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "cheapest": {"function": "min", "value": "price"},
            "dearest": {"function": "max", "value": "price"},
            "opening": {"function": "first", "value": "price", "order_by": "at"},
            "closing": {"function": "last", "value": "price", "order_by": "at"},
            "buyers": {"function": "distinct", "value": "buyer"},
        },
    }
}
SPREAD: dict[str, Any] = {
    "total": {
        "measures": {
            "spread": {"function": "variance", "value": "price", "scale": 2},
            "deviation": {"function": "stddev", "value": "price", "scale": 2},
            "prices": {"function": "percentile", "value": "price"},
        }
    }
}
TEA = ("by_product#tea", "all")
COFFEE = ("by_product#coffee", "all")

Deliver = Callable[..., list[dict[str, str]]]


@pytest.fixture
def deliver(dynamodb: Any) -> Deliver:
    """Deliver records to a function that aggregates SALES, and return its batch item failures."""
    function = aggregator(dynamodb, SALES)

    def deliver(*records: dict[str, Any]) -> list[dict[str, str]]:
        return function.handle(event(records), Context())["batchItemFailures"]

    return deliver


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.handler.time.sleep", lambda seconds: None)


def order(price: Any, *, product: str = "tea", hour: int = 8, buyer: Any = "ann", **more: Any) -> dict[str, Any]:
    at = f"2010-12-01T{hour:02}:00:00Z"
    return {"product": product, "price": Decimal(price), "at": at, "buyer": buyer, **more}


def measures(client: Any, key: tuple[str, str] = TEA, aggregates: dict[str, Any] | None = None) -> dict[str, Any]:
    """The measures of a row as people read them."""
    definition = parse(json.dumps(aggregates or SALES))
    (item,) = [i for i in scan(client, AGGREGATE_TABLE) if (i["pk"]["S"], i["sk"]["S"]) == key]
    return measures_of(definition.aggregates[key[0].partition("#")[0]], item, quantiles=(0, 0.5, 1))


def kept(client: Any, kind: str) -> list[dict[str, Any]]:
    """What the ledger keeps besides the entries of source items: ``index`` or ``distinct``."""
    return [item for item in scan(client, LEDGER_TABLE) if item["pk"]["S"].startswith(f"{kind}#")]


# ---------------------------------------------------------------------------------------------------------------------
# Life of an item
# ---------------------------------------------------------------------------------------------------------------------


def test_the_row_carries_every_extreme_in_readable_form(dynamodb, deliver):
    source = SourceTable()
    batch = [
        source.put("1", **order("2.50", hour=9)),
        source.put("2", **order(7, hour=8, buyer="bob")),
        source.put("3", **order("0.1", hour=10)),
    ]
    assert deliver(*batch) == []
    assert rows(dynamodb) == {
        TEA: {
            "aggregate": "by_product",
            "group": {"product": {"S": "tea"}},
            "items": "3",
            "cheapest": "0.1",
            "dearest": "7",
            "opening": "7",
            "opening_at": "2010-12-01T08:00:00+00:00",
            "closing": "0.1",
            "closing_at": "2010-12-01T10:00:00+00:00",
            "buyers": "2",
        }
    }


def test_an_extreme_that_is_changed_or_deleted_gives_way_to_the_next(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(n, hour=n, buyer=f"buyer {n}")) for n in range(1, 7)])
    deliver(source.delete("1"), source.delete("6"))
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 5, "opening": 2, "closing": 5, "buyers": 4}
    deliver(source.put("2", **order(4, hour=4, buyer="buyer 4")))
    assert measures(dynamodb) == {"cheapest": 3, "dearest": 5, "opening": 3, "closing": 5, "buyers": 3}
    deliver(source.put("3", **order(9, hour=2, buyer="buyer 3")))
    assert measures(dynamodb) == {"cheapest": 4, "dearest": 9, "opening": 9, "closing": 5, "buyers": 3}


def test_a_value_within_the_extremes_costs_no_look_at_the_index(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(n, hour=n)) for n in (1, 5, 9)])
    client = Faulty(dynamodb, "query", [])
    function = aggregator(client, SALES)
    function.handle(event([source.put("5", **order(4, hour=4)), source.put("6", **order(6, hour=6))]), Context())
    # Nor does one beyond them.
    function.handle(event([source.put("10", **order(10, hour=10))]), Context())
    assert client.calls == 0
    assert measures(dynamodb) == {"cheapest": 1, "dearest": 10, "opening": 1, "closing": 10, "buyers": 1}
    function.handle(event([source.delete("10")]), Context())
    assert client.calls == 2
    assert measures(dynamodb)["closing"] == 9


def test_an_item_that_moves_takes_its_extremes_with_it(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1)), source.put("2", **order(2, hour=2, buyer="bob")))
    deliver(source.put("1", **order(1, hour=1, product="coffee")))
    assert measures(dynamodb, TEA) == {"cheapest": 2, "dearest": 2, "opening": 2, "closing": 2, "buyers": 1}
    assert measures(dynamodb, COFFEE) == {"cheapest": 1, "dearest": 1, "opening": 1, "closing": 1, "buyers": 1}


def test_with_the_last_item_everything_that_was_kept_for_the_row_goes(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1)), source.put("2", **order(2, buyer="bob")), source.put("3", **order(2)))
    deliver(source.delete("2"), source.delete("3"))
    deliver(source.delete("1"))
    assert rows(dynamodb) == {}
    assert kept(dynamodb, "index") == kept(dynamodb, "distinct") == []
    # A row that is made anew knows nothing of the one before.
    deliver(source.put("4", **order(5, hour=12, buyer="eve")))
    assert measures(dynamodb) == {"cheapest": 5, "dearest": 5, "opening": 5, "closing": 5, "buyers": 1}


def test_a_bad_item_takes_its_extremes_out_and_brings_them_back_when_it_is_mended(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1)), source.put("2", **order(2, hour=2, buyer="bob")))
    deliver(source.put("1", product="tea", price="one", at="2010-12-01", buyer="ann"))
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 2, "opening": 2, "closing": 2, "buyers": 1}
    deliver(source.put("1", **order(1, hour=1)))
    assert measures(dynamodb) == {"cheapest": 1, "dearest": 2, "opening": 1, "closing": 2, "buyers": 2}


def test_the_same_batch_again_changes_nothing(dynamodb, deliver):
    source = SourceTable()
    batch = [source.put(str(n), **order(n % 3, hour=n, buyer=str(n % 2))) for n in range(9)]
    batch += [source.delete("0"), source.put("8", **order(7, product="coffee"))]
    deliver(*batch)
    before = scan(dynamodb, AGGREGATE_TABLE), scan(dynamodb, LEDGER_TABLE)
    for _ in range(2):
        assert deliver(*batch) == []
    assert (scan(dynamodb, AGGREGATE_TABLE), scan(dynamodb, LEDGER_TABLE)) == before


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_changes_the_row_says_what_the_items_say(dynamodb, deliver, seed):
    random = Random(seed)  # noqa: S311 - no secret
    source = SourceTable()
    live: dict[str, dict[str, Any]] = {}
    for _ in range(12):
        batch = []
        for _ in range(random.choice((1, 3, 40))):
            key = str(random.randrange(30))
            if key in live and random.random() < 0.5:
                del live[key]
                batch.append(source.delete(key))
            else:
                live[key] = order(random.randrange(4), hour=random.randrange(24), buyer=str(random.randrange(4)))
                batch.append(source.put(key, **live[key]))
        assert deliver(*batch) == []
        if live:
            by_time = sorted(live, key=lambda key: (live[key]["at"], f"item#{key}"))
            assert measures(dynamodb) == {
                "cheapest": min(one["price"] for one in live.values()),
                "dearest": max(one["price"] for one in live.values()),
                "opening": live[by_time[0]]["price"],
                "closing": live[by_time[-1]]["price"],
                "buyers": len({one["buyer"] for one in live.values()}),
            }
        assert len(kept(dynamodb, "index")) == 2 * len(live)


# ---------------------------------------------------------------------------------------------------------------------
# Extremes
# ---------------------------------------------------------------------------------------------------------------------


def test_measures_over_the_same_values_share_one_entry_an_item(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1)), source.put("2", **order(2)))
    indexes = {item["pk"]["S"] for item in kept(dynamodb, "index")}
    assert indexes == {"index#by_product#tea#all#cheapest", "index#by_product#tea#all#closing@at"}
    assert len(kept(dynamodb, "index")) == 4


def test_of_equal_values_one_may_go_and_the_extreme_stays(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(price)) for n, price in enumerate(("1", "1.0", "1.00", "2", "2"))])
    for key, cheapest in (("1", 1), ("0", 1), ("2", 2), ("4", 2)):
        deliver(source.delete(key))
        assert (measures(dynamodb)["cheapest"], measures(dynamodb)["dearest"]) == (cheapest, 2)


@pytest.mark.parametrize("keys", ["abc", "cba", "bca"])
def test_at_the_same_time_the_key_of_the_item_decides_whatever_came_first(dynamodb, deliver, keys):
    source = SourceTable()
    price = {"a": 1, "b": 2, "c": 3}
    for key in keys:
        deliver(source.put(key, **order(price[key])))
    assert (measures(dynamodb)["opening"], measures(dynamodb)["closing"]) == (1, 3)
    deliver(source.put("a", **order(7)))
    assert (measures(dynamodb)["opening"], measures(dynamodb)["closing"]) == (7, 3)
    deliver(source.delete("a"))
    assert (measures(dynamodb)["opening"], measures(dynamodb)["closing"]) == (2, 3)
    deliver(source.delete("c"))
    assert (measures(dynamodb)["opening"], measures(dynamodb)["closing"]) == (2, 2)


def test_times_are_compared_as_instants_whatever_their_offset(dynamodb, deliver):
    source = SourceTable()
    deliver(
        source.put("1", **order(1) | {"at": "2010-12-01T08:00:00+02:00"}),
        source.put("2", **order(2) | {"at": "2010-12-01T07:00:00.000001Z"}),
        source.put("3", **order(3) | {"at": Decimal(1291186800)}),
    )
    assert rows(dynamodb)[TEA]["opening_at"] == "2010-12-01T06:00:00+00:00"
    assert rows(dynamodb)[TEA]["closing_at"] == "2010-12-01T07:00:00.000001+00:00"
    assert (measures(dynamodb)["opening"], measures(dynamodb)["closing"]) == (1, 2)


def test_what_first_and_last_carry_may_be_text_or_a_truth_value_and_may_change_its_type(dynamodb):
    status = {"m": {"function": "last", "value": "status", "order_by": "at"}}
    function = aggregator(dynamodb, {"total": {"measures": status}})
    source = SourceTable()
    for hour, value in enumerate(("paid", True, Decimal("1.50"), "")):
        function.handle(event([source.put(str(hour), **order(1, hour=hour, status=value))]), Context())
        assert measures(dynamodb, ("total", "all"), {"total": {"measures": status}}) == {"m": value}
    function.handle(event([source.delete("3")]), Context())
    assert rows(dynamodb)["total", "all"]["m"] == "1.5"


def test_a_text_too_long_for_a_row_quarantines_its_item(dynamodb):
    last = {"function": "last", "value": "note", "order_by": "at"}
    function = aggregator(dynamodb, {"total": {"measures": {"note": last}}})
    source = SourceTable()
    batch = [source.put(str(n), note="é" * n, at=n) for n in (500, 501)]
    assert function.handle(event(batch), Context())["batchItemFailures"] == []
    assert rows(dynamodb)["total", "all"]["note"] == "é" * 500
    (error,) = [item["error"]["S"] for item in scan(dynamodb, LEDGER_TABLE) if "error" in item]
    assert error.startswith("aggregates.total.measures.note: the text is longer than the 1000 bytes that a row carries")


def test_extremes_of_negative_numbers_and_of_small_differences(dynamodb, deliver):
    source = SourceTable()
    prices = ("-0.000000000001", "0", "-99999999999999999", "99999999999999998.999999999999", "99999999999999999")
    deliver(*[source.put(str(n), **order(price)) for n, price in enumerate(prices)])
    assert measures(dynamodb)["cheapest"] == Decimal(prices[2])
    deliver(source.delete("2"), source.delete("4"))
    assert measures(dynamodb)["cheapest"] == Decimal(prices[0])
    assert measures(dynamodb)["dearest"] == Decimal(prices[3])


# ---------------------------------------------------------------------------------------------------------------------
# Other invocations in between
# ---------------------------------------------------------------------------------------------------------------------


class Meanwhile(Faulty):
    """A client before whose first call of one method something else happens."""

    def __init__(self, client: Any, method: str, happens: Callable[[], Any]) -> None:
        super().__init__(client, method, [])
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        real = super().__getattr__(name)
        if name != self._method:
            return real

        def call(**arguments: Any) -> Any:
            if self.calls == 0:
                self._happens()
            return real(**arguments)

        return call


def test_an_extreme_computed_from_a_row_that_has_moved_on_is_refused_and_computed_anew(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1)), source.put("5", **order(5, hour=5)))
    leaves, joins = source.delete("1"), source.put("3", **order(3, hour=3))
    # Both ends of the index have been read and say 5, when another invocation puts 3 in.
    client = Meanwhile(dynamodb, "transact_write_items", lambda: deliver(joins))
    assert aggregator(client, SALES).handle(event([leaves]), Context()) == {"batchItemFailures": []}
    assert client.calls == 2
    assert measures(dynamodb) == {"cheapest": 3, "dearest": 5, "opening": 3, "closing": 5, "buyers": 1}


def test_a_row_that_was_not_there_when_it_was_read_is_not_written_over(dynamodb, deliver):
    source = SourceTable()
    one, other = source.put("1", **order(5, hour=5)), source.put("2", **order(1, hour=9))
    client = Meanwhile(dynamodb, "transact_write_items", lambda: deliver(other))
    aggregator(client, SALES).handle(event([one]), Context())
    assert measures(dynamodb) == {"cheapest": 1, "dearest": 5, "opening": 5, "closing": 1, "buyers": 1}


def test_a_row_that_is_gone_by_the_time_of_writing_is_made_anew(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1, buyer="bob")))
    joins, leaves = source.put("2", **order(2, hour=2)), source.delete("1")
    client = Meanwhile(dynamodb, "transact_write_items", lambda: deliver(leaves))
    aggregator(client, SALES).handle(event([joins]), Context())
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 2, "opening": 2, "closing": 2, "buyers": 1}


@pytest.mark.parametrize("other", ["ann", "bob"])
def test_a_value_that_another_item_takes_meanwhile_is_counted_once(dynamodb, other):
    aggregates = {"total": {"measures": {"buyers": {"function": "distinct", "value": "buyer"}}}}
    source = SourceTable()
    function = aggregator(dynamodb, aggregates)
    function.handle(event([source.put("1", **order(1, buyer="ann"))]), Context())
    leaves, joins = source.put("1", **order(1, buyer="bob")), source.put("2", **order(1, buyer=other))
    client = Meanwhile(dynamodb, "transact_write_items", lambda: function.handle(event([joins]), Context()))
    aggregator(client, aggregates).handle(event([leaves]), Context())
    assert client.calls == 2
    assert rows(dynamodb)["total", "all"]["buyers"] == str(len({other, "bob"}))


@pytest.mark.parametrize("method", ["transact_write_items", "put_item"])
def test_an_answer_that_is_lost_leaves_the_extremes_right(dynamodb, deliver, method):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1)), source.put("2", **order(2, hour=2, buyer="bob")))
    client = Faulty(dynamodb, method, ["lost"])
    aggregator(client, SALES).handle(event([source.delete("1"), source.put("3", **order(9, hour=9))]), Context())
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 9, "opening": 2, "closing": 9, "buyers": 2}


# ---------------------------------------------------------------------------------------------------------------------
# Reads that fail
# ---------------------------------------------------------------------------------------------------------------------

THROTTLED = error("ThrottlingException")
LOST = ReadTimeoutError(endpoint_url="http://dynamodb")


@pytest.mark.parametrize("method", ["batch_get_item", "query"])
@pytest.mark.parametrize("fault", [THROTTLED, LOST, error("InternalServerError", 500)])
def test_reads_that_fail_for_now_are_tried_again(dynamodb, deliver, method, fault):
    source = SourceTable()
    deliver(source.put("1", **order(1, hour=1)), source.put("2", **order(2, hour=2)))
    client = Faulty(dynamodb, method, [fault] * 3)
    answer = aggregator(client, SALES).handle(event([source.delete("1")]), Context())
    assert (answer, client.faults) == ({"batchItemFailures": []}, [])
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 2, "opening": 2, "closing": 2, "buyers": 1}


@pytest.mark.parametrize("method", ["batch_get_item", "query"])
def test_a_read_that_is_not_allowed_is_raised(dynamodb, deliver, method):
    source = SourceTable()
    deliver(source.put("1", **order(1)), source.put("2", **order(2)))
    client = Faulty(dynamodb, method, [error("AccessDeniedException")])
    with pytest.raises(ClientError, match="AccessDenied"):
        aggregator(client, SALES).handle(event([source.delete("1")]), Context())


class Unprocessed(Faulty):
    """A client whose first reads of many keys leave some unprocessed."""

    def __getattr__(self, name: str) -> Any:
        real = super().__getattr__(name)
        if name != "batch_get_item":
            return real

        def batch_get_item(*, RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - boto3's name
            ((table, request),) = RequestItems.items()
            if not self.faults:
                return real(RequestItems=RequestItems)
            processed, left = request["Keys"][: self.faults[0]], request["Keys"][self.faults.pop(0) :]
            answer: Any = {"Responses": {table: []}}
            if processed:
                answer = real(RequestItems={table: request | {"Keys": processed}})
            return answer | {"UnprocessedKeys": {table: request | {"Keys": left}} if left else {}}

        return batch_get_item


@pytest.mark.parametrize("processed", [[0], [0, 0, 0], [1, 1], [2, 0, 1, 0]])
def test_keys_left_unprocessed_are_read_again_before_anything_is_written(dynamodb, deliver, processed):
    source = SourceTable()
    products = ("tea", "coffee", "cocoa")
    deliver(*[source.put(p, **order(1, product=p, buyer=p)) for p in products])
    client = Unprocessed(dynamodb, "batch_get_item", list(processed))
    batch = [source.put(f"{p} 2", **order(2, hour=9, product=p, buyer=p)) for p in products]
    batch += [source.put(p, **order(3, product=p)) for p in products]
    assert aggregator(client, SALES).handle(event(batch), Context()) == {"batchItemFailures": []}
    for product in products:
        found = measures(dynamodb, (f"by_product#{product}", "all"))
        assert found == {"cheapest": 2, "dearest": 3, "opening": 3, "closing": 2, "buyers": 2}


def test_throttled_throughout_nothing_is_written_and_the_batch_is_reported(dynamodb):
    source = SourceTable()
    batch = event([source.put("1", **order(1))])
    client = Faulty(dynamodb, "batch_get_item", [THROTTLED] * 1_000)
    context = Context()
    seconds = iter([60.0] * 12)
    context.get_remaining_time_in_millis = lambda: int(next(seconds, 0) * 1000)  # type: ignore[method-assign]
    assert aggregator(client, SALES).handle(batch, context) == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    assert (scan(dynamodb, LEDGER_TABLE), rows(dynamodb)) == ([], {})
    client.faults.clear()
    assert aggregator(client, SALES).handle(batch, Context()) == {"batchItemFailures": []}


# ---------------------------------------------------------------------------------------------------------------------
# Edited by hand
# ---------------------------------------------------------------------------------------------------------------------


def edit(client: Any, expression: str, **values: Any) -> None:
    """Edit the row of tea by hand."""
    arguments: Any = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}}
    client.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": TEA[0]}, "sk": {"S": TEA[1]}},
        UpdateExpression=expression,
        **(arguments if values else {}),
    )


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("REMOVE revision", {}),
        ("REMOVE cheapest, dearest, opening, closing", {}),
        ("REMOVE opening_at, closing_at", {}),
        ("SET cheapest = :v, dearest = :v", {"v": {"S": "2"}}),
        ("SET cheapest = :v, dearest = :v", {"v": {"NULL": True}}),
        ("SET opening_at = :v, closing_at = :v", {"v": {"S": "noon"}}),
        ("SET opening_at = :v, closing_at = :v", {"v": {"N": "1"}}),
    ],
)
@pytest.mark.parametrize("leaves", ["1", "2", "3"])
def test_a_row_whose_extremes_were_edited_by_hand_is_mended_by_the_next_change(
    dynamodb, deliver, expression, values, leaves
):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(n, hour=n)) for n in (1, 2, 3)])
    edit(dynamodb, expression, **values)
    assert deliver(source.delete(leaves)) == []
    left = [n for n in (1, 2, 3) if str(n) != leaves]
    first, last = left[0], left[-1]
    assert measures(dynamodb) == {"cheapest": first, "dearest": last, "opening": first, "closing": last, "buyers": 1}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("SET revision = :v", {"v": {"N": "1"}}),
        ("SET buyers = :v", {"v": {"S": "two"}}),
        ("REMOVE #items", {}),
    ],
)
def test_a_row_that_takes_no_change_any_more_blocks_nothing(dynamodb, deliver, expression, values):
    source = SourceTable()
    deliver(source.put("1", **order(1)), source.put("2", **order(2, buyer="bob")))
    if "#items" in expression:
        dynamodb.update_item(
            TableName=AGGREGATE_TABLE,
            Key={"pk": {"S": TEA[0]}, "sk": {"S": TEA[1]}},
            UpdateExpression=expression,
            ExpressionAttributeNames={"#items": "items"},
        )
    else:
        edit(dynamodb, expression, **values)
    batch = [source.delete("1"), source.put("3", **order(3, product="coffee")), source.put("4", **order(0, buyer="c"))]
    assert deliver(*batch) == []
    assert measures(dynamodb, COFFEE)["cheapest"] == 3


def test_a_count_of_shared_values_that_was_deleted_by_hand_quarantines_who_needs_it(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1)), source.put("2", **order(2)))
    (shared,) = kept(dynamodb, "distinct")
    dynamodb.delete_item(TableName=LEDGER_TABLE, Key={name: shared[name] for name in ("pk", "sk")})
    assert deliver(source.delete("1"), source.put("3", **order(3, product="coffee"))) == []
    (entry,) = [item for item in scan(dynamodb, LEDGER_TABLE) if "error" in item]
    assert entry["pk"]["S"] == "item#1"
    assert "a count of items that share a value of by_product#tea all was edited by hand" in entry["error"]["S"]
    assert measures(dynamodb, COFFEE)["buyers"] == 1


def test_a_count_is_not_taken_for_damaged_while_a_conflict_hides_that_it_is_about_to_be_made(
    dynamodb, deliver, monkeypatch
):
    source = SourceTable()
    first, second = source.put("1", **order(1)), source.put("1", **order(1, buyer="bob"))
    # The first change is in flight in another invocation, and applied before the second change is tried again.
    hidden = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "ConditionalCheckFailed"}, {"Code": "None"}]
    client = Faulty(
        dynamodb, "transact_write_items", [error("TransactionCanceledException", CancellationReasons=hidden)]
    )
    monkeypatch.setattr("aggregator.handler.time.sleep", lambda seconds: deliver(first))
    assert aggregator(client, SALES).handle(event([second]), Context()) == {"batchItemFailures": []}
    assert [item for item in scan(dynamodb, LEDGER_TABLE) if "error" in item] == []
    assert [item["pk"]["S"].rpartition("#")[2] for item in kept(dynamodb, "distinct")] == ["bob"]
    assert measures(dynamodb)["buyers"] == 1


def test_an_index_entry_that_was_deleted_by_hand_does_not_block_its_item(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(n, hour=n)) for n in (1, 2, 3)])
    for entry in kept(dynamodb, "index"):
        if entry["sk"]["S"].endswith("#item#1"):
            dynamodb.delete_item(TableName=LEDGER_TABLE, Key={name: entry[name] for name in ("pk", "sk")})
    assert deliver(source.delete("1")) == []
    assert measures(dynamodb) == {"cheapest": 2, "dearest": 3, "opening": 2, "closing": 3, "buyers": 1}


# ---------------------------------------------------------------------------------------------------------------------
# Distinct values
# ---------------------------------------------------------------------------------------------------------------------


def buyers(client: Any) -> str:
    return str(rows(client)[TEA]["buyers"])


def test_a_value_that_many_items_share_counts_until_the_last_of_them_goes(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(n)) for n in range(30)], source.put("other", **order(1, buyer="bob")))
    (count,) = [item["references"]["N"] for item in kept(dynamodb, "distinct") if item["pk"]["S"].endswith("#ann")]
    assert (count, buyers(dynamodb)) == ("30", "2")
    deliver(*[source.delete(str(n)) for n in range(29)])
    assert buyers(dynamodb) == "2"
    deliver(source.put("29", **order(1, buyer="bob")))
    assert buyers(dynamodb) == "1"
    assert len(kept(dynamodb, "distinct")) == 1


@pytest.mark.parametrize(
    ("values", "distinct"),
    [
        (["#", "%", "%23", "##", "%25", "", "=", "=1"], 8),
        (["a#b", "a%23b"], 2),
        ([Decimal(1), Decimal("1.0"), Decimal("1E0")], 1),
        ([Decimal(1), "1", True, "true"], 4),
        (["é" * 2_500 + tail for tail in ("", "x", "y", "x")], 3),
        (["x" * 1_000, "x" * 1_001], 2),
    ],
)
def test_values_are_counted_apart_exactly_where_they_differ(dynamodb, deliver, values, distinct):
    source = SourceTable()
    records = [source.put(str(n), **order(1, buyer=value)) for n, value in enumerate(values)]
    # Together and one by one.
    deliver(*records[:2])
    for record in records[2:]:
        deliver(record)
    assert buyers(dynamodb) == str(distinct)
    for n in range(1, len(values)):
        deliver(source.delete(str(n)))
    assert buyers(dynamodb) == "1"


def test_the_same_value_in_two_rows_or_of_two_measures_is_counted_in_each(dynamodb):
    counted = {"function": "distinct", "value": "buyer"}
    aggregates = {"by_product": {"group_by": ["product"], "measures": {"buyers": counted, "again": counted}}}
    function = aggregator(dynamodb, aggregates)
    source = SourceTable()
    records = [source.put(product, **order(1, product=product)) for product in ("tea", "coffee")]
    function.handle(event(records), Context())
    function.handle(event([source.delete("coffee")]), Context())
    assert {key: (row["buyers"], row["again"]) for key, row in rows(dynamodb).items()} == {TEA: ("1", "1")}
    assert len(kept(dynamodb, "distinct")) == 2


# ---------------------------------------------------------------------------------------------------------------------
# Spreads and percentiles
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spread(dynamodb: Any) -> Callable[..., dict[str, Any]]:
    """Deliver records to a function that aggregates SPREAD, and return the measures of the row afterwards."""
    function = aggregator(dynamodb, SPREAD)

    def spread(*records: dict[str, Any]) -> dict[str, Any]:
        assert function.handle(event(records), Context()) == {"batchItemFailures": []}
        return measures(dynamodb, ("total", "all"), SPREAD)

    return spread


def test_spreads_are_exact_with_decimals_and_after_retractions(spread):
    source = SourceTable()
    spread(*[source.put(price, **order(price)) for price in ("0.1", "0.2", "0.3", "1234567.89")])
    found = spread(source.delete("1234567.89"))
    # The sums are 0.6 and 0.14: (3 * 0.14 - 0.36) / 9, of which 0.1 and 0.2 have a binary error each.
    assert found["spread"] == Decimal("0.0066666666666666666666666666666666666667")
    assert found["deviation"] == Decimal("0.081649658092772603273242802490196379732")
    assert spread(source.delete("0.1"), source.delete("0.3"))["spread"] == 0


def test_percentiles_of_negative_numbers_and_zero_and_after_retractions(dynamodb, spread):
    source = SourceTable()
    prices = ("-1000", "-0.000001", "0", "0.0000001", "3", "999999999999.99")
    found = spread(*[source.put(price, **order(price)) for price in prices])
    assert found["prices"] == pytest.approx({0: -1000, 0.5: 0, 1: 1e12}, rel=0.01)
    found = spread(source.delete("-1000"), source.delete("999999999999.99"), source.put("0", **order(5)))
    assert found["prices"] == pytest.approx({0: -0.000001, 0.5: 0, 1: 5}, rel=0.01)
    found = spread(source.delete("-0.000001"), source.delete("0.0000001"))
    assert found["prices"] == pytest.approx({0: 3, 0.5: 3, 1: 5}, rel=0.01)


@pytest.mark.parametrize("price", ["1000000000000", "-1000000000000"])
def test_a_value_too_large_for_a_percentile_quarantines_its_item(dynamodb, spread, price):
    source = SourceTable()
    found = spread(source.put("1", **order(1)), source.put("2", **order(price)))
    assert found["prices"] == pytest.approx({0: 1, 0.5: 1, 1: 1}, rel=0.01)
    (entry,) = [item for item in scan(dynamodb, LEDGER_TABLE) if "error" in item]
    assert "measures.prices: the value is 1000000000000 or more in size, too large for a perc" in entry["error"]["S"]


# ---------------------------------------------------------------------------------------------------------------------
# Readable attributes, and what a change of the aggregates does to rows that are there
# ---------------------------------------------------------------------------------------------------------------------

COUNT = {"orders": {"function": "count"}}


def test_rows_that_are_ranked_say_in_which_group(dynamodb):
    aggregates = {
        "by_product": {"group_by": ["product"], "rank_by": "orders", "measures": COUNT},
        "by_day": {"time_bucket": {"attribute": "at", "unit": "day"}, "rank_by": "orders", "measures": COUNT},
        "total": {"measures": COUNT},
    }
    aggregator(dynamodb, aggregates).handle(event([SourceTable().put("1", **order(1))]), Context())
    assert {key[0]: row.get("rank_group") for key, row in rows(dynamodb).items()} == {
        "by_product#tea": "by_product#all",
        "by_day": "by_day#day#2010-12-01",
        "total": None,
    }


def test_a_measure_that_is_new_to_a_row_is_there_also_where_it_comes_to_zero(dynamodb):
    source = SourceTable()
    aggregator(dynamodb, {"total": {"measures": COUNT}}).handle(event([source.put("1", **order(0))]), Context())
    more = {"total": {"measures": COUNT | {"revenue": {"function": "sum", "value": "price"}}}}
    aggregator(dynamodb, more).handle(event([source.put("1", **order(0))]), Context())
    assert rows(dynamodb)["total", "all"]["revenue"] == "0"


LAYOUTS = [
    ({"time_bucket": {"attribute": "at", "unit": "day", "timezone": "Europe/Paris"}}, "bucket_start"),
    ({"group_by": ["article"]}, "group"),
    ({"rank_by": "orders"}, "rank_group"),
]
LAYOUT = {"group_by": ["product"], "time_bucket": {"attribute": "at", "unit": "day"}, "measures": COUNT}


@pytest.mark.parametrize(("change", "attribute"), LAYOUTS)
def test_readable_attributes_are_those_of_the_declaration_after_the_next_change(dynamodb, change, attribute):
    source = SourceTable()
    item = order(1, article="tea")
    aggregator(dynamodb, {"sales": LAYOUT}).handle(event([source.put("1", **item)]), Context())
    (before,) = rows(dynamodb).values()
    aggregator(dynamodb, {"sales": LAYOUT | change}).handle(event([source.put("1", **item, note="x")]), Context())
    (after,) = rows(dynamodb).values()
    assert before.get(attribute) != after[attribute]
    # The row is the same in all else.
    assert {**before, attribute: None} == {**after, attribute: None}
