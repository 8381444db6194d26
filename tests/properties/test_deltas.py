"""The deltas of any history add up to the last state of every item, however the history is cut into transactions."""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aggregator.contributions import Contribution
from aggregator.ledger import index_sort_key
from aggregator.records import Change
from aggregator.transactions import RowDelta, pack, steps_of, waves
from tests.properties.strategies import EXPIRY, contributions, hostile_decimal_context

KEYS = "abcdef"


def change(key, new, expected, alone=False):
    return Change(key, {}, "v/1", (new, None), expected, "", 0, alone)


def totals(many):
    """Items and exact sums of each row over the contributions of many items; sums of zero are left out."""
    items, sums = defaultdict(int), defaultdict(lambda: defaultdict(Fraction))
    for one in many:
        for row, contribution in one.items():
            items[row] += 1
            for name, amount in contribution.amounts.items():
                sums[row][name] += Fraction(amount)
    return {row: (items[row], {name: total for name, total in sums[row].items() if total}) for row in items}


def live(rows, now):
    return {row: content for row, content in rows.items() if EXPIRY[row] is None or EXPIRY[row] > now}


class Tables:
    """Ledger and rows in memory, which refuse what DynamoDB's conditions would refuse and what must never happen."""

    def __init__(self):
        self.ledger = {}
        self.rows = {}

    def write(self, transaction, now):
        """Write a transaction and check that the rows are what the ledger says."""
        for one in transaction.changes:
            assert self.ledger.get(one.entry_key, {}) == one.expected
            self.ledger[one.entry_key] = one.contributions
        for row, delta in transaction.rows.items():
            assert EXPIRY[row] is None or EXPIRY[row] > now, "a row past its retention is written"
            before = items, sums = self.rows.get(row, (0, {}))
            assert items or delta.items > 0, "a row comes into being without an item"
            items += delta.items
            sums = {n: sums.get(n, 0) + Fraction(delta.amounts.get(n, 0)) for n in {**sums, **delta.amounts}}
            self.rows[row] = (items, {name: total for name, total in sums.items() if total})
            assert self.rows[row] != before, "a row is written that stays as it is"
            assert items >= 0
            if items == 0:
                assert self.rows.pop(row) == (0, {}), "a row without items has something left in it"
        assert self.rows == live(totals(self.ledger.values()), now)

    def expire(self, now):
        """Delete the rows past their retention, as DynamoDB does."""
        self.rows = live(self.rows, now)


@st.composite
def histories(draw):
    """Batches of new states by key. The states are few, so that one item often leaves what another joins."""
    states = draw(st.lists(contributions(), min_size=1, max_size=5))
    batch = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(states), min_size=1)
    return draw(st.lists(batch, min_size=1, max_size=6))


@given(histories(), st.data())
def test_after_every_transaction_the_rows_are_the_sum_of_the_ledger_and_at_last_of_the_last_states(history, data):
    tables = Tables()
    pending = {}
    now = 0
    for number, batch in enumerate([*history, {}]):
        pending |= batch
        now += data.draw(st.integers(0, 150), label="seconds until the batch")
        tables.expire(now)
        with hostile_decimal_context():
            alone = data.draw(st.sets(st.sampled_from(KEYS), max_size=2), label="alone")
            packed = pack(
                [change(key, new, tables.ledger.get(key, {}), key in alone) for key, new in pending.items()], now
            )
            for wave in waves(packed):
                for transaction in data.draw(st.permutations(wave), label="order in the wave"):
                    # A transaction that fails is tried again with the next batch; at the end nothing fails any more.
                    if number == len(history) or data.draw(st.integers(0, 3), label="fails if 0"):
                        tables.write(transaction, now)
                        for one in transaction.changes:
                            del pending[one.entry_key]
    assert not pending
    last = {key: new for batch in history for key, new in batch.items()}
    assert tables.rows == live(totals(last.values()), now)


