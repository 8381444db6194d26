"""Verification and repair on the simulated DynamoDB: every kind of damage, and changes that come in between calls."""

import contextlib
import json
import signal
import threading
import time
import zlib
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator import reconcile
from aggregator.contributions import RowKey
from aggregator.reconcile import Target
from aggregator.row_schema import OWN_TABLE
from aggregator.source import SourceTable
from aggregator.store import Store
from scripts.aggregates.expected import Difference, MemberKey, Mismatch
from scripts.aggregates.repair import Repair, transactions
from scripts.aggregates.verify import Report, Verification, lines, summary
from tests.support.stack import SOURCE_TABLE, Stack
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

AGGREGATES = {
    "by_product": {
        "group_by": ["product"],
        "rank_by": "revenue",
        "measures": {
            "orders": {"function": "count"},
            "revenue": {"function": "sum", "value": "quantity * 2.5"},
            "least": {"function": "min", "value": "quantity"},
            "most": {"function": "max", "value": "quantity"},
            "buyers": {"function": "distinct", "value": "buyer"},
            "latest": {"function": "last", "value": "buyer", "order_by": "at"},
            "sizes": {"function": "percentile", "value": "quantity"},
        },
    },
    "by_day": {
        "where": "quantity > 0",
        "time_bucket": {"attribute": "at", "unit": "day", "timezone": "Europe/London", "retention_days": 36_500},
        "measures": {"quantity": {"function": "avg", "value": "quantity"}},
    },
}
TEA = ("by_product#tea", "all")


class Clock:
    """A clock that only goes when somebody waits; ``while_waiting`` is called then."""

    def __init__(self):
        self.time = 1_767_300_000
        self.while_waiting = lambda: None

    def now(self):
        return self.time

    def remaining(self):
        return 60.0

    def sleep(self, seconds):
        self.time += max(1, int(seconds))
        self.while_waiting()

    def check(self):
        """Nobody interrupts."""


def order(number, **changes):
    attributes = {
        "product": ("tea", "coffee", "cocoa")[number % 3],
        "quantity": number % 5,
        "buyer": f"buyer {number % 4}",
        "at": f"2026-01-{1 + number % 2:02}T12:00:{number:02}Z",
    }
    return attributes | changes


def filled(aggregates=AGGREGATES, **more):
    stack = Stack(aggregates, **more)
    for number in range(24):
        stack.put(str(number), **order(number))
    stack.put("bad", product="tea", quantity="two", buyer="b", at="2026-01-01T00:00:00Z")
    stack.put("gone", **order(1))
    stack.delete("gone")
    return stack


@pytest.fixture
def stack():
    return filled()


def verification(stack, clock=None, **more):
    return Verification(stack.tables, stack.definition, clock or Clock(), patience=8, **more)


def verify(stack, clock=None, **more):
    return verification(stack, clock, **more).verify()


def repair(stack, report, clock=None, told=None, **more):
    clock = clock or Clock()
    store = Store(stack.client, aggregate_table=AGGREGATE_TABLE, ledger_table=LEDGER_TABLE, definition=stack.definition)
    source = SourceTable(stack.client, table=SOURCE_TABLE, key_attributes=["id"])

    def bring(targets):
        return reconcile.reconcile(targets, store, source, stack.definition, clock, map)

    told = [] if told is None else told
    tell = lambda *told_of: told.append(told_of)  # noqa: E731
    return Repair(stack.tables, verification(stack, clock, **more), bring, clock, tell).repair(report)


def edit(stack, table, key, **changes):
    """What somebody does by hand: sets attributes, and removes those that are None."""
    items = {(item["pk"]["S"], item["sk"]["S"]): item for item in stack.client.database.items(table)}
    item = {name: value for name, value in (items[key] | changes).items() if value is not None}
    stack.client.database.put_item(TableName=table, Item=item)


def remove(stack, table, key):
    stack.client.database.delete_item(TableName=table, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})


