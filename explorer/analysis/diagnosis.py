"""Answers a diagnosis: losses, gradients and curvature of snapshots, then the range test."""

import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import CurvatureError, NotFinite
from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.gradient import NoGradient, gradient
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.diagnosis_rates import RangeTest
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Block
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.codec import JsonValue
from explorer.kinds.diagnosis_result import BIN_EDGES, BINS, COLUMNS, DiagnosisRole
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.problem import Problem

STREAM = {"pairs": 0, "probes": 1}  # of random vectors, beside the seed
Rows = list[tuple[DiagnosisRole, int, float, float]]  # role, i, value, error
Facts = dict[str, JsonValue]


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: DiagnosisSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The snapshots, then the learning rates, that are not in `done`, each a piece.

    What cannot be measured of this model is left out, and a fact says why.

    Raises:
        ValueError: the data or the model do not allow the settings.
    """
    patient = Patient(problem, settings, device)
    patient.objective.on_pass = progress.check
    facts = patient.facts()
    for unit, subject in enumerate(subjects):
        if unit not in done:
            began = time.perf_counter()
            unit_progress = progress.of_unit(unit, f"snapshot {unit + 1}")
            rows, own_facts = patient.snapshot_rows(subject, unit_progress)
            facts |= own_facts
            yield Piece(_columns(unit, rows), facts, time.perf_counter() - began)
            facts = {}
    start = subjects[0 if settings.rate_start == "first" else -1]
    patient.objective.load(start)
    test = RangeTest(patient.objective, settings)
    facts |= test.facts
    for number, rate in enumerate(settings.rates):
        unit = len(subjects) + number
        if unit not in done:
            began = time.perf_counter()
            results = test.results(float(rate), progress.of_unit(unit, f"rate {rate:.2g}"))
            rows = [
                (DiagnosisRole.RATE_LOSS, order, loss, steps)
                for order, (loss, steps) in enumerate(results)
            ]
            yield Piece(_columns(unit, rows), facts, time.perf_counter() - began)
            facts = {}


class Patient:
    """A model over its data and the held-out data."""

    def __init__(self, problem: Problem, settings: DiagnosisSettings, device: torch.device) -> None:
        """An objective for each split that there is."""
        self.settings = settings
        self.objective = Objective(problem, settings, device)
        flat = self.objective.flat
        matrices = [block for block in flat.blocks if len(block.shape) > 1]
        self.layers: Sequence[Block] = matrices or flat.blocks
        self.no_held_out = _no_held_out(problem, settings)
        self.held_out = None
        if not self.no_held_out:
            of_held_out = replace(settings, split=settings.held_out, subset="all")
            self.held_out = Objective(problem, of_held_out, device, flat=flat)

    def facts(self) -> Facts:
        """What holds for all snapshots."""
        return {
            **self.objective.facts,
            "layers": [block.name for block in self.layers],
            "tolerance": self.settings.tolerance,
            "epsilon": torch.finfo(self.objective.flat.theta.dtype).eps,
            "no_held_out": self.no_held_out,
        }

    def snapshot_rows(self, point: Tensors, unit: UnitProgress) -> tuple[Rows, Facts]:
        """Losses, gradient and curvature at a snapshot, and why one is missing."""
        self.objective.load(point)
        rows = self._loss_rows()
        facts: Facts = {}
        try:
            rows += gradient_rows(gradient(self.objective), self.layers)
        except NoGradient as error:
            facts["no_gradient"] = facts["no_curvature"] = _sentence(error)
            return rows, facts
        try:
            rows += curvature_rows(self.objective, self.settings, unit)
        except NotFinite:  # as is the loss, which is stored
            pass
        except CurvatureError as error:
            facts["no_curvature"] = _sentence(error)
        return rows, facts

    def _loss_rows(self) -> Rows:
        """The mean loss over the data, and over the held-out data."""
        rows: Rows = []
        roles = (DiagnosisRole.LOSS, DiagnosisRole.HELD_OUT_LOSS)
        for role, objective in zip(roles, (self.objective, self.held_out), strict=True):
            if objective is not None:
                means = objective.means()
                rows.append((role, 0, means["loss"], means.get("loss_se", np.nan)))
        return rows


def _no_held_out(problem: Problem, settings: DiagnosisSettings) -> str:
    """Why there are no held-out data; empty where there are."""
    if settings.held_out == settings.split:
        return f"The held-out data are the data themselves, {settings.split}: choose another split."
    if settings.held_out not in problem.data:
        return f"The problem has no split {settings.held_out!r}: it declares no such data."
    return ""


def _sentence(error: Exception) -> str:
    """An error as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def gradient_rows(slope: Tensor, layers: Sequence[Block]) -> Rows:
    """Norms of a gradient (D,) float64, over all and by layer, and histograms of its entries."""
    rows: Rows = [(DiagnosisRole.GRADIENT, 0, float(slope.norm()), np.nan)]
    for number, block in enumerate(layers):
        own = slope[block.start : block.stop]
        rows.append((DiagnosisRole.LAYER_GRADIENT, number, float(own.norm()), np.nan))
        sizes = own[torch.isfinite(own)].abs().numpy()
        with np.errstate(divide="ignore"):
            places = np.digitize(np.log10(sizes), BIN_EDGES)
        counts = np.bincount(places, minlength=BINS)
        rows += [
            (DiagnosisRole.LAYER_BIN, number * BINS + place, float(count), np.nan)
            for place, count in enumerate(counts.tolist())
            if count
        ]
    return rows


