"""The mathematics of the playground, against closed forms and numbers measured with other code."""

import math
import re

import numpy as np
import pytest

from explorer.playground.basins import DIVERGED, UNDER_WAY, basin_map
from explorer.playground.critical_points import critical_points
from explorer.playground.escape import escapes, fall
from explorer.playground.expression import KNOWN_FUNCTIONS, read_expression, require_finite
from explorer.playground.functions import EXAMPLES, own_function
from explorer.playground.optimisers import OPTIMISERS, symmetric_eigenpairs
from explorer.playground.race import RaceSettings, race, run
from explorer.playground.sensitivity import rate_curve

PLANES = [name for name, function in EXAMPLES.items() if function.dimension == 2]
REFUSED = {  # a text -> what its one sentence names
    "": "there is no function",
    "   ": "there is no function",
    "2x": "between 2 and x",
    "x y": "between x and y",
    "x(y)": "between x and (",
    "(x)(y)": "between ) and (",
    "foo(x)": '"foo" is not known',
    "I*x": '"I" is not known',
    "abs(x)": '"abs" is not known',
    "oo*x": '"oo" is not known',
    "sin x": "sin needs its argument in brackets",
    "exp": "exp needs its argument in brackets",
    "sin(x,y)": '"," has no meaning',
    "x;y": '";" has no meaning',
    "x.real": '"." has no meaning',
    "x<1": '"<" has no meaning',
    "x=2": '"=" has no meaning',
    "x[0]": '"[" has no meaning',
    "\u03c3": "has no meaning",
    "\x00": "has no meaning",
    "lambda: x": '"lambda" is not known',
    "__import__('os').system('true')": "__import__",
    "1e999*x": "too large",
    "((x": "is no formula",
    "x**": "is no formula",
    "()": "is no formula",
    "*x": "is no formula",
    "sin()": "is no formula",
    "1/0": "no real value",
    "x/(x-x)": "no real value",
    "log(-1)*x": "no real value",
    "sqrt(-1)": "no real value",
    "x" * 201: "201 letters",
    "9**9**9": "finite nowhere",
    "9**9**9**9**9*x": "finite nowhere",
    "log(-1-x^2)": "finite nowhere",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_function_is_refused_in_one_sentence(text: str) -> None:
    """Hostile and mistyped texts neither run, hang, nor give a function; the sentence names why."""
    points = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match=re.escape(REFUSED[text])) as refusal:
        require_finite(read_expression(text, ("x", "y")), points)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "**".join(["x"] * 66),
        "-" * 199 + "x",
        "(" * 99 + "x" + ")" * 99,
        "tan(exp(" * 19 + "x*y" + "))" * 19,
        "/".join(["x"] * 99),
        "(x+1)**999999999999",
        "1" * 199,
    ],
)
def test_the_worst_of_two_hundred_letters_is_read(text: str) -> None:
    """Whatever fits into the field is read, differentiated and evaluated without filling memory."""
    expression = read_expression(text, ("x", "y"))
    with np.errstate(all="ignore"):
        assert expression.values(np.full((7, 2), 0.3)).shape == (7,)
        assert expression.hessians(np.full((7, 2), 0.3)).shape == (7, 2, 2)


def test_formulas_mean_what_numpy_means() -> None:
    """Powers bind from the right and before signs; every function is NumPy's of that name."""
    x = np.linspace(0.1, 0.9, 9)
    points = x[:, None]

    def values(text: str) -> np.ndarray:
        return read_expression(text, ("x",)).values(points)

    np.testing.assert_allclose(values("-x^2 + 2**-x - 7/2/x"), -(x**2) + 2.0**-x - 3.5 / x)
    np.testing.assert_allclose(values("x^x^2 + 1e-3*.5*pi"), x ** (x**2) + 5e-4 * math.pi)
    for name in KNOWN_FUNCTIONS:
        numpy_name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}.get(name, name)
        function = getattr(np, numpy_name, None) or np.vectorize(getattr(math, name))
        np.testing.assert_allclose(values(f"{name}(x)"), function(x), rtol=1e-14)


