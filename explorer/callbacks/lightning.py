"""Records a Lightning run: `Trainer(callbacks=[RecorderCallback("runs/first", every=100)])`.

Tested with a stand-in for its base class, and by hand with Lightning 2.6.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from explorer.callbacks.every import Every
from explorer.recorder import Optimizer

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    try:
        from pytorch_lightning.callbacks import Callback
    except ImportError as error:
        raise ImportError(
            "explorer.callbacks.lightning needs Lightning; run `pip install lightning`"
        ) from error

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.utilities.types import STEP_OUTPUT


class RecorderCallback(Callback):
    """Keeps the module at the start, every so many optimiser steps, and at the end."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: int = 100,
        submodule: str = "",
        **settings: object,
    ) -> None:
        """Nothing is written until training starts.

        Args:
            folder: of this run alone.
            every: optimiser steps from one snapshot to the next.
            submodule: dotted name of the network within the LightningModule, as "model", so that
                the snapshots are its own; all of it unless given.
            settings: `hyperparameters`, `seed`, `optimizer_state` of `Recorder`.
        """
        super().__init__()
        self._every = Every(folder, every, settings)
        self._submodule = submodule

    def on_train_start(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Begin the run."""
        self._every.begin(pl_module.get_submodule(self._submodule), trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: "Trainer",
        pl_module: "LightningModule",
        outputs: "STEP_OUTPUT",
        batch: object,
        batch_idx: int,
    ) -> None:
        """Keep the network when the step is one to keep, with the loss of this batch."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        # Lightning hands over the loss divided by the batches that make one step
        parts = getattr(trainer, "accumulate_grad_batches", 1)
        values = {} if loss is None else {"loss": loss * parts}
        network = pl_module.get_submodule(self._submodule)
        self._every.reached(network, trainer.global_step, _optimizer(trainer), **values)

    def on_train_end(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Keep the final network."""
        network = pl_module.get_submodule(self._submodule)
        self._every.end(network, trainer.global_step, _optimizer(trainer))


def _optimizer(trainer: "Trainer") -> Optimizer | None:
    """The optimiser, where there is one alone."""
    return trainer.optimizers[0] if len(trainer.optimizers) == 1 else None
