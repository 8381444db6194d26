"""Different groups and different source items never share a key, and every key can be read back."""

from base64 import b64decode, b64encode
from fractions import Fraction

from hypothesis import assume, example, given
from hypothesis import strategies as st

from aggregator import keys
from aggregator.ledger import entry_key, version
from tests.properties.strategies import hostile_decimal_context, meaning, number_texts, scalars, texts

MAX_PARTITION_KEY_BYTES = 2_048


def key_of(values):
    with hostile_decimal_context():
        return keys.join(["sales", *(keys.encode(*next(iter(value.items()))) for value in values)])


def tuples():
    return st.lists(scalars(binary=True), max_size=4)


@given(tuples(), tuples())
@example([{"S": "2010"}], [{"N": "2010"}])
@example([{"S": "true"}], [{"BOOL": True}])
@example([{"S": "=base64:AA=="}], [{"B": b"\0"}])
@example([{"S": "%3D"}], [{"S": "="}])
@example([{"S": "a#b"}], [{"S": "a"}, {"S": "b"}])
@example([], [{"S": ""}])
def test_groups_share_a_key_exactly_when_their_values_are_equal(one, other):
    assert (key_of(one) == key_of(other)) == (list(map(meaning, one)) == list(map(meaning, other)))


@given(tuples(), tuples(), st.integers(0, 49), st.integers(0, 49))
@example([], [{"S": "=part/1"}], 1, 1)
@example([{"S": "%3Dpart/1"}], [{"S": "=part/1"}], 1, 1)
@example([], [{"N": "1"}], 1, 1)
def test_no_two_parts_of_rows_and_no_row_in_one_piece_share_a_key(one, other, number, other_number):
    ends = {(kind, n): kind(n) for kind in (keys.part, keys.values_part) for n in (number, other_number)}
    found = {}
    for values in (one, other):
        row = key_of(values)
        meant = tuple(map(meaning, values))
        for said, key in [(None, row), *((said, keys.join((row, end))) for said, end in ends.items())]:
            assert found.setdefault(key, (meant, said)) == (meant, said)
            parts, part, values_part = keys.without_part(keys.split(key))
            assert keys.join(parts) == row
            assert (part, values_part) == {
                None: (None, None),
                keys.part: (said and said[1], None),
                keys.values_part: (None, said and said[1]),
            }[said and said[0]]


@given(st.data())
def test_texts_cut_at_other_places_are_different_groups(data):
    text = data.draw(st.text(alphabet="%#=23D5a", min_size=1, max_size=8))
    first, second = (data.draw(st.integers(0, len(text))) for _ in range(2))
    assume(first != second)
    assert key_of([{"S": text[:first]}, {"S": text[first:]}]) != key_of([{"S": text[:second]}, {"S": text[second:]}])


@given(number_texts(), number_texts(), st.integers(0, 4))
def test_a_number_is_the_same_group_however_it_is_written(one, other, zeros):
    mantissa, _, exponent = one.partition("E")
    longer = f"{mantissa}{'' if '.' in mantissa else '.'}{'0' * zeros}" + (f"E{exponent}" if exponent else "")
    assert key_of([{"N": longer}]) == key_of([{"N": one}])
    assert (key_of([{"N": one}]) == key_of([{"N": other}])) == (Fraction(one) == Fraction(other))


@given(tuples())
def test_a_key_can_be_read_back(values):
    name, *parts = keys.split(key_of(values))
    assert name == "sales"
    assert len(parts) == len(values)
    for part, value in zip(parts, values, strict=True):
        if "B" in value:
            assert b64decode(part.removeprefix("=base64:"), validate=True) == value["B"]
        else:
            assert meaning(keys.decode(part)) == meaning(value)


def key_values(kind, long):
    """Values of a key attribute of this type; ``long`` ones differ little and are too long for a partition key."""
    if kind == "N":
        return number_texts().map(lambda text: {"N": text})
    # DynamoDB allows neither empty strings nor empty binary values in a key.
    values = texts().filter(len) if kind == "S" else st.binary(min_size=1, max_size=6)
    if long:
        character = "#" if kind == "S" else b"#"
        values = st.tuples(st.integers(680, 690), values).map(lambda drawn: character * drawn[0] + drawn[1])
    return values.map(lambda value: {kind: value})


@st.composite
def pairs_of_source_keys(draw):
    """Two primary keys of one table: all values of an attribute have the same type."""
    names = draw(st.lists(texts(max_size=4).filter(len), min_size=1, max_size=2, unique=True))
    columns = [key_values(draw(st.sampled_from("SNB")), draw(st.booleans())) for _ in names]
    one = dict(zip(names, (draw(column) for column in columns), strict=True))
    other = {name: draw(st.just(one[name]) | column) for name, column in zip(names, columns, strict=True)}
    return one, other


@given(pairs_of_source_keys())
def test_source_items_share_a_ledger_entry_exactly_when_they_are_the_same_item(pair):
    one, other = pair
    with hostile_decimal_context():
        first, second = entry_key(one), entry_key(other)
    same = {name: meaning(value) for name, value in one.items()} == {
        name: meaning(value) for name, value in other.items()
    }
    assert (first == second) == same
    assert len(first.encode()) <= MAX_PARTITION_KEY_BYTES


@given(pairs_of_source_keys())
def test_the_order_of_key_attributes_and_the_form_of_binary_values_do_not_matter(pair):
    # A stream event carries binary as base64 text, boto3 as bytes.
    as_in_event = {name: {"B": b64encode(v["B"]).decode()} if "B" in v else v for name, v in reversed(pair[0].items())}
    assert entry_key(as_in_event) == entry_key(pair[0])


ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/"
labels = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds"))
sequence_numbers = st.integers(0, 10**40 - 1) | st.integers(0, 1_000)


@given(labels, labels, sequence_numbers, sequence_numbers, st.booleans())
def test_versions_compare_as_stream_and_number(label, other_label, number, other_number, same_stream):
    other_label = label if same_stream else other_label
    one, other = version(ARN + label, str(number)), version(ARN + other_label, str(other_number))
    assert (one < other) == ((label, number) < (other_label, other_number))
    assert (one == other) == ((label, number) == (other_label, other_number))


@given(tuples(), tuples(), st.integers(80, 2_048))
@example([{"S": "x" * 100}], [{"S": "x" * 101}], 80)
@example([{"S": "#" * 40}], [{"S": "%23" * 40}], 80)
def test_a_shortened_key_fits_and_no_two_keys_become_one(one, other, limit):
    longer = [key_of(values * repeated) for values, repeated in ((one, 30), (other, 30))]
    keys_before = [key_of(one), key_of(other), *longer]
    shortened = [keys.shortened(key, limit) for key in keys_before]
    assert all(len(key.encode()) <= limit for key in shortened)
    assert all(
        after == before for before, after in zip(keys_before, shortened, strict=True) if len(before.encode()) <= limit
    )
    assert len(set(shortened)) == len(set(keys_before))
    # Shortened again it stays, and a key that begins with the hash of another is not taken for it.
    assert [keys.shortened(key, limit) for key in shortened] == shortened
    assert all(key.startswith("sales") for key in shortened)


@given(texts().filter(lambda text: text.isascii()), st.integers(1_001, 3_000))
def test_a_single_long_part_becomes_a_hash_that_no_value_looks_like(text, length):
    part = keys.encode("S", (text or "x") * length)
    short = keys.shortened(part, 1_000)
    assert len(short.encode()) <= 1_000
    assert (short != part) == (len(part.encode()) > 1_000)
    assert keys.encode("S", short) != short or short == part
