"""Expressions mean what their text says, and text that is no expression is refused in one way only."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.expressions import ExpressionError, compile_condition, compile_number
from aggregator.items import UnusableItem
from tests.properties.strategies import hostile_decimal_context, items, scalars, texts

# How tightly a text holds together, by the precedence that Python's reference gives.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, ATOM = range(8)


@dataclass(frozen=True)
class Sample:
    """The text of an expression and, computed without the code under test, its value: Fraction, str or bool."""

    text: str
    level: int
    value: Any

    def inside(self, level: int) -> str:
        """The text where something at least as tight as ``level`` has to stand."""
        return self.text if self.level >= level else f"({self.text})"


#: An item with an attribute for each kind of value; ``missing`` and ``nothing`` can only be looked for.
NUMBERS = {"a": "0", "b": "-3.25", "c": "1E4", "total.amount": "0.000123", 'home["zip-code"]': "12345.678"}
STRINGS = {"s": "France", "t": "Straße", "lines[1].sku": "", "lines[0].sku": "b\u0301"}
BOOLEANS = {"yes": True, "no": False}
LISTS = {"sizes": [Decimal("1.0"), Decimal(-3)], "tags": ["France", ""]}
ITEM = {
    "a": {"N": "0"},
    "b": {"N": "-3.25"},
    "c": {"N": "1E4"},
    "total": {"M": {"amount": {"N": "0.000123"}}},
    "home": {"M": {"zip-code": {"N": "12345.678"}}},
    "s": {"S": "France"},
    "t": {"S": "Straße"},
    "lines": {"L": [{"M": {"sku": {"S": "b\u0301"}}}, {"M": {"sku": {"S": ""}}}]},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "sizes": {"NS": ["1.0", "-3"]},
    "tags": {"L": [{"S": "France"}, {"NULL": True}, {"S": ""}]},
    "nothing": {"NULL": True},
}


def atoms(values, convert=lambda value: value):
    return st.sampled_from([Sample(text, ATOM, convert(value)) for text, value in values.items()])


def quoted(text):
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\x00")
    )
    return Sample(f'"{escaped}"', ATOM, text)


number_literals = st.sampled_from(["0", "1", "2", "0.1", ".5", "7.", "1_000", "1e3", "2.5E-3", "99999999.99"])
number_atoms = atoms(NUMBERS, Fraction) | number_literals.map(lambda t: Sample(t, ATOM, Fraction(t.replace("_", ""))))
string_atoms = atoms(STRINGS) | texts(max_size=4).map(quoted) | st.just(quoted("France"))
boolean_atoms = atoms(BOOLEANS) | atoms({"true": True, "false": False})

OPERATORS = {
    "+": (SUM, lambda x, y: x + y),
    "-": (SUM, lambda x, y: x - y),
    "*": (PRODUCT, lambda x, y: x * y),
}
COMPARISONS = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}
PARTS = {"contains": lambda x, y: y in x, "starts_with": str.startswith, "ends_with": str.endswith}
spaces = st.sampled_from(["", " ", "\n  "])


@st.composite
def numbers(draw, depth=4):
    """An expression that gives a number."""
    form = draw(st.sampled_from(["operator", "operator", "sign", "function"])) if depth else "atom"
    if form == "atom" or draw(st.integers(0, 4)) == 0:
        return draw(number_atoms)
    if form == "operator":
        sign = draw(st.sampled_from(list(OPERATORS)))
        level, compute = OPERATORS[sign]
        left, right = draw(numbers(depth - 1)), draw(numbers(depth - 1))
        # Operators of one level are taken from the left, so the right side has to hold together more tightly.
        text = f"{left.inside(level)}{draw(spaces)}{sign}{draw(spaces)}{right.inside(level + 1)}"
        return Sample(text, level, compute(left.value, right.value))
    operand = draw(numbers(depth - 1))
    if form == "sign":
        sign = draw(st.sampled_from("+-"))
        return Sample(f"{sign}{operand.inside(SIGN)}", SIGN, -operand.value if sign == "-" else operand.value)
    name = draw(st.sampled_from(["abs", "round", "coalesce", "length", "max", "min"]))
    if name == "abs":
        return Sample(f"abs({operand.text})", ATOM, abs(operand.value))
    if name == "round":
        places = draw(st.integers(0, 4))
        return Sample(f"round({operand.text}, {places})", ATOM, round(operand.value, places))
    if name == "coalesce":
        return Sample(f"coalesce(missing, nothing + 1, {operand.text}, a)", ATOM, operand.value)
    if name in ("max", "min"):
        other = draw(numbers(depth - 1))
        extreme = (max if name == "max" else min)(operand.value, other.value)
        return Sample(f"{name}({operand.text}, {other.text})", ATOM, extreme)
    string = draw(string_atoms)
    return Sample(f"length({string.text})", ATOM, Fraction(len(string.value)))


@st.composite
def comparisons(draw, depth):
    """Two or three numbers, or two strings or booleans, compared; or something looked for in a list."""
    form = draw(st.sampled_from(["numbers", "strings", "booleans", "constants", "list", "exists", "parts"]))
    if form == "numbers":
        sides = draw(st.lists(numbers(depth - 1), min_size=2, max_size=3))
    elif form == "strings":
        sides = [draw(string_atoms), draw(string_atoms)]
    elif form == "booleans":
        sides = [draw(booleans(depth - 1)), draw(booleans(depth - 1))]
    elif form == "parts":
        name, found = draw(st.sampled_from(list(PARTS.items())))
        whole, part = draw(string_atoms), draw(string_atoms)
        return Sample(f"{name}({whole.text}, {part.text})", ATOM, found(whole.value, part.value))
    elif form == "exists":
        path = draw(st.sampled_from([*NUMBERS, *STRINGS, "missing", "nothing", "lines[2].sku", "s.x", "total[0]"]))
        return Sample(f"exists({path})", ATOM, path in NUMBERS or path in STRINGS)
    else:
        word = draw(st.sampled_from(["in", "not in"]))
        value = draw(draw(st.sampled_from([numbers(depth - 1), string_atoms])))
        is_number = isinstance(value.value, Fraction)
        if form == "list":
            name = "sizes" if is_number else "tags"
            found = value.value in list(map(Fraction, LISTS[name]) if is_number else LISTS[name])
        else:
            chosen = (
                st.tuples(st.sampled_from(["", "-"]), number_literals).map("".join) if is_number else texts(max_size=3)
            )
            literals = draw(st.lists(chosen, min_size=1, max_size=3))
            members = [literal if is_number else quoted(literal).text for literal in literals]
            name = f"({', '.join(members)},)"
            values = [Fraction(literal.replace("_", "")) for literal in literals] if is_number else literals
            found = value.value in values
        return Sample(f"{value.inside(SUM)} {word} {name}", COMPARISON, found == (word == "in"))
    signs = ["==", "!="] if form == "booleans" else list(COMPARISONS)
    text, value = sides[0].inside(SUM), True
    for left, right in pairwise(sides):
        sign = draw(st.sampled_from(signs))
        text += f" {sign}{draw(spaces)}{right.inside(SUM)}"
        value = value and COMPARISONS[sign](left.value, right.value)
    return Sample(text, COMPARISON, value)


@st.composite
def booleans(draw, depth=4):
    """An expression that gives true or false."""
    form = draw(st.sampled_from(["and", "or", "not", "comparison"])) if depth > 0 else "atom"
    if form == "atom" or draw(st.integers(0, 5)) == 0:
        return draw(boolean_atoms)
    if form == "comparison":
        return draw(comparisons(depth))
    if form == "not":
        operand = draw(booleans(depth - 1))
        return Sample(f"not {operand.inside(NOT)}", NOT, not operand.value)
    level = AND if form == "and" else OR
    sides = draw(st.lists(booleans(depth - 1), min_size=2, max_size=3))
    values = [side.value for side in sides]
    text = f" {form} ".join(side.inside(level + 1) for side in sides)
    return Sample(text, level, all(values) if form == "and" else any(values))


@settings(max_examples=200)
@given(numbers())
def test_a_number_is_what_exact_fractions_give(sample):
    with hostile_decimal_context():
        value = compile_number(sample.text)(ITEM)
    assert type(value) is Decimal
    assert Fraction(value) == sample.value


@settings(max_examples=200)
@given(booleans() | comparisons(depth=2))
def test_a_condition_is_what_its_words_say(sample):
    with hostile_decimal_context():
        assert compile_condition(sample.text)(ITEM) is sample.value


@given(numbers(depth=2), booleans(depth=2))
def test_a_number_is_no_condition_and_a_condition_is_no_number(number, condition):
    # Whether an attribute or what coalesce() takes is one, only the item tells.
    for compile_text, text in ((compile_condition, number.text), (compile_number, condition.text)):
        with pytest.raises((ExpressionError, UnusableItem)):
            compile_text(text)(ITEM)


def pieces():
    """Parts of expressions, of Python that is no part of them, and of nothing at all."""
    known = [
        "quantity",
        "price",
        "lines",
        "product",
        "customer.region",
        "lines[0].sku",
        "1",
        "0.1",
        "1e999",
        '"tea"',
        "true",
    ]
    known += ["+", "-", "*", "/", "(", ")", ",", "==", "!=", "<", "<=", "in", "not", "and", "or", "[", "]", "."]
    known += ["abs(", "coalesce(", "exists(", "length(", "lower(", "round(", "upper(", "\n"]
    foreign = [
        "lambda",
        "x:",
        ":=",
        "=",
        "**",
        "//",
        "%",
        "@",
        "~",
        "if",
        "else",
        "for",
        "is",
        "None",
        "True",
        "yield",
        "await",
    ]
    foreign += [
        "{",
        "}",
        "f'{a}'",
        "b'a'",
        "1j",
        "0x1F",
        "...",
        "'",
        '"""',
        "\\",
        "#",
        ";",
        "_",
        "__class__",
        "*a",
        "\t",
        "\0",
        "\ud800",
        "😀",
    ]
    return st.sampled_from(known) | st.sampled_from(foreign) | texts(max_size=3)


