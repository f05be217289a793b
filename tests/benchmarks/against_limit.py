"""Our time against plain forward passes: as many, over the same data, with fixed weights."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from explorer.analysis.objective import execution_tuning
from tests.benchmarks import limits, models
from tests.benchmarks.evaluation import Choice, Run, choice_for, ours, settings_of
from tests.benchmarks.models import Case
from tests.benchmarks.report import Row, interleaved, ratio

SMALL = {"cpu": 256, "cuda": 10_000}  # images of CIFAR-10, so that a round takes seconds
SIDE = {"cpu": 4, "cuda": 9}  # so that no core waits for another's last point


@dataclass(frozen=True)
class Variant:
    """One way of ours, and what it should reach."""

    words: str
    target: str
    choice: Choice | None = None  # None: as our code chooses itself
    precision: str = "float32"
    whole: bool = False  # set-up counts, too

    @property
    def title(self) -> str:
        """Precision and way."""
        return f"{self.precision}, {self.words}"

    def seconds(self, run: Run) -> float:
        """What counts of the run."""
        return run.whole if self.whole else run.computing


def digits(device: torch.device, rounds: int) -> Iterator[Row]:
    """The sample perceptron on 51 x 51 points."""
    case = models.digits()
    chosen = choice_for(case, 51, device)
    variants = [
        Variant("set-up included", "<= 0.60", whole=True),
        Variant("set-up not counted", "<= 0.50", replace(chosen, compiled=False)),
        *compiled(chosen, device, "<= 0.45"),
    ]
    yield from against_limit(case, 51, variants, device, rounds, "<= 0.60")


def resnet20(device: torch.device, rounds: int) -> Iterator[Row]:
    """A ResNet-20: folded, compiled, in bfloat16."""
    case, side = models.resnet20(SMALL[device.type]), SIDE[device.type]
    eager = replace(choice_for(case, 15, device), compiled=False)
    plain = replace(eager, folded=False, fused=False)
    bfloat16 = replace(choice_for(case, side, device, "bf16"), compiled=False)
    plain_bfloat16 = replace(bfloat16, folded=False, fused=False)
    variants = [
        Variant("as chosen", "<= 0.85", eager),
        *compiled(eager, device, "<= 0.80"),
        Variant("BatchNorm as it is", "<= 1.05", plain),
        Variant("as chosen", "<= 0.25", bfloat16, "bf16"),
        Variant("BatchNorm as it is", "<= 0.40", plain_bfloat16, "bf16"),
    ]
    if device.type == "cuda":
        variants.append(Variant("as chosen", "<= 0.60", eager, "tf32"))
    yield from against_limit(case, side, variants, device, rounds, "<= 0.75")


def gpt(device: torch.device, rounds: int) -> Iterator[Row]:
    """A transformer of 1.8 million parameters."""
    case, side = models.gpt(128, device), {"cpu": 5, "cuda": 17}[device.type]
    chosen = choice_for(case, 15, device)
    variants = [Variant("as chosen", "<= 1.05", chosen)]
    yield from against_limit(case, side, variants, device, rounds, "<= 1.0")


def compiled(choice: Choice, device: torch.device, target: str) -> list[Variant]:
    """The same way, compiled; none where nothing compiles."""
    if not shutil.which("c++") and not shutil.which("g++"):
        return []
    return [Variant("compiled", target, execution_tuning.compiled_choice(choice))]


def against_limit(
    case: Case,
    side: int,
    variants: list[Variant],
    device: torch.device,
    rounds: int,
    shared: str = "",
) -> Iterator[Row]:
    """A row for each variant, and for those in float32 one against passes that share the cores.

    `shared` is the target of the latter.
    """
    points, grid = side * side, f"{case.title}, {side} x {side}"
    runs: dict[str, Run] = {}

    def timed(variant: Variant) -> float:
        settings = settings_of(case, side, variant.precision)
        runs[variant.title] = run = ours(case, settings, device, variant.choice)
        return variant.seconds(run)

    def passes(run: Callable[[int], None]) -> float:
        return limits.seconds(lambda: run(points), device)

    way, plain = limits.best(case, device)
    contestants = {f"{points:,} plain passes ({way})": lambda: passes(plain)}
    if device.type == "cpu" and limits.cores() > 1:
        shared_way, run_shared = limits.best(case, device, shared=True)
        contestants[f"{points:,} plain passes ({shared_way})"] = lambda: passes(run_shared)
    limit, *others = contestants
    contestants |= {v.title: lambda v=v: timed(v) for v in variants}  # type: ignore[misc]
    times = interleaved(contestants, rounds)
    for variant in variants:
        what, mine = f"{grid}, {variant.title}", times[variant.title]
        run = runs[variant.title]
        if variant.choice not in (None, run.choice):  # it does not work on this machine
            yield Row(what, skipped=f"evaluated in {run.facts['evaluated']} instead")
            continue
        said = {"against": limit, "note": note(runs, variant)}
        yield ratio(what, variant.target, mine, times[limit], **said)
    for other in others:
        for variant in variants:
            if variant.choice == runs[variant.title].choice and variant.precision == "float32":
                what, mine = f"{grid}, {variant.title}", times[variant.title]
                yield ratio(what, shared, mine, times[other], against=other)


def note(runs: dict[str, Run], variant: Variant) -> str:
    """How it was evaluated, what set-up took, and the error of a reduced precision."""
    run = runs[variant.title]
    words = [run.facts["evaluated"]]
    if not variant.whole:
        words.append(f"set-up {run.whole - run.computing:.2g} s")
    if variant.precision != "float32":
        exact = next(r.losses for r in runs.values() if r.settings.precision == "float32")
        error = np.abs(run.losses - exact) / np.abs(exact)
        words.append(f"relative error {np.median(error):.1e}, at most {error.max():.1e}")
    return "; ".join(words)
