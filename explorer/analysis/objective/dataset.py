"""A map-style data set: examples that are given one by one, checked as they come."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeGuard, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, default_collate

from explorer.analysis.objective.batches import map_tensors, tensors_of
from explorer.analysis.objective.reading_progress import ProgressReport
from explorer.problem import Batch

PROBE_EXAMPLES = 64  # first examples that tell sizes and speed
SLOW = 2.0  # seconds of loading that are worth processes of their own
MOST_WORKERS = 8
Span = tuple[int, int]  # the first example, and the one after the last


class DataError(ValueError):
    """A data set that gives no usable examples; the message names the split and the example."""


class MapStyle(Protocol):
    """What gives its examples one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


def is_dataset(data: object) -> TypeGuard[MapStyle]:
    """Whether a split gives its examples one by one, and holds no tensors itself."""
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return not isinstance(data, Tensor | Mapping | tuple | list) and (
        indexed or isinstance(data, Dataset)
    )


class Examples(Dataset):
    """A map-style data set, or chosen examples of it, with the name of its split."""

    def __init__(self, data: MapStyle, split: str, chosen: np.ndarray | None = None) -> None:
        """All examples of `data`, or those at the indices `chosen` (n,).

        Raises:
            DataError: it has no length or no examples.
        """
        if isinstance(data, IterableDataset) or not hasattr(data, "__len__"):
            raise DataError(f"split {split!r} must be a map-style data set, with a length")
        self._data = data
        self._split = split
        self._chosen: Sequence[int] | np.ndarray = (
            range(_length(data, split)) if chosen is None else chosen
        )
        if not len(self._chosen):
            raise DataError(f"split {split!r} must have an example, got none")

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> object:
        place = int(self._chosen[index])
        try:
            return self._data[place]
        except Exception as error:  # a loading process would send back its whole traceback
            return _Failure(f"example {place}: {type(error).__name__}: {error}")

    def subset(self, chosen: np.ndarray | None) -> "Examples":
        """Those of the examples at these indices (n,); all for None."""
        if chosen is None:
            return self
        places = chosen if isinstance(self._chosen, range) else np.asarray(self._chosen)[chosen]
        return Examples(self._data, self._split, places)

    def refusal(self, said: str) -> DataError:
        """The error that says this about the split."""
        return DataError(f"split {self._split!r}, {said}")

    @cached_property
    def _probe(self) -> tuple[Batch, float]:
        """The first examples, and seconds for one of them."""
        began = time.perf_counter()
        count = min(PROBE_EXAMPLES, len(self))
        tell = ProgressReport(len(self))
        examples = []
        for index in range(count):
            tell(index)
            examples.append(self[index])
        batch = self.checked_batch(self.collate(examples))
        return batch, (time.perf_counter() - began) / count

    @property
    def head(self) -> Batch:
        """The first examples, `PROBE_EXAMPLES` of them at most."""
        return self._probe[0]

    def batch(self, indices: Sequence[int]) -> Batch:
        """These examples as tensors with a common first dimension, loaded here and now.

        Raises:
            DataError: one of them fails, or they do not fit together.
        """
        return self.checked_batch(self.collate([self[index] for index in indices]))

    def checked_batch(self, batch: object) -> Batch:
        """A batch that was loaded.

        Raises:
            DataError: there is a failure in its place.
        """
        if isinstance(batch, _Failure):
            raise self.refusal(batch.message)
        return map_tensors(cast(Batch, batch), lambda tensor: tensor)  # lists become tuples

    def collate(self, examples: list[object]) -> "Batch | _Failure":
        """The examples as one batch, or the failure."""
        failed = next((e for e in examples if isinstance(e, _Failure)), None)
        if failed is not None:
            return failed
        try:
            batch = default_collate(examples)
        except (RuntimeError, TypeError, ValueError, KeyError) as error:
            return _Failure(
                f"examples do not fit together: {str(error).splitlines()[0]}; let __getitem__ give "
                "tensors of one shape, sequences padded to one length"
            )
        if (odd := _no_tensor(batch)) is not None:
            return _Failure(
                f"examples must be tensors or numbers, got {odd}; leave it out of __getitem__, or "
                "make it a number"
            )
        return batch

    @property
    def form(self) -> list[tuple[torch.dtype, torch.Size]]:
        """Type and shape of each tensor of an example."""
        return form_of(self.head)

    @property
    def seconds(self) -> float:
        """How long it takes to load all of them once, by the first few."""
        return len(self) * self._probe[1] / max(1, self.workers)

    @property
    def workers(self) -> int:
        """Processes that load: none where a pass is short, or where they cannot be forked.

        The problem's file is run by path, so that a process which does not inherit its classes
        could not import them.
        """
        if not sys.platform.startswith("linux") or len(self) * self._probe[1] < SLOW:
            return 0
        return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1))


class _Failure:
    """What went wrong, in the place of an example or a batch."""

    def __init__(self, said: str) -> None:
        self.message = said


def _length(data: MapStyle, split: str) -> int:
    """How many examples a data set says it has.

    Raises:
        DataError: it does not say.
    """
    try:
        return len(data)
    except Exception as error:  # whatever a user's class raises
        raise DataError(
            f"split {split!r} has no length ({type(error).__name__}: {error}); let __len__ return "
            "how many examples it has"
        ) from error


def form_of(batch: Batch) -> list[tuple[torch.dtype, torch.Size]]:
    """Type and shape, without the first dimension, of each tensor of a batch."""
    return [(tensor.dtype, tensor.shape[1:]) for tensor in tensors_of(batch)]


def _no_tensor(batch: object, place: str = "") -> str | None:
    """What in a batch is no tensor with a row for each example, and where; None if all is."""
    if isinstance(batch, Mapping):
        entries = [(f"{place}[{name!r}]", value) for name, value in batch.items()]
    elif isinstance(batch, tuple | list) and not all(isinstance(v, str) for v in batch):
        entries = [(f"{place}[{number}]", value) for number, value in enumerate(batch)]
    else:
        if isinstance(batch, Tensor) and batch.dim() > 0:
            return None
        of_texts = isinstance(batch, tuple | list)
        return f"{'text' if of_texts else type(batch).__name__}{place and ' as ' + place}"
    return next((odd for where, value in entries if (odd := _no_tensor(value, where))), None)
