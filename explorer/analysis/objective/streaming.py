"""Passes over examples that do not fit on the device: each batch serves many points."""

from collections.abc import Callable, Iterator, Sequence

from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.dataset import Examples, Span
from explorer.analysis.objective.examples import Source
from explorer.analysis.objective.loading import Loader
from explorer.problem import Batch

VALUES_BYTES = 256 << 20  # of values of the points that one pass serves
POINTS = 16  # that share a pass, at least: loading is paid once for all of them


class Stream:
    """Batches brought to the device anew at every pass."""

    def __init__(
        self, source: Source, spans: Sequence[Span], ready: Callable[[Batch], Batch], pinned: bool
    ) -> None:
        """`ready` puts a batch on the device."""
        self._spans = spans
        self._ready = ready
        self._one_pass = _passes(source, spans, pinned)

    def __iter__(self) -> Iterator[tuple[int, int, Batch]]:
        """Each batch with the number of its first example and that after its last."""
        for span, batch in zip(self._spans, self._one_pass(), strict=True):
            yield *span, self._ready(batch)


def _passes(source: Source, spans: Sequence[Span], pinned: bool) -> Callable[[], Iterator[Batch]]:
    """What gives the batches of one pass after the other, where they lie."""
    if isinstance(source, Examples):
        return Loader(source, spans, pinned).__iter__
    return lambda: (slice_examples(source, *span) for span in spans)
