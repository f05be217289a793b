"""The weight-decay term, always beside the loss and never silently in it."""

from collections.abc import Mapping

import numpy as np

PENALTY_TERM, WITH_LOSS = "weight_decay_term", "loss_with_weight_decay"


def with_penalty(values: Mapping[str, np.ndarray], decay: float) -> dict[str, np.ndarray]:
    """The values with decay / 2 * norm(theta)^2 and its sum with the loss, as values of their own.

    Nothing is added for a decay of 0. All parameters count, as in torch's optimisers.

    Source: Krogh & Hertz 1992, equation 1; `torch.optim.SGD` adds decay * theta to the gradient.
    """
    if not decay:
        return dict(values)
    term = decay / 2 * values["squared_norm"]
    return {**values, PENALTY_TERM: term, WITH_LOSS: values["loss"] + term}
