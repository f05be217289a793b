"""The functions to look at: what each shows, where it is interesting, whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.playground.expression import MOST_LETTERS, Expression, read_expression

Range = tuple[float, float]
MULLER_BROWN = (  # A, a, b, c, x0, y0 of each well, as in the formula below
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


@dataclass(frozen=True)
class ExampleFunction:
    """A function of one or two variables, and how it is first looked at."""

    title: str
    text: str  # the formula
    ranges: tuple[Range, ...]  # of each variable, in the picture
    start: tuple[float, ...]  # where optimisers begin
    note: str  # what it shows
    source: str
    usual: Mapping[str, float] = field(
        default_factory=dict, hash=False
    )  # settings of a race, by their names
    caution: str = ""  # where popular texts about it are loose
    log: bool = False  # whether its heights span decades that are worth seeing
    clip: float = 0.0  # the height above which it is cut off in pictures; 0: nowhere
    formula: str = ""  # as it is shown, where the text is long
    own: bool = False  # typed in by the user: its length is bounded

    @property
    def dimension(self) -> int:
        """The number of variables."""
        return len(self.ranges)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return ("x", "y")[: self.dimension]

    @property
    def expression(self) -> Expression:
        """The function with its derivatives.

        Raises:
            ValueError: the text is no function.
        """
        return read_expression(self.text, self.names, MOST_LETTERS if self.own else 10_000)

    @property
    def loss_range(self) -> Range:
        """The lowest and the highest finite value in the ranges; they differ."""
        values = self.expression.values(self.grid(61)[1])
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return (low, high) if low < high else (low - 0.5, low + 0.5)

    def grid(self, count: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Values along each axis, (count,) each, and the points (count, n) or (Y, X, 2)."""
        axes = tuple(np.linspace(low, high, count) for low, high in self.ranges)
        return axes, np.stack(np.meshgrid(*axes), axis=-1)


def _muller_brown() -> str:
    wells = [
        f"{height}*exp({a}*(x-({x}))**2 + {b}*(x-({x}))*(y-({y})) + {c}*(y-({y}))**2)"
        for height, a, b, c, x, y in MULLER_BROWN
    ]
    return " + ".join(f"({well})" for well in wells)


