"""Numbers keep all their digits, whatever the thread's decimal context is."""

import re
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from aggregator import keys
from aggregator.contributions import Contribution, RowKey, from_text, to_text
from aggregator.expressions import compile_number
from aggregator.items import UnusableItem
from aggregator.measures import PERCENTILE_LIMIT, Measure, bin_of, value_of_bin
from aggregator.numerics import (
    DYNAMODB_DIGITS,
    EXACT,
    HEADROOM_DIGITS,
    MAX_SCALE,
    USABLE_DIGITS,
    format_number,
    from_sortable,
    magnitude_limit,
    significant_digits,
    sortable,
    to_scale,
)
from aggregator.transactions import RowDelta
from tests.properties.strategies import amounts, hostile_decimal_context, number_texts

ROW = RowKey("total", "all")
CANONICAL = re.compile(r"0|-?([1-9][0-9]*|(0|[1-9][0-9]*)\.[0-9]*[1-9])")


@given(number_texts())
@example("9.9999999999999999999999999999999999999E125")
@example("-1.0000000000000000000000000000000000001E-130")
@example("-0E5")
@example("0")
@example("007")
def test_every_number_that_dynamodb_holds_survives_every_way_it_is_written(text):
    with hostile_decimal_context():
        value = Decimal(text)
        written = format_number(value)
        (read_back,) = from_text(to_text({ROW: Contribution({"amount": value})})).values()
        decoded = keys.decode(keys.encode("N", text))
    assert Fraction(written) == Fraction(text)
    assert Fraction(read_back.amounts["amount"]) == Fraction(text)
    assert decoded == {"N": written}


@given(number_texts(), st.integers(0, 9))
def test_equal_numbers_are_written_alike_and_without_anything_superfluous(text, zeros):
    with hostile_decimal_context():
        value = Decimal(text)
        longer = Decimal(
            (value.as_tuple().sign, value.as_tuple().digits + (0,) * zeros, value.as_tuple().exponent - zeros)
        )
        assert format_number(longer) == format_number(value)
        assert CANONICAL.fullmatch(format_number(value))


@given(number_texts())
def test_significant_digits_are_those_between_the_first_and_the_last_that_is_not_zero(text):
    with hostile_decimal_context():
        counted = significant_digits(Decimal(text))
    assert counted == max(1, len(format(Decimal(text).copy_abs(), "f").replace(".", "").strip("0")))


@given(number_texts(digits=60, lowest=-60, highest=40), st.integers(0, MAX_SCALE))
@example("0.5", 0)
@example("1.5", 0)
@example("99999999999999999.9999999999995", 12)
@example("-99999999999999999.9999999999995", 12)
@example("0.00000000000050000000000000000000000000000000001", 12)
def test_a_value_is_rounded_once_half_to_even_and_refused_exactly_where_it_is_too_large(text, scale):
    with hostile_decimal_context():
        scaled = to_scale(Decimal(text), scale)
    exact = round(Fraction(text), scale)
    if max(abs(Fraction(text)), abs(exact)) >= Fraction(10) ** (USABLE_DIGITS - scale):
        assert scaled is None
    else:
        assert scaled is not None
        assert Fraction(scaled) == exact
        assert scaled.as_tuple().exponent == -scale


@given(number_texts(), st.integers(0, MAX_SCALE))
def test_rounding_again_changes_nothing(text, scale):
    with hostile_decimal_context():
        once = to_scale(Decimal(text), scale)
        assert once is None or to_scale(once, scale) == once


@given(st.data(), st.integers(0, MAX_SCALE))
def test_sums_never_lose_a_digit_in_any_order_and_fit_a_dynamodb_number(data, scale):
    numbers = data.draw(st.lists(amounts(scale), min_size=1, max_size=20))
    shuffled = data.draw(st.permutations(numbers))
    taken_back = data.draw(st.integers(0, len(numbers)))
    delta = RowDelta()
    with hostile_decimal_context():
        for number in numbers:
            delta.add(Contribution({"amount": number}), 1, "item#1")
        for number in shuffled[:taken_back]:
            delta.add(Contribution({"amount": number}), -1, "item#1")
        total = delta.amounts["amount"]
        assert significant_digits(total) <= DYNAMODB_DIGITS
    assert Fraction(total) == sum(map(Fraction, shuffled[taken_back:]))
    assert delta.items == len(numbers) - taken_back