garbage = (
    st.text(max_size=40) | st.lists(pieces(), max_size=12).map(" ".join) | st.lists(pieces(), max_size=12).map("".join)
)


def outcome(compile_text, text, item):
    """What an expression gives for an item, or the error that refuses the expression or the item."""
    try:
        expression = compile_text(text)
    except ExpressionError as refusal:
        return refusal
    try:
        return expression(item)
    except UnusableItem as refusal:
        return refusal


def is_number_or_refused(text, item):
    found = outcome(compile_number, text, item)
    return type(found) is Decimal or (isinstance(found, Exception) and str(found))


def is_truth_or_refused(text, item):
    found = outcome(compile_condition, text, item)
    return type(found) is bool or (isinstance(found, Exception) and str(found))


# Python warns of odd but legal text, such as "\d"; with warnings as errors that would hide what happens without them.
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=300)
@given(garbage, items())
def test_any_text_is_refused_with_a_reason_or_gives_what_it_has_to(text, item):
    assert is_number_or_refused(text, item)
    assert is_truth_or_refused(text, item)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@given(booleans(), st.data())
def test_a_damaged_expression_is_refused_or_is_another_expression(sample, data):
    start = data.draw(st.integers(0, len(sample.text)))
    text = sample.text[:start] + data.draw(pieces()) + sample.text[start + data.draw(st.integers(0, 3)) :]
    assert is_truth_or_refused(text, ITEM)


