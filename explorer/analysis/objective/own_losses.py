"""The losses of points, each by itself."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem


def own_losses(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ObjectiveSettings,
    device: torch.device,
    progress: Progress = SILENT,
) -> list[dict[str, float]]:
    """The values of each point by itself, with its own running statistics.

    Raises:
        JobCancelled: somebody has asked to stop.
    """
    objective = Objective(problem, replace(settings, batchnorm="frozen"), device)
    point_means = []
    for number, subject in enumerate(subjects, start=1):
        progress.report(f"loss of snapshot {number:,} of {len(subjects):,}")
        objective.load(subject)
        point_means.append(objective.means())
    return point_means