def member(stack, prefix):
    """The key of the first index entry or reference count that begins so."""
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in stack.client.database.items(LEDGER_TABLE)]
    return next(key for key in keys if key[0].startswith(prefix))


def put_by_hand(stack, table, **item):
    stack.client.database.put_item(TableName=table, Item=item)


def test_what_the_function_wrote_is_right(stack):
    report = verify(stack)
    assert report.is_right, lines(report)
    assert (report.entries_right, report.rows_right, report.earlier) == (26, 5, 0)


#: Each kind of damage: what is done by hand, and the entries and rows that are found.
DAMAGE = {
    "a number of a row": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, revenue={"N": "1"}),
        {},
        {TEA: "wrong"},
    ),
    "a readable attribute": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, group={"M": {"product": {"S": "coffee"}}}),
        {},
        {TEA: "wrong"},
    ),
    "the attribute of the ranking": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, rank_group=None),
        {},
        {TEA: "wrong"},
    ),
    "an extreme": (lambda s: edit(s, AGGREGATE_TABLE, TEA, most={"N": "99"}), {}, {TEA: "wrong"}),
    "the time of what is last": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, latest_at={"S": "2030-01-01T00:00:00+00:00"}),
        {},
        {TEA: "wrong"},
    ),
    "a bin": (lambda s: edit(s, AGGREGATE_TABLE, TEA, sizes_bin_0={"N": "7"}), {}, {TEA: "wrong"}),
    "an attribute that no row has": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, comment={"S": "by hand"}),
        {},
        {TEA: "wrong"},
    ),
    "a number that became text": (
        lambda s: edit(s, AGGREGATE_TABLE, TEA, items={"S": "eight"}),
        {},
        {TEA: "wrong"},
    ),
    "the expiry": (
        lambda s: edit(s, AGGREGATE_TABLE, ("by_day", "day#2026-01-01"), expires_at=None),
        {},
        {("by_day", "day#2026-01-01"): "wrong"},
    ),
    "the revision": (lambda s: edit(s, AGGREGATE_TABLE, TEA, revision=None, orders={"N": "0"}), {}, {TEA: "wrong"}),
    "a deleted row": (lambda s: remove(s, AGGREGATE_TABLE, TEA), {}, {TEA: "missing"}),
    "an alien row": (
        lambda s: put_by_hand(s, AGGREGATE_TABLE, pk={"S": "by_product#milk"}, sk={"S": "all"}, items={"N": "1"}),
        {},
        {("by_product#milk", "all"): "superfluous"},
    ),
    "a deleted entry": (lambda s: remove(s, LEDGER_TABLE, ("item#3", "item")), {"item#3": "missing"}, {}),
    "a changed entry": (
        lambda s: edit(s, LEDGER_TABLE, ("item#3", "item"), contributions={"S": "[]"}),
        {"item#3": "wrong"},
        {},
    ),
    "an entry with another number": (
        lambda s: edit(
            s,
            LEDGER_TABLE,
            ("item#3", "item"),
            contributions={"S": entry(s, "item#3")["contributions"]["S"].replace('"7.5"', '"8"')},
        ),
        {"item#3": "wrong"},
        {},
    ),
    "an entry that is no more quarantined": (
        lambda s: edit(s, LEDGER_TABLE, ("item#bad", "item"), error=None),
        {"item#bad": "wrong"},
        {},
    ),
    "an entry without contributions": (
        lambda s: edit(s, LEDGER_TABLE, ("item#3", "item"), contributions=None),
        {"item#3": "unreadable"},
        {},
    ),
    "an entry that is not JSON": (
        lambda s: edit(s, LEDGER_TABLE, ("item#3", "item"), contributions={"S": "[["}, version=None),
        {"item#3": "unreadable"},
        {},
    ),
    "an entry of an item that is not there": (
        lambda s: put_by_hand(
            s,
            LEDGER_TABLE,
            **(entry(s, "item#3") | {"pk": {"S": "item#ghost"}, "source_key": {"M": {"id": {"S": "ghost"}}}}),
        ),
        {"item#ghost": "wrong"},
        {},
    ),
    "a deleted index entry": (
        lambda s: remove(s, LEDGER_TABLE, member(s, "index#by_product#tea#all#least")),
        {},
        {TEA: "wrong"},
    ),
    "an alien index entry": (
        lambda s: put_by_hand(s, LEDGER_TABLE, pk={"S": "index#by_product#tea#all#least"}, sk={"S": "5#item#ghost"}),
        {},
        {TEA: "wrong"},
    ),
    "an index entry of a row that is not there": (
        lambda s: put_by_hand(s, LEDGER_TABLE, pk={"S": "index#by_product#milk#all#least"}, sk={"S": "5#item#ghost"}),
        {},
        {("by_product#milk", "all"): "wrong"},
    ),
    "a value of an index entry": (
        lambda s: edit(s, LEDGER_TABLE, member(s, "index#by_product#tea#all#latest"), value={"S": "nobody"}),
        {},
        {TEA: "wrong"},
    ),
    "a reference count": (
        lambda s: edit(s, LEDGER_TABLE, member(s, "distinct#by_product#tea"), references={"N": "9"}),
        {},
        {TEA: "wrong"},
    ),
    "a deleted reference count": (
        lambda s: remove(s, LEDGER_TABLE, member(s, "distinct#by_product#tea")),
        {},
        {TEA: "wrong"},
    ),
}