NUMBER_USES = ["x", "x + 1", "-x", "x / y", "abs(x)", "round(x)", "round(1, x)", "length(x)", "coalesce(x, y)"]
NUMBER_USES += ["max(x, y)", "min(1, x)", "length(substring(x, y, y))", "length(substring(x, 1))"]
CONDITION_USES = ["x", "x == y", "x != 1", "x < y", 'x <= "a"', "x in y", "x in (1, 2)", 'x in ("a",)', "not x"]
CONDITION_USES += ["x and y", "x or y", "lower(x) == upper(y)", "exists(x)", "coalesce(x, y)", "x.y", "x[0] == y[1]"]
CONDITION_USES += ["contains(x, y)", "starts_with(x, y)", "ends_with(x, y)"]
CONDITION_USES += ['date_between(x, "2010-12-01", "2010-12-31", "Europe/London")']
attributes = st.recursive(
    scalars(binary=True) | st.just({"NULL": True}) | st.lists(texts(), min_size=1).map(lambda s: {"SS": s}),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda found: {"L": found})
        | st.dictionaries(st.sampled_from("xy"), inner).map(lambda found: {"M": found})
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from("xy"), attributes))
def test_attributes_of_any_type_give_a_value_or_make_the_item_unusable(item):
    with hostile_decimal_context():
        for text in NUMBER_USES:
            assert is_number_or_refused(text, item)
        for text in CONDITION_USES:
            assert is_truth_or_refused(text, item)


@given(texts(), st.sampled_from([" is ", " + ", " == s and -"]))
def test_the_column_of_a_refusal_is_that_of_the_character(text, operator):
    before = f"{quoted(text).text} == s and y{operator}"
    # A list where none may stand.
    with pytest.raises(ExpressionError, match=f"^column {len(before) + 1}: "):
        compile_condition(f"{before}[1]")
