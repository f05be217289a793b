"""A whole data set in one pass: its fingerprint, and its tensors where they are kept."""

import hashlib

import torch

from explorer.analysis.objective.batches import map_tensors, tensors_of
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.loading import Loader
from explorer.analysis.objective.named_tensors import add_bytes
from explorer.analysis.objective.reading_progress import ProgressReport
from explorer.problem import Batch

READ_BYTES = 16 << 20  # of examples read together in a pass that evaluates nothing
MOST_SECONDS = 1800.0  # to read a split once, unless max_examples says that it is meant


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
    tell = ProgressReport(count)
    for (start, stop), batch in zip(spans, Loader(examples, spans), strict=True):
        tell(start)
        for number, tensor in enumerate(tensors_of(batch)):
            add_bytes(digests[number], tensor)
            if kept_batch is not None:
                tensors_of(kept_batch)[number][start:stop] = tensor
    fingerprint = hashlib.sha256(f"{count} examples|".encode())
    for (dtype, shape), digest in zip(examples.form, digests, strict=True):
        fingerprint.update(f"{dtype}|{tuple(shape)}|{digest.hexdigest()}|".encode())
    return kept_batch, fingerprint.hexdigest()


def _read_size(examples: Examples) -> int:
    """Examples read together."""
    one = sum(dtype.itemsize * shape.numel() for dtype, shape in examples.form)
    return max(1, min(1024, READ_BYTES // max(1, one)))
