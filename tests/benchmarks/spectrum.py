"""Spectra: products in gradients, and eigenpairs, densities and traces against public tools.

Every tool has the same model, data, precision and number of threads, one. Peers that cannot take
the whole data at once in a fair way are given one batch that holds it.
"""

import gc
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import psutil
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.curvature import products
from explorer.analysis.curvature.eigenpairs import eigenpairs, true_residuals
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.curvature.trace import krylov_trace
from explorer.analysis.objective import device as devices
from explorer.analysis.objective.objective import Objective
from explorer.analysis.spectrum_trace import SplitForms
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from sample_models.measurement import one_thread
from tests.benchmarks import models
from tests.benchmarks.data import MissingFileError
from tests.benchmarks.models import Case
from tests.benchmarks.report import Row, interleaved, ratio, spread
from tests.benchmarks.studies import Study, chosen_studies

PAIRS, TOLERANCE = 5, 1e-3
PROBES, STEPS = 10, 80
TRIALS = 100  # of a trace: its error is then known to 7 %


def curvature_of(case: Case, device: torch.device, budget: int | None = None) -> Curvature:
    """The Hessian at the case's point."""
    objective = Objective(case.problem, ObjectiveSettings(split=case.split), device)
    objective.load(case.point)
    return Curvature(objective, products.hessian, budget)


