"""Questions about experiments that sample models declare, and the points that they gave."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.experiment import EXPERIMENT
from explorer.kinds.experiment_result import ExperimentResult, SeriesPoints
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.kinds.result import Result
from explorer.phenomena.phenomenon import SampleQuestion, SampleSubject, answer_of


def experiment_question(
    sample: str, experiment: str, parts: int, words: str = ""
) -> SampleQuestion:
    """The question that runs all parts of an experiment of a sample."""
    settings = ExperimentSettings(experiment=experiment, part_count=parts)
    return SampleQuestion(EXPERIMENT, settings, (SampleSubject(sample),), words)


def points_of(results: Sequence[Result], place: int, series: str) -> SeriesPoints:
    """The points of a series of the experiment at a place, by increasing x."""
    return answer_of(results, place, ExperimentResult).points(series)


def at(points: SeriesPoints, x: float) -> float:
    """The mean of the points' y nearest to an x; NaN where there is no point."""
    if not len(points.x):
        return float("nan")
    gaps = np.abs(points.x - x)
    return float(points.y[gaps == gaps.min()].mean())