@pytest.mark.parametrize("name", EXAMPLES)
def test_derivatives_are_those_of_the_values(name: str) -> None:
    """Gradients and Hessians are the central differences of values and gradients, at any shape."""
    function = EXAMPLES[name]
    expression, n = function.expression, function.dimension
    points = function.grid(4)[1] * 0.9 + 0.01
    for i, step in enumerate(1e-5 * np.eye(n)):
        slopes = (expression.values(points + step) - expression.values(points - step)) / 2e-5
        exact = expression.gradients(points)[..., i]
        # differences err by 1e-10 of the third derivative, and by rounding / 2e-5
        np.testing.assert_allclose(slopes, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
        curved = (expression.gradients(points + step) - expression.gradients(points - step)) / 2e-5
        exact = expression.hessians(points)[..., i]
        np.testing.assert_allclose(curved, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())


def test_the_lesson_s_quartic() -> None:
    """At 2.2 f is 2.7902, f' 8.7368; three stationary points, not at 1.3; where descent ends."""
    quartic = EXAMPLES["quartic"]
    start = np.array([2.2])
    assert f"{quartic.expression.values(start):.4f}" == "2.7902"
    assert f"{quartic.expression.gradients(start)[0]:.4f}" == "8.7368"
    deep, shallow, top = critical_points(quartic)
    assert [p.sort for p in (deep, shallow, top)] == ["minimum", "minimum", "maximum"]
    np.testing.assert_allclose(
        [p.place[0] for p in (deep, shallow, top)], [-1.640279, 1.514483, 0.125796], atol=5e-7
    )
    np.testing.assert_allclose(
        [p.loss for p in (deep, shallow, top)], [-1.305621, 0.274272, 2.031349], atol=5e-7
    )
    np.testing.assert_allclose(
        [p.eigenvalues[0] for p in (deep, shallow, top)], [8.914, 7.010, -3.924], atol=6e-4
    )
    for rate in (0.01, 0.05, 0.1):
        settings = RaceSettings(rate=rate, steps=1000)
        assert run(quartic, (2.2,), "gd", settings).points[-1, 0] == pytest.approx(1.514483)
        assert run(quartic, (-0.1,), "gd", settings).points[-1, 0] == pytest.approx(-1.640279)


@pytest.mark.parametrize(
    ("name", "rates", "steps"),
    [
        ("gd", {"rate": 1e-3}, 15_068),
        ("momentum", {"rate": 2e-4, "momentum": 0.9}, 7_435),
        ("adam", {"adam_rate": 0.02}, 2_874),
    ],
)
def test_steps_along_rosenbrock_s_valley(name: str, rates: dict[str, float], steps: int) -> None:
    """From (-1.2, 1) until f < 1e-6, counted in updates; with the start they are one more.

    With heavy-ball momentum 0.9 the rate is 2e-4. Other arithmetic may round another way for
    thousands of steps: within 2.
    """
    settings = RaceSettings(steps=steps + 100, **rates)
    path = run(EXAMPLES["rosenbrock"], (-1.2, 1.0), name, settings)
    assert path.first_below(1e-6) == pytest.approx(steps, abs=2)


def test_who_leaves_the_strict_saddle() -> None:
    """From (1, 0.001), steps until |y| > 0.3: descent 688, momentum 101, saddle-free Newton 8.

    Newton's method goes to the saddle itself.
    """
    function, settings = EXAMPLES["strict_saddle"], RaceSettings(rate=0.1, steps=800)
    paths = race(function, (1.0, 1e-3), ["gd", "momentum", "saddle_free", "newton"], settings)
    first = [np.flatnonzero(np.abs(path.points[:, 1]) > 0.3)[:1].tolist() for path in paths]
    assert first == [[688], [101], [8], []]
    np.testing.assert_allclose(paths[-1].points[-1], 0.0, atol=1e-12)


def test_every_optimiser_reaches_the_bottom_of_a_bowl() -> None:
    """Each to the minimum of the quadratic, which Newton and saddle-free Newton reach at once."""
    settings = RaceSettings(rate=0.05, adam_rate=0.05, steps=800)
    paths = race(EXAMPLES["quadratic"], (-1.8, 1.2), list(OPTIMISERS), settings)
    for path in paths:
        assert path.losses[-1] < 1e-6, path.optimiser.name
        assert len(path.points) == settings.steps + 1
        assert path.losses[0] == pytest.approx((1.8**2 + 10 * 1.2**2) / 2)
        if path.optimiser.name in ("newton", "saddle_free"):
            assert path.losses[1] < 1e-25


def test_one_step_of_each_rule() -> None:
    """The first two points on (x^2 + 10 y^2)/2 from (1, 1) are those of the formulas by hand."""
    settings = RaceSettings(rate=0.01, adam_rate=0.3, newton_rate=0.5, momentum=0.5, steps=2)
    start, slope = np.array([1.0, 1.0]), np.array([1.0, 10.0])
    after = start - 0.01 * slope
    by_hand = {
        "gd": [after, after - 0.01 * slope * after],
        "momentum": [after, after - 0.01 * (0.5 * slope + slope * after)],
        "nesterov": [
            after,
            after - 0.01 * (0.5 * slope + slope * (after - 0.005 * slope)),
        ],
        "newton": [start / 2, start / 4],
        "saddle_free": [start / 2, start / 4],
        "coordinate": [np.array([0.99, 1.0]), np.array([0.99, 0.9])],
    }
    for name, points in by_hand.items():
        path = run(EXAMPLES["quadratic"], (1.0, 1.0), name, settings)
        np.testing.assert_allclose(path.points[1:], points, rtol=1e-14, err_msg=name)
    adam = run(EXAMPLES["quadratic"], (1.0, 1.0), "adam", settings)
    np.testing.assert_allclose(adam.points[1], [0.7, 0.7], rtol=1e-7)  # the sign of the gradient


def test_eigenpairs_in_closed_form() -> None:
    """Those of LAPACK, for random, diagonal, equal and zero matrices; vectors are orthonormal."""
    draws = np.random.default_rng(0).normal(size=(50, 2, 2))
    special = np.array(
        [np.diag([3.0, 3.0]), np.zeros((2, 2)), np.diag([1.0, -2.0]), np.ones((2, 2))]
    )
    matrices = np.concatenate([draws + draws.swapaxes(1, 2), special])
    values, vectors = symmetric_eigenpairs(matrices)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrices), atol=1e-14)
    again = np.einsum("sij,sj,skj->sik", vectors, values, vectors)
    np.testing.assert_allclose(again, matrices, atol=1e-14)
    identity = np.broadcast_to(np.eye(2), matrices.shape)
    np.testing.assert_allclose(vectors.swapaxes(1, 2) @ vectors, identity, atol=1e-15)