def damage_by(stack, *names):
    """Several kinds of damage, those that still find what they damage."""
    for name in names:
        with contextlib.suppress(KeyError, StopIteration):
            DAMAGE[name][0](stack)


def entry(stack, pk):
    return stack.tables.entries([pk])[pk]


def test_the_page_says_how_many_kinds_of_damage_there_are():
    page = Path(__file__).parents[2] / "docs" / "exactness.md"
    assert f"Each of {len(DAMAGE)} kinds of damage" in " ".join(page.read_text().split())


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_repaired(stack, damage):
    """Row by row as they were, but for revisions; a second repair finds nothing."""
    before = stack.snapshot()
    act, entries, rows = DAMAGE[damage]
    act(stack)
    report = verify(stack)
    assert {key: difference.kind for key, difference in report.entries.items()} == entries
    assert {tuple(key): difference.kind for key, difference in report.rows.items()} == rows
    assert json.loads(json.dumps(summary(report)))["right"] is False
    assert len(lines(report).splitlines()) > 2

    done = repair(stack, report)
    assert done.left == {}
    after = verify(stack)
    assert after.is_right, lines(after)
    assert stack.rows() == before[0]
    again = repair(stack, after)
    assert (again.entries, again.rows) == (0, 0)


def test_after_a_repair_the_function_goes_on_exactly(stack):
    damage_by(stack, *DAMAGE)
    done = repair(stack, verify(stack))
    assert done.left == {}
    for number in range(0, 24, 2):
        stack.put(str(number), **order(number + 1))
    for number in range(1, 24, 4):
        stack.delete(str(number))
    report = verify(stack)
    assert report.is_right, lines(report)


def test_each_part_of_a_repair_tells_how_far_it_is_of_how_many(stack):
    damage_by(stack, "a number of a row", "the expiry", "an entry that is no more quarantined")
    told = []
    clock = Clock()
    report = verification(stack, clock, tell=lambda *told_of: told.append(told_of), item_count=25).verify()
    assert told[0] == ("items", 25, 25)
    ledger = [(done, total) for what, done, total in told if what == "items of the ledger"]
    size = len(stack.client.database.items(LEDGER_TABLE))
    assert ledger == [(size, 0), (size, size), (size, size)]
    told.clear()
    repair(stack, report, clock, told=told)
    assert [one for one in told if one[0] in ("rows", "entries")] == [
        ("rows", 0, 2),
        ("rows", 1, 2),
        ("entries", 0, 1),
    ]


