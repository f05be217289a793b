"""Loss and metrics of a batch, one value per example where they can be; values at many points."""

from typing import Any

import torch
from torch import Tensor

from explorer.problem import Batch, Outputs, Problem, accuracy, cross_entropy, labels_of

FEW_CLASSES = 64  # up to here the class axis is better reduced across rows
Where = tuple[
    int, int, int
]  # the point in a example_values, the first example, the one after the last
Value = Tensor | tuple[Tensor, Any]  # per example (..., B); or sum (...) and count


class FewClassLoss:
    """Cross-entropy and accuracy of one batch of logits (B, C) of few classes, quickly.

    What depends on labels alone is made once, and so is the room for intermediate values: new
    memory at every point costs a quarter of the whole evaluation of a small model.
    """

    def __init__(self, outputs: Tensor, labels: Tensor) -> None:
        """Prepare for logits like these (B, C) and these labels (B,), each a class."""
        labels = labels.long()
        rows, classes = outputs.shape
        order = torch.arange(classes, device=labels.device).unsqueeze(1)
        earlier = (order < labels.unsqueeze(0)).to(outputs.dtype)
        # where an earlier class has the label's logit, the margin is the least positive number
        # instead of 0, which no sum of exponentials sees: argmax would choose that class
        self._ties = earlier * torch.finfo(outputs.dtype).tiny
        self._places = torch.arange(rows, device=labels.device) * classes + labels
        self._own, self._top = (outputs.new_empty(rows) for _ in range(2))
        self._margins = torch.empty_like(self._ties)

    @property
    def intermediates(self) -> list[Tensor]:
        """The tensors that hold intermediate values."""
        return [self._own, self._top, self._margins]

    def write(self, outputs: Tensor, losses: Tensor, right: Tensor | None) -> None:
        """Enter the loss of each example, (B,), and whether it is classified right.

        Loss: logsumexp(z - z_y), exact near 0. Right: no margin z - z_y is above 0; rows with NaN
        are wrong. Margins are kept as (C, B), so that rows reduce vectorised.
        """
        margins, top, own = self._margins, self._top, self._own
        torch.index_select(outputs.reshape(-1), 0, self._places, out=own)
        torch.sub(outputs.t(), own, out=margins).add_(self._ties)
        torch.amax(margins, 0, out=top)
        if right is not None:
            torch.le(top, 0, out=right)
        torch.sum(margins.sub_(top).exp_(), 0, out=own)
        torch.add(own.log_(), top, out=losses)


