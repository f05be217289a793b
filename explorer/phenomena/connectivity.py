"""How minima are connected."""

from collections.abc import Sequence

from explorer.kinds.connection import CONNECTION
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.kinds.result import Result
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    number_of,
)

CURVE = ConnectionSettings(shape="bezier", bends=1)
BETWEEN = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=31)
B, C = SampleSubject("mlp_b"), SampleSubject("mlp_c")


def _bezier_proofs(results: Sequence[Result]) -> list[Proof]:
    straight, curved = (number_of(results, place, "saddle") for place in (0, 2))
    return [
        Proof(
            "highest train loss on the straight line",
            straight,
            0.3,
            expected="a barrier (measured before: .95)",
        ),
        Proof(
            "highest train loss along the trained curve",
            curved,
            high=0.03,
            expected="about as low as the ends (measured before: .0096 to .0117)",
        ),
    ]


CONNECTIVITY = (
    Phenomenon(
        name="mode-connectivity",
        title="Minima that a straight line keeps apart are connected by a curve",
        group=Group.CONNECTIVITY,
        text=(
            "Two networks trained from different starts. On the straight line between them the "
            "loss rises far above both; a curve with a single bend, trained so that the loss along "
            "it is low, connects them at the loss of the ends."
        ),
        loose=(
            "A path test of 'at most 1.1 times the ends' rejects a path at 100 % accuracy when the "
            "ends are close to 0: an absolute bound and the accuracy decide here."
        ),
        sources=("Garipov et al. 2018", "Draxler et al. 2018"),
        seconds=5,
        questions=(
            SampleQuestion(INTERPOLATION, BETWEEN, (B, C), "straight line"),
            SampleQuestion(
                CONNECTION,
                ConnectionSettings(shape="bezier", bends=1),
                (B, C),
                "training the curve",
            ),
            SampleQuestion(
                INTERPOLATION,
                InterpolationSettings(x_min=0.0, x_max=1.0, x_count=31, shape="bezier"),
                (B, C, SampleSubject("mlp_b", question=1, point="01")),
                "along the curve",
            ),
        ),
        prove=_bezier_proofs,
        rows=("0.40", "1.6", "1.28", "1.29", "3.43", "3.44"),
    ),
)
