"""A search text as a tree: comparisons of names with values, joined by and, or, not.

It is parsed by Python's own parser and never evaluated. `~` is the match with a regular expression:
as Python has no such operator between two values, it is read as `@`, which is as long.
"""

import ast
import itertools
import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from store.errors import CannotFilter

MAX_WHOLE = 10**18
FLAGS = ("favourite", "archived")  # names that are a condition by themselves
MAX_LENGTH = 2000  # characters of a text
Value: TypeAlias = str | float | int | bool | None
_SYMBOLS: dict[type[ast.AST], str] = {
    ast.Eq: "=", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_TURNED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Name:
    """A name that stands for a column, as `lr` or `sharpness.lambda_max`."""

    text: str
    place: int  # of its first character, from 1


@dataclass(frozen=True)
class Comparison:
    """A name compared with a value."""

    name: Name
    symbol: str  # =, !=, <, <=, >, >=, ~, or "in"
    values: tuple[Value, ...]  # one; several for "in"


@dataclass(frozen=True)
class Word:
    """A word that stands somewhere in what the analysis says of itself."""

    text: str


@dataclass(frozen=True)
class Joined:
    """Conditions of which all or any must hold, or one that must not."""

    how: str  # "AND", "OR", "NOT"
    parts: tuple["Condition", ...]


Condition: TypeAlias = Comparison | Word | Joined


def is_expression(text: str) -> bool:
    """Whether a text compares something; else it is words to look for."""
    outside_of_quotes = re.sub(r"""("[^"]*"|'[^']*')""", '""', text)
    if re.fullmatch(
        r'(\s|[()]|and\b|or\b|not\b|"")*""(\s|[()]|and\b|or\b|not\b|"")*', outside_of_quotes
    ):
        return True  # words in quotes alone
    return re.search(r"[<>~]|[=!]=|\bin\s*[\[({]", outside_of_quotes) is not None


def parsed(text: str) -> Condition:
    """The condition that a text states.

    Raises:
        CannotFilter: it is none; the sentence names the place.
    """
    if len(text) > MAX_LENGTH:
        raise CannotFilter(f"it is longer than {MAX_LENGTH:,} characters", "shorten it")
    text = text.strip()
    code = _readable_code(text)
    try:
        body = ast.parse(code, mode="eval").body
        return _Reader(re.sub(r"\s", " ", text)).condition(body)
    except SyntaxError as error:
        place = error.offset if error.offset and error.lineno == 1 else len(text) + 1
        rest = " ".join(text[place - 1 :].split())[:20]
        where = f"at character {place} ({rest!r})" if rest else "at its end"
        raise CannotFilter(f"it cannot be read {where}", _EXAMPLE) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise CannotFilter("it cannot be read", _EXAMPLE) from error


_EXAMPLE = 'write it as in kind == "surface" and learning_rate < 0.1 and name ~ "mlp_.*"'


def _readable_code(text: str) -> str:
    """The text on one line as Python's parser reads it, each character in its place.

    Outside of quotes `@` stands for `~`; within them nothing is escaped: patterns are full of
    backslashes.
    """
    parts = re.split(r"""("[^"]*"|'[^']*')""", re.sub(r"\s", " ", text))
    if any("#" in part for part in parts[::2]):  # for the parser the rest would be a remark
        raise CannotFilter("# has no meaning outside of quotes", _EXAMPLE)
    outside = [part.replace("~", "@") for part in parts[::2]]
    inside = [part.replace("\\", "/") for part in parts[1::2]]
    return "".join(
        itertools.chain.from_iterable(itertools.zip_longest(outside, inside, fillvalue=""))
    )


def _number(value: float) -> float:
    """A number as the database has it: whole ones of more than 18 digits are floats."""
    try:
        return value if abs(value) < MAX_WHOLE else float(value)
    except OverflowError:
        return math.inf


class _Reader:
    """Turns Python's tree into conditions; whatever else stands in it is refused with its place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=op, values=parts):
                how = "AND" if isinstance(op, ast.And) else "OR"
                return Joined(how, tuple(map(self.condition, parts)))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return Joined("NOT", (self.condition(part),))
            case ast.BinOp(op=ast.MatMult(), left=left, right=right):
                return Comparison(self._name(left), "~", (self._text_value(right),))
            case ast.Compare(left=first, ops=operators, comparators=others):
                sides = [first, *others]
                pairs = zip(sides, operators, others, strict=False)
                compared = tuple(self._comparison(*pair) for pair in pairs)
                return compared[0] if len(compared) == 1 else Joined("AND", compared)
            case ast.Constant(value=str()):
                return Word(self._quoted(node))
            case ast.Name() | ast.Attribute():
                name = self._name(node)
                is_flag = name.text in FLAGS
                return Comparison(name, "=" if is_flag else "!=", (True if is_flag else None,))
        raise self._refusal(node, "is neither a comparison nor a word in quotes")

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise self._refusal(right, "must be a list in brackets, as in [1, 2]")
            inside = Comparison(self._name(left), "in", tuple(map(self._value, right.elts)))
            return inside if isinstance(operator, ast.In) else Joined("NOT", (inside,))
        if isinstance(operator, ast.Is | ast.IsNot):
            operator = ast.Eq() if isinstance(operator, ast.Is) else ast.NotEq()
        symbol = _SYMBOLS[type(operator)]
        if isinstance(left, ast.Constant | ast.UnaryOp):
            return Comparison(self._name(right), _TURNED[symbol], (self._value(left),))
        return Comparison(self._name(left), symbol, (self._value(right),))

    def _name(self, node: ast.expr) -> Name:
        match node:
            case ast.Name(id=text):
                return Name(text, self._place(node))
            case ast.Attribute(value=ast.Name(id=owner), attr=text):
                return Name(f"{owner}.{text}", self._place(node))
        raise self._refusal(node, "is no name of a column")

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=str()):
                return self._quoted(node)
            case ast.Constant(value=bool() | None as value):
                return value
            case ast.Constant(value=int() | float() as value):
                return _number(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -_number(number)
            case ast.Name(id=text) if text.lower() in ("true", "false"):
                return text.lower() == "true"
        raise self._refusal(node, "is no value; put words in quotes")

    def _text_value(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            raise self._refusal(node, "must be a pattern in quotes")
        return self._quoted(node)

    def _quoted(self, node: ast.Constant) -> str:
        """What stands between the quotes, as it stands there."""
        part = self._part(node)
        mark, inner = part[0], part[1:-1]
        if mark not in "'\"" or mark in inner:
            raise self._refusal(node, "must be one text in plain quotes")
        return inner

    def _part(self, node: ast.expr) -> str:
        """The part of the text that a node was read from."""
        code = self._text.encode()
        return code[node.col_offset : node.end_col_offset].decode()

    def _place(self, node: ast.expr) -> int:
        """The character, from 1, at which a node begins: the parser counts bytes."""
        return len(self._text.encode()[: node.col_offset].decode()) + 1

    def _refusal(self, node: ast.expr, why: str) -> CannotFilter:
        part = self._part(node)[:40]
        return CannotFilter(f"{part!r} at character {self._place(node)} {why}", _EXAMPLE)
