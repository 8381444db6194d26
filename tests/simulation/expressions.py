"""DynamoDB's condition, update, key condition and projection expressions, each text compiled once.

The grammar is that of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html, for top-level
attributes. What AWS has and this has not raises ``NotImplementedError``; what AWS refuses raises ``InvalidRequest``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .attribute_values import AttributeValue, InvalidRequest, Item, add, in_order, subtract, text_size
from .reserved_words import RESERVED_WORDS

Names = Mapping[str, str]
Values = Mapping[str, AttributeValue]
#: What an operand or a condition gives for an item; an absent item is an empty one.
Operand = Callable[[Item, Names, Values], AttributeValue | None]
Test = Callable[[Item, Names, Values], bool]
#: Refuses names and values that an operator does not take, which DynamoDB does before it looks at an item.
Check = Callable[[Names, Values], None]

#: Bytes, https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html ("Expression parameters").
_MAX_EXPRESSION = 4_096
#: Operators and functions of an update expression, from the same page.
_MAX_OPERATORS = 300
#: Operands of IN, from the same page.
_MAX_IN = 100

_TOKEN = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*|[0-9]+|[#:][A-Za-z0-9_]+|<>|<=|>=|[=<>(),+\-.\[\]])")
_WORD = re.compile(r"[A-Za-z]")
_END = ""
_ORDERED = frozenset(("S", "N", "B"))
_COMPARATORS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
_NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
_TYPES = frozenset(("B", "BOOL", "BS", "L", "M", "N", "NS", "NULL", "S", "SS"))
_FUNCTIONS = frozenset(("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"))


class Uses(NamedTuple):
    """The names (``#x``) and values (``:x``) that an expression uses, and the checks of its values."""

    label: str
    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...]


class Condition(NamedTuple):
    """A compiled condition expression."""

    uses: Uses
    test: Test
    #: All that it uses, in order.
    paths: tuple[str, ...]
    operators: tuple[str, ...]


class Update(NamedTuple):
    """A compiled update expression: what is assigned to which attribute, and which attributes are removed."""

    uses: Uses
    assigned: tuple[tuple[str, Operand], ...]
    removed: tuple[str, ...]

    def targets(self, names: Names) -> set[str]:
        """The attributes that are written. Raises :class:`InvalidRequest` where one is written twice."""
        paths = [names.get(path, path) for path, _ in self.assigned]
        paths += [names.get(path, path) for path in self.removed]
        return _distinct(self.uses.label, paths)

    def apply(self, item: Item, names: Names, values: Values) -> Item:
        """The item after the update, as a new dict; every operand sees the item as it was before.

        Raises :class:`InvalidRequest` where the item does not admit it.
        """
        updated = dict(item)
        for path, operand in self.assigned:
            value = operand(item, names, values)
            if value is None:
                raise InvalidRequest(_NO_ATTRIBUTE)
            updated[names.get(path, path)] = value
        for path in self.removed:
            updated.pop(names.get(path, path), None)
        return updated


class Projection(NamedTuple):
    """A compiled projection expression."""

    uses: Uses
    paths: tuple[str, ...]

    def attributes(self, names: Names) -> set[str]:
        """The attributes that are asked for. Raises :class:`InvalidRequest` where one is named twice."""
        return _distinct(self.uses.label, [names.get(path, path) for path in self.paths])


class Request(NamedTuple):
    """The compiled expressions of a request, and what they use together."""

    condition: Condition | None
    update: Update | None
    projection: Projection | None
    uses: tuple[Uses, ...]
    names: frozenset[str]
    values: frozenset[str]
    checks: tuple[Check, ...]

    def check(self, names: Names | None, values: Values | None) -> None:
        """Refuse, by :class:`InvalidRequest`, names and values that the expressions do not use, or that they use and
        the request does not define, and values of types that their operators do not take."""
        # None and an empty dict differ: DynamoDB refuses an empty one.
        if (None if names is None else names.keys()) != (self.names or None):
            _refuse_uses("Name", names, [(uses.label, uses.names) for uses in self.uses])
        if (None if values is None else values.keys()) != (self.values or None):
            _refuse_uses("Value", values, [(uses.label, uses.values) for uses in self.uses])
        for check in self.checks:
            check(names or {}, values or {})


@lru_cache(maxsize=1 << 14)
def condition(text: str, label: str = "ConditionExpression") -> Condition:
    """Compile a condition expression. Raises :class:`InvalidRequest`."""
    parser = _Parser(text, label)
    test = parser.any_of()
    parser.expect(_END)
    return Condition(parser.uses(), test, tuple(parser.paths), tuple(parser.operators))


