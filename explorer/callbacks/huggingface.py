"""Records a Hugging Face run: `Trainer(..., callbacks=[RecorderCallback("runs/first")])`.

Tested with a stand-in for its base class, and by hand with transformers 5.23.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from explorer.callbacks.every import Every
from explorer.recorder import Model, Optimizer

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "explorer.callbacks.huggingface needs transformers; run `pip install transformers`"
    ) from error

if TYPE_CHECKING:
    from transformers import TrainerState


class RecorderCallback(TrainerCallback):
    """Keeps the model at the start, every so many optimiser steps, and at the end; all logs."""

    def __init__(
        self, folder: str | os.PathLike[str], every: int = 100, **settings: object
    ) -> None:
        """Nothing is written until training begins.

        Args:
            folder: of this run alone.
            every: optimiser steps from one snapshot to the next.
            settings: `hyperparameters`, `seed`, `optimizer_state` of `Recorder`.
        """
        self._every = Every(folder, every, settings)

    def on_train_begin(
        self,
        args: object,
        state: "TrainerState",
        control: object,
        *,
        model: Model,
        **kwargs: object,
    ) -> None:
        """Begin the run."""
        self._every.begin(model, state.global_step)

    def on_step_end(
        self,
        args: object,
        state: "TrainerState",
        control: object,
        *,
        model: Model,
        optimizer: Optimizer | None = None,
        **kwargs: object,
    ) -> None:
        """Keep the model when the step is one to keep."""
        self._every.reached(model, state.global_step, optimizer)

    def on_log(
        self,
        args: object,
        state: "TrainerState",
        control: object,
        logs: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Keep the numbers that the trainer logs, such as loss and eval_loss."""
        numbers = {n: float(v) for n, v in (logs or {}).items() if isinstance(v, int | float)}
        numbers.pop("step", None)
        if numbers:
            self._every.log(state.global_step, **numbers)

    def on_train_end(
        self,
        args: object,
        state: "TrainerState",
        control: object,
        *,
        model: Model,
        optimizer: Optimizer | None = None,
        **kwargs: object,
    ) -> None:
        """Keep the final model."""
        self._every.end(model, state.global_step, optimizer)
