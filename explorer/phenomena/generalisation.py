"""What fits also new data: size of models, labels, bounds."""

from collections.abc import Sequence

from explorer.kinds.result import Result
from explorer.phenomena.experiments import at, experiment_question, points_of
from explorer.phenomena.phenomenon import Group, Phenomenon, Proof


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
        seconds=3,
        questions=(experiment_question("random_features", "double descent", 16),),
        prove=_descent_proofs,
        rows=("2.7", "2.11", "2.12", "3.36"),
    ),
)
