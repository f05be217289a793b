"""Examples of a map-style data set, through torch's DataLoader in a fixed order."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from explorer.analysis.objective.batches import map_tensors, tensors_of
from explorer.analysis.objective.parameters import add_bytes
from explorer.problem import Batch

PROBE_EXAMPLES = 64  # first examples that tell sizes and speed
SLOW = 2.0  # seconds of loading that are worth processes of their own
MOST_WORKERS = 8
READ_BYTES = 16 << 20  # of examples read together in a pass that evaluates nothing
MOST_SECONDS = 1800.0  # to read a split once, unless max_examples says that it is meant
PROGRESS_SECONDS = 0.5  # between two words about how far reading is
Span = tuple[int, int]  # the first example, and the one after the last
Progress = Callable[[int, int], None]  # examples read, and how many there are
_progress: ContextVar[Progress | None] = ContextVar("progress of reading", default=None)


@contextmanager
def report_reading_to(progress: Progress) -> Iterator[None]:
    """A stretch in which `progress` is told how far reading is; it may end that by an exception."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)


class _ProgressReport:
    """Says how far reading is, from time to time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._last = 0.0

    def __call__(self, done: int) -> None:
        progress, now = _progress.get(), time.monotonic()
        if progress is not None and now - self._last > PROGRESS_SECONDS:
            self._last = now
            progress(done, self._total)


class DataError(ValueError):
    """A data set that gives no usable examples; the message names the split and the example."""


def is_dataset(data: object) -> bool:
    """Whether a split gives its examples one by one, and holds no tensors itself."""
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return not isinstance(data, Tensor | Mapping | tuple | list) and (
        indexed or isinstance(data, Dataset)
    )


class Examples(Dataset):
    """A map-style data set, or chosen examples of it, with the name of its split."""

    def __init__(self, data: Any, split: str, chosen: np.ndarray | None = None) -> None:
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

    def __getitem__(self, index: int) -> Any:
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
        tell = _ProgressReport(len(self))
        examples = []
        for index in range(count):
            tell(index)
            examples.append(self[index])
        batch = self.checked_batch(self.collate(examples))
        return batch, (time.perf_counter() - began) / count

    @property
    def head(self) -> Batch:
        """The first examples, `PROBED` of them at most."""
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
        return map_tensors(batch, lambda tensor: tensor)  # lists become tuples

    def collate(self, examples: list[object]) -> Batch:
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


class Loader:
    """Batches of examples in a fixed order, the same at every pass."""

    def __init__(self, examples: Examples, spans: Sequence[Span], pinned: bool = False) -> None:
        """Batches from the first to before the last example of each span."""
        self._examples = examples
        self._spans = spans
        self._pinned = pinned
        self._loader: DataLoader | None = None

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one pass, on the CPU.

        Raises:
            DataError: an example fails, or differs in type or shape; or a loading process died.
        """
        if self._loader is None:
            self._loader = self._new_loader()
        form = self._examples.form
        batches = iter(self._loader)
        for start, stop in self._spans:
            try:
                loaded = next(batches)
            except RuntimeError as error:
                self._loader = None
                reason = str(error).splitlines()[0]
                said = f"a process that loads examples died ({reason}); is there enough memory?"
                raise self._examples.refusal(said) from error
            batch = self._examples.checked_batch(loaded)
            if form_of(batch) != form:
                said = f"examples {start} to {stop - 1} differ in shape or type from the first"
                raise self._examples.refusal(said)
            yield batch

    def _new_loader(self) -> DataLoader:
        workers = self._examples.workers
        return DataLoader(
            self._examples,
            batch_sampler=_Numbers(self._spans),
            num_workers=workers,
            collate_fn=self._examples.collate,
            pin_memory=self._pinned,
            persistent_workers=workers > 0,
            multiprocessing_context="fork" if workers else None,
        )


class _Numbers:
    """The numbers of the examples of each batch, made when they are asked for."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(*span)) for span in self._spans)


def require_readable(examples: Examples) -> None:
    """Refuse a split that would be read for hours, unless it says by `max_examples` that it may.

    Raises:
        DataError: it would, by its length and the first few examples.
    """
    count, seconds = len(examples), examples.seconds
    if seconds > MOST_SECONDS:
        each = 1e6 * seconds / count
        raise examples.refusal(
            f"{count:,} examples take about {seconds / 3600:,.1f} hours to read once, at "
            f"{each:,.0f} µs each, which every worker does to identify them: correct its __len__ "
            "if it has fewer, let Problem(..., max_examples=10_000) draw so many, or set "
            f"max_examples={count} to read them all nonetheless"
        )


def _length(data: Any, split: str) -> int:
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


def read_examples(examples: Examples, keep: bool) -> tuple[Batch | None, str]:
    """All examples as tensors, where they are to be kept, and their fingerprint, in one pass.

    The fingerprint is the sha256 of the number of examples and, for each tensor of an example, its
    type, its shape and the sha256 of its bytes in all examples in order.

    Raises:
        DataError: as for a pass; or the data set gives another example when asked again.
    """
    count, size = len(examples), _read_size(examples)
    again = tensors_of(examples.batch(range(min(2, count))))
    for one, other in zip(tensors_of(examples.head), again, strict=True):
        if not torch.equal(one[:2].nan_to_num(), other.nan_to_num()):
            raise examples.refusal("an example changes when read again; take out what is random")
    kept_batch = (
        map_tensors(examples.head, lambda t: t.new_empty(count, *t.shape[1:])) if keep else None
    )
    digests = [hashlib.sha256() for _ in again]
    spans = [(a, min(a + size, count)) for a in range(0, count, size)]
    tell = _ProgressReport(count)
    for (start, stop), batch in zip(spans, Loader(examples, spans), strict=True):
        tell(start)
        for number, tensor in enumerate(tensors_of(batch)):
            add_bytes(digests[number], tensor)
            if kept_batch is not None:
                tensors_of(kept_batch)[number][start:stop] = tensor
    whole = hashlib.sha256(f"{count} examples|".encode())
    for (dtype, shape), digest in zip(examples.form, digests, strict=True):
        whole.update(f"{dtype}|{tuple(shape)}|{digest.hexdigest()}|".encode())
    return kept_batch, whole.hexdigest()


def _read_size(examples: Examples) -> int:
    """Examples read together."""
    one = sum(dtype.itemsize * shape.numel() for dtype, shape in examples.form)
    return max(1, min(1024, READ_BYTES // max(1, one)))


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
