"""Snapshots every so many steps, for callbacks whose loop belongs to somebody else."""

import os
from typing import Any

from explorer.recorder import Model, Optimizer, Recorder


class Every:
    """A recorder that is made when training begins, when a process knows its rank."""

    def __init__(
        self, folder: str | os.PathLike[str], every: int, settings: dict[str, Any]
    ) -> None:
        """Nothing is written yet.

        Args:
            folder: of the run.
            every: optimiser steps from one snapshot to the next.
            settings: further arguments of `Recorder`.

        Raises:
            ValueError: `every` is less than 1.
        """
        if every < 1:
            raise ValueError(f"every must be at least 1 step, got {every}")
        self._folder, self._every, self._settings = folder, every, settings
        self._last = 0

    def begin(self, model: Model, step: int) -> None:
        """Make or continue the run, and keep the model as it is now."""
        self._run = Recorder(self._folder, **self._settings)
        self._keep(model, step, None)

    def reached(
        self, model: Model, step: int, optimizer: Optimizer | None, **values: object
    ) -> None:
        """Keep the model where a step to keep was reached or passed since the last one."""
        if step // self._every > self._last // self._every:
            self._keep(model, step, optimizer, **values)

    def log(self, step: int, **values: float) -> None:
        """Keep values at a step."""
        self._run.log(step, **values)

    def end(self, model: Model, step: int, optimizer: Optimizer | None) -> None:
        """Keep the final model, and note that the run came to its end."""
        if step != self._last:
            self._keep(model, step, optimizer)
        self._run.__exit__(None)

    def _keep(self, model: Model, step: int, optimizer: Optimizer | None, **values: Any) -> None:
        self._run.snapshot(model, step, optimizer=optimizer, **values)
        self._last = step
