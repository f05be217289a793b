"""What fits also new data: size of models, labels, bounds."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.result import Result
from explorer.phenomena.experiments import at, experiment_question, points_of
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    number_of,
)

PLANE = ConvexitySettings(x_count=3, y_count=3, tolerance=1e-2, subset="first", examples=300)


def _descent_proofs(results: Sequence[Result]) -> list[Proof]:
    test, train = (points_of(results, 0, name) for name in ("test", "train"))
    few, peak, many = (at(test, count) for count in (100, 300, 6000))
    return [
        Proof("test error with 100 features", few, 0.3, 0.6, expected=".48, measured before"),
        Proof(
            "test error with as many features as examples, over that",
            peak / few,
            30,
            expected="many times larger (measured before: 1293 against .48)",
        ),
        Proof(
            "test error with 6,000 features, over that with 100",
            many / few,
            0.5,
            1.1,
            expected="as low again, or lower (measured before: .48 and .48)",
        ),
        Proof(
            "train error with 320 features",
            at(train, 320),
            high=1e-10,
            expected="0: more features than examples fit all",
        ),
    ]


def _bound_proofs(results: Sequence[Result]) -> list[Proof]:
    def curve(place: int, name: str) -> np.ndarray:
        values = points_of(results, place, name).y
        return np.asarray(values[np.isfinite(values)])

    moved, test = (curve(0, name) for name in ("moved, bound", "moved, test"))
    return [
        Proof(
            "bound of Dziugaite and Roy where weights are moved to lower it",
            float(moved[0]),
            0.3,
            0.5,
            expected="below .5, so it says something (measured before, less moved: .472)",
        ),
        Proof(
            "test error there",
            float(test[0]),
            0.02,
            0.1,
            expected="far below the bound (measured before: .052)",
        ),
        Proof(
            "lowest bound of McAllester and Maurer on the curve",
            float(curve(0, "McAllester").min()),
            0.4,
            0.6,
            expected="at a standard deviation in between: small ones cost, large ones err",
        ),
        Proof(
            "bound with random labels, moved likewise",
            float(curve(1, "moved, bound")[0]),
            0.95,
            1.0,
            expected="says nothing (measured before: .97 to 1.0)",
        ),
        Proof(
            "lowest value of the bound as often written",
            float(curve(0, "as written").min()),
            1.0,
            expected="above 1: it says nothing at any standard deviation",
        ),
    ]


def _convex_proofs(results: Sequence[Result]) -> list[Proof]:
    ends = [points_of(results, 0, f"start {number}") for number in (1, 2, 3, 4)]
    matrix = points_of(results, 1, "second moments, p x p")
    return [
        Proof(
            "largest loss above the normal equation's after 4,217 steps, of four starts",
            float(max(each.y[-1] for each in ends)),
            high=1e-8,
            expected="0: every start ends at the one minimum",
        ),
        Proof(
            "matrix that the normal equation needs for 1.75e11 weights, bytes",
            float(matrix.y[-1]),
            1e23,
            2e23,
            expected="1.2e23, where the weights are 7e11",
        ),
        Proof(
            "share of a plane on which logistic regression curves nowhere down",
            number_of(results, 2, "convex_share"),
            1.0,
            expected="all: it is convex",
        ),
        Proof(
            "the same share of a network with hidden layers",
            number_of(results, 3, "convex_share"),
            high=0.5,
            expected="little: it is not convex",
        ),
    ]


def _width_proofs(results: Sequence[Result]) -> list[Proof]:
    test, train = (points_of(results, 0, name) for name in ("test", "train"))
    spread = points_of(results, 0, "test, spread")
    return [
        Proof(
            "mean test loss at width 2",
            at(test, 2),
            1.0,
            1.7,
            expected="1.25, measured before",
        ),
        Proof(
            "mean test loss at width 8", at(test, 8), 0.13, 0.27, expected=".19, measured before"
        ),
        Proof(
            "mean test loss at width 64",
            at(test, 64),
            0.07,
            0.13,
            expected=".10, measured before",
        ),
        Proof(
            "spread of the test loss at width 4 over that at width 64",
            at(spread, 4) / at(spread, 64),
            5,
            expected="much larger (measured before: .064 against .006)",
        ),
        Proof(
            "highest train loss of a network of width 2",
            float(train.high[0]),
            1.2,
            expected="some are stuck; ln 10 = 2.30 is knowing nothing",
        ),
    ]


def _lottery_proofs(results: Sequence[Result]) -> list[Proof]:
    names = ("dense", "ticket", "mask on new weights", "random mask")
    dense, ticket, anew, random = (at(points_of(results, 0, name), 96) for name in names)
    return [
        Proof("test accuracy of all weights", dense, 0.95, expected=".972, measured before"),
        Proof(
            "of the ticket: 4 % of them, from their own start",
            ticket,
            0.88,
            expected=".931, measured before",
        ),
        Proof(
            "ticket less the same mask on new weights",
            ticket - anew,
            0.05,
            expected="better by far (measured before: .931 against .778)",
        ),
        Proof(
            "ticket less a random mask as sparse",
            ticket - random,
            0.25,
            expected="better by far (measured before: .931 against .403)",
        ),
    ]


GENERALISATION = (
    Phenomenon(
        name="double-descent",
        title="Test error peaks where parameters equal examples, and falls again beyond",
        group=Group.FLATNESS,
        text=(
            "Least squares on random ReLU features, of ever more of them, for 300 noisy examples. "
            "The test error falls, rises to a peak where there are as many features as examples, "
            "and falls again beyond, where all examples are fitted exactly: of all fits the one of "
            "smallest norm is taken, and its norm peaks and falls as well."
        ),
        loose=(
            "The peak stands where the fit becomes exact and needs noise in the targets and no "
            "regularisation; a little weight decay removes it. That more is better beyond holds "
            "for the solution of smallest norm, which descent from 0 finds here."
        ),
        sources=("Belkin et al. 2019",),
        seconds=1.2,
        questions=(experiment_question("random_features", "double descent", 16),),
        prove=_descent_proofs,
        rows=("2.7", "2.11", "2.12", "3.36"),
    ),
    Phenomenon(
        name="pac-bayes",
        title="A PAC-Bayes bound says something of a network, as far as its weights bear noise",
        group=Group.FLATNESS,
        text=(
            "A network's weights are drawn from a normal law around what was trained. The larger "
            "its standard deviation, the closer it is to the prior and the smaller the price, "
            "until the errors grow: bounds of the test error have a minimum in between. After the "
            "weights are moved to lower it the bound is well below a half. Fitted to tossed coins, "
            "the same network has a bound of about 1."
        ),
        loose=(
            "The bound is often written with |w|²/2σ² + p/2 (σ² - 1 - ln σ²) as its divergence. "
            "The first term is that of a prior of variance σ², the second that of a prior of "
            "variance 1: it is the divergence of no pair of laws, and above 1 everywhere here. All "
            "bounds are of the network with noise, not of the one without. To hold exactly they "
            "would cost a little more: for errors that are means of 60 draws, for a variance that "
            "is not rounded to the prior's grid, and for choosing the lowest place of a curve."
        ),
        sources=("Dziugaite and Roy 2017", "Maurer 2004", "McAllester 1999"),
        seconds=1.3,
        questions=(
            experiment_question("pac_bayes", "bounds", 9, "true labels"),
            experiment_question("pac_bayes_random", "bounds", 9, "random labels"),
        ),
        prove=_bound_proofs,
        rows=("0.80", "0.81", "1.15", "1.16", "1.17", "1.18", "1.43"),
    ),
    Phenomenon(
        name="convex-regression",
        title="Linear and logistic regression are convex, a hidden layer is not",
        group=Group.MINIMA,
        text=(
            "The loss of linear regression is a bowl: gradient descent ends where the normal "
            "equation says, from wherever it starts, in the end at the pace of the smallest "
            "eigenvalue. Logistic regression has no closed form and still curves down nowhere. A "
            "network with hidden layers on the same data does almost everywhere around its minimum."
        ),
        loose=(
            "The normal equation is not used for networks for two reasons, not one: their loss is "
            "no square of something linear, and the p x p matrix of second moments of a model of "
            "175 billion weights would take 1.2e23 bytes. What is convex may still be slow."
        ),
        sources=("Boyd and Vandenberghe 2004", "Li et al. 2018"),
        seconds=0.2,
        questions=(
            experiment_question("linear_regression", "descent", 4, "descent"),
            experiment_question("linear_regression", "memory", 1, "what each keeps"),
            SampleQuestion(CONVEXITY, PLANE, (SampleSubject("logistic"),), "logistic regression"),
            SampleQuestion(CONVEXITY, PLANE, (SampleSubject("narrow_a"),), "a network"),
        ),
        prove=_convex_proofs,
        rows=("0.5", "2.1", "2.2", "2.13", "3.19", "3.20", "3.21", "3.22", "3.23", "3.24"),
    ),
    Phenomenon(
        name="width-sweep",
        title="Wide networks all end at about the same loss, narrow ones get stuck",
        group=Group.ARCHITECTURE,
        text=(
            "Twenty networks of each width, trained by the same recipe from other starts. Narrow "
            "ones end anywhere, some knowing almost nothing; the wider they are the lower the mean "
            "loss, and the closer they are to each other: local minima are nearly as good as each "
            "other."
        ),
        loose=(
            "It is the spread over starts that falls with width, not a proof that no bad minima "
            "are there: descent does not find them. That wide networks have only global minima is "
            "a theorem for widths that no network has."
        ),
        sources=("Choromanska et al. 2015",),
        seconds=2.5,
        questions=(experiment_question("digits_sizes", "width", 5),),
        prove=_width_proofs,
        rows=("0.8", "0.33", "0.34", "1.36", "2.6", "2.11", "3.37", "3.38"),
    ),
    Phenomenon(
        name="lottery-ticket",
        title="A few of the weights, from their own start, train nearly as well as all",
        group=Group.TRAINING,
        text=(
            "A network is trained, its smallest weights are left out, and what remains is trained "
            "again from its own start: this ticket is nearly as accurate with one weight of "
            "twenty-five. The same connections with new weights do worse, as many connections at "
            "random far worse."
        ),
        loose=(
            "The ticket is found by training all weights first, so that nothing is saved. Pruned "
            "at once as here it is worse than pruned in rounds; large networks need the weights "
            "after some steps in place of the first ones (Frankle et al. 2020)."
        ),
        sources=("Frankle and Carbin 2019", "Frankle et al. 2020"),
        seconds=2.7,
        questions=(experiment_question("digits_sizes", "lottery", 4),),
        prove=_lottery_proofs,
        rows=("3.25",),
    ),
)
