"""The expression language: what it computes, what it refuses and how it says so."""

from decimal import Decimal

import pytest

from aggregator.expressions import ExpressionError, compile_condition, compile_number
from aggregator.items import UnusableItem
from tests.support.stream import image

ITEM = image(
    quantity=6,
    unit_price=Decimal("2.55"),
    country="United Kingdom",
    paid=True,
    nothing=None,
    tags=["new", "sale"],
    customer={"region": "north", "zip-code": "N1", "orders": [{"total": Decimal("9.99")}]},
    blob=b"x",
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("quantity", "6"),
        ("quantity * unit_price", "15.30"),
        ("0.1 + 0.2", "0.3"),
        ("-quantity + 10 / 4", "-3.5"),
        ("(quantity - 1) * 2", "10"),
        ("customer.orders[0].total", "9.99"),
        ("1_000.5", "1000.5"),
        ("abs(-1234567890123456789012345678.9)", "1234567890123456789012345678.9"),
        ("round(unit_price, 1)", "2.6"),
        ("round(unit_price)", "3"),
        ("length(country)", "14"),
        ("length(tags)", "2"),
        ("coalesce(discount, nothing, 0)", "0"),
        ("quantity\n  * 2", "12"),
    ],
)
def test_numbers(text, result):
    assert compile_number(text)(ITEM) == Decimal(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("quantity > 5", True),
        ("0 < quantity < 6", False),
        ('country == "United Kingdom"', True),
        ('country in ("France", "Spain")', False),
        ("quantity in (1, 6)", True),
        ("quantity not in (-1, 1)", True),
        ('"sale" in tags', True),
        ("6 in tags", False),
        ("paid and not false", True),
        ("paid == true", True),
        ("exists(customer.region)", True),
        ("exists(nothing) or exists(customer.street)", False),
        ('lower(country) == "united kingdom" and upper(customer["zip-code"]) == "N1"', True),
        # The second side is not looked at where the first decides.
        ("quantity < 0 and missing > 1", False),
    ],
)
def test_conditions(text, result):
    assert compile_condition(text)(ITEM) is result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("missing * 2", "attribute missing is missing"),
        ("nothing + 1", "attribute nothing is NULL"),
        ("country * 2", r"attribute country has to be a number, and is a string"),
        ("paid + 1", "attribute paid has to be a number, and is true or false"),
        ("quantity / 0", "divides by zero"),
        ("0 / (quantity - 6)", "divides by zero"),
        ("customer * 2", "attribute customer is a map"),
        ("blob * 2", "attribute blob is binary"),
        ("customer.orders[7].total", r"attribute customer.orders\[7\].total is missing"),
        ("quantity.deeper", "attribute quantity.deeper is missing"),
        ("coalesce(country, 0)", "has to be a number, and is a string"),
        ("length(quantity)", r"length\(string or list\) was given a number"),
    ],
)
def test_an_item_that_an_expression_cannot_be_evaluated_for(text, reason):
    with pytest.raises(UnusableItem, match=reason):
        compile_number(text)(ITEM)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quantity == country", "quantity and country: a number cannot be compared with a string by =="),
        ("tags < country", "a list cannot be compared"),
        ("paid < paid", "< compares numbers or strings"),
        ("paid in country", "attribute country has to be a list"),
        ("country and paid", "attribute country has to be true or false"),
    ],
)
def test_an_item_that_a_condition_cannot_be_evaluated_for(text, reason):
    with pytest.raises(UnusableItem, match=reason):
        compile_condition(text)(ITEM)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os').system('ls')", "column 1: methods cannot be called"),
        (
            "1 + open('f')",
            r"column 5: there is no function open\(\); the functions are abs, coalesce, contains, date_between",
        ),
        ("quantity ** 2", "column 1: the operator Pow is not part of the language"),
        ("quantity +", "column 11: ends where something has to follow"),
        ("quantity 2", "column 1: an operator is missing between two values"),
        ("a) + (b", "is not one expression"),
        ("a, b", "is not one expression"),
        ("*a", "Starred is not part of the language"),
        ("quantity = 0", "= is not a comparison; write =="),
        ("a)(b", "is not one expression"),
        ("", "is not one expression"),
        ("lambda: 1", "column 1: lambda is not part of the language"),
        ("[x for x in y]", "comprehensions"),
        ("x for x in y", "comprehensions"),
        ("1 if a else 2", "if/else is not part"),
        ("f'{a}'", "f-strings"),
        ("(a := 1)", "assignment"),
        ("{'a': 1}", "maps are not part"),
        ("lines[0:1]", r"in \[ \] stands the number of a list element"),
        ("lines[-1]", r"in \[ \] stands the number of a list element"),
        ("abs(1).real", r"only an attribute may stand to the left of \."),
        ("abs(a, b)", r"abs\(\) was given 2 arguments; it is abs\(number\)"),
        ("abs(number=1)", "takes plain arguments only"),
        ("coalesce(a)", "takes two arguments or more"),
        ("coalesce(a, 'x', 0)", "have to be of one type"),
        ("'a' * 2", r"column 1: each side of \* has to be a number, and this is a string"),
        ("quantity > 0", "the whole expression has to be a number, and this is true or false"),
        ("0x10", "write the number 0x10 in decimal"),
        ("True", "write true"),
        ("None", r"use exists\(attribute\)"),
        ("~a", "the operator Invert"),
        ("1j", "constant of type complex"),
        ("(1, 2)", "a list of values may only stand to the right of in"),
        ("9" * 2001, "at most 2000"),
        ("(" * 300 + "1" + ")" * 300, "parentheses|parsed"),
        ("-" * 60 + "1", "nested more than 50 deep"),
        ("a" + ".a" * 990, "nested too deeply"),
    ],
)
def test_what_is_not_part_of_the_language_is_refused_with_place_and_reason(text, reason):
    with pytest.raises(ExpressionError, match=reason):
        compile_number(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("quantity + 1", "the whole expression has to be true or false, and this is a number"),
        ("1 < 'a'", "compares a number with a string"),
        ("true < false", "have no order"),
        ("a is b", "compare with =="),
        ("country in 'France'", "put the values in parentheses"),
        ("country in ('France', 1)", "have to be of one type"),
        ("country in ()", "stand constants"),
        ("country in (a, b)", "stand constants"),
        ("quantity in (-y,)", "stand constants"),
        ("quantity in (-1e999999999,)", "a number to the right of in is out of range"),
        ("1 in 2 + 3", "has to be a list"),
        ("not 1", "what follows not has to be true or false"),
        ("exists(1)", "takes one attribute"),
        ("paid and 1", "column 10: each side of and has to be true or false"),
        ("paid and\n  1", "line 2, column 3: each side of and"),
    ],
)
def test_what_is_no_condition_is_refused(text, reason):
    with pytest.raises(ExpressionError, match=reason):
        compile_condition(text)