@lru_cache(maxsize=1 << 14)
def update(text: str) -> Update:
    """Compile an update expression. Raises :class:`InvalidRequest`."""
    parser = _Parser(text, "UpdateExpression")
    assigned, removed = parser.clauses()
    if len(parser.operators) > _MAX_OPERATORS:
        raise parser.invalid(f"The expression contains too many operators; operator count: {len(parser.operators)}")
    return Update(parser.uses(), tuple(assigned), tuple(removed))


@lru_cache(maxsize=1 << 10)
def projection(text: str) -> Projection:
    """Compile a projection expression. Raises :class:`InvalidRequest`."""
    parser = _Parser(text, "ProjectionExpression")
    paths = parser.listed(parser.path)
    parser.expect(_END)
    return Projection(parser.uses(), tuple(paths))


@lru_cache(maxsize=1 << 14)
def request(
    condition_text: str | None,
    *,
    label: str = "ConditionExpression",
    update_text: str | None = None,
    projection_text: str | None = None,
) -> Request:
    """Compile the expressions of a request (None: it has none of the kind). Raises :class:`InvalidRequest`."""
    compiled_condition = None if condition_text is None else condition(condition_text, label)
    compiled_update = None if update_text is None else update(update_text)
    compiled_projection = None if projection_text is None else projection(projection_text)
    compiled = (compiled_condition, compiled_update, compiled_projection)
    uses = tuple(expression.uses for expression in compiled if expression)
    return Request(
        *compiled,
        uses,
        frozenset().union(*(each.names for each in uses)),
        frozenset().union(*(each.values for each in uses)),
        tuple(check for each in uses for check in each.checks),
    )


def _refuse_uses(kind: str, given: Mapping[str, object] | None, uses: Sequence[tuple[str, frozenset[str]]]) -> None:
    """Say what is wrong where the names or values given are not those that the expressions (label, uses) use."""
    if given is not None and not uses:
        raise InvalidRequest(f"ExpressionAttribute{kind}s can only be specified when using expressions")
    if given is not None and not given:
        raise InvalidRequest(f"ExpressionAttribute{kind}s must not be empty")
    given = given or {}
    place = " used in the document path" if kind == "Name" else " used in expression"
    for label, used in uses:
        for missing in sorted(used - given.keys()):
            raise InvalidRequest(
                f"Invalid {label}: An expression attribute {kind.lower()}{place} is not defined; "
                f"attribute {kind.lower()}: {missing}"
            )
    if unused := given.keys() - frozenset().union(*(used for _, used in uses)):
        raise InvalidRequest(
            f"Value provided in ExpressionAttribute{kind}s unused in expressions: keys: {{{', '.join(sorted(unused))}}}"
        )


def _distinct(label: str, paths: list[str]) -> set[str]:
    distinct = set(paths)
    if len(distinct) < len(paths):
        twice = next(path for index, path in enumerate(paths) if path in paths[:index])
        raise InvalidRequest(
            f"Invalid {label}: Two document paths overlap with each other; must remove or rewrite one of these paths; "
            f"path one: [{twice}], path two: [{twice}]"
        )
    return distinct