@given(st.integers(0, MAX_SCALE))
def test_a_billion_of_the_largest_contributions_fit_a_dynamodb_number(scale):
    with hostile_decimal_context():
        step = Decimal((0, (1,), -scale))
        largest = EXACT.subtract(magnitude_limit(scale), step)
        assert to_scale(largest, scale) == largest
        total = EXACT.multiply(largest, Decimal(10**HEADROOM_DIGITS))
        assert significant_digits(EXACT.subtract(total, step)) <= DYNAMODB_DIGITS


@given(
    number_texts(digits=29, lowest=-40, highest=40), number_texts(digits=29, lowest=-40, highest=40), st.integers(0, 28)
)
@example("1", "3", 28)
@example("5", "1000", 2)
def test_products_are_exact_and_quotients_are_right_to_the_last_place_kept(first, second, scale):
    item = {"a": {"N": first}, "b": {"N": second}}
    with hostile_decimal_context():
        product = compile_number("a * b")(item)
        try:
            quotient = compile_number("a / b")(item)
        except UnusableItem:
            quotient = None
        kept = None if quotient is None else to_scale(quotient, scale)
    assert Fraction(product) == Fraction(first) * Fraction(second)
    assert (quotient is None) == (Fraction(second) == 0)
    if kept is not None:
        assert Fraction(kept) == round(Fraction(first) / Fraction(second), scale)


@given(number_texts())
def test_a_number_with_more_digits_than_can_be_added_up_is_refused_and_every_other_is_taken_whole(text):
    with hostile_decimal_context():
        try:
            value = compile_number("a")({"a": {"N": text}})
        except UnusableItem:
            value = None
        digits = significant_digits(Decimal(text))
    assert (value is None) == (digits > USABLE_DIGITS)
    assert value is None or Fraction(value) == Fraction(text)


@given(st.data(), st.integers(0, MAX_SCALE), st.integers(0, MAX_SCALE))
def test_texts_sort_as_their_numbers_do_and_give_them_back(data, scale, other_scale):
    one, other = data.draw(amounts(scale)), data.draw(amounts(other_scale))
    with hostile_decimal_context():
        texts = sortable(one), sortable(other)
        assert [Fraction(from_sortable(text)) for text in texts] == [Fraction(one), Fraction(other)]
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)
    assert len(texts[0]) == len(texts[1]) == USABLE_DIGITS + MAX_SCALE + 1
    assert all(text.isdecimal() and text.isascii() for text in texts)


@given(amounts(6), amounts(6), st.sampled_from(["0.001", "0.01", "0.1"]))
@example(Decimal("0.000001"), Decimal("-0.000001"), "0.001")
@example(Decimal("999999999999.999999"), Decimal("-999999999999.999999"), "0.001")
def test_the_value_of_a_bin_is_as_near_as_is_promised_and_bins_are_in_order(one, other, accuracy):
    promised = Decimal(accuracy)
    measure = Measure("m", "percentile", None, 6, accuracy=promised)
    sizes = [amount if abs(amount) < PERCENTILE_LIMIT else amount.scaleb(-12) for amount in (one, other)]
    values = []
    for size in sizes:
        exact = to_scale(size, 6)
        values.append(value_of_bin(bin_of(size, measure), promised))
        # Floating point has 16 digits; a value on the border of two bins may be off by one of them.
        assert abs(Fraction(values[-1]) - Fraction(exact)) <= Fraction(promised) * abs(Fraction(exact)) * Fraction(
            "1.000001"
        )
    if sizes[0] < sizes[1]:
        assert values[0] <= values[1]
