"""Several models' sharpness side by side: their order, and whether they compare at all."""

from collections.abc import Mapping

import numpy as np

from explorer.kinds.sharpness_result import Sharpness, Value

SAME_LOSS = 0.05  # relative difference of training losses up to which models are comparable


def unequal_losses(results: Mapping[str, Sharpness], split: str = "train") -> str:
    """A sentence where the losses of compared models differ; "" where they do not."""
    losses = {name: one.loss for name, one in results.items() if np.isfinite(one.loss)}
    if len(losses) < 2:
        return ""
    low, high = min(losses.values()), max(losses.values())
    if high - low <= SAME_LOSS * abs(high):
        return ""
    losses_text = " against ".join(f"{loss:.3g} ({name})" for name, loss in losses.items())
    kind = "training" if split == "train" else split
    return (
        f"Not at equal {kind} loss: {losses_text}. Sharpness falls with the loss, so that these "
        "values do not compare the models alone."
    )


def ranks(values: Mapping[str, Value]) -> dict[str, int]:
    """The place of each model by one measure, 1 for the smallest value; equal ones share a place.

    A model without a value has none, and with fewer than two values there is no order.
    """
    finite_values = {name: one.value for name, one in values.items() if np.isfinite(one.value)}
    if len(finite_values) < 2:
        return {}
    return {
        name: 1 + sum(v < own for v in finite_values.values())
        for name, own in finite_values.items()
    }