LESSON = "the usual lesson on loss landscapes with its four example functions"
EXAMPLES: Mapping[str, ExampleFunction] = {
    "quartic": ExampleFunction(
        "Two valleys",
        "0.4*x^4 - 2*x^2 + 0.5*x + 2",
        ((-2.5, 2.5),),
        (2.2,),
        "A curve with two minima: which one gradient descent ends in depends on where it starts.",
        "the usual lesson's widget, whose x = 2.2000, f = 2.7902, f′ = 8.7368 this quartic gives",
        {"rate": 0.02, "adam_rate": 0.1, "steps": 100},
        caution="Its minima are often said to be near ±1.3: they are at −1.6403, the deeper one, "
        "and at 1.5145, with the maximum between them at 0.1258.",
    ),
    "quadratic": ExampleFunction(
        "Bowl",
        "(x^2 + 10*y^2)/2",
        ((-2.0, 2.0), (-2.0, 2.0)),
        (-1.8, 1.2),
        "A convex bowl, ten times as steep along y: gradient descent zigzags where its rate is "
        "above 0.1 and diverges above 0.2, which is 2 / largest eigenvalue.",
        LESSON,
        {"rate": 0.15, "adam_rate": 0.1, "steps": 60},
        caution="The largest stable rate is not the best one: that is 2 / (1 + 10) = 0.18, two "
        "over the sum of the eigenvalues.",
    ),
    "multimodal": ExampleFunction(
        "Many valleys",
        "(x^2 + y^2)*(1 + sin(5*x)*sin(5*y)/2)",
        ((-2.0, 2.0), (-2.0, 2.0)),
        (-1.5, 1.3),
        "A bowl with waves on it: many minima, and an optimiser stops in the first one that holds "
        "it.",
        LESSON,
        {"rate": 0.02, "adam_rate": 0.05, "steps": 150},
        caution="No optimiser here is global: start, rate and noise decide which minimum it is.",
    ),
    "saddle": ExampleFunction(
        "Saddle",
        "x^2 - y^2",
        ((-2.0, 2.0), (-2.0, 2.0)),
        (-1.5, 0.001),
        "A minimum along x and a maximum along y, unbounded below: what leaves the saddle goes on "
        "for ever; Newton's method walks into it.",
        LESSON,
        {"rate": 0.05, "adam_rate": 0.05, "steps": 80},
        caution="Saddles are often said to trap gradient descent: only starts exactly on the line "
        "y = 0 stay. Any other one leaves, the later the closer it is.",
    ),
    "rosenbrock": ExampleFunction(
        "Rosenbrock's valley",
        "(1 - x)^2 + 100*(y - x^2)^2",
        ((-2.0, 2.0), (-1.0, 3.0)),
        (-1.2, 1.0),
        "A bent valley with a flat floor: it is found at once, and followed to (1, 1) slowly, as "
        "one eigenvalue there is 2,508 times the other.",
        "Rosenbrock 1960, The Computer Journal 3(3), 175-184",
        {"rate": 0.001, "adam_rate": 0.02, "steps": 3000},
        caution="Which optimiser is fastest is a matter of its rate: from (−1.2, 1) to f < 10⁻⁶ "
        "momentum takes 7,435 steps with rate 0.0002 and 1,386 with 0.001; gradient descent with "
        "0.001 15,068, Adam with 0.02 2,874.",
        log=True,
    ),
    "himmelblau": ExampleFunction(
        "Four valleys",
        "(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
        ((-5.0, 5.0), (-5.0, 5.0)),
        (-0.5, -1.0),
        "Four minima of the same depth 0: which one is reached hangs on the start and the "
        "optimiser alone.",
        "Himmelblau 1972, Applied Nonlinear Programming, McGraw-Hill",
        {"rate": 0.01, "adam_rate": 0.1, "steps": 150},
        caution="The basins of gradient descent are those of a flow downhill only for small rates: "
        "with 0.02 their borders fray.",
        log=True,
    ),
    "muller_brown": ExampleFunction(
        "Mountain pass",
        _muller_brown(),
        ((-1.7, 1.2), (-0.4, 2.0)),
        (-0.75, 0.55),
        "Three minima joined by two bent passes: the potential on which searches for transition "
        "states are tried out.",
        "Müller and Brown 1979, Theoretica Chimica Acta 53, 75-93",
        {"rate": 0.0005, "adam_rate": 0.02, "newton_rate": 0.3, "steps": 300},
        caution="The lowest way between two minima is along the pass, not along the straight line "
        "between them: a barrier on a line is an upper bound.",
        clip=150.0,
        formula="Σ A exp(a (x − x₀)² + b (x − x₀)(y − y₀) + c (y − y₀)²) of four wells",
    ),
    "strict_saddle": ExampleFunction(
        "Strict saddle",
        "x^2/2 - 0.05*y^2 + y^4/4",
        ((-1.2, 1.2), (-0.8, 0.8)),
        (1.0, 0.001),
        "A saddle at (0, 0) with a slope that is hard to see, and two minima at y = ±0.316: "
        "gradient descent stays near the saddle for hundreds of steps, and leaves it in the end.",
        "Lee, Simchowitz, Jordan and Recht 2016, arXiv:1602.04915 (strict saddles)",
        {"rate": 0.1, "adam_rate": 0.02, "steps": 800},
        caution="Second-order steps are no remedy by themselves: Newton's method converges to the "
        "saddle. Steps until |y| > 0.3: gradient descent 688, momentum 101, saddle-free Newton 8.",
    ),
}
LESSON_EXAMPLES = ("quadratic", "multimodal", "saddle", "rosenbrock")  # the usual lesson's four


def own_function(text: str, ranges: tuple[Range, ...], start: tuple[float, ...]) -> ExampleFunction:
    """A function that somebody typed in, of as many variables as there are ranges.

    Raises:
        ValueError: the text is no function, or a range does not rise.
    """
    for name, (low, high) in zip("xy", ranges, strict=False):
        if not low < high:
            raise ValueError(f"{name} must go from less to more, got from {low:g} to {high:g}")
    function = ExampleFunction(
        "Function of your own", text, ranges, start, "", "typed in", own=True
    )
    function.expression  # noqa: B018 - refuses here what is no function
    return function
