"""Loss and metrics of a batch: one value per example where they can be."""

import torch
from torch import Tensor

from explorer.analysis.objective.example_values import ExampleValues, Value, Where
from explorer.analysis.objective.few_class_loss import FewClassLoss, few_class_loss
from explorer.problem import Batch, Outputs, Problem, accuracy, cross_entropy, labels_of

FEW_CLASSES = 64  # up to here the class axis is better reduced across rows


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
        logits = self._few_class_logits(outputs, batch)
        if logits is None:
            return self.values(outputs, batch)
        losses, right = few_class_loss(logits, labels_of(batch))
        metrics = self._problem.metrics.items()
        others = [right if m is accuracy else as_value(n, m(outputs, batch)) for n, m in metrics]
        return [losses, *others]

    def few_class(self, outputs: Outputs, batch: Batch) -> FewClassLoss | None:
        """The quick way for batches like this one; None where it is not the ready cross-entropy."""
        logits = self._few_class_logits(outputs, batch)
        return None if logits is None else FewClassLoss(logits, labels_of(batch))

    def _few_class_logits(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """The outputs, where they are the ready cross-entropy's logits (B, C) with labels (B,)."""
        if self._problem.loss is not cross_entropy or not isinstance(outputs, Tensor):
            return None
        if outputs.dim() != 2 or not 2 <= outputs.shape[1] <= FEW_CLASSES:
            return None
        labels = labels_of(batch)
        are_classes = not labels.is_floating_point() and labels.dtype != torch.bool
        return outputs if are_classes and labels.shape == outputs.shape[:1] else None

    def write(
        self,
        outputs: Outputs,
        batch: Batch,
        few: FewClassLoss | None,
        example_values: "ExampleValues",
        where: Where,
    ) -> None:
        """Enter the values of a batch at one point."""
        if few is None or not isinstance(outputs, Tensor):
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
