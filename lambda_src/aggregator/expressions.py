"""The language of ``value`` and ``where``: a small safe subset of Python expression syntax.

An expression is parsed with :mod:`ast`, checked node by node against what is allowed, and turned into closures
once, when the function starts; nothing is ever handed to ``eval``. Allowed are

- attribute paths (``quantity``, ``customer.region``, ``lines[0].price``), numbers, strings, ``true``, ``false``;
- ``+ - * /`` and unary minus on numbers;
- ``== != < <= > >=`` between two numbers or two strings (booleans: ``==`` and ``!=``), chained as in ``0 < x < 10``;
- ``in`` and ``not in`` a parenthesised list of constants or a list or set attribute;
- ``and or not`` on booleans;
- the functions of :data:`FUNCTIONS`, and those that look at more than the values of their arguments.

docs/expressions.md describes the language to those who write in it.

An expression that cannot be evaluated for an item (attribute missing, NULL or of a type that does not fit, division
by zero) raises :class:`~aggregator.items.UnusableItem`: the item is quarantined, never counted by guess.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from decimal import Decimal, DecimalException
from typing import Any, Literal

from .items import AttributePath, Item, MissingAttribute, UnusableItem
from .numerics import ARITHMETIC, DIVISION, MAX_SCALE, ZERO
from .times import beginning, moment, time_zone

#: What is known of a result before any item is seen; "any" where only the item decides.
Kind = Literal["number", "string", "boolean", "list", "any"]
Evaluate = Callable[[Item], Any]

#: Longest expression in characters, and deepest nesting: far above need, far below what could exhaust the stack.
MAX_LENGTH = 2_000
MAX_DEPTH = 50


class ExpressionError(ValueError):
    """An expression that is not part of the language; the message gives the column, counted from 1, and the reason."""


@dataclass(frozen=True)
class Expression:
    """A compiled expression; call it with an item image to get a Decimal, str or bool."""

    text: str
    kind: Kind
    evaluate: Evaluate

    def __call__(self, item: Item) -> Any:
        """Evaluate for one item image (DynamoDB JSON). Raises ``UnusableItem`` where that is not possible."""
        try:
            return self.evaluate(item)
        except DecimalException:
            raise UnusableItem(f"{self.text!r} divides by zero or leaves the range of numbers") from None


def compile_number(text: str) -> Expression:
    """Compile an expression whose result has to be a number (``value`` of a sum). Raises :class:`ExpressionError`."""
    return _compile(text, "number")


def compile_condition(text: str) -> Expression:
    """Compile an expression whose result has to be true or false (``where``). Raises :class:`ExpressionError`."""
    return _compile(text, "boolean")


def compile_scalar(text: str) -> Expression:
    """Compile an expression whose result may be a number, a string, true or false. Raises :class:`ExpressionError`."""
    return _compile(text, "any")


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALL_ELEMENTS = re.compile(r"\[\s*\*\s*\]")
#: Columns that :func:`_wrap` puts before the first line.
_SHIFT = 2


def _wrap(text: str) -> str:
    # Inside parentheses an expression may run over several lines, as a heredoc in Terraform does.
    return f"_({text}\n)"


def _compile(text: str, wanted: Kind) -> Expression:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is {len(text)} characters long; at most {MAX_LENGTH} are allowed")
    try:
        wrapped = ast.parse(_wrap(text), mode="eval").body
    except SyntaxError as error:
        lines = text.split("\n")
        if (error.lineno or 0) > len(lines):
            raise ExpressionError(f"column {len(lines[-1]) + 1}: ends where something has to follow") from None
        column = max((error.offset or 0) - (_SHIFT if error.lineno == 1 else 0), 1)
        if any(
            found.start() < column <= found.end() for found in _ALL_ELEMENTS.finditer(lines[(error.lineno or 1) - 1])
        ):
            raise ExpressionError(
                f"column {column}: [*] may only stand in group_by; name one element, as in lines[0], "
                "or ask contains(list, value)"
            ) from None
        # Python's advice after the full stop is for Python's users.
        reason, _, advice = error.msg.partition(". ")
        if "forgot a comma" in advice:
            reason = "an operator is missing between two values"
        raise ExpressionError(f"column {column}: {reason}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("cannot be parsed; simplify it") from None
    match wrapped:
        # Anything else means that the text closes the parenthesis it stands in, as "a) + (b" does, or is a list.
        case ast.Call(func=ast.Name(), args=[tree], keywords=[]):
            pass
        case ast.Call(func=ast.Name(), args=[], keywords=[_]):
            raise ExpressionError("= is not a comparison; write ==")
        case _:
            raise ExpressionError("is not one expression; check its parentheses and commas")
    _count_columns_in_characters(tree, _wrap(text))
    try:
        compiled = _Compiler(text).compile(tree)
    except RecursionError:
        raise ExpressionError("is nested too deeply; simplify it") from None
    if wanted == "any":
        return Expression(text, compiled.kind, _scalar(compiled, tree))
    _require(compiled, wanted, tree, "the whole expression")
    return Expression(text, wanted, _checked(compiled, wanted, "the whole expression"))


def _count_columns_in_characters(tree: ast.expr, text: str) -> None:
    # ast counts the bytes of UTF-8 (https://docs.python.org/3/library/ast.html#ast.AST.col_offset).
    lines = [line.encode() for line in text.split("\n")]
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset = len(lines[node.lineno - 1][: node.col_offset].decode())


# ---------------------------------------------------------------------------------------------------------------------
# Checks: before any item is seen where the kinds are known, per item where only the item decides.
# ---------------------------------------------------------------------------------------------------------------------

_PYTHON_TYPES: dict[Kind, type] = {"number": Decimal, "string": str, "boolean": bool, "list": tuple}
_KIND_NAMES: dict[Kind, str] = {
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "list": "a list",
}


@dataclass(frozen=True)
class _Compiled:
    kind: Kind
    evaluate: Evaluate
    path: AttributePath | None = None


def _kind_of(value: Any) -> str:
    return next(name for kind, name in _KIND_NAMES.items() if type(value) is _PYTHON_TYPES[kind])


def _refuse(node: ast.expr, reason: str) -> ExpressionError:
    line = f"line {node.lineno}, " if node.lineno > 1 else ""
    column = node.col_offset + 1 - (_SHIFT if node.lineno == 1 else 0)
    return ExpressionError(f"{line}column {column}: {reason}")


def _require(compiled: _Compiled, wanted: Kind, node: ast.expr, role: str) -> None:
    if compiled.kind not in (wanted, "any"):
        raise _refuse(node, f"{role} has to be {_KIND_NAMES[wanted]}, and this is {_KIND_NAMES[compiled.kind]}")


def _checked(compiled: _Compiled, wanted: Kind, role: str) -> Evaluate:
    """The evaluation, with a check per item only where the kind is not known before."""
    if compiled.kind == wanted:
        return compiled.evaluate
    evaluate, python_type = compiled.evaluate, _PYTHON_TYPES[wanted]
    what = f"attribute {compiled.path.text}" if compiled.path else role

    def check(item: Item) -> Any:
        value = evaluate(item)
        if type(value) is not python_type:
            raise UnusableItem(f"{what} has to be {_KIND_NAMES[wanted]}, and is {_kind_of(value)}")
        return value

    return compiled.path.number_reader(check) if compiled.path and wanted == "number" else check


def _scalar(compiled: _Compiled, node: ast.expr) -> Evaluate:
    """The evaluation, with a check that it gives no list."""
    if compiled.kind == "list":
        raise _refuse(node, "the whole expression has to be a number, a string, true or false, and this is a list")
    if compiled.kind != "any":
        return compiled.evaluate
    evaluate, what = compiled.evaluate, f"attribute {compiled.path.text}" if compiled.path else "the whole expression"

    def check(item: Item) -> Any:
        value = evaluate(item)
        if isinstance(value, tuple):
            raise UnusableItem(f"{what} has to be a number, a string, true or false, and is a list")
        return value

    return check


# ---------------------------------------------------------------------------------------------------------------------
# Functions
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Function:
    """A function of strict arguments: the kinds it takes, the kind it gives, and what computes it.

    ``optional`` arguments may be left out at the end. ``whole`` are the arguments, counted from 0, that have to be
    whole numbers from 0 to the one given.
    """

    takes: tuple[Kind, ...]
    gives: Kind
    compute: Callable[..., Any]
    usage: str
    optional: int = 0
    whole: dict[int, int] = field(default_factory=dict)


def _round(value: Decimal, places: Decimal = ZERO) -> Decimal:
    return ARITHMETIC.quantize(value, Decimal((0, (1,), -int(places))))


def _substring(text: str, start: Decimal, count: Decimal | None = None) -> str:
    return text[int(start) :] if count is None else text[int(start) : int(start) + int(count)]


#: No string of an item is longer: it has at most 400 KB.
_MAX_CHARACTERS = 409_600

#: Name to function.
FUNCTIONS: dict[str, _Function] = {
    "abs": _Function(("number",), "number", Decimal.copy_abs, "abs(number)"),
    "length": _Function(("any",), "number", lambda value: Decimal(len(value)), "length(string or list)"),
    "lower": _Function(("string",), "string", str.lower, "lower(string)"),
    "ends_with": _Function(("string", "string"), "boolean", str.endswith, "ends_with(string, part)"),
    "round": _Function(
        ("number", "number"), "number", _round, "round(number, decimal places)", optional=1, whole={1: MAX_SCALE}
    ),
    "starts_with": _Function(("string", "string"), "boolean", str.startswith, "starts_with(string, part)"),
    "substring": _Function(
        ("string", "number", "number"),
        "string",
        _substring,
        "substring(string, start, count)",
        optional=1,
        whole={1: _MAX_CHARACTERS, 2: _MAX_CHARACTERS},
    ),
    "upper": _Function(("string",), "string", str.upper, "upper(string)"),
}
#: These stand apart: they look at attributes that may be missing, take any number of arguments, or several kinds.
_SPECIAL = ("coalesce", "contains", "date_between", "exists", "max", "min")
#: All functions of the language, by name.
FUNCTION_NAMES = tuple(sorted([*FUNCTIONS, *_SPECIAL]))
_FUNCTION_NAMES = ", ".join(FUNCTION_NAMES)

_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[Decimal, Decimal], Decimal]]] = {
    ast.Add: ("+", ARITHMETIC.add),
    ast.Sub: ("-", ARITHMETIC.subtract),
    ast.Mult: ("*", ARITHMETIC.multiply),
    ast.Div: ("/", DIVISION.divide),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
_HINTS: dict[type[ast.expr], str] = {
    ast.IfExp: "if/else is not part of the language; use where, or coalesce()",
    ast.Lambda: "lambda is not part of the language",
    ast.JoinedStr: "f-strings are not part of the language",
    ast.NamedExpr: "assignment is not part of the language; compare with ==",
    ast.Dict: "maps are not part of the language",
    ast.ListComp: "comprehensions are not part of the language",
    ast.GeneratorExp: "comprehensions are not part of the language",
    ast.Slice: "slices are not part of the language; one element is named by its number, as in lines[0]",
}


class _Compiler:
    """Turns a checked syntax tree into closures; every method either returns a compiled node or refuses it."""

    def __init__(self, text: str) -> None:
        self._source = _wrap(text)

    def compile(self, node: ast.expr, depth: int = 0) -> _Compiled:
        if depth > MAX_DEPTH:
            raise _refuse(node, f"is nested more than {MAX_DEPTH} deep; simplify it")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id="true" | "false"):
                truth = node.id == "true"
                return _Compiled("boolean", lambda item: truth)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._attribute(node)
            case ast.BinOp():
                return self._arithmetic(node, depth)
            case ast.UnaryOp():
                return self._unary(node, depth)
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.BoolOp():
                return self._logic(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.Tuple() | ast.List():
                raise _refuse(node, "a list of values may only stand to the right of in")
        raise _refuse(node, _HINTS.get(type(node), f"{type(node).__name__} is not part of the language"))

    def _constant(self, node: ast.Constant) -> _Compiled:
        value = node.value
        if isinstance(value, str):
            return _Compiled("string", lambda item: value)
        if isinstance(value, bool) or value is None:
            hint = "use exists(attribute)" if value is None else f"write {str(value).lower()}"
            raise _refuse(node, f"{value} is not part of the language; {hint}")
        if isinstance(value, int | float):
            # From the text as it was written: 0.1 has to be the decimal 0.1, not the nearest float.
            literal = (ast.get_source_segment(self._source, node) or "").replace("_", "")
            try:
                number = Decimal(literal)
            except DecimalException:
                raise _refuse(node, f"write the number {literal} in decimal") from None
            return _Compiled("number", lambda item: number)
        raise _refuse(node, f"a constant of type {type(value).__name__} is not part of the language")

    def _attribute(self, node: ast.expr) -> _Compiled:
        path = AttributePath(ast.unparse(node), *self._steps(node))
        return _Compiled("any", path.reader(), path)

    def _steps(self, node: ast.expr) -> tuple[str, tuple[str | int, ...]]:
        """The attribute's name and the steps into it."""
        match node:
            case ast.Name(id=name):
                return name, ()
            case ast.Attribute(value=base, attr=step):
                name, steps = self._steps(base)
                return name, (*steps, step)
            case ast.Subscript(value=base, slice=ast.Constant(value=int() | str() as step)) if type(step) is not bool:
                name, steps = self._steps(base)
                return name, (*steps, step)
            case ast.Subscript():
                raise _refuse(
                    node,
                    'in [ ] stands the number of a list element or the name of a map member: lines[0], home["zip"]',
                )
        raise _refuse(node, "only an attribute may stand to the left of . and [ ]")

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Compiled:
        if type(node.op) not in _ARITHMETIC:
            raise _refuse(node, f"the operator {type(node.op).__name__} is not part of the language; use + - * /")
        sign, compute = _ARITHMETIC[type(node.op)]
        left, right = self.compile(node.left, depth + 1), self.compile(node.right, depth + 1)
        role = f"each side of {sign}"
        _require(left, "number", node.left, role)
        _require(right, "number", node.right, role)
        first, second = _checked(left, "number", role), _checked(right, "number", role)
        return _Compiled("number", lambda item: compute(first(item), second(item)))

    def _unary(self, node: ast.UnaryOp, depth: int) -> _Compiled:
        operand = self.compile(node.operand, depth + 1)
        if isinstance(node.op, ast.Not):
            _require(operand, "boolean", node.operand, "what follows not")
            truth = _checked(operand, "boolean", "what follows not")
            return _Compiled("boolean", lambda item: not truth(item))
        if isinstance(node.op, ast.USub | ast.UAdd):
            _require(operand, "number", node.operand, "what follows a sign")
            number = _checked(operand, "number", "what follows a sign")
            negate = isinstance(node.op, ast.USub)
            return _Compiled("number", lambda item: ARITHMETIC.minus(number(item)) if negate else number(item))
        raise _refuse(node, f"the operator {type(node.op).__name__} is not part of the language")

    def _logic(self, node: ast.BoolOp, depth: int) -> _Compiled:
        word = "and" if isinstance(node.op, ast.And) else "or"
        parts = []
        for value in node.values:
            compiled = self.compile(value, depth + 1)
            _require(compiled, "boolean", value, f"each side of {word}")
            parts.append(_checked(compiled, "boolean", f"each side of {word}"))
        if word == "and":
            return _Compiled("boolean", lambda item: all(part(item) for part in parts))
        return _Compiled("boolean", lambda item: any(part(item) for part in parts))

    def _comparison(self, node: ast.Compare, depth: int) -> _Compiled:
        tests: list[Evaluate] = []
        left_node = node.left
        for comparison, right_node in zip(node.ops, node.comparators, strict=True):
            tests.append(self._compare(left_node, comparison, right_node, depth))
            left_node = right_node
        return _Compiled("boolean", tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests))

    def _compare(self, left_node: ast.expr, comparison: ast.cmpop, right_node: ast.expr, depth: int) -> Evaluate:
        if isinstance(comparison, ast.In | ast.NotIn):
            contained = self._contained(left_node, right_node, depth)
            return contained if isinstance(comparison, ast.In) else lambda item: not contained(item)
        if type(comparison) not in _COMPARISONS:
            raise _refuse(right_node, "is is not part of the language; compare with ==, or use exists(attribute)")
        sign, compute = _COMPARISONS[type(comparison)]
        left, right = self.compile(left_node, depth + 1), self.compile(right_node, depth + 1)
        if "any" not in (left.kind, right.kind) and left.kind != right.kind:
            reason = f"compares {_KIND_NAMES[left.kind]} with {_KIND_NAMES[right.kind]}, which are never equal"
            raise _refuse(left_node, reason)
        ordered = sign not in ("==", "!=")
        for side, side_node in ((left, left_node), (right, right_node)):
            if ordered and side.kind == "boolean":
                raise _refuse(side_node, f"{sign} compares numbers or strings; true and false have no order")
        first, second = left.evaluate, right.evaluate
        named = " and ".join(side.path.text for side in (left, right) if side.path) or "both sides"

        def compare(item: Item) -> bool:
            one, other = first(item), second(item)
            kind = type(one)
            if kind is not type(other):
                raise UnusableItem(f"{named}: {_kind_of(one)} cannot be compared with {_kind_of(other)} by {sign}")
            if kind is Decimal or kind is str or not ordered:
                return compute(one, other)
            raise UnusableItem(f"{named}: {sign} compares numbers or strings, not {_kind_of(one)}")

        return compare

    def _contained(self, left_node: ast.expr, right_node: ast.expr, depth: int) -> Evaluate:
        left = self.compile(left_node, depth + 1)
        if isinstance(right_node, ast.Tuple | ast.List):
            members = [self.compile(element, depth + 1) for element in right_node.elts]
            signed = (node.operand if isinstance(node, ast.UnaryOp) else node for node in right_node.elts)
            if not members or not all(isinstance(node, ast.Constant) for node in signed):
                raise _refuse(right_node, 'to the right of in stand constants: country in ("France", "Spain")')
            kinds = {member.kind for member in members} | ({left.kind} - {"any"})
            if len(kinds) > 1:
                raise _refuse(right_node, "the values to the right of in have to be of one type, that of the left side")
            try:
                constants = frozenset(member.evaluate({}) for member in members)
            except DecimalException:
                raise _refuse(right_node, "a number to the right of in is out of range") from None
            checked = _checked(left, members[0].kind, "what stands to the left of in")
            return lambda item: checked(item) in constants
        if isinstance(right_node, ast.Constant):
            raise _refuse(right_node, 'put the values in parentheses, with a comma after a single one: in ("France",)')
        right = self.compile(right_node, depth + 1)
        _require(right, "list", right_node, "what stands to the right of in")
        candidates = _checked(right, "list", "what stands to the right of in")
        wanted = left.evaluate

        def contained(item: Item) -> bool:
            value = wanted(item)
            return any(type(value) is type(candidate) and value == candidate for candidate in candidates(item))

        return contained

    def _call(self, node: ast.Call, depth: int) -> _Compiled:
        if not isinstance(node.func, ast.Name):
            raise _refuse(node, f"methods cannot be called; the functions are {_FUNCTION_NAMES}")
        name = node.func.id
        if name not in FUNCTION_NAMES:
            raise _refuse(node, f"there is no function {name}(); the functions are {_FUNCTION_NAMES}")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise _refuse(node, f"{name}() takes plain arguments only")
        arguments = [self.compile(argument, depth + 1) for argument in node.args]
        if name == "exists":
            return self._exists(node, arguments)
        if name == "coalesce":
            return self._coalesce(node, arguments)
        if name == "contains":
            return self._contains(node, arguments)
        if name == "date_between":
            return self._date_between(node, arguments)
        if name in ("max", "min"):
            return self._extreme(node, name, arguments)
        function = FUNCTIONS[name]
        most = len(function.takes)
        if not most - function.optional <= len(arguments) <= most:
            raise _refuse(node, f"{name}() was given {len(arguments)} arguments; it is {function.usage}")
        checked: list[Evaluate] = []
        for index, (argument, argument_node, wanted) in enumerate(
            zip(arguments, node.args, function.takes, strict=False)
        ):
            if wanted == "any":
                if argument.kind in ("number", "boolean"):
                    raise _refuse(argument_node, f"{name}() is {function.usage}")
                checked.append(_sized(argument, function.usage))
            else:
                _require(argument, wanted, argument_node, f"the argument of {name}()")
                checked.append(_checked(argument, wanted, f"the argument of {name}()"))
            if index in function.whole:
                checked[-1] = _whole(checked[-1], function.usage, index, function.whole[index])
                if _is_constant(argument_node):
                    _try_constant(checked[-1], argument_node)
        compute = function.compute
        return _Compiled(function.gives, lambda item: compute(*[argument(item) for argument in checked]))

    def _exists(self, node: ast.Call, arguments: list[_Compiled]) -> _Compiled:
        if len(arguments) != 1 or arguments[0].path is None:
            raise _refuse(node, "exists() takes one attribute: exists(customer.region)")
        find = arguments[0].path.find

        def exists(item: Item) -> bool:
            try:
                find(item)
            except MissingAttribute:
                return False
            return True

        return _Compiled("boolean", exists)

    def _coalesce(self, node: ast.Call, arguments: list[_Compiled]) -> _Compiled:
        if len(arguments) < 2:
            raise _refuse(node, "coalesce() takes two arguments or more: coalesce(discount, 0)")
        kinds = {argument.kind for argument in arguments} - {"any"}
        if len(kinds) > 1:
            raise _refuse(node, "the arguments of coalesce() have to be of one type")
        *alternatives, last = [argument.evaluate for argument in arguments]

        def coalesce(item: Item) -> Any:
            for alternative in alternatives:
                try:
                    return alternative(item)
                except MissingAttribute:
                    continue
            return last(item)

        # Only the item decides which argument is taken, so the kind is checked per item by whoever uses the result.
        return _Compiled("any", coalesce)

    def _contains(self, node: ast.Call, arguments: list[_Compiled]) -> _Compiled:
        usage = "contains(string, part) or contains(list, value)"
        if len(arguments) != 2:
            raise _refuse(node, f"contains() was given {len(arguments)} arguments; it is {usage}")
        whole, part = arguments
        if whole.kind in ("number", "boolean"):
            raise _refuse(node.args[0], f"contains() is {usage}")
        if whole.kind == "string":
            _require(part, "string", node.args[1], "the part that contains() looks for")
        sized, sought = _sized(whole, usage), part.evaluate

        def contains(item: Item) -> bool:
            inside, value = sized(item), sought(item)
            if isinstance(inside, tuple):
                return any(type(value) is type(element) and value == element for element in inside)
            if not isinstance(value, str):
                raise UnusableItem(f"a string contains strings; contains() was given {_kind_of(value)} to look for")
            return value in inside

        return _Compiled("boolean", contains)

    def _extreme(self, node: ast.Call, name: str, arguments: list[_Compiled]) -> _Compiled:
        if len(arguments) < 2:
            raise _refuse(node, f"{name}() takes two numbers or more: {name}(quantity, 0)")
        role = f"each argument of {name}()"
        for argument, argument_node in zip(arguments, node.args, strict=True):
            _require(argument, "number", argument_node, role)
        numbers = [_checked(argument, "number", role) for argument in arguments]
        if name == "max":
            return _Compiled("number", lambda item: max(number(item) for number in numbers))
        return _Compiled("number", lambda item: min(number(item) for number in numbers))

    def _date_between(self, node: ast.Call, arguments: list[_Compiled]) -> _Compiled:
        usage = 'date_between(time, "2010-12-01", "2010-12-31"), with a time zone after it if not UTC'
        if len(arguments) not in (3, 4):
            raise _refuse(node, f"date_between() was given {len(arguments)} arguments; it is {usage}")
        if arguments[0].kind not in ("any", "string", "number"):
            raise _refuse(node.args[0], f"date_between() is {usage}")
        first, last = _day(node.args[1]), _day(node.args[2])
        if first > last:
            raise _refuse(node.args[2], "the last day lies before the first; change places")
        name = node.args[3] if len(arguments) == 4 else ast.Constant("UTC")
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            raise _refuse(name, 'a time zone stands in quotes, such as "Europe/London"')
        try:
            zone = time_zone(name.value)
            start, end = (beginning(day, zone).astimezone(UTC) for day in (first, last + timedelta(days=1)))
        except OverflowError:
            raise _refuse(node, "date_between() takes days from 0001-01-02 to 9999-12-30") from None
        except ValueError as error:
            raise _refuse(name, str(error)) from None
        evaluate, path = arguments[0].evaluate, arguments[0].path
        what = f"attribute {path.text}" if path else "the time of date_between()"

        def between(item: Item) -> bool:
            value = evaluate(item)
            if not isinstance(value, str | Decimal):
                raise UnusableItem(f"{what} is {_kind_of(value)}; a time is a string or a number")
            return start <= moment(value, zone, what) < end

        return _Compiled("boolean", between)


