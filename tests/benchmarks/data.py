"""Real data, from a folder outside the project: `$EXPLORER_DATA`, or a `shared/data` above it."""

import io
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
# of the weights that are used here, not of the data
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


class MissingFileError(FileNotFoundError):
    """A file of real data that this machine does not have."""


def file(name: str) -> Path:
    """Where a file of real data lies.

    Raises:
        MissingFileError: it lies in none of the folders that are searched.
    """
    given = os.environ.get("EXPLORER_DATA")
    above = [folder / "shared" / "data" for folder in (ROOT, *ROOT.parents)]
    for folder in [Path(given)] if given else above:
        if (folder / name).is_file():
            return folder / name
    raise MissingFileError(name)


def cifar(split: str, count: int) -> tuple[Tensor, Tensor]:
    """The first images of CIFAR-10, (N, 3, 32, 32) bytes, and their labels, (N,).

    Raises:
        MissingFileError: this machine does not have the images.
    """
    with np.load(file("cifar10_jpeg.npz")) as stored:
        joined, ends = stored[f"{split}_jpeg"], stored[f"{split}_offsets"][: count + 1]
        labels = torch.from_numpy(stored[f"{split}_labels"][:count].astype(np.int64))
    images = [
        np.asarray(Image.open(io.BytesIO(joined[start:end].tobytes())).convert("RGB"))
        for start, end in pairwise(ends)
    ]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), labels


def scaled(images: Tensor) -> Tensor:
    """Images in bytes as the weights expect them, float32."""
    return (images.to(torch.float32) / 255 - MEAN) / DEVIATION


def shakespeare() -> tuple[Tensor, int]:
    """The text as numbers of its characters in their order, (L,), and how many characters it uses.

    Raises:
        MissingFileError: this machine does not have the text.
    """
    text = np.frombuffer(file("tinyshakespeare.txt").read_bytes(), dtype=np.uint8)
    characters, numbers = np.unique(text, return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), len(characters)
