"""The studies of a benchmark: each gives rows for a device and a number of rounds."""

from collections.abc import Callable, Iterator, Mapping

import torch

from tests.benchmarks.report import Row

Study = Callable[[torch.device, int], Iterator[Row]]


def chosen_studies(studies: Mapping[str, Study], only: str) -> dict[str, Study]:
    """Those whose name holds the text `only`.

    Raises:
        ValueError: there is none.
    """
    chosen = {name: study for name, study in studies.items() if only.lower() in name.lower()}
    if not chosen:
        raise ValueError(f"only must be part of one of {', '.join(studies)}, got {only!r}")
    return chosen