def _is_constant(node: ast.expr) -> bool:
    """Whether an argument is a constant, maybe with a sign."""
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _try_constant(evaluate: Evaluate, node: ast.expr) -> None:
    """Refuse a constant argument that every item would be quarantined for."""
    try:
        evaluate({})
    except UnusableItem as error:
        raise _refuse(node, str(error)) from None
    except DecimalException:
        raise _refuse(node, "this number is out of range") from None


def _whole(evaluate: Evaluate, usage: str, index: int, most: int) -> Evaluate:
    def check(item: Item) -> Decimal:
        number: Decimal = evaluate(item)
        if not 0 <= number <= most or number != int(number):
            raise UnusableItem(f"argument {index + 1} of {usage} has to be a whole number from 0 to {most}")
        return number

    return check


def _day(node: ast.expr) -> date:
    """The day that a constant argument of date_between() names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            if _DAY.fullmatch(node.value):
                return date.fromisoformat(node.value)
        except ValueError:
            pass
    raise _refuse(node, 'date_between() takes days in quotes, such as "2010-12-31"')


def _sized(argument: _Compiled, usage: str) -> Evaluate:
    evaluate = argument.evaluate

    def check(item: Item) -> Any:
        value = evaluate(item)
        if not isinstance(value, str | tuple):
            raise UnusableItem(f"{usage} was given {_kind_of(value)}")
        return value

    return check
