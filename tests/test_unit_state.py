"""State of a unit half done: a search killed midway goes on to the same bits, whatever is left."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.analysis import critical
from explorer.analysis.curvature.eigenpairs import Pairs, eigenpairs
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.analysis.objective.device import restore_threads
from explorer.contracts.request import ImportRequest
from explorer.jobs import unit_state
from explorer.jobs.piece_files import read_arrival
from explorer.jobs.spool import Spool
from explorer.jobs.unit_state import JobProgress
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, JobCancelled, Progress, UnitProgress
from store.arrays import Files
from tests.networks import of_weights

SIZE, KILLED_AT = 300, 25
pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    """Stands for the end of the process."""


@cache
def decaying(size: int) -> Tensor:
    """A matrix (S, S) with the eigenvalues 0.9^n."""
    values = 0.9 ** torch.arange(size, dtype=torch.float64)
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))
    turned = torch.from_numpy(basis)
    return (turned * values) @ turned.T


@dataclass
class Mortal:
    """A matrix of decaying eigenvalues, whose product number `lives` + 1 does not return."""

    lives: int = 10_000
    dtype: torch.dtype = torch.float32
    size: int = SIZE
    products: int = 0

    def __post_init__(self) -> None:
        self.entries = decaying(self.size).to(self.dtype)
        self.like = self.entries.new_empty(0)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector."""
        if self.products == self.lives:
            raise Killed
        self.products += 1
        return self.entries @ vector


class Kept:
    """Pieces that a worker left and a supervisor brought home: files under their hash, in order."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder / "files")
        self.job = Spool(folder / "jobs").new("a", 20, datetime(2026, 1, 1, tzinfo=UTC))
        self.job.offer(ImportRequest(problem=folder, arguments={}, checkpoints=(), name="a"))
        self.parts: list[Path] = []

    def copied(self, folder: Path) -> "Kept":
        """The same in another folder, with files of its own."""
        other = Kept(folder)
        for part in self.parts:
            copy = other.files.folder / part.relative_to(self.files.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            other.parts.append(Path(shutil.copy(part, copy)))
        return other

    def put(self, piece: Piece) -> None:
        """Write a piece, and take its part of the state."""
        self.job.put_piece(piece)
        (file,) = self.job.piece_files()
        arrival = read_arrival(file)
        assert arrival.note.state and arrival.note.state.part <= len(self.parts)
        del self.parts[arrival.note.state.part :]
        hash = self.files.link(arrival.beside(arrival.note.state), "safetensors")
        self.parts.append(self.files.path(hash))
        arrival.remove()

    def unit(self, seconds: float = 0.0) -> UnitProgress:
        """What a worker that starts now has of the unit."""
        states = {"0": tuple(self.parts)}
        return JobProgress(self.job, states, self.put, seconds).of_unit(0, "search 1")


def pairs_of(matrix: Mortal, unit: UnitProgress | None) -> Pairs:
    """Four pairs."""
    return eigenpairs(matrix, random_normal(matrix, 0), 3, 1, tolerance=1e-5, unit=unit)


class Interrupted(NamedTuple):
    """A search that was killed, and the one that was not."""

    kept: Kept
    whole: Pairs
    products: int


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=str)
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """A search killed in its step 26."""
    unharmed, kept = Mortal(dtype=request.param), Kept(tmp_path_factory.mktemp("killed"))
    with restore_threads():
        torch.set_num_threads(1)
        whole = pairs_of(unharmed, None)
        with pytest.raises(Killed):
            pairs_of(Mortal(KILLED_AT, request.param), kept.unit())
    assert whole.steps > KILLED_AT + 5
    assert len(kept.parts) == KILLED_AT + 1  # the first product, then the steps
    return Interrupted(kept, whole, unharmed.products)


@pytest.fixture
def interrupted(killed: Interrupted, tmp_path: Path) -> Interrupted:
    """What is kept of a search killed in its step 26, to be harmed."""
    return killed._replace(kept=killed.kept.copied(tmp_path))


def same(one: Pairs, other: Pairs) -> bool:
    """Whether two searches found the same bits."""
    vectors = torch.equal(one.vectors, other.vectors)
    pairs = (one.values, one.residuals, one.steps), (other.values, other.residuals, other.steps)
    return vectors and all(np.array_equal(a, b) for a, b in zip(*pairs, strict=True))


def test_a_killed_search_goes_on(interrupted: Interrupted) -> None:
    """What was done before the kill is not done again, and the pairs are the same bits."""
    matrix = Mortal(dtype=interrupted.whole.vectors.dtype)
    assert same(pairs_of(matrix, interrupted.kept.unit()), interrupted.whole)
    assert matrix.products == interrupted.products - KILLED_AT


def test_a_search_that_had_ended_is_found_again(interrupted: Interrupted) -> None:
    """A kill after the last step costs the residuals' products alone."""
    dtype = interrupted.whole.vectors.dtype
    pairs_of(Mortal(dtype=dtype), interrupted.kept.unit())
    matrix = Mortal(dtype=dtype)
    assert same(pairs_of(matrix, interrupted.kept.unit()), interrupted.whole)
    assert matrix.products == interrupted.products - interrupted.whole.steps == 4