def curvature_rows(objective: Objective, settings: DiagnosisSettings, unit: UnitProgress) -> Rows:
    """Highest and lowest eigenvalue of the Hessian, and the median of their sizes.

    The whole matrix is made where it takes no more products than the probes; else the ends are
    Lanczos', and the median is that of the probes' quadrature (Ubaru, Chen and Saad 2017).

    Raises:
        CurvatureError: the model cannot be differentiated twice, or a product is not finite.
    """
    matrix = Curvature(objective, hessian)
    if matrix.size <= settings.probes * settings.density_steps:
        whole = dense_matrix(matrix)
        if not np.isfinite(whole).all():
            raise NotFinite("the Hessian is not finite")
        values = np.linalg.eigvalsh(whole)
        error = float(np.finfo(np.float32).eps * np.abs(values).max())
        median = float(np.median(np.abs(values)))
        return _curvature((values[-1], error), (values[0], error), median)
    start = random_normal(matrix, settings.seed, STREAM["pairs"])
    pairs = eigenpairs(
        matrix, start, 1, 1, tolerance=settings.tolerance, most_steps=settings.room, unit=unit
    )
    highest, lowest = zip(pairs.values, pairs.residuals, strict=True)
    return _curvature(highest, lowest, _median_size(matrix, settings))


def _curvature(highest: Sequence[float], lowest: Sequence[float], median: float) -> Rows:
    return [
        (DiagnosisRole.HIGHEST, 0, float(highest[0]), float(highest[1])),
        (DiagnosisRole.LOWEST, 0, float(lowest[0]), float(lowest[1])),
        (DiagnosisRole.MEDIAN_SIZE, 0, median, np.nan),
    ]


def _median_size(matrix: Curvature, settings: DiagnosisSettings) -> float:
    """The median of abs(eigenvalue), by the density that random vectors see."""
    sizes, weights = [], []
    for number in range(settings.probes):
        signs = random_signs(matrix, settings.seed, STREAM["probes"], number)
        lanczos = Lanczos(matrix, signs, settings.density_steps)
        while not lanczos.is_over:
            lanczos.step()
        nodes, shares = quadrature(lanczos)
        sizes.append(np.abs(nodes))
        weights.append(shares)
    size, weight = np.concatenate(sizes), np.concatenate(weights)
    order = np.argsort(size)
    place = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return float(size[order][min(place, len(size) - 1)])


def _columns(unit: int, rows: Rows) -> dict[str, np.ndarray]:
    """The rows as columns."""
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return {
        "unit": np.full(len(rows), unit, dtype=np.int64),
        **{name: np.array(columns[name]).astype(type) for name, type in COLUMNS.items()},
    }
