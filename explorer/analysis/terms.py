"""Loss and metrics of a batch as sums; the ready classification terms in a faster form."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explorer.problem import Batch, Problem, accuracy, cross_entropy

FEW_CLASSES = 64  # up to here the class axis is better reduced across rows
Sum = tuple[Tensor, Any]  # sum in float64 on the device, count


class Terms:
    """Sums of a problem's loss and metrics over one batch, in the order of `names`."""

    def __init__(self, problem: Problem, batch: Batch) -> None:
        self.problem = problem
        self.batch = batch
        self._terms: dict[str, Callable] = {"loss": problem.loss, **problem.metrics}
        self._earlier: Tensor | None = None

    def sums(self, outputs: Any) -> list[Sum]:
        """Sum and count of each term for the model's outputs on the batch."""
        if self.problem.loss is cross_entropy and is_few_class(outputs):
            return self._few_class(outputs)
        return [summed(term(outputs, self.batch)) for term in self._terms.values()]

    def _few_class(self, outputs: Tensor) -> list[Sum]:
        """The same for ready terms on logits (B, C) of few classes; other metrics as they are.

        Loss: logsumexp(z - z_y), exact near 0. Accuracy: no margin z - z_y is above 0, nor equal
        to 0 at an earlier class, as argmax decides ties; rows with NaN are wrong.
        """
        margins = class_margins(outputs, self.batch[1])
        found = {"loss": summed(torch.logsumexp(margins, dim=0))}
        for name, metric in self.problem.metrics.items():
            if metric is accuracy:
                right = (margins + self._ties(margins)).amax(dim=0) <= 0
                found[name] = right.sum(), right.numel()
            else:
                found[name] = summed(metric(outputs, self.batch))
        return list(found.values())

    def _ties(self, margins: Tensor) -> Tensor:
        """The least positive number where a class comes before the label, else 0, (C, B)."""
        if self._earlier is None:
            classes = torch.arange(len(margins), device=margins.device).unsqueeze(1)
            earlier = (classes < self.batch[1].unsqueeze(0)).to(margins.dtype)
            self._earlier = earlier * torch.finfo(margins.dtype).tiny
        return self._earlier


def is_few_class(outputs: Any) -> bool:
    """Whether outputs are logits (B, C) of few classes."""
    return isinstance(outputs, Tensor) and outputs.dim() == 2 and outputs.shape[1] <= FEW_CLASSES


def class_margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """Margins z - z_y of logits (B, C) and labels (B,), as (C, B): rows reduce vectorised."""
    margins = outputs.t().contiguous()
    return margins.sub_(margins.gather(0, labels.unsqueeze(0)))


def summed(value: Tensor | tuple[Tensor, Any]) -> Sum:
    """A term given per example or as (sum, count), as sum and count."""
    if isinstance(value, tuple):
        return _double(value[0]), value[1]
    if value.device.type == "mps":  # has no float64
        return value.cpu().sum(dtype=torch.float64), value.numel()
    return value.sum(dtype=torch.float64), value.numel()


def _double(total: Tensor) -> Tensor:
    return (total.cpu() if total.device.type == "mps" else total).to(torch.float64)