def test_the_difference_is_told_with_what_is_there_and_what_has_to_be(stack):
    edit(stack, AGGREGATE_TABLE, TEA, revenue={"N": "1"})
    report = verify(stack)
    assert "  row by_product#tea all: revenue: 1, has to be 35" in lines(report).splitlines()
    (row,) = summary(report)["rows"]["wrong"]
    assert row["row"] == list(TEA)
    assert row["attributes"] == {"revenue": {"found": {"N": "1"}, "expected": {"N": "35"}}}


def test_a_wrong_row_takes_one_more_reading_of_the_ledger(stack):
    scans = []
    stack.client.before = lambda name, arguments: scans.append(arguments["TableName"]) if name == "scan" else None
    verify(stack)
    right = scans.count(LEDGER_TABLE)
    edit(stack, AGGREGATE_TABLE, TEA, revenue={"N": "1"})
    scans.clear()
    verify(stack)
    assert (right, scans.count(LEDGER_TABLE)) == (2, 3)


def test_a_row_is_compared_with_the_source_even_where_the_entry_behind_it_is_damaged(stack):
    edit(stack, LEDGER_TABLE, ("item#3", "item"), contributions={"S": "[]"})
    edit(stack, AGGREGATE_TABLE, TEA, orders={"N": "7"})
    report = verify(stack)
    assert report.rows[RowKey(*TEA)].attributes == {"orders": Mismatch({"N": "7"}, {"N": "8"})}


def test_items_under_an_earlier_definition_are_counted_and_told_to_be_backfilled(stack):
    stack.deploy({"by_product": AGGREGATES["by_product"]})
    report = verify(stack)
    assert report.earlier == 24
    assert "24 entries stand under an earlier definition; backfill" in lines(report)


# Changes that come in between


def test_a_change_that_is_delivered_late_is_waited_for(stack):
    record = stack.put("3", delivered=False, **order(4))
    clock = Clock()
    waits = []

    def deliver_after_a_while():
        waits.append(clock.time)
        if len(waits) == 2:
            stack.deliver(record)

    clock.while_waiting = deliver_after_a_while
    report = verify(stack, clock)
    assert report.is_right, lines(report)
    assert len(waits) >= 2


def test_a_change_that_is_not_delivered_is_reported(stack):
    stack.put("3", delivered=False, **order(4))
    report = verify(stack)
    assert {key: difference.kind for key, difference in report.entries.items()} == {"item#3": "wrong"}
    # What the rows have to be is what they would be with it.
    assert set(report.rows) >= {("by_product#tea", "all"), ("by_product#coffee", "all")}


def test_a_row_that_changes_at_every_look_is_unsettled_and_not_wrong(stack):
    numbers = iter(range(10_000))

    def write(name, arguments):
        if name == "scan" and arguments["TableName"] == LEDGER_TABLE:
            stack.put("hot", **order(3 * next(numbers)))

    stack.client.before = write
    report = verify(stack)
    assert not report.rows
    assert RowKey(*TEA) in report.unsettled_rows
    assert not report.is_right
    stack.client.before = lambda name, arguments: None
    assert verify(stack).is_right