@given(st.lists(contributions(), min_size=1, max_size=8))
def test_the_steps_of_a_history_in_one_delta_are_the_difference_of_its_ends(states):
    deltas = defaultdict(RowDelta)
    with hostile_decimal_context():
        for before, after in pairwise(states):
            steps, expired = steps_of(change("a", after, before), now=0)
            assert expired == 0
            for row, contribution, sign in steps:
                deltas[row].add(contribution, sign, "item#a")
    nothing = Contribution({})
    for row in EXPIRY:
        first, last = states[0].get(row, nothing), states[-1].get(row, nothing)
        names = {**first.amounts, **last.amounts}
        wanted = {name: Fraction(last.amounts.get(name, 0)) - Fraction(first.amounts.get(name, 0)) for name in names}
        delta = deltas[row]
        assert delta.items == (row in states[-1]) - (row in states[0])
        assert {n: Fraction(a) for n, a in delta.amounts.items() if a} == {n: a for n, a in wanted.items() if a}
        changed = delta.items != 0 or any(wanted.values())
        assert not (changed and delta.is_nothing)
        if len({frozenset(state[row].amounts) for state in states if row in state}) < 2:
            assert delta.is_nothing == (not changed)


@given(
    contributions(),
    contributions(),
    st.dictionaries(st.sampled_from(list(EXPIRY)), st.integers(1, 400)),
    st.integers(0, 400),
)
def test_exactly_the_rows_that_change_and_are_not_past_their_retention_are_written(before, after, retimed, now):
    after = {row: one._replace(expires_at=retimed.get(row, one.expires_at)) for row, one in after.items()}
    (transaction,) = pack([change("a", after, before)], now)
    written, left_out = {}, 0
    for row in EXPIRY:
        old, new = before.get(row), after.get(row)
        if old == new:
            continue
        kept = {sign: c for sign, c in ((-1, old), (1, new)) if c and (c.expires_at is None or c.expires_at > now)}
        left_out += sum(1 for one in (old, new) if one) - len(kept)
        zero = totals([{row: kept[1]} if 1 in kept else {}]) == totals([{row: kept[-1]} if -1 in kept else {}])
        # A number that is new to the row is written even if it is zero.
        known = 1 in kept and -1 in kept and kept[1].amounts.keys() <= kept[-1].amounts.keys()
        if kept and not (zero and known and kept[1].expires_at == kept[-1].expires_at):
            written[row] = (sum(kept), 1 in kept, kept[1].expires_at if 1 in kept else None)
    found = {row: (delta.items, delta.joined, delta.expires_at) for row, delta in transaction.rows.items()}
    assert found == written
    assert transaction.expired_rows == left_out


def standing(owner, contribution):
    """The entries of an item in the indexes of a row."""
    return {(name, index_sort_key(indexed, owner)): indexed for name, indexed in contribution.indexed.items()}


@given(st.lists(st.tuples(contributions(extremes=True), contributions(extremes=True)), min_size=1, max_size=5))
def test_index_entries_and_references_in_a_delta_are_the_difference_of_what_the_items_have(moves):
    deltas = defaultdict(RowDelta)
    with hostile_decimal_context():
        for number, (before, after) in enumerate(moves):
            for row, contribution, sign in steps_of(change("a", after, before), now=0)[0]:
                deltas[row].add(contribution, sign, f"item#{number}")
    nothing = Contribution({})
    for row in EXPIRY:
        old, new, counts = {}, {}, Counter()
        for number, (before, after) in enumerate(moves):
            one, other = before.get(row, nothing), after.get(row, nothing)
            old |= standing(f"item#{number}", one)
            new |= standing(f"item#{number}", other)
            counts.update(other.distinct.items())
            counts.subtract(one.distinct.items())
        delta = deltas[row]
        assert {(key.name, key.sort_key): one for key, one in delta.index_changes.items()} == {
            key: (old.get(key), new.get(key)) for key in old.keys() | new.keys() if old.get(key) != new.get(key)
        }
        assert {key.expires_at for key in delta.entries} <= {EXPIRY[row]}
        references = {(key.attribute, key.value): n for key, n in delta.reference_changes.items()}
        assert references == {value: n for value, n in counts.items() if n}
        assert not (delta.is_nothing and (delta.index_changes or references))
