"""Cross-entropy and accuracy of logits of few classes, quickly."""

import torch
from torch import Tensor


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
    """The same as `FewClassLoss` enters, as a function: losses and right answers, (B,) each."""
    labels = labels.long()
    margins = (outputs - outputs.gather(1, labels.unsqueeze(1))).t()
    order = torch.arange(outputs.shape[1], device=labels.device).unsqueeze(1)
    ties = (order < labels).to(outputs.dtype) * torch.finfo(outputs.dtype).tiny
    right = (margins + ties).amax(0) <= 0
    top = margins.amax(0)
    return (margins - top).exp().sum(0).log() + top, right.to(outputs.dtype)