def test_what_diverges_says_at_which_step() -> None:
    """Above 2 / lambda the error grows by |1 - rate lambda| a step, until it is beyond 1e6."""
    path = run(EXAMPLES["quadratic"], (0.0, 1.0), "gd", RaceSettings(rate=0.3))
    assert path.diverged_at == math.ceil(math.log(1e6) / math.log(2))  # |1 - 0.3 * 10| = 2
    assert len(path.points) == path.diverged_at
    assert np.isfinite(path.points).all()
    stable = run(EXAMPLES["quadratic"], (0.0, 1.0), "gd", RaceSettings(rate=0.19))
    assert stable.diverged_at is None


def test_noise_comes_from_its_seed_and_has_its_spread() -> None:
    """Same seed same path; the first step of many seeds is spread as the noise says."""
    one, again, other = (
        run(EXAMPLES["quadratic"], (1.0, 1.0), "gd", RaceSettings(noise=0.5, seed=seed, steps=20))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.points, again.points)
    assert (one.points[1:] != other.points[1:]).all()
    firsts = [
        run(EXAMPLES["quadratic"], (1.0, 1.0), "gd", RaceSettings(noise=2.0, seed=n, steps=1))
        for n in range(400)
    ]
    spread = np.std([path.points[1] for path in firsts], axis=0) / 0.05
    np.testing.assert_allclose(spread, 2.0, rtol=0.15)  # 4 standard errors of 400 draws


