"""A function typed in as text: read without running it, with its exact derivatives."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import symengine

MOST_LETTERS = 200  # of a text that somebody types: what it takes to differentiate it is bounded
KNOWN_FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "erf"),
)
CONSTANTS = ("pi",)
# A number, a name, an operator, or one character that is none of them.
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|[-+*/^()])|(?P<other>\S))",
    re.ASCII,
)
Token = tuple[str, str]  # "number", "name" or "sign", and the text
END: Token = ("sign", "")  # after the last one


class Expression:
    """A function of n variables, its gradient and its Hessian, at any number of points at once."""

    def __init__(self, text: str, names: Sequence[str], most_letters: int = MOST_LETTERS) -> None:
        """Read the text.

        Args:
            text: as `x**2 + sin(y)`; `^` is a power too.
            names: of the variables, in the order of a point's coordinates.
            most_letters: that the text may have.

        Raises:
            ValueError: it is no such function; one sentence says why.
        """
        self.text, self.names = text, tuple(names)
        variables = [symengine.Symbol(name) for name in names]
        formula = _formula(text, self.names, most_letters)
        slopes = [formula.diff(variable) for variable in variables]
        curvatures = [slope.diff(variable) for slope in slopes for variable in variables]
        try:
            self._values, self._gradients, self._hessians = (
                symengine.Lambdify(variables, outputs, cse=True)
                for outputs in ([formula], slopes, curvatures)
            )
        except RuntimeError:  # a constant in it is infinite, or not real
            raise ValueError(
                f"{_quoted(text)} has no real value: a part of it divides by zero, or is the root "
                "or logarithm of a negative number; change that part"
            ) from None

    @property
    def dimension(self) -> int:
        """The number of variables."""
        return len(self.names)

    def values(self, points: np.ndarray) -> np.ndarray:
        """The function's value (...) at points (..., n)."""
        return _at(self._values, points, ())

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """The gradient (..., n) at points (..., n)."""
        return _at(self._gradients, points, (self.dimension,))

    def hessians(self, points: np.ndarray) -> np.ndarray:
        """The Hessian (..., n, n) at points (..., n)."""
        return _at(self._hessians, points, (self.dimension, self.dimension))


def _at(outputs: symengine.Lambdify, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Outputs of that shape at points (..., n); what has no value there is NaN or infinite."""
    *many, dimension = np.shape(points)
    if not np.size(points):  # of which symengine makes nothing
        return np.empty((*many, *shape))
    rows = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, dimension)
    return np.asarray(outputs(rows), dtype=np.float64).reshape((*many, *shape))


@lru_cache(maxsize=64)
def read_expression(
    text: str, names: tuple[str, ...], most_letters: int = MOST_LETTERS
) -> Expression:
    """The expression; see there. Of one text it is read once.

    Raises:
        ValueError: it is no such function.
    """
    return Expression(text, names, most_letters)


def require_finite(expression: Expression, points: np.ndarray) -> None:
    """Refuse a function that has no finite value at any of the points (..., n).

    Raises:
        ValueError: it has none.
    """
    if not np.isfinite(expression.values(points)).any():
        raise ValueError(
            f"{_quoted(expression.text)} is finite nowhere in the range; choose another range or "
            "another function"
        )


def _formula(text: str, names: Sequence[str], most_letters: int) -> symengine.Basic:
    """The text as a formula.

    Whole numbers are read as floating point ones: an exact 9**9**9 would fill the memory.

    Raises:
        ValueError: it is none.
    """
    if len(text) > most_letters:
        raise ValueError(
            f"the function has {len(text):,} letters, and may have {most_letters}; shorten it"
        )
    words = [_number_word(token) for token in _tokens(text.strip(), names)]
    if not words:
        raise ValueError(
            f"there is no function; type one of {' and '.join(names)}, as {names[0]}^2"
        )
    try:
        return symengine.sympify(" ".join(words))
    except (RuntimeError, ValueError, TypeError):
        raise ValueError(
            f"{_quoted(text)} is no formula: a bracket, an operator or a number is missing; write "
            "products with *, as 2*x"
        ) from None


def _tokens(text: str, names: Sequence[str]) -> list[Token]:
    """The numbers, names and signs of a text.

    Raises:
        ValueError: there is something else in it, or what lacks an operator or brackets.
    """
    tokens = [(kind, match[kind]) for match in _TOKEN.finditer(text) if (kind := match.lastgroup)]
    for kind, word in tokens:
        if kind == "other":
            raise ValueError(
                f"{_quoted(word)} has no meaning in a function; there are numbers, names, "
                "+ - * / ^ and round brackets"
            )
        if kind == "name" and word not in (*names, *KNOWN_FUNCTIONS, *CONSTANTS):
            raise ValueError(
                f"{_quoted(word)} is not known here; there are {', '.join((*names, *CONSTANTS))} "
                f"and {', '.join(KNOWN_FUNCTIONS)}"
            )
    for (kind, word), (next_kind, next_word) in zip(tokens, [*tokens, END][1:], strict=True):
        if word in KNOWN_FUNCTIONS:
            if next_word != "(":
                raise ValueError(f"{word} needs its argument in brackets, as {word}(x)")
        elif (kind != "sign" or word == ")") and (
            next_kind in ("number", "name") or next_word == "("
        ):
            raise ValueError(f"between {word} and {next_word} an operator is missing, as in 2*x")
    return tokens


def _number_word(token: Token) -> str:
    """A token as the formula's parser takes it: numbers as floating point ones.

    Raises:
        ValueError: the number is not finite.
    """
    kind, word = token
    if kind != "number":
        return word
    if not math.isfinite(float(word)):
        raise ValueError(f"the number {_quoted(word)} is too large; write a smaller one")
    return repr(float(word))


def _quoted(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return f'"{text[:60]}…"' if len(text) > 60 else f'"{text}"'