def few_class_loss(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `FewClass` enters, as a function: losses and right answers, (B,) each."""
    labels = labels.long()
    margins = (outputs - outputs.gather(1, labels.unsqueeze(1))).t()
    order = torch.arange(outputs.shape[1], device=labels.device).unsqueeze(1)
    ties = (order < labels).to(outputs.dtype) * torch.finfo(outputs.dtype).tiny
    right = (margins + ties).amax(0) <= 0
    top = margins.amax(0)
    return (margins - top).exp().sum(0).log() + top, right.to(outputs.dtype)


class LossAndMetrics:
    """The values of a problem's loss and metrics, in the order of `names`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.names = ["loss", *problem.metrics]

    @property
    def are_ready_made(self) -> bool:
        """Whether the loss and all metrics are those of `explorer.problem`."""
        terms = (self._problem.loss, *self._problem.metrics.values())
        return all(term.__module__ == cross_entropy.__module__ for term in terms)

    def values(self, outputs: object, batch: Batch) -> list[Value]:
        """The value of each term for the model's outputs on a batch.

        Raises:
            ValueError: a term is neither one value per example nor (sum, count).
        """
        terms = {"loss": self._problem.loss, **self._problem.metrics}
        return [as_value(name, term(outputs, batch)) for name, term in terms.items()]

    def fused_values(self, outputs: Outputs, batch: Batch) -> list[Value]:
        """The values in a form that a compiler or vmap makes quick."""
        if not self._is_few_class(outputs, batch):
            return self.values(outputs, batch)
        losses, right = few_class_loss(outputs, labels_of(batch))
        metrics = self._problem.metrics.items()
        others = [right if m is accuracy else as_value(n, m(outputs, batch)) for n, m in metrics]
        return [losses, *others]

    def few_class(self, outputs: Outputs, batch: Batch) -> FewClassLoss | None:
        """The quick way for batches like this one; None where it is not the ready cross-entropy."""
        few = self._is_few_class(outputs, batch)
        return FewClassLoss(outputs, labels_of(batch)) if few else None

    def _is_few_class(self, outputs: Outputs, batch: Batch) -> bool:
        """Whether these are the ready cross-entropy's logits (B, C) and whole labels (B,)."""
        ready = self._problem.loss is cross_entropy and isinstance(outputs, Tensor)
        if not ready or outputs.dim() != 2 or not 2 <= outputs.shape[1] <= FEW_CLASSES:
            return False
        labels = labels_of(batch)
        whole = not labels.is_floating_point() and labels.dtype != torch.bool
        return whole and labels.shape == outputs.shape[:1]

    def write(
        self,
        outputs: Outputs,
        batch: Batch,
        few: FewClassLoss | None,
        example_values: "ExampleValues",
        where: Where,
    ) -> None:
        """Enter the values of a batch at one point."""
        if few is None:
            example_values.put(*where, self.values(outputs, batch))
            return
        metrics = list(self._problem.metrics.values())
        quick = metrics.index(accuracy) + 1 if accuracy in metrics else 0
        right = example_values.row(quick, *where) if quick else None
        few.write(outputs, example_values.row(0, *where), right)
        for term, (name, metric) in enumerate(self._problem.metrics.items(), start=1):
            if term != quick:
                example_values.enter(term, *where, as_value(name, metric(outputs, batch)))


def as_value(name: str, given: Value) -> Value:
    """A term as it was given, averaged over all but the first axis; refused without one."""
    if isinstance(given, tuple):
        return given
    if given.dim() == 0:
        raise ValueError(
            f"{name} must return one value per example or (sum, count), got a single number; "
            "a mean weighs the last, smaller batch wrongly"
        )
    if given.dim() == 1:
        return given
    real = given if given.is_floating_point() else given.to(torch.float32)  # answers, say
    return real.flatten(1).mean(dim=1)


class ExampleValues:
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
            self.enter(term, point, start, stop, value)

    def enter(self, term: int, point: int | slice, start: int, stop: int, value: Value) -> None:
        """Enter the values of one term."""
        if isinstance(value, tuple):
            self._add(term, point, start == 0, *value)
        elif value.shape[-1] != stop - start:  # one a token, say
            self._add(term, point, start == 0, value.sum(-1), value.shape[-1])
        else:
            self._row(term)[point, start:stop] = value

    def row(self, term: int, point: int | slice, start: int, stop: int) -> Tensor:
        """Where the values of one term go, (..., B)."""
        return self._row(term)[point, start:stop]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that hold what was entered."""
        return [*self._rows.values(), *(total for pair in self._sums.values() for total in pair)]

    def take(self, point: int, other: "ExampleValues") -> None:
        """Enter the one point of other values."""
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
            sums = torch.zeros(
                2, self.points, dtype=torch.float64, device=_as_float64(self._like).device
            )
            self._sums[term] = (sums[0], sums[1])
        for kept, value in zip(self._sums[term], (total, count), strict=True):
            if first:
                kept[point] = 0.0
            kept[point] += _as_float64(value) if isinstance(value, Tensor) else value

    @torch.no_grad()
    def means_and_errors(self) -> dict[str, Tensor]:
        """Mean of each term; of a loss with one value per example two more; each (K,).

        "loss_se" is the standard error s / sqrt(n) of the mean, with s from squared deviations over
        n - 1; "loss_skewness" the third central moment over the second to the power 3/2.

        All rows are reduced, whatever they hold: the same shape gives the same order of additions.

        Raises:
            ValueError: a term gave as many values as there are examples in some batches alone.

        Source: Cochran 1977, Sampling Techniques, section 2.7; Fisher 1930, Proc. R. Soc. A 130, 16
        (skewness).
        """
        for term in self._rows.keys() & self._sums.keys():
            raise ValueError(
                f"{self._names[term]} gives one value per example in some batches and another "
                "number of values in others; return (their sum, how many they are)"
            )
        reductions = {}
        for term, name in enumerate(self._names):
            if term in self._sums:
                total, count = self._sums[term]
                reductions[name] = total / count
                continue
            rows = self._float64_rows(term)
            mean = rows.sum(dim=1) / self._examples
            reductions[name] = mean
            if name == "loss" and self._examples > 1:
                reductions |= _spread(rows.sub_(mean.unsqueeze(1)))
        return reductions

    def _float64_rows(self, term: int) -> Tensor:
        """A copy of the rows of a term in float64."""
        rows = self._rows[term]
        doubled = _as_float64(rows)
        return doubled.clone() if doubled is rows else doubled

    def losses(self) -> dict[str, Tensor]:
        """As "losses" the loss of each example, (K, N) float64.

        Raises:
            ValueError: the loss is not one value per example.
        """
        if 0 in self._sums:
            raise ValueError(
                "the loss must be one value per example to compare example by example, got sums"
            )
        return {"losses": _as_float64(self._rows[0])}


def _spread(deviations: Tensor) -> dict[str, Tensor]:
    """Standard error and skewness of losses with these deviations (K, N) from their mean."""
    count = deviations.shape[1]
    powers = deviations.square()
    second = powers.sum(dim=1)
    third = powers.mul_(deviations).sum(dim=1)
    variance = second / count
    return {
        "loss_se": (second / (count - 1) / count).sqrt_(),
        # not pow: vectors and what is left over beside them round it differently
        "loss_skewness": third / count / (variance * variance.sqrt()),
    }


def _as_float64(value: Tensor) -> Tensor:
    """The value in float64; on the CPU where the device has none."""
    return (value.cpu() if value.device.type == "mps" else value).to(torch.float64)
