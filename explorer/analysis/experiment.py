"""Answers an experiment that the problem declares: part by part, each on a model of its own."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

import numpy as np
import torch

from explorer.analysis.objective.device import device_title, restore_threads
from explorer.analysis.objective.examples import size_of, split_of
from explorer.analysis.objective.model_copies import copied_batch
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.codec import JsonValue
from explorer.experiment import Experiment, Part, Points
from explorer.kinds.experiment_result import COLUMNS
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem
from explorer.wording import counted, few

MOST_POINTS = 20_000  # of a part
MOST_IN_ALL = 5_000_000  # of all parts: a page reads them at once, 48 bytes each


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ExperimentSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The parts that are not in `done`, each a piece.

    Raises:
        ValueError: there is no such experiment or part, or it gave no points of its series.
    """
    name, experiment = chosen_experiment(problem, settings)
    facts: dict[str, JsonValue] = {
        "examples": size_of(split_of(problem, settings.split)),
        "available": size_of(split_of(problem, settings.split)),
        "parameters": sum(p.numel() for p in problem.model.parameters()),
        "device": device_title(device),
        "title": experiment.title,
        "x_title": experiment.x,
        "log": list(experiment.log),
        "series": [{"name": s.name, "mark": s.mark, "panel": s.panel} for s in experiment.series],
    }
    for number in range(settings.units):
        if number in done:
            continue
        progress.report(f"part {number + 1:,} of {settings.units:,} of {name}")
        began = time.perf_counter()
        points = measured(problem, subjects[0], experiment, number, settings.seed, device, progress)
        yield Piece(rows_of(experiment, number, points), facts, time.perf_counter() - began)


def chosen_experiment(problem: Problem, settings: ExperimentSettings) -> tuple[str, Experiment]:
    """Name and declaration of the experiment that is asked for.

    Raises:
        ValueError: the problem declares none of that name, or fewer parts.
    """
    declared = problem.experiments
    if not declared:
        raise ValueError(
            "the problem must declare experiments, got none; add Problem(..., experiments=...) to "
            "its file and import it again"
        )
    name = settings.experiment or next(iter(declared))
    if name not in declared:
        raise ValueError(f"experiment must be one of {few(list(declared))}, got {name!r}")
    if settings.part_count > declared[name].parts:
        raise ValueError(
            f"part_count must be at most {declared[name].parts}, which {name} declares, got "
            f"{settings.part_count}"
        )
    return name, declared[name]


def measured(
    problem: Problem,
    point: Tensors,
    experiment: Experiment,
    number: int,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> Mapping[str, Points]:
    """What a part gives: on a copy of model and data, with random generators of its own.

    The worker keeps the problem for other answers: what a part does to it must not reach them.
    """
    model = copy.deepcopy(problem.model)
    model.load_state_dict(dict(point), strict=False)  # a point of one part of it is none
    numpy_state = np.random.get_state()  # noqa: NPY002 - a user's code may draw from it
    usual_type = torch.get_default_dtype()
    own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    with (
        torch.random.fork_rng(),
        torch.inference_mode(False),
        torch.enable_grad(),
        restore_threads(),
    ):
        torch.set_num_threads(experiment.threads or torch.get_num_threads())
        torch.manual_seed(own_seed)
        np.random.seed(own_seed)  # noqa: NPY002
        try:
            part = Part(number, seed, device, progress.check)
            # A data set's own code stays: what it gives is made anew each time.
            data = {name: copied_batch(split) for name, split in problem.data.items()}
            own = replace(problem, model=model, data=data)
            return experiment.measure(own, part)
        finally:
            torch.set_default_dtype(usual_type)
            np.random.set_state(numpy_state)  # noqa: NPY002


def rows_of(
    experiment: Experiment, number: int, points: Mapping[str, Points]
) -> dict[str, np.ndarray]:
    """The points of a part as rows.

    Raises:
        ValueError: there is none, one of an undeclared series, too many, or what are no points.
    """
    names = [series.name for series in experiment.series]
    if not isinstance(points, Mapping):
        raise ValueError(
            f"measure must return a dict from series to Points, got {type(points).__name__}"
        )
    if unknown := [name for name in points if name not in names]:
        raise ValueError(f"series must be one of {few(names)}, got {unknown[0]!r}; declare it")
    blocks = [_block(names.index(name), name, own) for name, own in points.items()]
    count = sum(len(block["x"]) for block in blocks)
    most = min(MOST_POINTS, MOST_IN_ALL // experiment.parts)
    if not 1 <= count <= most:
        raise ValueError(
            f"part {number} of an experiment of {counted(experiment.parts, 'part')} must give 1 to "
            f"{most:,} points, got {count:,}"
        )
    columns = {
        name: np.concatenate([block[name] for block in blocks]).astype(type)
        for name, type in COLUMNS.items()
    }
    return {"unit": np.full(len(columns["x"]), number, dtype=np.int64), **columns}


def _block(place: int, name: str, points: Points) -> dict[str, np.ndarray]:
    """The rows of one series."""
    if not isinstance(points, Points):
        raise ValueError(f"{name!r} must be given as Points(x=, y=), got {type(points).__name__}")
    x, y = _numbers(name, points.x), _numbers(name, points.y)
    low, high = (
        np.full(len(x), np.nan) if values is None else _numbers(name, values)
        for values in (points.low, points.high)
    )
    shapes = [values.shape for values in (x, y, low, high)]
    if len(set(shapes)) > 1 or x.ndim != 1:
        raise ValueError(f"x, y, low and high of {name!r} must be as many, got shapes {shapes}")
    return {"series": np.full(len(x), place), "x": x, "y": y, "low": low, "high": high}


def _numbers(name: str, values: object) -> np.ndarray:
    """Values of a series as an array of at least one dimension; a tensor is one too.

    Raises:
        ValueError: they are no real numbers.
    """
    if values is None:  # which NumPy takes for NaN
        raise ValueError(f"the points of {name!r} must be real numbers, got None")
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().double().numpy()
        return np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"the points of {name!r} must be real numbers: {error}") from None
