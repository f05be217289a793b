"""How a model was trained, as far as its recording or its recipe says."""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass

from explorer.codec import Json
from explorer.contracts.facts import ModelFacts, RunFacts
from explorer.recording import LEARNING_RATE
from store import records

# Names under which scripts and samples note what they trained with.
RATES = (LEARNING_RATE, "lr", "eta")
MOMENTA = ("momentum", "beta1")
BATCHES = ("batch_size", "batch")
OPTIMISERS = ("optimiser", "optimizer")
_ADAMS = ("Adam", "AdamW")


@dataclass(frozen=True)
class TrainingNotes:
    """The optimiser and its numbers; None where nothing says so."""

    optimiser: str  # its name in torch or in the script, "" unknown
    rates: tuple[tuple[int, float], ...]  # (step, learning rate), by step; the groups' largest
    rate: float | None  # the one rate; None where it changed
    momentum: float | None  # beta1 of an Adam
    nesterov: bool
    batch: int | None
    groups: int  # groups of parameters with rates of their own

    def rate_at(self, step: int) -> float | None:
        """The learning rate at a step: that recorded last until then, else the first one."""
        if not self.rates:
            return self.rate
        steps = [at for at, _ in self.rates]
        return self.rates[max(0, bisect.bisect_right(steps, step) - 1)][1]

    @property
    def rule(self) -> str | None:
        """Which of the rules with a known threshold it follows; None for another optimiser."""
        if not self.optimiser:
            return None
        if self.optimiser in _ADAMS or self.optimiser.lower() in ("adam", "adamw"):
            return "Adam"
        if "sgd" not in self.optimiser.lower() and "descent" not in self.optimiser.lower():
            return None
        if not self.momentum:
            return "gradient descent"
        return "Nesterov" if self.nesterov else "heavy ball"


def training_of(model: records.Model) -> TrainingNotes:
    """What is known of how a model was trained: recorded values before what the script noted."""
    run = ModelFacts.of(model.facts).run or RunFacts()
    noted_facts = {**model.facts, **run.hyperparameters}
    recorded = run.trained_by
    rates, groups = _largest_rates(run.logged)
    one = rates[0][1] if rates and len({rate for _, rate in rates}) == 1 else None
    return TrainingNotes(
        optimiser=str(recorded.get("class") or _text(noted_facts, OPTIMISERS)),
        rates=rates,
        rate=one if rates else _number(noted_facts, RATES),
        momentum=_number(recorded, MOMENTA) if recorded else _number(noted_facts, MOMENTA),
        nesterov=bool(recorded.get("nesterov", noted_facts.get("nesterov") is True)),
        batch=int(batch) if (batch := _number(noted_facts, BATCHES)) else None,
        groups=groups,
    )


def _largest_rates(
    curves: Mapping[str, list[tuple[int, float]]],
) -> tuple[tuple[tuple[int, float], ...], int]:
    """The largest rate of all groups at each step, and how many groups there are."""
    largest_rates: dict[int, float] = {}
    own = [c for n, c in curves.items() if n == LEARNING_RATE or _is_of_group(n)]
    for curve in own:
        for step, rate in curve:
            if rate >= 0:  # else it is NaN
                largest_rates[step] = max(largest_rates.get(step, 0.0), rate)
    return tuple(sorted(largest_rates.items())), len(own)


def _is_of_group(name: str) -> bool:
    return name.startswith(f"{LEARNING_RATE}_") and name.removeprefix(f"{LEARNING_RATE}_").isdigit()


def _number(noted_facts: Json, names: tuple[str, ...]) -> float | None:
    values = (noted_facts.get(name) for name in names)
    numbers = (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    return next((float(value) for value in numbers), None)


def _text(noted_facts: Json, names: tuple[str, ...]) -> str:
    return next((str(noted_facts[name]) for name in names if noted_facts.get(name)), "")
