"""Loss and metrics of a batch, one value per example where they can be; a ledger of many points."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explorer.problem import Batch, Problem, accuracy, cross_entropy

FEW_CLASSES = 64  # up to here the class axis is better reduced across rows
Value = Tensor | tuple[Tensor, Any]  # per example (..., B); or sum (...) and count


@dataclass(frozen=True)
class Prepared:
    """What of the labels of a batch is the same at every point."""

    places: Tensor  # (B,) of each label's logit among all logits of the batch
    ties: Tensor  # (C, B): the least positive number where a class comes before the label, else 0

    @classmethod
    def of(cls, outputs: Tensor, labels: Tensor) -> "Prepared":
        """For logits (B, C) and labels (B,)."""
        rows, classes = outputs.shape
        order = torch.arange(classes, device=labels.device).unsqueeze(1)
        earlier = (order < labels.unsqueeze(0)).to(outputs.dtype)
        places = torch.arange(rows, device=labels.device) * classes + labels
        return cls(places, earlier * torch.finfo(outputs.dtype).tiny)

    def margins(self, outputs: Tensor, in_place: bool) -> Tensor:
        """Margins z - z_y of logits (B, C), as (C, B): rows reduce vectorised.

        In place saves a pass over memory, and neither vmap nor the compiler can follow.

        Where an earlier class has the label's logit, the margin is the least positive number
        instead of 0, which no sum of exponentials sees: argmax would choose that class.
        """
        own = outputs.reshape(-1).index_select(0, self.places)
        if in_place:
            margins = torch.sub(outputs.t(), own, out=torch.empty_like(self.ties))
            return margins.add_(self.ties)
        return outputs.t().contiguous() - own + self.ties


class Terms:
    """The values of a problem's loss and metrics, in the order of `names`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.names = ["loss", *problem.metrics]

    def values(self, outputs: Any, batch: Batch, prepared: Prepared | None = None) -> list[Value]:
        """The value of each term for the model's outputs on a batch.

        Raises:
            ValueError: a term is neither one value per example nor (sum, count).
        """
        if self._is_few_class(outputs):
            return self._few_class(outputs, batch, prepared)
        terms = {"loss": self._problem.loss, **self._problem.metrics}
        return [as_value(name, term(outputs, batch)) for name, term in terms.items()]

    def prepared(self, outputs: Any, batch: Batch) -> Prepared | None:
        """What `values` need not compute at every point; None where there is no such thing."""
        return Prepared.of(outputs, batch[1]) if self._is_few_class(outputs) else None

    def _is_few_class(self, outputs: Any) -> bool:
        """Whether outputs are logits (B, C) of few classes under the ready cross-entropy."""
        ready = self._problem.loss is cross_entropy and isinstance(outputs, Tensor)
        return ready and outputs.dim() == 2 and outputs.shape[1] <= FEW_CLASSES

    def _few_class(self, outputs: Tensor, batch: Batch, prepared: Prepared | None) -> list[Value]:
        """The same for ready terms on logits (B, C) of few classes; other metrics as they are.

        Loss: logsumexp(z - z_y), exact near 0. Accuracy: no margin z - z_y is above 0; rows with
        NaN are wrong.
        """
        known = prepared or Prepared.of(outputs, batch[1])
        margins = known.margins(outputs, in_place=prepared is not None)
        top = margins.amax(dim=0)
        right = top <= 0
        found: list[Value] = [margins.sub_(top).exp_().sum(dim=0).log_().add_(top)]
        for name, metric in self._problem.metrics.items():
            given = right if metric is accuracy else metric(outputs, batch)
            found.append(as_value(name, given))
        return found


def as_value(name: str, given: Value) -> Value:
    """A term as it was given, averaged over all but the first axis; refused without one."""
    if isinstance(given, tuple):
        return given
    if given.dim() == 0:
        raise ValueError(
            f"{name} must return one value per example or (sum, count), got a single number; "
            "a mean weighs the last, smaller batch wrongly"
        )
    return given.flatten(1).mean(dim=1) if given.dim() > 1 else given


class Ledger:
    """The values of `points` points over all examples, until they are reduced in float64."""

    def __init__(self, names: list[str], points: int, examples: int, like: Tensor) -> None:
        """Room on the device and in the precision of `like`."""
        self.points = points
        self._names = names
        self._examples = examples
        self._like = like
        self._rows: dict[int, Tensor] = {}
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}

    def put(self, point: int | slice, start: int, stop: int, values: list[Value]) -> None:
        """Enter the values of the examples from start to stop, at one or more points."""
        for term, value in enumerate(values):
            if isinstance(value, tuple):
                self._add(term, point, start == 0, *value)
            elif value.shape[-1] != stop - start:  # one a token, say
                self._add(term, point, start == 0, value.sum(-1), value.shape[-1])
            else:
                self._row(term)[point, start:stop] = value

    def take(self, point: int, other: "Ledger") -> None:
        """Enter the one point of another ledger."""
        for term, row in other._rows.items():
            self._row(term)[point] = row[0]
        for term, (total, count) in other._sums.items():
            self._add(term, point, True, total[0], count[0])

    def _row(self, term: int) -> Tensor:
        if term not in self._rows:
            self._rows[term] = self._like.new_empty(self.points, self._examples)
        return self._rows[term]

    def _add(self, term: int, point: int | slice, first: bool, total: Tensor, count: Any) -> None:
        if term not in self._sums:
            room = torch.zeros(
                2, self.points, dtype=torch.float64, device=_exact(self._like).device
            )
            self._sums[term] = (room[0], room[1])
        for kept, value in zip(self._sums[term], (total, count), strict=True):
            if first:
                kept[point] = 0.0
            kept[point] += _exact(value) if isinstance(value, Tensor) else value

    @torch.no_grad()
    def reduced(self) -> dict[str, Tensor]:
        """Mean of each term; of a loss with one value per example two more; each (K,).

        "loss_se" is the standard error s / sqrt(n) of the mean, with s from squared deviations over
        n - 1; "loss_skewness" the third central moment over the second to the power 3/2.

        All rows are reduced, whatever they hold: the same shape gives the same order of additions.

        Source: Cochran 1977, Sampling Techniques, section 2.7; Fisher 1930, Proc. R. Soc. A 130, 16
        (skewness).
        """
        found = {}
        for term, name in enumerate(self._names):
            if term in self._sums:
                total, count = self._sums[term]
                found[name] = total / count
                continue
            rows = _exact(self._rows[term])
            mean = rows.sum(dim=1) / self._examples
            found[name] = mean
            if name == "loss" and self._examples > 1:
                found |= _spread(rows - mean.unsqueeze(1))
        return found

    def losses(self) -> dict[str, Tensor]:
        """As "losses" the loss of each example, (K, N) float64.

        Raises:
            ValueError: the loss is not one value per example.
        """
        if 0 in self._sums:
            raise ValueError(
                "the loss must be one value per example to compare example by example, got sums"
            )
        return {"losses": _exact(self._rows[0])}


def _spread(deviations: Tensor) -> dict[str, Tensor]:
    """Standard error and skewness of losses with these deviations (K, N) from their mean."""
    count = deviations.shape[1]
    powers = deviations.square()
    second = powers.sum(dim=1)
    third = powers.mul_(deviations).sum(dim=1)
    return {
        "loss_se": (second / (count - 1) / count).sqrt_(),
        "loss_skewness": third / count / (second / count).pow_(1.5),
    }


def _exact(value: Tensor) -> Tensor:
    """The value in float64; on the CPU where the device has none."""
    return (value.cpu() if value.device.type == "mps" else value).to(torch.float64)