def timed(work: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds that one of `times` runs takes."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def product(make: Callable[[torch.device], Case], target: str, times: int) -> Study:
    """The cost of a product in gradients over the same batches."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        case = make(device)
        matrix = curvature_of(case, device)
        space = matrix.model
        vector = random_normal(matrix, 0)

        def gradient() -> None:
            with space.with_derivatives(), torch.enable_grad():
                for start, stop in matrix._spans:
                    batch = space.batch(start, stop)
                    space.gradients(space.loss(space.outputs(batch), batch)[0], kept=False)

        matrix(vector)  # makes the graphs
        durations = interleaved(
            {
                "product": lambda: timed(lambda: matrix(vector), device, times),
                "gradient": lambda: timed(gradient, device, times),
            },
            rounds,
        )
        said = {"against": "gradient", "note": f"{matrix.kept} of {len(matrix._spans)} graphs kept"}
        name = f"{case.title}: product with the Hessian"
        yield ratio(name, target, durations["product"], durations["gradient"], **said)

    return measured


def sums(outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean loss as the peers take it."""
    return functional.cross_entropy(outputs, labels)


class Peer:
    """What a public tool needs: a model with parameters of its own, and the data as one batch."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self.model: nn.Module = case.module(device)
        self.batch = tuple(tensor.to(device) for tensor in case.batch)

    def pyhessian(self) -> object:
        """A new object of PyHessian, which keeps the graph of its one batch."""
        from pyhessian import hessian

        self.model.zero_grad(set_to_none=True)  # else it adds to what the last one left
        return hessian(self.model, sums, data=self.batch, cuda=False)

    def curvlinops(self) -> object:
        """The operator of curvlinops."""
        from curvlinops import HessianLinearOperator

        parameters = list(self.model.parameters())
        loss = nn.CrossEntropyLoss()
        return HessianLinearOperator(
            self.model, loss, parameters, [self.batch], check_deterministic=False
        )

    def eigenthings(self) -> object:
        """The operator of hessian-eigenthings."""
        from hessian_eigenthings import HessianOperator, supervised_loss

        return HessianOperator(self.model, [self.batch], supervised_loss(sums))


def arpack(matvec: Callable[[np.ndarray], np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest pairs by SciPy's ARPACK, to about the tolerance."""
    operator = LinearOperator((size, size), matvec=matvec, dtype=np.float32)
    start = np.random.RandomState(0).standard_normal(size).astype(np.float32)
    values, vectors = eigsh(operator, k=PAIRS, which="LA", v0=start, tol=1e-4)
    return values[::-1], vectors[:, ::-1].T


def pairs(make: Callable[[torch.device], Case]) -> Study:
    """The five largest pairs at equal true residual."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        case = make(device)
        matrix, peer = curvature_of(case, device), Peer(case, device)
        exact = curvature_of(case, device)  # judges everybody
        worst: dict[str, float] = {}
        values: dict[str, np.ndarray] = {}

        def judged(name: str, eigenvalues: np.ndarray, vectors: Tensor) -> None:
            vectors = vectors.to(exact.like)
            worst[name] = float(
                true_residuals(exact, vectors, eigenvalues).max() / np.abs(eigenvalues).max()
            )
            values[name] = durations

        def ours() -> float:
            began = time.perf_counter()
            mine = curvature_of(case, device)
            computed_pairs = eigenpairs(mine, random_normal(mine, 0), PAIRS, tolerance=TOLERANCE)
            seconds = time.perf_counter() - began
            judged("ours", computed_pairs.values, computed_pairs.vectors)
            return seconds

        def same_product() -> float:
            def matvec(vector: np.ndarray) -> np.ndarray:
                given = torch.from_numpy(vector.astype(np.float32).ravel()).to(device)
                return np.asarray(matrix(given).cpu().numpy())

            began = time.perf_counter()
            mine = curvature_of(case, device)
            mine(random_normal(mine, 0))
            eigenvalues, vectors = arpack(matvec, matrix.size)
            seconds = time.perf_counter() - began
            judged("ARPACK", eigenvalues, torch.from_numpy(vectors.copy()))
            return seconds

        def with_curvlinops() -> float:
            began = time.perf_counter()
            operator = peer.curvlinops().to_scipy(dtype=np.float32)  # type: ignore[attr-defined]
            eigenvalues, vectors = arpack(lambda v: operator @ v, matrix.size)
            seconds = time.perf_counter() - began
            judged("curvlinops", eigenvalues, torch.from_numpy(vectors.copy()))
            return seconds

        def with_pyhessian() -> float:
            began = time.perf_counter()
            eigenvalues, vectors = peer.pyhessian().eigenvalues(  # type: ignore[attr-defined]
                maxIter=2000, tol=1e-6, top_n=PAIRS
            )
            seconds = time.perf_counter() - began
            joined = torch.stack([torch.cat([p.reshape(-1) for p in v]) for v in vectors])
            judged("PyHessian", np.array(eigenvalues), joined)
            return seconds

        contestants = {
            "ours": ours,
            "ARPACK": same_product,
            "curvlinops": with_curvlinops,
            "PyHessian": with_pyhessian,
        }
        durations = interleaved(contestants, rounds)
        targets = {"PyHessian": ">= 8", "ARPACK": ">= 1.4", "curvlinops": ">= 4.5"}
        for name, target in targets.items():
            figure = spread(
                [a / b for a, b in zip(durations[name], durations["ours"], strict=True)]
            )
            note = f"worst residual {worst['ours']:.1e}, theirs {worst[name]:.1e}"
            note += f"; largest value {values['ours'][0]:.6g}, theirs {values[name][0]:.6g}"
            what = f"{case.title}: five pairs, ours, against {name}"
            seconds = float(np.median(durations["ours"]))
            yield Row(what, target, "speed-up", figure, seconds, name, note=note)

    return measured


def density(make: Callable[[torch.device], Case]) -> Study:
    """Ten probes of eighty steps."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        case = make(device)
        peer = Peer(case, device)

        def ours() -> float:
            began = time.perf_counter()
            matrix = curvature_of(case, device)
            for number in range(PROBES):
                lanczos = Lanczos(matrix, random_signs(matrix, 0, number), STEPS)
                while not lanczos.is_over:
                    lanczos.step()
                quadrature(lanczos)
            return time.perf_counter() - began

        def with_pyhessian() -> float:
            return timed(lambda: peer.pyhessian().density(iter=STEPS, n_v=PROBES), device)  # type: ignore[attr-defined]

        def with_eigenthings() -> float:
            from hessian_eigenthings import spectral_density

            return timed(
                lambda: spectral_density(
                    peer.eigenthings(),  # type: ignore[arg-type]
                    num_runs=PROBES,
                    lanczos_steps=STEPS,
                ),
                device,
            )

        def with_curvlinops() -> float:
            from curvlinops.papyan2020traces.spectrum import approximate_boundaries, fast_lanczos

            began = time.perf_counter()
            operator = peer.curvlinops()
            approximate_boundaries(operator)
            for _ in range(PROBES):
                fast_lanczos(operator, STEPS)
            return time.perf_counter() - began

        contestants = {
            "ours": ours,
            "PyHessian": with_pyhessian,
            "hessian-eigenthings": with_eigenthings,
            "curvlinops": with_curvlinops,
        }
        durations = interleaved(contestants, rounds)
        targets = {"PyHessian": 0.55, "hessian-eigenthings": 0.5, "curvlinops": 0.27}
        for name, target in targets.items():
            what = f"{case.title}: density, 10 x 80, against {name}"
            yield ratio(what, f"<= {target}", durations["ours"], durations[name], against=name)

    return measured


def trace(make: Callable[[torch.device], Case], target: str) -> Study:
    """The time until the trace's error is one percent, in products, against Hutchinson's number.

    All that a trace takes is counted: the preparation, Lanczos, the random vectors. His number
    follows from his variance.
    """

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        case = make(device)
        matrix = curvature_of(case, device)
        settings = SpectrumSettings(split=case.split)
        objective = Objective(case.problem, settings, device)
        objective.load(case.point)
        entries = torch.from_numpy(dense_matrix(matrix))
        exact = float(entries.trace())
        beside = 2 * (entries.square().sum() - entries.diagonal().square().sum())
        hutchinson = float(beside) / (0.01 * exact) ** 2
        vector, calibration = random_normal(matrix, 0), []
        for count in (*range(16, 60, 4), 70, 80, 100, 120):
            trials, costs = [], []
            for trial in range(TRIALS):
                began = time.process_time()
                forms = SplitForms(matrix, objective, settings)
                trials.append(krylov_trace(matrix, count, trial, forms=forms))
                seconds = time.process_time() - began
                matrix(vector)  # makes the graphs
                costs.append(seconds / processor_seconds(lambda: matrix(vector), 10))
            error = np.sqrt(np.mean([(one.value / exact - 1) ** 2 for one in trials]))
            told = np.sqrt(np.mean([(one.error / exact) ** 2 for one in trials]))
            calibration.append(float(told / error))
            if error <= 0.01:
                break
        else:
            yield Row(f"{case.title}: trace to 1 %", skipped="not reached in 120 products")
            return
        note = f"{count} products and passes, as long as {np.median(costs):.0f} products; "
        note += f"Hutchinson {hutchinson:,.0f}; {TRIALS} trials"
        yield Row(
            f"{case.title}: processor time for the trace to 1 %, against Hutchinson's",
            target,
            figure=spread([cost / hutchinson for cost in costs]),
            note=note,
        )
        yield Row(
            f"{case.title}: the trace's own error bar over its error",
            "<= 1.5",
            figure=spread([max(c, 1 / c) for c in calibration]),
            note="root mean squares, worse of both ways, over numbers of products",
        )

    return measured


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """Seconds of this process that one of `times` runs takes."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def memory(images: int, megabytes: int) -> Study:
    """The most memory that Lanczos steps take beside the basis, of the budget that was set."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        shares = []
        for _ in range(max(1, rounds // 3)):  # each in a process that has freed nothing yet
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                share, note = alone.submit(memory_share, device, images, megabytes << 20).result()
            shares.append(share)
        what = f"ResNet-20, {images} images: memory beyond the basis, of {megabytes} MB"
        yield Row(what, "<= 1", figure=spread(shares), note=note)

    return measured


def memory_share(device: torch.device, images: int, budget: int) -> tuple[float, str]:
    """What three steps take of a budget of so many bytes, and how they were made."""
    with one_thread(), devices.precision_flags("float32"):
        case = models.resnet20(images)
        objective = Objective(case.problem, ObjectiveSettings(split=case.split), device)
        objective.load(case.point)
        few = Curvature(objective, products.hessian, examples=np.arange(8))
        few(random_normal(few, 0))  # what libraries allocate once
        gc.collect()
        before = psutil.Process().memory_info().rss
        with Peak() as peak:
            matrix = Curvature(objective, products.hessian, budget)
            lanczos = Lanczos(matrix, random_signs(matrix, 0), 4)
            for _ in range(3):
                lanczos.step()
    note = f"{matrix.kept} of {len(matrix._spans)} graphs kept, batches of {matrix.batch}"
    return (peak.bytes - before - lanczos.basis.nbytes) / budget, note


class Peak:
    """The most resident memory of this process while it is entered."""

    def __enter__(self) -> "Peak":
        self.bytes, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.002):
            self.bytes = max(self.bytes, process.memory_info().rss)


def digits(device: torch.device) -> Case:
    """The sample perceptron."""
    return models.digits()


def wide_digits(device: torch.device) -> Case:
    """A wider perceptron, less trained."""
    return models.wide_digits()


def resnet20(count: int) -> Callable[[torch.device], Case]:
    """A trained ResNet-20 on so many images."""
    return lambda device: models.resnet20(count)


def gpt(device: torch.device) -> Case:
    """A small transformer on sixteen sequences."""
    return models.gpt(16, device)


ANYWHERE: dict[str, Study] = {
    "digits MLP, product": product(digits, "<= 1.4", 20),
    "ResNet-20, product": product(resnet20(64), "<= 2.5", 1),
    "GPT, product": product(gpt, "<= 2.2", 1),
    "digits MLP, trace": trace(digits, "<= 0.1"),
    "wide digits MLP, trace": trace(wide_digits, "<= 0.05"),
    "ResNet-20, memory": memory(300, 300),
}
PEERS: dict[str, Study] = {
    "digits MLP, pairs": pairs(digits),
    "digits MLP, density": density(digits),
    "ResNet-20, pairs": pairs(resnet20(32)),
}


def studies(device: torch.device, only: str, peers: bool) -> dict[str, Study]:
    """The studies whose name holds the text `only`.

    Raises:
        ValueError: there is none.
    """
    studies = ANYWHERE | (PEERS if peers else {})
    return chosen_studies(studies, only)


def rows(chosen: dict[str, Study], device: torch.device, rounds: int) -> Iterator[Row]:
    """The rows of the studies; one that says so where a file of data is missing."""
    for name, study in chosen.items():
        try:
            with one_thread(), devices.precision_flags("float32"):
                yield from study(device, rounds)
        except MissingFileError as missing:
            yield Row(name, skipped=f"no {missing}")
