"""Transactions stay within every limit of DynamoDB, at the largest that a definition and its items can be.

The sizes are computed from what the store really sends, by the rules that AWS gives for item sizes
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
"""

import re
from functools import cache

from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.contributions import RowKey, contributions_of, description
from aggregator.extremes import ends_after, lookups
from aggregator.ledger import ITEM, MAX_CONTRIBUTIONS_BYTES, entry_key
from aggregator.records import Change
from aggregator.row_schema import RowSchema
from aggregator.store import Known, RowState, Store, ValueKey
from aggregator.transactions import RowDelta, Transaction, pack, waves
from tests.properties.strategies import define

MAX_ACTIONS = 100
MAX_TRANSACTION_BYTES = 4_000_000
MAX_ITEM_BYTES = 400 * 1024
MAX_EXPRESSION_BYTES = 4096
#: Of all schemas of rows the one with the longest keys and expressions.
SCHEMA = RowSchema(key_prefix="x" * 64)
MAX_ALIAS_BYTES = 255
#: A number of 38 digits with its sign.
LARGEST_NUMBER_BYTES = 21

GROUP_ATTRIBUTES = [f"{'g' * 80}{n}.{'m' * 80}[0].{'n' * 80}" for n in range(10)]
LONG_NAMES = [f"m{n:02}{'x' * 60}" for n in range(50)]


def declaration(group_by, measures):
    return {"group_by": group_by, "measures": {name: {"function": "avg", "value": "amount"} for name in measures}}


def extremes():
    """Measures of all kinds with the longest names: a row, three indexes, three distinct values, many bins."""
    names = [f"m{n:02}{'x' * 60}" for n in range(47)]
    at = {"value": "text", "order_by": "at"}
    measures = {
        names[0]: {"function": "min", "value": "amount"},
        names[1]: {"function": "max", "value": "amount"},
        names[2]: {"function": "first"} | at,
        names[3]: {"function": "last"} | at,
        names[4]: {"function": "max", "value": "amount + 1"},
        **{names[n]: {"function": "distinct", "value": ["text", "group", "mover"][n - 5]} for n in (5, 6, 7)},
        **{f"p{n}": {"function": "percentile", "value": f"amount + {n}"} for n in range(2)},
        **{name: {"function": "variance", "value": "amount"} for name in names[8:]},
    }
    return {"group_by": ["group", "mover"], "rank_by": names[1], "measures": measures}


#: Everything at its largest, many rows with long keys and little in them, and few small rows.
DEFINITIONS = {
    "largest": define({f"a{n:02}{'y' * 60}": declaration(GROUP_ATTRIBUTES, LONG_NAMES) for n in range(49)}),
    "long keys": define(
        {"mover": declaration(["mover"], ["m"])} | {f"a{n}": declaration(["group"], ["m"]) for n in range(48)}
    ),
    "extremes": define({f"a{n}{'y' * 60}": extremes() for n in range(7)}),
    "small": define({"mover": declaration(["mover"], ["m"]), "total": declaration([], ["m"])}),
}
#: One, two, three and four bytes of UTF-8, and one that takes three bytes in a key.
CHARACTERS = ["x", "é", "語", "😀", "#"]
LONGEST_GROUP_BYTES = 1_820