KNOWN = {  # function -> places of its minima, saddles and maxima, from the literature
    "quadratic": ([(0, 0)], [], 0),
    "saddle": ([], [(0, 0)], 0),
    "rosenbrock": ([(1, 1)], [], 0),
    "himmelblau": (
        [(3, 2), (3.584428, -1.848127), (-3.779310, -3.283186), (-2.805118, 3.131313)],
        [
            *((3.385154, 0.073852), (0.086678, 2.884255)),
            *((-3.073026, -0.081353), (-0.127961, -1.953715)),
        ],
        1,
    ),
    "muller_brown": (
        [(-0.558224, 1.441726), (0.623499, 0.028038), (-0.050011, 0.466694)],
        [(-0.822002, 0.624313), (0.212487, 0.292988)],
        0,
    ),
    "strict_saddle": ([(0, -(0.1**0.5)), (0, 0.1**0.5)], [(0, 0)], 0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_critical_points_are_those_of_the_literature(name: str) -> None:
    """All of them, each once, with its class, a gradient of zero and the Hessian's eigenvalues."""
    minima, saddles, maxima = KNOWN[name]
    points = critical_points(EXAMPLES[name])
    by_sort = {
        sort: sorted(p.place for p in points if p.sort == sort) for sort in ("minimum", "saddle")
    }
    for sort, places in (("minimum", minima), ("saddle", saddles)):
        assert len(by_sort[sort]) == len(places)
        if places:
            np.testing.assert_allclose(by_sort[sort], sorted(places), atol=2e-6)
    assert sum(point.sort == "maximum" for point in points) == maxima
    assert len(points) == len(minima) + len(saddles) + maxima
    assert max(point.gradient_norm for point in points) < 1e-9


def test_curvatures_at_known_points() -> None:
    """{1, 10} in the bowl, {-2, 2} on the saddle; Rosenbrock's condition number is 2,508."""
    (bowl,), (saddle,), (valley,) = (
        critical_points(EXAMPLES[name]) for name in ("quadratic", "saddle", "rosenbrock")
    )
    np.testing.assert_allclose(bowl.eigenvalues, [1, 10])
    np.testing.assert_allclose(saddle.eigenvalues, [-2, 2])
    np.testing.assert_allclose(np.abs(saddle.escape), [0, 1])
    assert saddle.index == 1
    assert valley.condition == pytest.approx(2508, abs=1)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("(x-1)*(x-0.5)*(x+0.25)*x", 3),
        ("sin(20*x)", 26),
        ("x^3", 1),
        ("(x-0.3)^2*(x+0.2)^3", 3),
        ("1/x", 0),
        ("exp(x)", 0),
        ("x^0.5", 0),
        ("3", 1),
        ("tanh(1000*x)", 2),
    ],
)
def test_all_stationary_points_of_a_curve(text: str, places: int) -> None:
    """Every real root of the slope from -2 to 2, a stretch of zeros as its middle; no pole."""
    points = critical_points(own_function(text, ((-2.0, 2.0),), (0.5,)))
    assert len(points) == places
    for point in points:
        if "^3" in text and abs(point.eigenvalues[0]) < 1e-6:
            assert point.sort == "degenerate"


def test_a_plane_that_newton_leaves_has_no_critical_points() -> None:
    """Where no start has a second derivative, or none ends in the range, there is none."""
    for text in ("x + y", "log(-x) + log(-1-y)*0", "exp(x+y)", "x^1e300*y"):
        assert critical_points(own_function(text, ((0.5, 1.0), (0.5, 1.0)), (0.7, 0.7))) == ()


