"""Surfaces: our time against plain forward passes, against public tools, and on a GPU.

Every figure is a ratio of times of one run, taken in turns, so that the machine's speed drops out.
"""

from collections.abc import Iterator

import torch

from explorer.analysis.objective import device as devices
from tests.benchmarks import against_limit, against_peers, on_cuda, picture
from tests.benchmarks.data import MissingFileError
from tests.benchmarks.report import Row
from tests.benchmarks.studies import Study, chosen_studies

ANYWHERE: dict[str, Study] = {
    "digits MLP against its limit": against_limit.digits,
    "ResNet-20 against its limit": against_limit.resnet20,
    "GPT against its limit": against_limit.gpt,
    "ResNet-20 from a part of its points": picture.resnet20,
}
PEERS: dict[str, Study] = {  # they know no other device
    "digits MLP against peers": against_peers.digits,
    "ResNet-20 against peers": against_peers.resnet20,
}
CUDA: dict[str, Study] = {
    "digits MLP on CUDA": on_cuda.digits,
    "ResNet-56 on CUDA": on_cuda.resnet56,
}


def studies(device: torch.device, only: str, peers: bool) -> dict[str, Study]:
    """The studies whose name holds the text `only`.

    Raises:
        ValueError: there is none.
    """
    studies = ANYWHERE | (PEERS if peers else {}) | (CUDA if device.type == "cuda" else {})
    return chosen_studies(studies, only)


def rows(chosen: dict[str, Study], device: torch.device, rounds: int) -> Iterator[Row]:
    """The rows of the studies; one that says so where a file of data is missing."""
    for name, study in chosen.items():
        try:
            with devices.precision_flags("float32"):
                yield from study(device, rounds)
        except MissingFileError as missing:
            yield Row(name, skipped=f"no {missing}")