@cache
def contributions(name, character, group, mover, amount):
    """The contributions of an item with group values as long as a key allows."""
    width = 3 if character == "#" else len(character.encode())
    longest = {"small": 12, "extremes": LONGEST_GROUP_BYTES // 2}.get(name, LONGEST_GROUP_BYTES)
    text = character * (longest // width)
    item = {
        "text": {"S": f"{text}{amount}"},
        "at": {"N": str(amount)},
        "group": {"S": f"{text}{group}"},
        "mover": {"S": f"{text}{mover}"},
        "amount": {"N": str(amount)},
    }
    for n in range(10):
        value = {"S": f"{text}{group}{mover}" if n == 0 else "v"}
        item[f"{'g' * 80}{n}"] = {"M": {"m" * 80: {"L": [{"M": {"n" * 80: value}}]}}}
    found = contributions_of(DEFINITIONS[name], item, "item#1")
    assert max(len(row.pk.encode()) for row in found) > (0 if name == "small" else LONGEST_GROUP_BYTES - 50)
    return found


@st.composite
def batches(draw):
    """A definition, and changes of items of it: new, deleted, moved and unmoved ones."""
    name = draw(st.sampled_from(sorted(DEFINITIONS)))
    character = draw(st.sampled_from(CHARACTERS))
    groups = st.integers(0, draw(st.sampled_from([0, 1, 5])))
    movers = st.integers(0, draw(st.sampled_from([0, 3, 50])))
    states = st.none() | st.tuples(groups, movers, st.integers(1, 2))
    size = draw(
        st.sampled_from({"largest": [1, 7], "long keys": [1, 60], "extremes": [1, 5], "small": [1, 50, 250]}[name])
    )
    moves = [(draw(states), draw(states)) for _ in range(size)]
    return name, character, moves, draw(st.booleans())


def packed(name, character, moves, long_source_keys):
    """The changes of such a batch and their transactions."""
    padding = "語" * (682 if long_source_keys else 0)
    changes = []
    for number, (before, after) in enumerate(moves):
        source_key = {"id": {"S": f"{padding}{number}"}, "line": {"B": bytes(1024 if long_source_keys else 1)}}
        old, new = ({} if state is None else contributions(name, character, *state) for state in (before, after))
        changes.append(Change(entry_key(source_key), source_key, "v/1", (new, None), old, "", number))
        assert len(changes[-1].text.encode()) <= MAX_CONTRIBUTIONS_BYTES
    return changes, pack(changes, now=0)


def size_of(value):
    """The bytes of an attribute value in DynamoDB JSON; a number counts as if it had all its digits."""
    ((kind, raw),) = value.items()
    match kind:
        case "S":
            return len(raw.encode())
        case "N":
            return LARGEST_NUMBER_BYTES
        case "B":
            return len(raw)
        case "M":
            return 3 + sum(1 + len(name.encode()) + size_of(member) for name, member in raw.items())
    return 1


def item_size(item):
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


def row_size(definition, key):
    """The bytes of a row that has everything: an update grows it to that at most."""
    pk = key["pk"]["S"].removeprefix(SCHEMA.key_prefix)
    aggregate = definition.aggregates[pk.partition("#")[0]]
    numbers = ["items", "expires_at", *(name for measure in aggregate.measures for name in measure.attributes)]
    row = key | description(definition, RowKey(pk, key["sk"]["S"])) | SCHEMA.marks
    row |= {name: {"N": "0"} for name in numbers} | {"revision": {"S": "0" * 16}}
    return item_size(row) + sum(measure.bin_bytes for measure in aggregate.measures)


class RecordingClient:
    """A DynamoDB client that keeps what is sent, every call as a list of actions."""

    def __init__(self):
        self.sent = []

    def put_item(self, **put):
        self.sent.append([{"Put": put}])

    def transact_write_items(self, *, TransactItems):  # noqa: N803 - boto3's name
        self.sent.append(TransactItems)


def sent_by(definition, transactions, known):
    """What the store sends for each of the transactions."""
    client = RecordingClient()
    store = Store(client, aggregate_table="rows", ledger_table="ledger", definition=definition, schema=SCHEMA)
    for transaction in transactions:
        rows, ends, references = dict(known), {}, {}
        for row, delta in transaction.rows.items():
            if delta.index_changes:
                rows.setdefault(row, RowState(9, None, item={"revision": {"S": "0" * 16}}))
                aggregate = store.aggregate_of(row)
                # The ends are not known from the row, and nothing else is left in the index.
                found = {lookup: [] for lookup in lookups(row, delta, rows[row].item, aggregate)}
                ends[row] = ends_after(row, delta, rows[row].item, aggregate, found)
            references |= {ValueKey(row, *value): 0 for value in delta.reference_changes}
        assert store.write(transaction, Known(rows, references), ends, now=0).applied
    assert len(client.sent) == len(transactions)
    return client.sent


def check_limits(definition, actions):
    assert len(actions) <= MAX_ACTIONS
    written, total = [], 0
    for action in actions:
        ((kind, body),) = action.items()
        key = body.get("Key") or {name: body["Item"][name] for name in ("pk", "sk")}
        written.append((body["TableName"], key["pk"]["S"], key["sk"]["S"]))
        assert len(key["pk"]["S"].encode()) <= 2_048
        assert len(key["sk"]["S"].encode()) <= 1_024
        if kind == "Put":
            size = item_size(body["Item"])
        elif body["TableName"] == "rows":
            size = row_size(definition, key)
        else:
            # An index entry or a reference count: the value beside an entry is the text of an item at most.
            size = item_size(key) + LONGEST_GROUP_BYTES + 100
        assert size <= MAX_ITEM_BYTES
        total += size
        expressions = [body[name] for name in ("UpdateExpression", "ConditionExpression") if name in body]
        assert all(len(expression.encode()) <= MAX_EXPRESSION_BYTES for expression in expressions)
        # DynamoDB refuses aliases that are not defined, and definitions that are not used.
        aliases = {**body.get("ExpressionAttributeNames", {}), **body.get("ExpressionAttributeValues", {})}
        assert set(re.findall(r"[#:]\w+", " ".join(expressions))) == set(aliases)
        assert all(len(alias.encode()) <= MAX_ALIAS_BYTES for alias in aliases)
    assert len(set(written)) == len(written), "an item stands twice in a transaction"
    assert total <= MAX_TRANSACTION_BYTES


@settings(max_examples=25)
@given(batches())
@example(("largest", "😀", [((0, 0, 1), (1, 1, 1))], True))
@example(("extremes", "語", [((0, 0, 1), (1, 1, 2))], True))
@example(("extremes", "#", [((0, 0, 1), (0, 0, 2))] * 5, True))
@example(("small", "x", [(None, (0, n, 1)) for n in range(250)], True))
def test_whatever_is_written_is_within_the_limits_and_every_change_is_in_it_once(batch):
    name, character, moves, long_source_keys = batch
    changes, transactions = packed(name, character, moves, long_source_keys)
    assert sorted(id(c) for t in transactions for c in t.changes) == sorted(map(id, changes))
    last_items = {row: RowState(1, None) for t in transactions for row in t.rows}
    for known in ({}, last_items):
        sent = sent_by(DEFINITIONS[name], transactions, known)
        items = [action["Put"]["Item"] for actions in sent for action in actions if "Put" in action]
        puts = [item["pk"]["S"] for item in items if item["sk"]["S"] == ITEM]
        assert sorted(puts) == sorted(change.entry_key for change in changes)
        for actions in sent:
            check_limits(DEFINITIONS[name], actions)


def test_characters_of_four_bytes_do_not_make_a_transaction_too_large():
    # 60 items change the group of one aggregate; their entries repeat 48 long groups that stay as they are.
    _, transactions = packed("long keys", "😀", [((0, 0, 1), (0, 1, 1))] * 60, long_source_keys=True)
    for actions in sent_by(DEFINITIONS["long keys"], transactions, {}):
        check_limits(DEFINITIONS["long keys"], actions)


def test_one_item_can_move_in_all_aggregates_at_once():
    _, (transaction,) = packed("largest", "x", [((0, 0, 1), (1, 1, 1))], long_source_keys=True)
    assert len(transaction.rows) == 98


@st.composite
def transactions_on_few_rows(draw):
    rows = st.sets(st.integers(0, 6), max_size=3)
    return [
        Transaction(rows={RowKey(str(n), "all"): RowDelta(1) for n in draw(rows)})
        for _ in range(draw(st.integers(0, 12)))
    ]


@given(transactions_on_few_rows())
def test_waves_hold_every_transaction_once_share_no_row_and_keep_the_order_on_each_row(transactions):
    groups = list(waves(transactions))
    wave_of = {id(transaction): number for number, group in enumerate(groups) for transaction in group}
    assert sum(map(len, groups)) == len(transactions)
    assert wave_of.keys() == {id(transaction) for transaction in transactions}
    for index, later in enumerate(transactions):
        sharing = [wave_of[id(earlier)] for earlier in transactions[:index] if earlier.rows.keys() & later.rows.keys()]
        # After all that share a row with it, and no later than that: else it would wait for nothing.
        assert wave_of[id(later)] == max(sharing, default=-1) + 1


def test_one_item_can_change_every_row_index_and_distinct_value_at_once():
    _, (transaction,) = packed("extremes", "x", [((0, 0, 1), (1, 1, 2))], long_source_keys=True)
    (actions,) = sent_by(DEFINITIONS["extremes"], [transaction], {})
    # The entry, and in each of seven aggregates two rows, six entries of indexes and six values.
    assert len(actions) == transaction.actions == 1 + 7 * (2 + 6 + 6)