def test_changes_that_cancel_out_in_a_row_while_the_ledger_is_read_are_not_reported():
    """Two items swap their products in one transaction, which leaves the rows unwritten, between two segments."""
    stack = Stack({"by_product": {"group_by": ["product"], "measures": {"orders": {"function": "count"}}}})
    by_segment = [next(str(n) for n in range(99) if zlib.crc32(f"item#{n}".encode()) % 2 == s) for s in (0, 1)]
    for key, product in zip(by_segment, ("coffee", "tea"), strict=True):
        stack.put(key, product=product)
    tables = stack.tables_in(2)
    products = [("tea", "coffee")]

    def swap(name, arguments):
        if name == "scan" and arguments["TableName"] == LEDGER_TABLE and arguments["Segment"] == 1 and products:
            records = [
                stack.put(key, delivered=False, product=product)
                for key, product in zip(by_segment, products.pop(), strict=True)
            ]
            stack.deliver(*records)

    stack.client.before = swap
    clock = Clock()
    compared = Verification(tables, stack.definition, clock, patience=8)
    _, found = compared.look_at_rows(None, {})
    assert isinstance(found[RowKey(*TEA)], Difference), "the gap is there, and one look falls into it"
    products.append(("coffee", "tea"))
    report = compared.verify()
    assert products == []
    assert report.is_right, lines(report)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25), st.integers(0, 60), st.booleans()), max_size=15),
    held=st.sets(st.integers(0, 14)),
)
def test_nothing_is_reported_of_items_and_rows_that_change_between_any_two_calls(writes, held):
    """Writes before given calls; some of their records are delivered later, in another order and again."""
    stack = filled()
    clock = Clock()
    pending = []
    at = {}
    for index, (call, key, number, deletes) in enumerate(writes):
        at.setdefault(call, []).append((index, key, number, deletes))
    calls = iter(range(1_000_000))

    def write(name, arguments):
        for index, key, number, deletes in at.pop(next(calls), ()):
            delivered = index not in held
            if deletes and stack.client.database.get_item(
                TableName=SOURCE_TABLE, Key={"id": {"S": str(key)}}, ConsistentRead=True
            ).get("Item"):
                record = stack.delete(str(key), delivered=delivered)
            else:
                record = stack.put(str(key), delivered=delivered, **order(number % 60))
            pending.append(record)

    def deliver():
        while pending:
            stack.deliver(pending.pop())

    stack.client.before = write
    clock.while_waiting = deliver
    report = verify(stack, clock)
    assert (report.entries, report.rows) == ({}, {}), lines(report)
    stack.client.before = lambda name, arguments: None
    deliver()
    report = verify(stack)
    assert report.is_right, lines(report)


@settings(max_examples=40, deadline=None)
@given(
    # An item that is written to a row without its expiry takes that over, and then nobody can tell: see below.
    damage=st.lists(st.sampled_from(sorted(DAMAGE.keys() - {"the expiry"})), min_size=1, max_size=3, unique=True),
    calls=st.lists(st.integers(0, 40), max_size=6),
)
def test_a_repair_next_to_live_traffic_leaves_at_the_end_what_a_recomputation_gives(damage, calls):
    """Changes between any two calls of the repair: what is not repaired now is by the next one."""
    stack = filled()
    damage_by(stack, *damage)
    report = verify(stack)
    counted = iter(range(1_000_000))

    def write(name, arguments):
        number = next(counted)
        if number in calls:
            # A damaged entry is none that the function can work on.
            stack.put(str(30 + number % 4), **order(number % 60))

    stack.client.before = write
    repair(stack, report)
    stack.client.before = lambda name, arguments: None
    for _ in range(3):
        report = verify(stack)
        if report.is_right:
            break
        repair(stack, report)
    assert report.is_right, lines(report)


@pytest.mark.parametrize("dies_at", range(0, 60, 3))
def test_a_repair_that_dies_at_any_call_can_be_run_again(stack, dies_at):
    before = stack.rows()
    damage_by(stack, "an entry of an item that is not there", "a number of a row", "an entry that is not JSON")
    damage_by(stack, "a reference count")
    report = verify(stack)
    counted = iter(range(1_000_000))

    class Died(Exception):
        pass

    def die(name, arguments):
        if next(counted) == dies_at:
            raise Died

    stack.client.before = die
    with contextlib.suppress(Died):
        repair(stack, report)
    stack.client.before = lambda name, arguments: None
    repair(stack, verify(stack))
    assert verify(stack).is_right
    assert stack.rows() == before


def test_a_row_that_was_written_since_it_was_looked_at_is_left_to_the_next_repair(stack):
    edit(stack, AGGREGATE_TABLE, TEA, revenue={"N": "1"})
    report = verify(stack)

    def write(name, arguments):
        if name == "transact_write_items":
            stack.client.before = lambda name, arguments: None
            stack.put("3", **order(3, quantity=4))

    stack.client.before = write
    done = repair(stack, report)
    assert (done.rows, list(done.left)) == (0, ["by_product#tea all"])
    repair(stack, verify(stack))
    assert verify(stack).is_right


