"""Packing changes into transactions, and which of them may run at the same time."""

from decimal import Decimal

from aggregator.contributions import Contribution, Contributions, RowKey
from aggregator.records import Change
from aggregator.transactions import pack, waves

NOW = 1_000


def row(name: str) -> RowKey:
    return RowKey(name, "all")


def amount(value: int, expires_at: int | None = None) -> Contribution:
    return Contribution({"quantity": Decimal(value)}, expires_at)


def change(key: str, contributions: Contributions, expected: Contributions | None = None) -> Change:
    return Change(key, {}, "v/1", (contributions, None), expected or {}, "", 0)


def test_a_row_stands_once_in_a_transaction_with_the_sum_of_its_deltas():
    (transaction,) = pack([change(str(n), {row("total"): amount(n)}) for n in range(10)], NOW)
    assert len(transaction.changes) == 10
    delta = transaction.rows[row("total")]
    assert (delta.items, delta.amounts) == (10, {"quantity": Decimal(45)})


def test_no_transaction_has_more_than_a_hundred_actions_and_every_change_is_in_one():
    changes = [change(str(n), {row("total"): amount(1), row(f"product {n % 50}"): amount(1)}) for n in range(500)]
    transactions = pack(changes, NOW)
    assert all(len(t.changes) + len(t.rows) <= 100 for t in transactions)
    assert sorted(c.entry_key for t in transactions for c in t.changes) == sorted(c.entry_key for c in changes)
    # Ten items of a product stand together: the rows of products are written about once each, not ten times.
    assert sum(len(t.rows) for t in transactions) <= 50 + 3 * len(transactions)


def test_no_transaction_is_too_large():
    big = {row("x" * 2000 + str(n)): amount(1) for n in range(49)}
    transactions = pack([change(f"{n}", {key: amount(n) for key in big}) for n in range(40)], NOW)
    assert len(transactions) > 1
    assert all(t.size <= 4_000_000 for t in transactions)


def test_an_item_that_stays_in_its_group_changes_only_numbers_and_one_that_changes_nothing_writes_no_row():
    moved = change("1", {row("tea"): amount(5)}, {row("tea"): amount(3)})
    same = change("2", {row("tea"): amount(3)}, {row("tea"): amount(3)})
    plain, shared = pack([moved, same], NOW)
    assert (plain.changes, plain.rows) == ([same], {})
    assert (shared.rows[row("tea")].items, shared.rows[row("tea")].amounts["quantity"]) == (0, 2)


def test_deltas_that_cancel_out_write_no_row():
    leaves = change("1", {}, {row("tea"): amount(3)})
    joins = change("2", {row("tea"): amount(3)})
    (transaction,) = pack([leaves, joins], NOW)
    assert len(transaction.changes) == 2
    assert transaction.rows == {}


def test_rows_past_their_retention_are_left_out_whatever_is_put_in_or_taken_back():
    late = change("1", {row("old"): amount(1, NOW), row("new"): amount(1, NOW + 1)})
    gone = change("2", {}, {row("old"): amount(4, NOW - 1)})
    transactions = pack([late, gone], NOW)
    assert sum(t.expired_rows for t in transactions) == 2
    assert [key for t in transactions for key in t.rows] == [row("new")]


def test_a_changed_retention_is_written_though_the_numbers_stay():
    (transaction,) = pack([change("1", {row("tea"): amount(1, NOW + 9)}, {row("tea"): amount(1, NOW + 5)})], NOW)
    delta = transaction.rows[row("tea")]
    assert (delta.items, delta.expires_at, delta.retimed) == (0, NOW + 9, True)


def test_a_change_that_has_to_stand_alone_does():
    changes = [change(str(n), {row("total"): amount(1)}) for n in range(3)]
    changes[1].alone = True
    assert sorted(len(t.changes) for t in pack(changes, NOW)) == [1, 2]


def test_only_transactions_without_a_common_row_run_at_the_same_time():
    changes = [change(str(n), {row(f"group {n // 90}"): amount(1)}) for n in range(360)]
    changes += [change(f"p{n}", {}) for n in range(5)]
    transactions = pack(changes, NOW)
    groups = list(waves(transactions))
    assert sorted(id(t) for group in groups for t in group) == sorted(id(t) for t in transactions)
    for group in groups:
        touched = [key for t in group for key in t.rows]
        assert len(touched) == len(set(touched))
    hot = pack([change(str(n), {row("total"): amount(1)}) for n in range(300)], NOW)
    assert [len(group) for group in waves(hot)] == [1] * len(hot)