def test_a_monkey_saddle_is_degenerate() -> None:
    """Where both eigenvalues are zero no class is claimed."""
    (point,) = critical_points(own_function("x^3 - 3*x*y^2", ((-1, 1), (-1, 1)), (0.5, 0.1)))
    assert point.sort == "degenerate"


def test_basins_of_a_curve_meet_at_its_maximum() -> None:
    """Descent from the left of the quartic's maximum ends in the left minimum, and so right."""
    quartic = EXAMPLES["quartic"]
    basins = basin_map(quartic, "gd", RaceSettings(rate=0.02, steps=400), 201)
    left, right = (
        next(n for n, p in enumerate(basins.points) if np.sign(p.place[0]) == sign)
        for sign in (-1, 1)
    )
    np.testing.assert_array_equal(basins.labels, np.where(basins.axes[0] < 0.125796, left, right))


def test_a_map_that_stands_still_is_not_run_on() -> None:
    """A hundred thousand times more steps than Newton's method needs are as quick, and the same."""
    few, many = (
        basin_map(EXAMPLES["himmelblau"], "newton", RaceSettings(steps=steps), 11)
        for steps in (200, 20_000)
    )
    np.testing.assert_array_equal(few.labels, many.labels)


def test_basins_of_a_plane() -> None:
    """Each start of a small grid ends where its own run ends; what diverges or is late is told."""
    function, settings = EXAMPLES["himmelblau"], RaceSettings(rate=0.01, steps=300)
    basins = basin_map(function, "momentum", settings, 6)
    assert {point.sort for point in basins.points} == {"minimum"}
    for (j, i), label in np.ndenumerate(basins.labels):
        start = (float(basins.axes[0][i]), float(basins.axes[1][j]))
        end = run(function, start, "momentum", settings).points[-1]
        if label >= 0:
            np.testing.assert_allclose(end, basins.points[label].place, atol=0.1)
    few = basin_map(function, "gd", RaceSettings(rate=0.001, steps=1), 6)
    assert few.share(UNDER_WAY) > 0.9
    wild = basin_map(EXAMPLES["quadratic"], "gd", RaceSettings(rate=0.5), 6)
    assert wild.share(DIVERGED) == 1.0


def test_rates_of_the_bowl() -> None:
    """Gradient descent is stable up to 2 / 10, and best near 2 / (1 + 10); BFGS takes no rate."""
    curve = rate_curve(EXAMPLES["quadratic"], (-1.8, 1.2), "gd", RaceSettings(steps=400))
    assert curve.largest_stable == pytest.approx(0.2, rel=0.12)  # one of the rates that are tried
    assert curve.best == pytest.approx(2 / 11, rel=0.12)
    assert math.isnan(curve.losses[-1])
    one = run(
        EXAMPLES["quadratic"],
        (-1.8, 1.2),
        "gd",
        RaceSettings(rate=float(curve.rates[40]), steps=400),
    )
    assert curve.losses[40] == pytest.approx(one.losses[-1], rel=1e-12)


def test_escapes_and_falls() -> None:
    """Along the escape direction the loss falls by half of lambda times the square, both ways."""
    function = EXAMPLES["strict_saddle"]
    (saddle,) = [point for point in critical_points(function) if point.sort == "saddle"]
    assert fall(function, saddle, 1e-3) == pytest.approx([-0.05e-6] * 2, rel=1e-4)
    settings = RaceSettings(rate=0.1, steps=800)
    runs = escapes(function, saddle, 1e-3, 0.3, ["gd", "saddle_free", "newton"], settings)
    assert [run.step for run in runs] == [688, 8, None]
    down = escapes(
        EXAMPLES["saddle"], critical_points(EXAMPLES["saddle"])[0], 1e-3, 0.3, ["gd"], settings
    )
    assert down[0].step == math.ceil(math.log(300) / math.log(1.2))