def test_a_row_with_more_index_entries_than_a_transaction_takes_is_repaired_in_several(stack):
    members = {MemberKey(f"index#{n}", str(n)): Mismatch({"pk": {"S": "x"}}, None) for n in range(250)}
    tokens = iter("abc")
    difference = Difference(Mismatch({"revision": {"S": "0"}}, {"pk": {"S": "by"}, "sk": {"S": "all"}}), {}, members)
    found = list(transactions(RowKey("by", "all"), difference, "rows", "ledger", OWN_TABLE, lambda: next(tokens)))
    assert [len(actions) for actions in found] == [99, 99, 55]
    rows = [actions[0]["Put"] for actions in found]
    assert [row["ExpressionAttributeValues"][":before"]["S"] for row in rows] == ["0", "a", "b"]
    assert [row["Item"]["revision"]["S"] for row in rows] == ["a", "b", "c"]


def test_a_superfluous_row_with_many_index_entries_is_deleted_with_the_last_of_them(stack):
    for number in range(130):
        put_by_hand(
            stack, LEDGER_TABLE, pk={"S": "index#by_product#milk#all#least"}, sk={"S": f"{number:03}#item#ghost"}
        )
    put_by_hand(stack, AGGREGATE_TABLE, pk={"S": "by_product#milk"}, sk={"S": "all"}, items={"N": "1"})
    done = repair(stack, verify(stack))
    assert (done.rows, done.left) == (1, {})
    assert verify(stack).is_right


# Settings of the source


def test_what_expired_items_leave_in_the_rows_is_taken_as_it_is():
    stack = filled(ON_SOURCE_EXPIRY="keep")
    stack.delete("3", expired=True)
    report = verify(stack)
    assert report.is_right, lines(report)
    assert report.taken == 1


def test_deletions_of_an_append_only_source_are_no_differences():
    stack = filled(APPEND_ONLY="true")
    stack.delete("3", delivered=False)
    report = verify(stack, append_only=True)
    assert report.is_right, lines(report)


def test_rows_past_their_retention_are_left_alone():
    aggregates = {"by_day": AGGREGATES["by_day"] | {"time_bucket": {"attribute": "at", "unit": "day"}}}
    aggregates["by_day"]["time_bucket"]["retention_days"] = 1
    stack = Stack(aggregates)
    clock = Clock()
    # By the function's own clock they are: it keeps their contributions in the ledger alone.
    for number in range(4):
        stack.put(str(number), **order(number, quantity=1))
    put_by_hand(stack, AGGREGATE_TABLE, pk={"S": "by_day"}, sk={"S": "day#2026-01-01"}, expires_at={"N": "1767398400"})
    clock.time += 10 * 86_400
    report = verify(stack, clock=clock)
    assert report.is_right, lines(report)
    assert report.expired == 2


# The commands


def test_the_commands_tell_by_their_exit_code(stack, tmp_path):
    quick = ("--patience", "1")
    assert stack.command(tmp_path, "verify", *quick)[0] == 0
    edit(stack, AGGREGATE_TABLE, TEA, revenue={"N": "1"})
    code, printed = stack.command(tmp_path, "--json", "verify", *quick)
    assert (code, json.loads(printed)["rows"]["wrong"][0]["row"]) == (1, list(TEA))
    code, printed = stack.command(tmp_path, "--json", "repair", *quick)
    result = json.loads(printed)
    assert (code, result["repaired"]["rows"], result["after"]["right"]) == (0, 1, True)
    assert Decimal(stack.rows()[TEA]["revenue"]) == Decimal("35")
    assert stack.command(tmp_path, "repair", *quick) == (0, "nothing to repair\n")


def test_a_verification_that_is_interrupted_ends_with_the_page(stack, tmp_path):
    def interrupt(name, arguments):
        if name == "scan" and arguments["TableName"] == SOURCE_TABLE:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.2)

    stack.client.before = interrupt
    code, printed = stack.command(tmp_path, "verify")
    assert (code, printed, "run it again" in stack.stderr) == (130, "", True)


