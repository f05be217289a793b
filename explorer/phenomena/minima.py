"""Minima and saddles: which critical points there are, and what leaves them."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.result import Result
from explorer.phenomena.experiments import at, experiment_question, points_of
from explorer.phenomena.phenomenon import Group, Phenomenon, Proof

SEMICIRCLE_THRESHOLD = -2 * np.sqrt(2 / 3)  # E_infinity of three spins together


def _spin_glass_proofs(results: Sequence[Result]) -> list[Proof]:
    points, theory = (points_of(results, 0, name) for name in ("critical points", "many spins"))
    expected = np.interp(points.x, theory.x, theory.y)
    low = points.y[points.x < SEMICIRCLE_THRESHOLD]
    return [
        Proof(
            "correlation of index and energy over the critical points",
            float(np.corrcoef(points.x, points.y)[0, 1]),
            0.97,
            expected="almost a line (measured before: .989)",
        ),
        Proof(
            "mean distance of the index from the law for many spins",
            float(np.abs(points.y - expected).mean()),
            high=0.03,
            expected="small for 40 spins (measured before: .016)",
        ),
        Proof(
            "critical points of the 60 starts",
            float(len(points.x)),
            30,
            60,
            expected="about half or more converge (measured before: 34)",
        ),
        Proof(
            "largest index below the threshold energy",
            float(low.max()) if len(low) else float("nan"),
            high=0.03,
            expected="minima and low saddles only (theory: Auffinger et al. 2013); few lie so low",
        ),
    ]


def _ensemble_proofs(results: Sequence[Result]) -> list[Proof]:
    wigner, wishart = (points_of(results, place, "extreme eigenvalues") for place in (0, 1))
    simulated, limit = (points_of(results, 2, name) for name in ("simulated", "large matrices"))
    return [
        Proof(
            "largest absolute eigenvalue of the Wigner matrix",
            float(np.abs(wigner.x).max()),
            1.95,
            2.05,
            expected="2 (Wigner's law; 800 rows)",
        ),
        Proof(
            "smallest eigenvalue of the Wishart matrix",
            float(wishart.x[0]),
            0.235,
            0.265,
            expected=".25 (Marchenko and Pastur; measured before: .254)",
        ),
        Proof(
            "largest eigenvalue of the Wishart matrix",
            float(wishart.x[-1]),
            2.2,
            2.3,
            expected="2.25 (Marchenko and Pastur; measured before: 2.255)",
        ),
        Proof(
            "index at .9 times the critical energy",
            at(simulated, 0.9),
            high=0.0,
            expected="0 (Pennington and Bahri 2017)",
        ),
        Proof(
            "index at 1.1 times the critical energy",
            at(simulated, 1.1),
            0.001,
            0.006,
            expected="a few of 800 (measured before: .0038)",
        ),
        Proof(
            "largest distance of the index from that of large matrices",
            float(np.abs(simulated.y - limit.y).max()),
            high=0.004,
            expected="within three of 800 eigenvalues",
        ),
    ]


def _positive_proofs(results: Sequence[Result]) -> list[Proof]:
    measured = points_of(results, 0, "random matrices")
    logarithms = {n: np.log(at(measured, n)) for n in range(1, 11)}
    bend = np.mean([logarithms[n + 1] - 2 * logarithms[n] + logarithms[n - 1] for n in (7, 8, 9)])
    return [
        Proof(
            "probability for two rows",
            at(measured, 2),
            0.144,
            0.149,
            expected="(2 - √2)/4 = .1464, by integration",
        ),
        Proof(
            "probability for three rows",
            at(measured, 3),
            0.0244,
            0.0254,
            expected="(π - 2√2)/4π = .0249, by integration",
        ),
        Proof(
            "2⁻ⁿ over it, for ten rows",
            float(0.5**10 / at(measured, 10)),
            1e9,
            expected="many orders of magnitude: eigenvalues repel each other",
        ),
        Proof(
            "second difference of its logarithm over n, from 6 to 10 rows",
            float(bend),
            -0.7,
            -0.4,
            expected="towards -(ln 3)/2 = -.549 (Dean and Majumdar 2008)",
        ),
    ]


def _escape_proofs(results: Sequence[Result]) -> list[Proof]:
    steps = {
        name: points_of(results, 0, name)
        for name in (
            "gradient descent",
            "with momentum .9",
            "saddle-free Newton",
            "on single examples",
        )
    }
    descent = steps["gradient descent"]
    return [
        Proof(
            "steps of gradient descent from .001 beside the way in",
            at(descent, 1e-3),
            680,
            696,
            expected="688, measured before",
        ),
        Proof(
            "steps with momentum",
            at(steps["with momentum .9"], 1e-3),
            97,
            105,
            expected="101, measured before",
        ),
        Proof(
            "steps of saddle-free Newton",
            at(steps["saddle-free Newton"], 1e-3),
            8,
            8,
            expected="8, measured before",
        ),
        Proof(
            "how far Newton's method is from the saddle at the end",
            float(points_of(results, 0, "Newton's method").y.max()),
            high=1e-9,
            expected="0: it converges to the saddle, measured before",
        ),
        Proof(
            "steps of gradient descent from 1e-12, over those from .001",
            at(descent, 1e-12) / at(descent, 1e-3),
            3.5,
            expected="as the logarithm of the distance grows",
        ),
        Proof(
            "steps on single examples from 1e-12, over those from .001",
            at(steps["on single examples"], 1e-12) / at(steps["on single examples"], 1e-3),
            0.6,
            1.7,
            expected="about 1: noise does not care where the way in is",
        ),
    ]


def _field_proofs(results: Sequence[Result]) -> list[Proof]:
    names = ("minima", "saddles", "maxima")
    counts = [points_of(results, 0, name).y.sum() for name in names]
    means = [float(points_of(results, 0, f"mean at {name}").y.mean()) for name in names]
    return [
        Proof(
            "largest absolute sum of minima - saddles + maxima, of eight functions",
            float(np.abs(points_of(results, 0, "Euler sum").y).max()),
            high=0.0,
            expected="0, the Euler number of the torus",
        ),
        Proof(
            "saddles over minima and maxima together",
            float(counts[1] / (counts[0] + counts[2])),
            1.0,
            1.0,
            expected="1, which follows",
        ),
        Proof(
            "mean value at saddles less that at minima",
            means[1] - means[0],
            0.5,
            expected="saddles are higher, as their index is",
        ),
        Proof(
            "mean value at maxima less that at saddles",
            means[2] - means[1],
            0.5,
            expected="maxima are higher again",
        ),
    ]


def _deep_linear_proofs(results: Sequence[Result]) -> list[Proof]:
    points, slope = (points_of(results, 0, name) for name in ("critical points", "slope"))
    ends, best = (points_of(results, 1, name) for name in ("ends of training", "global minimum"))
    by_loss, by_index = (np.argsort(np.argsort(v)).astype(float) for v in (points.x, points.y))
    return [
        Proof(
            "kinds of critical points",
            float(len(points.x)),
            42,
            42,
            expected="42: at most three of six directions (Baldi and Hornik 1989)",
        ),
        Proof(
            "largest gradient at one of them",
            float(slope.y.max()),
            high=1e-12,
            expected="0 to rounding (measured before: 9e-14)",
        ),
        Proof(
            "how many of them are minima",
            float((points.y == 0).sum()),
            1,
            1,
            expected="one: all other kinds are saddles (Kawaguchi 2016)",
        ),
        Proof(
            "largest number of directions down, of 36",
            float(points.y.max()),
            18,
            18,
            expected="18, measured before",
        ),
        Proof(
            "rank correlation of loss and index",
            float(np.corrcoef(by_loss, by_index)[0, 1]),
            0.85,
            0.98,
            expected=".90, measured before on other data",
        ),
        Proof(
            "largest distance of 50 ends of training from the global minimum",
            float(np.abs(ends.y - best.y).max()),
            high=1e-7,
            expected="all reach it (measured before: 5e-9)",
        ),
    ]


def _energy_proofs(results: Sequence[Result]) -> list[Proof]:
    minima, law = (points_of(results, 0, name) for name in ("minima", "(1 - φ)²/2"))
    gaps = [abs(at(minima, x) - y) for x, y in zip(law.x, law.y, strict=True)]
    return [
        Proof(
            "largest distance of the loss from (1 - φ)²/2 up to φ = .5",
            max(gap for gap, x in zip(gaps, law.x, strict=True) if x <= 0.5),
            high=0.03,
            expected="0 for large networks (Pennington and Bahri 2017, observed)",
        ),
        Proof(
            "largest distance beyond",
            max(gap for gap, x in zip(gaps, law.x, strict=True) if x > 0.5),
            high=0.06,
            expected="a little above it: 16 units, and minima are hard to reach",
        ),
        Proof(
            "loss at φ = .5 over that of linear regression",
            at(minima, 0.5) / 0.375,
            0.25,
            0.5,
            expected="1/3: the hidden layer fits more than its share of numbers",
        ),
    ]


MINIMA = (
    Phenomenon(
        name="deep-linear",
        title="In a deep linear network every local minimum is global, and saddles rank by loss",
        group=Group.MINIMA,
        text=(
            "A product of two matrices has a loss that is not convex, yet all of its critical "
            "points are known in closed form: each keeps at most three of six directions of the "
            "data. The one that keeps the three strongest is the global minimum; all others are "
            "saddles, with the more ways down the higher they lie. Training from fifty starts ends "
            "at one and the same loss."
        ),
        loose=(
            "It holds for linear networks with squared loss. With ReLU units there are local "
            "minima that are not global, and narrow networks get stuck in them. Saddles of linear "
            "networks of three and more layers may be flat to second order."
        ),
        sources=("Kawaguchi 2016", "Baldi and Hornik 1989", "Dauphin et al. 2014"),
        seconds=2.2,
        questions=(
            experiment_question("deep_linear", "index", 1, "index against loss"),
            experiment_question("deep_linear", "starts", 5, "ends of training"),
        ),
        prove=_deep_linear_proofs,
        rows=("0.6", "0.7", "0.10", "1.2", "2.6"),
    ),
    Phenomenon(
        name="spin-glass",
        title="The higher a critical point of a spin glass, the more ways lead down from it",
        group=Group.MINIMA,
        text=(
            "The energy of a spherical spin glass is a random polynomial of many variables, which "
            "stands as a model of the loss of large networks. Newton's method finds its critical "
            "points at all heights: the share of directions in which they curve down, their index, "
            "follows the energy almost without scatter, by a law that needs no fitted number. "
            "Below a threshold there are only minima and saddles of few directions, all of about "
            "the same energy."
        ),
        loose=(
            "Networks are spin glasses under assumptions only that no network meets: paths that "
            "are independent of each other and of the data. What is shown is the spin glass; the "
            "index of a network's saddles is measured on the page Critical. With 40 spins minima "
            "are still found well above the threshold's large-size value."
        ),
        sources=("Choromanska et al. 2015", "Auffinger et al. 2013", "Dauphin et al. 2014"),
        seconds=0.2,
        questions=(experiment_question("spin_glass", "index", 4),),
        prove=_spin_glass_proofs,
        rows=("0.8", "0.10", "1.2", "1.10"),
    ),
    Phenomenon(
        name="random-matrices",
        title="A Hessian of chance has a known spectrum, and saddles above an energy",
        group=Group.MINIMA,
        text=(
            "Eigenvalues of a large symmetric Gaussian matrix fill a semicircle, those of second "
            "moments of noise the law of Marchenko and Pastur. A loss of squares has a Hessian of "
            "both: a positive part, and one that is weighed by the errors. Up to a critical "
            "energy the sum has no negative eigenvalue, above it more and more."
        ),
        loose=(
            "The index is said to grow as the power 3/2 beyond the critical energy. That is its "
            "limit for large matrices close to it: fits over what 800 rows give find 1.0 to 1.2. "
            "That both parts are independent and Gaussian is an assumption."
        ),
        sources=("Pennington and Bahri 2017", "Wigner 1958", "Marchenko and Pastur 1967"),
        seconds=1.4,
        questions=(
            experiment_question("random_matrices", "wigner", 1, "Wigner matrix"),
            experiment_question("random_matrices", "wishart", 1, "Wishart matrix"),
            experiment_question("random_matrices", "index", 7, "their sum"),
        ),
        prove=_ensemble_proofs,
        rows=("0.78", "0.79", "1.11"),
    ),
    Phenomenon(
        name="minimiser-energy",
        title="How well noise can be fitted depends on weights over numbers alone",
        group=Group.MINIMA,
        text=(
            "A network of one hidden layer is fitted to targets that are noise, so that all it can "
            "do is memorise. The loss at its minima is close to (1 - φ)²/2 for φ weights over "
            "numbers to fit, a law that was observed and not derived; linear "
            "regression keeps (1 - φ/2)/2."
        ),
        loose=(
            "The law is the paper's observation for large networks and small φ; tanh units in "
            "place of ReLU end below it at small φ. It is a law of noise: data with structure are "
            "fitted better by far."
        ),
        sources=("Pennington and Bahri 2017",),
        seconds=2.1,
        questions=(experiment_question("memorised_noise", "energy", 5),),
        prove=_energy_proofs,
        rows=("0.79", "3.36"),
    ),
    Phenomenon(
        name="all-positive",
        title="That all eigenvalues of a random Hessian are positive is far rarer than 2⁻ⁿ",
        group=Group.MINIMA,
        text=(
            "Why are high critical points saddles? If each of n eigenvalues were positive by the "
            "toss of a coin, all would be with a probability of 2⁻ⁿ. Eigenvalues of a random "
            "matrix are not independent: they repel each other, and the probability falls as "
            "e to the power of -n² (ln 3)/4. It is measured here down to 1e-14, by matrices that "
            "grow a row at a time and of which only the positive ones grow on."
        ),
        loose=(
            "The popular 2⁻ⁿ assumes independent signs and is too large by orders of magnitude "
            "from a few rows on. Neither says that minima are rare where a loss is low: there the "
            "whole spectrum is shifted up."
        ),
        sources=("Dean and Majumdar 2008", "Dauphin et al. 2014"),
        seconds=4,
        questions=(experiment_question("random_matrices", "positive", 4),),
        prove=_positive_proofs,
        rows=("0.9", "3.16"),
    ),
    Phenomenon(
        name="saddle-escape",
        title="Noise and absolute curvature leave a saddle that gradients leave slowly",
        group=Group.MINIMA,
        text=(
            "A function with a strict saddle, entered from ever closer to the way that leads into "
            "it. Gradient descent leaves in the end, after a number of steps that grows with the "
            "logarithm of how close it came; momentum is faster by a factor. Descent on single "
            "examples leaves by their noise, wherever it came in. Saddle-free Newton divides by "
            "the absolute curvature and leaves in a few steps; Newton's method goes to the saddle "
            "and stays."
        ),
        loose=(
            "'Gradient descent almost surely avoids strict saddles' says nothing of how long it "
            "takes; along many saddles one after another it can take exponentially long (Du et "
            "al. 2017). A saddle whose curvature is 0 instead of negative is no strict one."
        ),
        sources=("Dauphin et al. 2014", "Lee et al. 2016", "Jin et al. 2017", "Du et al. 2017"),
        seconds=0.4,
        questions=(experiment_question("strict_saddle", "escape", 7),),
        prove=_escape_proofs,
        rows=("0.11", "0.12", "0.60", "1.48", "2.4", "2.5", "3.17", "3.18"),
    ),
    Phenomenon(
        name="morse-counts",
        title="On a torus, minima less saddles plus maxima is 0",
        group=Group.MINIMA,
        text=(
            "Eight random functions on a torus, each a sum of waves. All of their critical points "
            "are found by Newton's method from a grid. However many there are, minima less saddles "
            "plus maxima is the Euler number of the torus, 0: a function cannot have minima "
            "without saddles between them. The saddles lie higher than the minima, the maxima "
            "higher again."
        ),
        loose=(
            "The relations bind functions whose critical points are all nondegenerate. The "
            "minima of over-parameterised networks are whole manifolds, to which they do not apply."
        ),
        sources=("Milnor 1963", "Bray and Dean 2007"),
        seconds=0.6,
        questions=(experiment_question("random_field", "morse", 8),),
        prove=_field_proofs,
        rows=("1.12", "1.13"),
    ),
)
