"""Batches of a data set in a fixed order, through torch's DataLoader."""

from collections.abc import Iterator, Sequence

from torch.utils.data import DataLoader

from explorer.analysis.objective.dataset import Examples, Span, form_of
from explorer.problem import Batch


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