def test_a_source_whose_entries_expire_is_not_verified(tmp_path):
    stack = Stack(AGGREGATES, APPEND_ONLY="true", LEDGER_RETENTION_DAYS="30")
    code, _ = stack.command(tmp_path, "verify")
    assert (code, "ledger_retention_days" in stack.stderr) == (2, True)


def test_a_target_that_is_to_be_computed_anew_is_written_even_if_its_entry_is_up_to_date(stack):
    edit(stack, LEDGER_TABLE, ("item#bad", "item"), error=None, quarantined_at=None)
    report = Report()
    report.entries = verify(stack).entries
    assert repair(stack, report).entries == 1
    assert "error" in entry(stack, "item#bad")
    assert Target("k", {}).anew is False


# What nobody can tell, and what is not ours


def test_rows_of_aggregates_that_are_not_declared_are_told_of_and_left_alone(stack):
    """Another function may keep them in the same table."""
    put_by_hand(stack, AGGREGATE_TABLE, pk={"S": "sales"}, sk={"S": "all"}, items={"N": "1"})
    remove(stack, AGGREGATE_TABLE, TEA)
    report = verify(stack)
    assert (report.undeclared, set(report.rows)) == (1, {TEA})
    assert "1 rows are of aggregates that are not declared here" in lines(report)
    repair(stack, report)
    assert verify(stack).is_right
    assert ("sales", "all") in stack.rows()


def test_a_row_whose_items_expire_at_different_times_is_never_right_and_never_written():
    stack = filled()
    day = ("by_day", "day#2026-01-01")
    remove(stack, AGGREGATE_TABLE, day)
    longer = json.loads(json.dumps(AGGREGATES))
    longer["by_day"]["time_bucket"]["retention_days"] = 36_499
    stack.deploy(longer)
    stack.put("late", **order(6))
    report = verify(stack)
    assert report.rows[day].disagrees
    before = stack.rows()[day]
    done = repair(stack, report)
    assert "expire at different times" in done.left["by_day day#2026-01-01"]
    assert stack.rows()[day] == before
    assert not verify(stack).is_right


def test_an_item_that_comes_between_an_edit_of_the_expiry_and_the_repair_leaves_what_nobody_can_tell(stack):
    DAMAGE["the expiry"][0](stack)
    stack.put("late", **order(6))
    report = verify(stack)
    day = RowKey("by_day", "day#2026-01-01")
    assert report.rows[day].disagrees
    assert "expire at different times" in repair(stack, report).left[" ".join(day)]


def test_no_row_is_written_while_an_entry_is_lost_for_good():
    stack = filled(APPEND_ONLY="true")
    right = stack.rows()
    stack.client.database.delete_item(TableName=SOURCE_TABLE, Key={"id": {"S": "3"}})
    edit(stack, LEDGER_TABLE, ("item#3", "item"), contributions=None)
    report = verify(stack, append_only=True)
    assert report.entries["item#3"].kind == "unreadable"
    done = repair(stack, report, append_only=True)
    assert "restore it" in done.left["item#3"]
    assert "have to be right first" in done.left["by_product#tea all"]
    assert stack.rows() == right


def test_a_row_that_is_made_depends_on_an_entry_that_contributes_to_it(stack):
    """The row is absent before and after: only the entry tells that the item has not left and come back meanwhile."""
    remove(stack, AGGREGATE_TABLE, TEA)
    report = verify(stack)
    stack.put("0", delivered=False, **order(0, quantity=4))
    contributor = report.rows[TEA].contributor
    assert contributor["contributions"]["S"].count("by_product#tea")
    edit(stack, LEDGER_TABLE, (contributor["pk"]["S"], "item"), version={"S": "9"})
    actions = next(transactions(RowKey(*TEA), report.rows[TEA], AGGREGATE_TABLE, LEDGER_TABLE, OWN_TABLE, lambda: "r"))
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        stack.client.transact_write_items(TransactItems=actions)
