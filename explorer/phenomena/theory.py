"""Theory in closed form: where stochastic descent stays, what rates and games do."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.result import Result
from explorer.phenomena.experiments import at, experiment_question, points_of
from explorer.phenomena.phenomenon import Group, Phenomenon, Proof

BOWLS = [f"curvature {c}, batch {b}" for b in (1, 8) for c in (1, 4)]


def _temperature_proofs(results: Sequence[Result]) -> list[Proof]:
    pairs = [(points_of(results, 0, n).y, points_of(results, 0, f"{n}, law").y) for n in BOWLS]
    deviations = [np.abs(measured / law - 1).max() for measured, law in pairs]
    steep = points_of(results, 0, "curvature 4, batch 1")
    simple = 0.4 / (2 * 4)  # eta / (2 B lambda), the temperature over the curvature
    return [
        Proof(
            "largest relative deviation of a variance from the law, of 20",
            float(max(deviations)),
            high=0.03,
            expected="the law holds (measured before: below 2 %)",
        ),
        Proof(
            "variance at rate .4 and curvature 4, over that of temperature η/2B",
            at(steep, 0.4) / simple,
            4.7,
            5.3,
            expected="2/(2 - ηλ) = 5: the temperature alone holds for small rates",
        ),
    ]


def _regularisation_proofs(results: Sequence[Result]) -> list[Proof]:
    descent = points_of(results, 0, "gradient descent")
    flow = points_of(results, 0, "flow with the implicit regulariser")
    words = "a² + b² at the minimum, rate"
    return [
        Proof(f"{words} .001", at(descent, 0.001), 4.826, 4.836, expected="4.831, measured before"),
        Proof(f"{words} .05", at(descent, 0.05), 4.02, 4.03, expected="4.026, measured before"),
        Proof(f"{words} .08", at(descent, 0.08), 2.98, 2.99, expected="2.985, measured before"),
        Proof(f"{words} .12", at(descent, 0.12), 2.038, 2.048, expected="2.043, measured before"),
        Proof(
            "distance of descent from the flow with the implicit regulariser, rate .001",
            abs(at(descent, 0.001) - at(flow, 0.001)),
            high=0.001,
            expected="of second order in the rate (Barrett and Dherin 2021)",
        ),
    ]


def _escape_proofs(results: Sequence[Result]) -> list[Proof]:
    walk, end = (points_of(results, 0, name) for name in ("after the walk", "in the end"))
    return [
        Proof(
            "share in the wide well at a temperature of .02",
            at(walk, 0.02),
            high=0.01,
            expected="none: nothing crosses the barrier of 1.2",
        ),
        Proof(
            "share in the wide well at .4, minus that of the stationary law",
            at(walk, 0.4) - at(end, 0.4),
            -0.05,
            0.05,
            "0 but for chance: the walk has forgotten its start",
        ),
        Proof(
            "share in the wide well at .4",
            at(walk, 0.4),
            0.6,
            expected="most: the shallower well is the wider one",
        ),
    ]


def _game_proofs(results: Sequence[Result]) -> list[Proof]:
    def end(name: str) -> float:
        return float(points_of(results, 0, name).y[-1])

    free, penalised = (
        points_of(results, 1, n) for n in ("without penalty", "with gradient penalty")
    )
    return [
        Proof(
            "distance after 500 steps at once, from 1.414",
            end("simultaneous"),
            2.2,
            2.3,
            expected="away from the solution: 2.25, measured before",
        ),
        Proof(
            "distance after 500 steps of extragradient",
            end("extragradient"),
            0.76,
            0.8,
            expected="towards it: .78, measured before",
        ),
        Proof(
            "distance after 500 steps with the penalty",
            end("with gradient penalty"),
            high=1e-6,
            expected="at it",
        ),
        Proof(
            "largest absolute imaginary part of an eigenvalue",
            float(np.abs(free.y).max()),
            0.499,
            0.501,
            expected=".5 (Mescheder et al. 2018: ±f'(0) i)",
        ),
        Proof(
            "largest absolute real part of an eigenvalue",
            float(np.abs(free.x).max()),
            high=1e-6,
            expected="0: neither away nor towards",
        ),
        Proof(
            "largest real part with the penalty",
            float(penalised.x.max()),
            -0.501,
            -0.499,
            expected="-.5, twice, which follows: -γ/2 at a penalty of γ = 1",
        ),
    ]


def _wells_proofs(results: Sequence[Result]) -> list[Proof]:
    difference = points_of(results, 0, "wide less narrow")
    crossover = points_of(results, 0, "crossover")

    def near(scope: float) -> float:
        return float(np.interp(np.log(scope), np.log(difference.x), difference.y))

    words = "local entropy of the wide well less that of the narrow one, γ ="
    return [
        Proof(f"{words} 2", near(2), 0.5, 0.65, expected="wide preferred: .56, measured before"),
        Proof(f"{words} 50", near(50), 0.0, 0.1, expected="about as much: .05, measured before"),
        Proof(f"{words} 200", near(200), -0.45, -0.35, expected="narrow: -.40, measured before"),
        Proof(
            "crossover: the γ at which both have as much",
            float(crossover.x[0]),
            50,
            70,
            expected="about 60, measured before",
        ),
    ]


THEORY = (
    Phenomenon(
        name="sgd-temperature",
        title="Stochastic descent stays at a distance from a minimum that rate over batch sets",
        group=Group.TRAINING,
        text=(
            "A quadratic bowl whose examples pull to all sides, and 2,000 chains of stochastic "
            "gradient descent on it. They do not come to rest at the minimum but stay around it "
            "like a gas: the variance of a weight is η/(Bλ(2 - ηλ)) for learning rate η, batch B "
            "and curvature λ. For small rates that is a temperature η/2B, the same in all "
            "directions, over the curvature."
        ),
        loose=(
            "The temperature η/2B needs gradients whose covariance is the unit matrix, and small "
            "rates: beside the edge of stability, ηλ = 1.6, the variance is five times as large. "
            "In networks the covariance is no unit matrix, and the law needs it."
        ),
        sources=("Mandt et al. 2017", "Smith and Le 2018", "Jastrzebski et al. 2018"),
        seconds=0.4,
        questions=(experiment_question("noisy_bowl", "temperature", 5),),
        prove=_temperature_proofs,
        rows=("0.46", "0.47", "1.23", "1.24", "1.25"),
    ),
    Phenomenon(
        name="implicit-regularisation",
        title="Large learning rates end in flatter minima, without any noise",
        group=Group.TRAINING,
        text=(
            "Two numbers whose product is to be 1: the minima are a hyperbola, flattest where both "
            "are equal. The flow down the gradient keeps b² - a² and ends in a sharp minimum; "
            "gradient descent of finite steps ends in flatter ones, the larger its rate. For small "
            "rates it follows the flow of another loss, L + η/4 |∇L|²."
        ),
        loose=(
            "The regulariser is η/4 |∇L|² for full batches. For the mean path of an epoch of small "
            "ones it is η/4 times the mean of the batches' own |∇L|², which has their noise in it; "
            "the often seen η/(4B) is neither. It describes small rates: from .05 on, descent ends "
            "far flatter than its flow. On the digits the effect of gradient descent was below "
            "2 %, too small to show."
        ),
        sources=("Barrett and Dherin 2021", "Smith et al. 2021"),
        seconds=0.1,
        questions=(experiment_question("two_factors", "regularisation", 7),),
        prove=_regularisation_proofs,
        rows=("1.22", "1.45"),
    ),
    Phenomenon(
        name="dirac-gan",
        title="Two players that both descend circle the solution of their game",
        group=Group.BEYOND,
        text=(
            "The smallest adversarial game: a generator that makes one number, a discriminator "
            "that is one slope. At the solution the velocity of both has the eigenvalues ±.5i: "
            "no descent, a rotation. Steps at once lead away in a spiral, steps in turn stay on a "
            "ring, extragradient and a penalty on the discriminator's gradient lead in."
        ),
        loose=(
            "'Training diverges because losses are adversarial' says too much: the continuous game "
            "circles, only its discretisation diverges. No loss surface shows it, because no "
            "player goes down a common one."
        ),
        sources=("Mescheder et al. 2018",),
        seconds=0.1,
        questions=(
            experiment_question("dirac_gan", "radius", 4, "distance from the solution"),
            experiment_question("dirac_gan", "eigenvalues", 1, "eigenvalues"),
        ),
        prove=_game_proofs,
        rows=("0.75",),
    ),
    Phenomenon(
        name="noise-leaves-sharp-minima",
        title="Noise leaves a sharp deep minimum for a wide shallow one",
        group=Group.TRAINING,
        text=(
            "Walkers set out in a deep narrow well and take noisy steps downhill. At low "
            "temperature they stay. At higher ones they cross the barrier, and are found where "
            "there is more room: in the wide well, though it is shallower."
        ),
        loose=(
            "The temperature of SGD is η/2B times the variance of the gradients, which is neither "
            "one number nor the same everywhere: 'SGD has a temperature' is a picture, this is it."
        ),
        sources=("Kramers 1940", "Smith and Le 2018"),
        seconds=10,
        questions=(experiment_question("two_wells", "escape", 8, "share that has left"),),
        prove=_escape_proofs,
        rows=("1.25", "1.26"),
    ),
    Phenomenon(
        name="local-entropy",
        title="Local entropy turns a wide well into the better one",
        group=Group.FLATNESS,
        text=(
            "A deep narrow well beside a shallow wide one. The local entropy that Entropy-SGD "
            "climbs counts how much low loss there is around a place, within a scope γ, and is "
            "computed here exactly. For wide scopes the wide well wins, for close ones the deep "
            "one; they have as much at a γ of about 60."
        ),
        loose=(
            "Which minimum is preferred depends on γ, which the algorithm changes as it goes: "
            "'prefers flat minima' holds for small γ alone. Trained on digits with noisy labels "
            "Entropy-SGD came out sharper and less accurate than plain descent (measured before), "
            "so that the idea is shown here and the gain is not."
        ),
        sources=("Chaudhari et al. 2017",),
        seconds=0.3,
        questions=(
            experiment_question("two_wells", "preference", 1, "wide against narrow"),
            experiment_question("two_wells", "entropies", 5, "function and local entropies"),
        ),
        prove=_wells_proofs,
        rows=("0.13", "0.59", "0.64"),
    ),
)
