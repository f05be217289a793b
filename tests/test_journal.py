"""Lanczos killed midway: it goes on from its file, to the same bits, whatever is left there."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.analysis.curvature.journal import Journal
from explorer.analysis.curvature.lanczos import (
    Lanczos,
    Pairs,
    eigenpairs,
    quadrature,
    random_normal,
)

SIZE, KILLED_AT = 300, 25
pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    """Stands for the end of the process."""


@dataclass
class Mortal:
    """A matrix of decaying eigenvalues, whose product number `lives` + 1 does not return."""

    lives: int = 10_000
    dtype: torch.dtype = torch.float32
    size: int = SIZE
    products: int = 0

    def __post_init__(self) -> None:
        values = 0.95 ** torch.arange(self.size, dtype=torch.float64)
        basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((self.size,) * 2))
        turned = torch.from_numpy(basis)
        self.entries = ((turned * values) @ turned.T).to(self.dtype)
        self.like = self.entries.new_empty(0)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector."""
        if self.products == self.lives:
            raise Killed
        self.products += 1
        return self.entries @ vector


def pairs_of(matrix: Mortal, keep: Path | None) -> Pairs:
    """Four pairs."""
    return eigenpairs(matrix, random_normal(matrix, 0), 3, 1, tolerance=1e-5, keep=keep)


class Interrupted(NamedTuple):
    """A search that was killed, and the one that was not."""

    file: Path
    whole: Pairs
    products: int


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def interrupted(request: pytest.FixtureRequest, tmp_path: Path) -> Interrupted:
    """The file of a search killed in its step 26."""
    unharmed = Mortal(dtype=request.param)
    whole = pairs_of(unharmed, None)
    with pytest.raises(Killed):
        pairs_of(Mortal(KILLED_AT, request.param), tmp_path / "folder" / "0")
    assert whole.steps > KILLED_AT + 5
    return Interrupted(tmp_path / "folder" / "0", whole, unharmed.products)


def same(one: Pairs, other: Pairs) -> bool:
    """Whether two searches found the same bits."""
    vectors = torch.equal(one.vectors, other.vectors)
    pairs = (one.values, one.residuals, one.steps), (other.values, other.residuals, other.steps)
    return vectors and all(np.array_equal(a, b) for a, b in zip(*pairs, strict=True))


def test_a_killed_search_goes_on(interrupted: Interrupted) -> None:
    """What was done before the kill is not done again, and the pairs are the same bits."""
    matrix = Mortal(dtype=interrupted.whole.vectors.dtype)
    assert same(pairs_of(matrix, interrupted.file), interrupted.whole)
    assert matrix.products == interrupted.products - KILLED_AT


def test_a_search_that_had_ended_is_found_again(interrupted: Interrupted) -> None:
    """A kill after the last step costs the residuals' products alone."""
    dtype = interrupted.whole.vectors.dtype
    pairs_of(Mortal(dtype=dtype), interrupted.file)
    matrix = Mortal(dtype=dtype)
    assert same(pairs_of(matrix, interrupted.file), interrupted.whole)
    assert matrix.products == interrupted.products - interrupted.whole.steps == 4


def cut(file: Path, size: int) -> None:
    """As a kill within a write leaves it."""
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - size)


def spoilt(file: Path, size: int) -> None:
    """As a power loss may leave it: zeros where there were bytes."""
    content = file.read_bytes()
    file.write_bytes(content[:-size] + bytes(size))


@pytest.mark.parametrize("harm", [cut, spoilt])
@pytest.mark.parametrize("size", [1, 4, 5, 300, 2000, 5000])
def test_a_damaged_end_is_left_out(
    interrupted: Interrupted, harm: Callable[[Path, int], None], size: int
) -> None:
    """Bytes missing or wrong at the end cost the steps that they belong to, no more."""
    harm(interrupted.file, size)
    matrix = Mortal(dtype=interrupted.whole.vectors.dtype)
    assert same(pairs_of(matrix, interrupted.file), interrupted.whole)
    record = 16 + 4 + SIZE * matrix.like.element_size()
    assert matrix.products - (interrupted.products - KILLED_AT) == -(-size // record)


def test_the_probe_keeps_its_first_product(tmp_path: Path) -> None:
    """A quadrature that goes on has the same nodes, weights and product with its start."""
    start = random_normal(Mortal(), 3)
    whole = Lanczos(Mortal(), start, 40)
    killed = Lanczos(Mortal(), start, 40, tmp_path / "1")
    for _ in range(7):
        killed.step()
    again = Lanczos(Mortal(), start, 40, tmp_path / "1")
    assert again.steps == 7
    for lanczos in (whole, again):
        while not lanczos.is_over:
            lanczos.step()
    assert torch.equal(whole.first, again.first)
    for one, other in zip(quadrature(whole), quadrature(again), strict=True):
        assert np.array_equal(one, other)


def test_a_file_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """Where there is a file in place of the folder, the search is as if there were no journal."""
    (tmp_path / "no folder").write_text("")
    assert same(pairs_of(Mortal(), tmp_path / "no folder" / "0"), pairs_of(Mortal(), None))


def test_a_disk_too_small_is_left_alone(tmp_path: Path) -> None:
    """Records that would take more than half of what is free are not kept."""
    free = shutil.disk_usage(tmp_path).free
    journal = Journal(tmp_path / "0", size=1000, expected=free // 1000)
    journal.append(bytes(1000))
    assert not (tmp_path / "0").exists()
    assert list(journal.records()) == []