def cut(file: Path) -> None:
    """As a power loss may leave it."""
    os.truncate(file, file.stat().st_size - 1)


def spoilt(file: Path) -> None:
    """Zeros where there were bytes."""
    content = file.read_bytes()
    file.write_bytes(content[:-8] + bytes(8))


def gone(file: Path) -> None:
    """As where somebody has removed it."""
    file.unlink()


@pytest.mark.parametrize(
    ("part", "harm"),
    [(0, cut), (1, gone), (10, cut), (10, spoilt), (10, gone), (KILLED_AT, spoilt)],
)
def test_a_damaged_part_costs_what_follows(
    interrupted: Interrupted, harm: Callable[[Path], None], part: int
) -> None:
    """What was kept before it counts; the rest is done anew and kept in its place."""
    harm(interrupted.kept.parts[part])
    del interrupted.kept.parts[part + 1 :]  # as the catalog does once a part comes again
    unit = interrupted.kept.unit()
    interrupted.kept.parts = interrupted.kept.parts[:part]
    matrix = Mortal(dtype=interrupted.whole.vectors.dtype)
    assert same(pairs_of(matrix, unit), interrupted.whole)
    steps = max(0, part - 1)
    assert matrix.products == interrupted.products - steps


def test_the_probe_keeps_its_first_product(tmp_path: Path) -> None:
    """A quadrature that goes on has the same nodes, weights and product with its start."""
    start = random_normal(Mortal(), 3)
    whole = Lanczos(Mortal(), start, 40)
    kept = Kept(tmp_path)
    killed = Lanczos(Mortal(), start, 40, kept.unit())
    for _ in range(7):
        killed.step()
    again = Lanczos(Mortal(), start, 40, kept.unit())
    assert again.steps == 7
    for lanczos in (whole, again):
        while not lanczos.is_over:
            lanczos.step()
    assert torch.equal(whole.first, again.first)
    for one, other in zip(quadrature(whole), quadrature(again), strict=True):
        assert np.array_equal(one, other)


def test_a_disk_too_small_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    """Where a part would fill the disk none is kept, and the search is as if it kept nothing."""
    kept = Kept(tmp_path)
    monkeypatch.setattr(unit_state, "LEAST_FREE", 10**18)
    assert same(pairs_of(Mortal(), kept.unit()), pairs_of(Mortal(), None))
    assert kept.parts == []


def test_records_of_a_while_are_one_part(tmp_path: Path) -> None:
    """Before the time for it nothing is written, and a unit that is done by then writes nothing."""
    kept = Kept(tmp_path)
    pairs_of(Mortal(), kept.unit(seconds=3600.0))
    assert kept.parts == []


def test_a_cancel_keeps_what_was_to_be_kept(tmp_path: Path, monkeypatch) -> None:
    """A stop within a unit loses no step, and comes before the next product."""
    kept, matrix = Kept(tmp_path), Mortal()
    monkeypatch.setattr(unit_state, "CHECK_SECONDS", 0.0)
    kept.job.cancel()
    with pytest.raises(JobCancelled):
        pairs_of(matrix, kept.unit(seconds=3600.0))
    assert matrix.products == 1 and len(kept.parts) == 1
    kept.job.path.joinpath("cancel").unlink()
    assert same(pairs_of(matrix, kept.unit()), pairs_of(Mortal(), None))


def test_a_search_for_critical_points_goes_on_from_its_last_step(tmp_path: Path) -> None:
    """Killed after its second step: the end and its point are the same bits, for fewer products."""
    problem = of_weights([0.9, 0.4], lambda w: (w[:, 0] * w[:, 1] - 1) ** 2 / 2 + w[:, 0] ** 4)
    start, cpu = problem.model.state_dict(), torch.device("cpu")
    settings = CriticalSettings(lengths=(1,), starts=1, target=1e-12)

    def answer(progress: Progress) -> Piece:
        (piece,) = critical.answer(problem, [start], settings, set(), cpu, progress=progress)
        return piece

    kept, whole = Kept(tmp_path), answer(SILENT)
    assert whole.columns["steps"][0] > 3
    states: list[Piece] = []

    def put_twice(piece: Piece) -> None:
        if len(states) == 2:
            raise Killed
        states.append(piece)
        kept.put(piece)

    with pytest.raises(Killed):
        answer(JobProgress(kept.job, {}, put_twice, 0.0))
    assert len(kept.parts) == 1
    again = answer(JobProgress(kept.job, {"0": kept.parts}, kept.put, 0.0))
    for name, values in whole.columns.items():
        same_bits = np.array_equal(again.columns[name], values, equal_nan=True)
        assert same_bits or name == "products", name
    assert again.points[0].point_id == whole.points[0].point_id


def test_a_record_replaces_those_before_it(tmp_path: Path) -> None:
    """What goes on from its last record alone keeps that one."""
    kept = Kept(tmp_path)
    unit = JobProgress(kept.job, {}, kept.put, 0.0).of_unit(3, "search 4")
    for number in (1, 2):
        unit.replace(theta=np.arange(3.0) + number, number=np.array(number))
    again = JobProgress(kept.job, {"3": kept.parts}, kept.put).of_unit(3, "search 4")
    (record,) = again.records()
    assert record["theta"].tolist() == [2.0, 3.0, 4.0] and int(record["number"]) == 2
