"""Loss and metrics of a batch, one value per example where they can be; a ledger of many points."""

from typing import Any

import torch
from torch import Tensor

from explorer.problem import Batch, Problem, accuracy, cross_entropy

FEW_CLASSES = 64  # up to here the class axis is better reduced across rows
Value = Tensor | tuple[Tensor, Any]  # per example (..., B); or sum (...) and count


class Terms:
    """The values of a problem's loss and metrics, in the order of `names`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.names = ["loss", *problem.metrics]

    def values(self, outputs: Any, batch: Batch, earlier: Tensor | None = None) -> list[Value]:
        """The value of each term for the model's outputs on a batch.

        `earlier` is what `ties` returned for this batch, if it did.

        Raises:
            ValueError: a term is neither one value per example nor (sum, count).
        """
        if self._is_few_class(outputs):
            return self._few_class(outputs, batch, earlier)
        terms = {"loss": self._problem.loss, **self._problem.metrics}
        return [_value(name, term(outputs, batch)) for name, term in terms.items()]

    def ties(self, outputs: Any, batch: Batch) -> Tensor | None:
        """The least positive number where a class comes before the label, else 0, (C, B)."""
        wanted = accuracy in self._problem.metrics.values() and self._is_few_class(outputs)
        return _earlier(outputs, batch[1]) if wanted else None

    def _is_few_class(self, outputs: Any) -> bool:
        """Whether outputs are logits (B, C) of few classes under the ready cross-entropy."""
        ready = self._problem.loss is cross_entropy and isinstance(outputs, Tensor)
        return ready and outputs.dim() == 2 and outputs.shape[1] <= FEW_CLASSES

    def _few_class(self, outputs: Tensor, batch: Batch, earlier: Tensor | None) -> list[Value]:
        """The same for ready terms on logits (B, C) of few classes; other metrics as they are.

        Loss: logsumexp(z - z_y), exact near 0. Accuracy: no margin z - z_y is above 0, nor equal
        to 0 at an earlier class, as argmax decides ties; rows with NaN are wrong.
        """
        margins = class_margins(outputs, batch[1])
        found: list[Value] = [torch.logsumexp(margins, dim=0)]
        for name, metric in self._problem.metrics.items():
            if metric is accuracy:
                before = _earlier(outputs, batch[1]) if earlier is None else earlier
                found.append((margins + before).amax(dim=0) <= 0)
            else:
                found.append(_value(name, metric(outputs, batch)))
        return found


def class_margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """Margins z - z_y of logits (B, C) and labels (B,), as (C, B): rows reduce vectorised."""
    margins = outputs.t().contiguous()
    return margins.sub_(margins.gather(0, labels.unsqueeze(0)))


def _earlier(outputs: Tensor, labels: Tensor) -> Tensor:
    classes = torch.arange(outputs.shape[1], device=labels.device).unsqueeze(1)
    earlier = (classes < labels.unsqueeze(0)).to(outputs.dtype)
    return earlier * torch.finfo(outputs.dtype).tiny


def _value(name: str, given: Value) -> Value:
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
        """Mean of each term, and "loss_se" where the loss has one value per example; each (K,).

        All rows are reduced, whatever they hold: the same shape gives the same order of additions.

        Source: "loss_se" is the standard error s / sqrt(n) of the mean of n examples, with s from
        squared deviations over n - 1 (Cochran 1977, Sampling Techniques, section 2.9).
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
                squares = (rows - mean.unsqueeze(1)).square_().sum(dim=1)
                found["loss_se"] = (squares / (self._examples - 1) / self._examples).sqrt_()
        return found


def _exact(value: Tensor) -> Tensor:
    """The value in float64; on the CPU where the device has none."""
    return (value.cpu() if value.device.type == "mps" else value).to(torch.float64)
