"""How time and memory grow with what a user has more and more of, each doubled three times.

On a CPU one thread computes.
"""

import contextlib
import gc
import importlib.util
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from explorer.analysis import run
from explorer.kinds.run import RunSettings
from explorer.kinds.surface import SurfaceSettings
from explorer.problem import Problem
from sample_models.digits_mlp import MLP
from sample_models.measurement import one_thread
from tests.benchmarks import models
from tests.benchmarks.evaluation import ours
from tests.benchmarks.growth import Growth, Work
from tests.benchmarks.growth_picture import draw
from tests.benchmarks.models import Case
from tests.benchmarks.report import Row
from tests.benchmarks.studies import Study, chosen_studies

__all__ = ["draw", "rows", "studies"]

DOUBLINGS = 3
STEP = 0.01  # standard deviation of what a parameter moves from one snapshot to the next


def sizes(first: int) -> list[int]:
    """That size, doubled three times."""
    return [first << power for power in range(DOUBLINGS + 1)]


def surface_of(case: Case, x_count: int, y_count: int, device: torch.device) -> Work:
    """A surface with all that belongs to it: copies, directions, the choice of a way."""
    settings = SurfaceSettings(split=case.split, x_count=x_count, y_count=y_count)
    return lambda: ours(case, settings, device)


def points(device: torch.device, rounds: int) -> Iterator[Row]:
    """Surfaces of the digits MLP, with ever more points."""
    case = models.digits()
    works = {n: surface_of(case, 16, n // 16, device) for n in sizes(512)}
    yield from POINTS.rows(works, rounds)


def perceptron(width: int, count: int) -> Case:
    """A perceptron 64-width-width-10 as it begins, on so many random examples."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 64, generator=generator)
    labels = torch.randint(10, (count,), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.classified("", MLP((64, width, width, 10)), images, labels)


def examples(device: torch.device, rounds: int) -> Iterator[Row]:
    """Surfaces of 5 x 5 points over ever more examples."""
    works = {n: surface_of(perceptron(32, n), 5, 5, device) for n in sizes(16_000)}
    yield from EXAMPLES.rows(works, rounds)


def parameters(device: torch.device, rounds: int) -> Iterator[Row]:
    """Surfaces of 5 x 5 points for ever wider perceptrons."""
    works = {}
    for width in (674, 968, 1_388, 1_980):  # of each, twice as many parameters as of the last
        case = perceptron(width, 400)
        count = sum(tensor.numel() for tensor in case.point.values())
        works[count] = surface_of(case, 5, 5, device)
    yield from PARAMETERS.rows(works, rounds)


def walk(problem: Problem, count: int) -> list[dict[str, Tensor]]:
    """Snapshots of a random walk of the model's parameters."""
    generator = torch.Generator().manual_seed(0)
    place = dict(problem.model.state_dict())
    snapshots = []
    for _ in range(count):
        place = {
            name: value + STEP * torch.randn(value.shape, generator=generator)
            for name, value in place.items()
        }
        snapshots.append(place)
    return snapshots


def snapshots(device: torch.device, rounds: int) -> Iterator[Row]:
    """The plane of a run of ever more snapshots of a perceptron of 22,000 parameters."""
    case = perceptron(115, 200)
    settings = RunSettings(split=case.split, x_count=5, y_count=5)
    all_snapshots = walk(case.problem, sizes(64)[-1])

    def plane_of(count: int) -> Work:
        run_part = all_snapshots[:count]
        return lambda: list(run.answer(case.problem, run_part, settings, frozenset(), device))

    yield from SNAPSHOTS.rows({n: plane_of(n) for n in sizes(64)}, rounds)


def imports(device: torch.device, rounds: int) -> Iterator[Row]:
    """The import of ever more snapshots of the tiny model into an empty catalog."""
    from tests.filling import add_tiny, new_catalog

    with tempfile.TemporaryDirectory() as place:

        def importing(count: int) -> Work:
            def work() -> None:
                aside = contextlib.redirect_stdout(io.StringIO())  # what the worker says
                with aside, tempfile.TemporaryDirectory(dir=place) as folder:
                    catalog = new_catalog(Path(folder) / "catalog")
                    add_tiny(catalog, Path(folder), "run", range(count))
                    catalog.close()

            return work

        yield from IMPORTS.rows({n: importing(n) for n in sizes(8)}, rounds)


def analyses(device: torch.device, rounds: int) -> Iterator[Row]:
    """The first page of a list, its filters, and a search by a number, in ever larger catalogs."""
    from tests.benchmarks.many_analyses import looks_at, small_catalog

    with tempfile.TemporaryDirectory() as place:
        with contextlib.redirect_stdout(io.StringIO()):
            original = small_catalog(Path(place) / "small")
        works = {n: looks_at(original, Path(place) / str(n), n) for n in sizes(4_000)}
        yield from ANALYSES.rows(works, rounds)


POINTS = Growth(
    "points of a surface",
    "less than in proportion: the copy of the model, the data and the choice of a way come once",
    "the evaluator's, whatever the points: of each only its values are kept",
)
EXAMPLES = Growth(
    "examples",
    "less than in proportion: the copy of the model and the choice of a way come once",
)
PARAMETERS = Growth(
    "parameters",
    "less than in proportion: the choice of a way comes once, and wider layers use the processor "
    "better",
    "less than in proportion: some 25 bytes a parameter (the model, the place, two directions), "
    "beside what the choice of a way takes",
)
SNAPSHOTS = Growth(
    "snapshots of a run",
    "each one's loss is in proportion, beside what comes once; from some hundreds on, inner "
    "products of all pairs and the eigenvectors of these take most of it, with the second and the "
    "third power",
    "less than in proportion: differences are looked at tensor by tensor, of a large one in parts",
)
IMPORTS = Growth(
    "snapshots of an import",
    "less than in proportion: the problem is tried once, and all are stored at once",
    "next to none: they are looked at one by one",
)
ANALYSES = Growth(
    "analyses in the catalog",
    "less than in proportion: opening the database and planning come once, and two columns are "
    "gone through, not all",
    "a few MB, in blocks of columns",
)
ANYWHERE: dict[str, Study] = {
    POINTS.what: points,
    EXAMPLES.what: examples,
    PARAMETERS.what: parameters,
    SNAPSHOTS.what: snapshots,
}
WITH_CATALOG: dict[str, Study] = {IMPORTS.what: imports, ANALYSES.what: analyses}


def studies(device: torch.device, only: str, peers: bool) -> dict[str, Study]:
    """The studies whose name holds the text `only`; there are no peers.

    Raises:
        ValueError: there is none.
    """
    return chosen_studies(ANYWHERE | WITH_CATALOG, only)


def rows(chosen: dict[str, Study], device: torch.device, rounds: int) -> Iterator[Row]:
    """The rows of the studies; one that says so where what a catalog needs is missing."""
    for name, study in chosen.items():
        if name in WITH_CATALOG and importlib.util.find_spec("duckdb") is None:
            yield Row(name, skipped="no duckdb")
            continue
        # threads that wait for each other would drown what is measured where others work too
        with one_thread(), threadpool_limits(1):
            yield from study(device, rounds)
    gc.unfreeze()  # what was frozen in the catalogs' studies is in DuckDB's way when Python ends