class _Parser:
    """Recursive descent over the tokens of one expression: each method takes what it names and returns it compiled."""

    def __init__(self, text: str, label: str) -> None:
        self.label = label
        self.paths: list[str] = []
        self.operators: list[str] = []
        self._values: set[str] = set()
        self._checks: list[Check] = []
        self._tokens: list[str] = []
        self._next = 0
        #: Where the parentheses closed last had opened and closed.
        self._parentheses = (-1, -1)
        if not text:
            raise self.invalid("The expression can not be empty;")
        if text_size(text) > _MAX_EXPRESSION:
            raise self.invalid(
                f"Expression size has exceeded the maximum allowed size; expression size: {text_size(text)}"
            )
        position = 0
        text = text.rstrip(" \t\r\n")
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise self.invalid(f'Syntax error; token: "{text[position:].lstrip()[0]}"')
            self._tokens.append(match[1])
            position = match.end()

    def invalid(self, message: str) -> InvalidRequest:
        return InvalidRequest(f"Invalid {self.label}: {message}")

    def uses(self) -> Uses:
        names = frozenset(path for path in self.paths if path[0] == "#")
        return Uses(self.label, names, frozenset(self._values), tuple(self._checks))

    # Tokens

    def _peek(self, ahead: int = 0) -> str:
        position = self._next + ahead
        return self._tokens[position] if position < len(self._tokens) else _END

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _unexpected(self) -> InvalidRequest:
        near = " ".join(self._tokens[max(self._next - 1, 0) : self._next + 2])
        return self.invalid(f'Syntax error; token: "{self._peek() or "<EOF>"}", near: "{near}"')

    def expect(self, token: str) -> None:
        if self._peek().upper() != token:
            raise self._unexpected()
        self._next += 1

    def _accept(self, keyword: str) -> bool:
        if self._peek().upper() != keyword:
            return False
        self._next += 1
        return True

    def listed[T](self, element: Callable[[], T]) -> list[T]:
        """One or more elements with commas between them."""
        found = [element()]
        while self._accept(","):
            found.append(element())
        return found

    # Operands

    def path(self) -> str:
        token = self._peek()
        if not (token and (token[0] == "#" or _WORD.match(token))):
            raise self._unexpected()
        if token.upper() in RESERVED_WORDS:
            raise self.invalid(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        self._next += 1
        if self._peek() in (".", "["):
            raise NotImplementedError(f"a path inside the attribute {token}")
        self.paths.append(token)
        return token

    def _operand(self) -> tuple[str, Operand]:
        """The text of an operand, and what gives its value."""
        token = self._peek()
        if token == "(":
            raise NotImplementedError("parentheses around an operand")
        if token[:1] == ":":
            self._next += 1
            self._values.add(token)
            return token, lambda item, names, values: values[token]
        if token == "size" and self._peek(1) == "(":
            return self._size()
        path = self.path()
        if path[0] == "#":
            return path, lambda item, names, values: item.get(names[path])
        return path, lambda item, names, values: item.get(path)

    def _size(self) -> tuple[str, Operand]:
        self._call("size")
        text, operand = self._operand()
        self._require("size", text, _TYPES - {"N", "BOOL", "NULL"})
        self.expect(")")

        def evaluate(item: Item, names: Names, values: Values) -> AttributeValue | None:
            value = operand(item, names, values)
            if value is None or "N" in value or "BOOL" in value or "NULL" in value:
                return None
            ((kind, content),) = value.items()
            if kind == "S" and not content.isascii():
                raise NotImplementedError("AWS does not say in what unit it counts the length of a string")
            return {"N": str(len(content))}

        return f"size({text})", evaluate

    def _call(self, function: str) -> None:
        self.operators.append(function)
        self._next += 1
        self.expect("(")

    def _require(self, operator: str, text: str, kinds: frozenset[str]) -> None:
        """Have this operand refused unless it is of one of the types, where that is known before there is an item."""

        def check(names: Names, values: Values) -> None:
            kind = "N" if text.startswith("size(") else next(iter(values[text]))
            if kind not in kinds:
                raise self.invalid(
                    "Incorrect operand type for operator or function; "
                    f"operator or function: {operator}, operand type: {kind}"
                )

        if text[0] == ":" or text.startswith("size("):
            self._checks.append(check)

    # Conditions

    def any_of(self) -> Test:
        """Conditions with OR between them: OR binds least, then AND, then NOT."""
        tests = [self._all_of()]
        while self._accept("OR"):
            self.operators.append("OR")
            tests.append(self._all_of())
        if len(tests) == 1:
            return tests[0]
        if len(tests) == 2:
            left, right = tests
            return lambda item, names, values: left(item, names, values) or right(item, names, values)
        return lambda item, names, values: any(test(item, names, values) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._negated()]
        while self._accept("AND"):
            self.operators.append("AND")
            tests.append(self._negated())
        if len(tests) == 1:
            return tests[0]
        if len(tests) == 2:
            left, right = tests
            return lambda item, names, values: left(item, names, values) and right(item, names, values)
        return lambda item, names, values: all(test(item, names, values) for test in tests)

    def _negated(self) -> Test:
        if not self._accept("NOT"):
            return self._single()
        self.operators.append("NOT")
        test = self._negated()
        return lambda item, names, values: not test(item, names, values)

    def _single(self) -> Test:
        opened = self._next
        if self._accept("("):
            test = self.any_of()
            closed = self._next
            self.expect(")")
            if self._parentheses == (opened + 1, closed - 1):
                raise self.invalid("The expression has redundant parentheses;")
            self._parentheses = (opened, closed)
            return test
        token = self._peek()
        if self._peek(1) == "(" and _WORD.match(token) and token != "size":
            if token not in _FUNCTIONS:
                raise self.invalid(f"Invalid function name; function: {token}")
            return self._function(token)
        return self._comparison()

    def _comparison(self) -> Test:
        text, operand = self._operand()
        operator = self._peek().upper()
        if operator == ")":
            raise NotImplementedError("parentheses around an operand")
        if operator not in (*_COMPARATORS, "=", "<>", "BETWEEN", "IN"):
            raise self._unexpected()
        self._next += 1
        self.operators.append(operator)
        if operator == "BETWEEN":
            return self._between(text, operand)
        if operator == "IN":
            return self._in(text, operand)
        other_text, other = self._operand()
        self._refuse_same(operator, text, [other_text])
        if operator == "=":
            return _equal(operand, other)
        if operator == "<>":
            equal = _equal(operand, other)
            return lambda item, names, values: not equal(item, names, values)
        for each in (text, other_text):
            self._require(operator, each, _ORDERED)
        return _ordered(operand, other, _COMPARATORS[operator])

    def _refuse_same(self, operator: str, first: str, others: list[str]) -> None:
        """Have the first operand refused if it is an attribute that is among the others too, maybe by an alias."""
        paths = [other for other in others if _is_path(other)]

        def check(names: Names, values: Values) -> None:
            if names.get(first, first) in [names.get(path, path) for path in paths]:
                raise self.invalid(
                    "The first operand must be distinct from the remaining operands for this operator or function; "
                    f"operator: {operator}, first operand: [{names.get(first, first)}]"
                )

        if paths and _is_path(first):
            self._checks.append(check)

    def _between(self, text: str, operand: Operand) -> Test:
        lower_text, lower = self._operand()
        self.expect("AND")
        upper_text, upper = self._operand()
        self._refuse_same("BETWEEN", text, [lower_text, upper_text])
        for each in (text, lower_text, upper_text):
            self._require("BETWEEN", each, _ORDERED)
        if lower_text[0] == upper_text[0] == ":":

            def check(names: Names, values: Values) -> None:
                order = in_order(values[lower_text], values[upper_text])
                if order is None:
                    raise self.invalid("The BETWEEN operator requires same data type for lower and upper bounds;")
                if order > 0:
                    raise self.invalid(
                        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound;"
                    )

            self._checks.append(check)
        above = _ordered(operand, lower, _COMPARATORS[">="])
        below = _ordered(operand, upper, _COMPARATORS["<="])
        return lambda item, names, values: above(item, names, values) and below(item, names, values)

    def _in(self, text: str, operand: Operand) -> Test:
        self.expect("(")
        others = self.listed(self._operand)
        self.expect(")")
        if len(others) > _MAX_IN:
            raise self.invalid(f"The IN operator is provided with too many operands; number of operands: {len(others)}")
        self._refuse_same("IN", text, [other_text for other_text, _ in others])
        tests = [_equal(operand, other) for _, other in others]
        return lambda item, names, values: any(test(item, names, values) for test in tests)

    def _function(self, function: str) -> Test:
        self._call(function)
        text, operand = self._operand()
        if function in ("attribute_exists", "attribute_not_exists"):
            if not _is_path(text):
                raise self.invalid(f"Operator or function requires a document path; operator or function: {function}")
            self.expect(")")
            if function == "attribute_exists":
                return lambda item, names, values: operand(item, names, values) is not None
            return lambda item, names, values: operand(item, names, values) is None
        self.expect(",")
        other_text, other = self._operand()
        self.expect(")")
        if function == "attribute_type":
            return self._attribute_type(operand, other_text)
        self._refuse_same(function, text, [other_text])
        if function == "begins_with":
            for each in (text, other_text):
                self._require(function, each, frozenset(("S", "B")))
            return _both(operand, other, _begins_with)
        return _both(operand, other, _contains)

    def _attribute_type(self, operand: Operand, kind: str) -> Test:
        self._require("attribute_type", kind, frozenset(("S",)))
        if kind[0] != ":":
            raise self._unexpected()

        def check(names: Names, values: Values) -> None:
            if values[kind]["S"] not in _TYPES:
                raise self.invalid(f"Invalid attribute type name found; type: {values[kind]['S']}")

        self._checks.append(check)
        return lambda item, names, values: values[kind]["S"] in (operand(item, names, values) or ())

    # Updates

    def clauses(self) -> tuple[list[tuple[str, Operand]], list[str]]:
        """What SET and ADD assign, and what REMOVE removes; each clause at most once, in any order."""
        assigned: list[tuple[str, Operand]] = []
        removed: list[str] = []
        seen = set()
        while True:
            clause = self._peek().upper()
            if clause in seen:
                raise self.invalid(f'The "{clause}" section can only be used once in an update expression;')
            seen.add(clause)
            if self._accept("SET"):
                assigned += self.listed(self._assignment)
            elif self._accept("ADD"):
                assigned += self.listed(self._addition)
            elif self._accept("REMOVE"):
                removed += self.listed(self.path)
            elif clause == "DELETE":
                raise NotImplementedError("DELETE of members of a set")
            else:
                raise self._unexpected()
            if self._peek() == _END:
                return assigned, removed

    def _assignment(self) -> tuple[str, Operand]:
        target = self.path()
        self.expect("=")
        left_text, left = self._set_operand()
        operator = self._peek()
        if operator not in ("+", "-"):
            return target, left
        self._next += 1
        self.operators.append(operator)
        right_text, right = self._set_operand()
        if self._peek() in ("+", "-"):
            raise NotImplementedError("more than one + or - in a SET")
        for text in (left_text, right_text):
            self._require(operator, text, frozenset(("N",)))
        combine = add if operator == "+" else subtract

        def evaluate(item: Item, names: Names, values: Values) -> AttributeValue | None:
            return _combined(left(item, names, values), right(item, names, values), combine)

        return target, evaluate

    def _set_operand(self) -> tuple[str, Operand]:
        if self._peek(1) != "(":
            return self._operand()
        if self._peek() != "if_not_exists":
            raise NotImplementedError(f"the function {self._peek()} in a SET")
        self._call("if_not_exists")
        path = self.path()
        self.expect(",")
        if self._peek()[:1] != ":":
            # AWS does not say whether it has to be there where it is not needed; for DynamoDB Local it has to.
            raise NotImplementedError("an attribute as the value of if_not_exists")
        _, otherwise = self._operand()
        self.expect(")")

        def evaluate(item: Item, names: Names, values: Values) -> AttributeValue | None:
            present = item.get(names.get(path, path))
            return otherwise(item, names, values) if present is None else present

        return f"if_not_exists({path})", evaluate

    def _addition(self) -> tuple[str, Operand]:
        target = self.path()
        value = self._peek()
        if value[:1] != ":":
            raise self._unexpected()
        self._next += 1
        self._values.add(value)

        def check(names: Names, values: Values) -> None:
            (kind,) = values[value]
            if kind in ("SS", "NS", "BS"):
                raise NotImplementedError("ADD of members to a set")
            if kind != "N":
                raise self.invalid(
                    f"Incorrect operand type for operator or function; operator: ADD, operand type: {kind}"
                )

        self._checks.append(check)

        def evaluate(item: Item, names: Names, values: Values) -> AttributeValue:
            present = item.get(names.get(target, target))
            return values[value] if present is None else _combined(present, values[value], add)

        return target, evaluate


def _is_path(operand: str) -> bool:
    return operand[0] != ":" and "(" not in operand


def _combined(
    left: AttributeValue | None, right: AttributeValue | None, combine: Callable[[str, str], str]
) -> AttributeValue:
    if left is None or right is None:
        raise InvalidRequest(_NO_ATTRIBUTE)
    if "N" not in left or "N" not in right:
        raise InvalidRequest("An operand in the update expression has an incorrect data type")
    return {"N": combine(left["N"], right["N"])}


def _equal(left: Operand, right: Operand) -> Test:
    # Two absent attributes are not equal either, as DynamoDB Local has it; AWS does not say.
    def test(item: Item, names: Names, values: Values) -> bool:
        value = left(item, names, values)
        return value is not None and value == right(item, names, values)

    return test


def _ordered(left: Operand, right: Operand, accepts: Callable[[int], bool]) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        a, b = left(item, names, values), right(item, names, values)
        if a is None or b is None:
            return False
        order = in_order(a, b)
        return order is not None and accepts(order)

    return test


def _both(left: Operand, right: Operand, holds: Callable[[AttributeValue, AttributeValue], bool]) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        a, b = left(item, names, values), right(item, names, values)
        return a is not None and b is not None and holds(a, b)

    return test


def _begins_with(value: AttributeValue, prefix: AttributeValue) -> bool:
    return any(kind in value and kind in prefix and value[kind].startswith(prefix[kind]) for kind in ("S", "B"))


def _contains(value: AttributeValue, part: AttributeValue) -> bool:
    ((kind, content),) = value.items()
    ((part_kind, part_content),) = part.items()
    if kind == "L":
        return part in content
    # A string contains strings, and a set members, of its own type: SS those of type S.
    return kind in (part_kind, part_kind + "S") and kind in ("S", "B", "SS", "NS", "BS") and part_content in content
