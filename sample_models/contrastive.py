"""Digits told apart without labels: a contrastive loss over pairs of changed images."""

import math
from typing import cast

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explorer.problem import Batch, Problem

BATCH = 128  # examples that are told apart from one another
TEMPERATURE = 0.2
ROWS = {"train": slice(0, 1024), "test": slice(1437, 1693)}  # whole batches of the shuffled rows
Pairs = tuple[Tensor, Tensor]  # two changed forms of each image, (B, 64)


def changed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, 8, 8), each moved by up to a pixel, scaled and with noise, as rows (N, 64)."""
    count = len(images)
    around = nn.functional.pad(images, (1, 1, 1, 1))
    moves = torch.randint(3, (count, 2), generator=generator)
    rows = moves[:, :1] + torch.arange(8)
    columns = moves[:, 1:] + torch.arange(8)
    moved = around[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    scales = 0.7 + 0.6 * torch.rand(count, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(count, 8, 8, generator=generator)
    return ((moved * scales + noise) / 0.3).flatten(1)


def images(split: str) -> Tensor:
    """Images (N, 8, 8) float32 of a split, from 0 to 1."""
    pixels = torch.from_numpy(load_digits(return_X_y=True)[0]).to(torch.float32) / 16
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    return pixels[order][ROWS[split]].reshape(-1, 8, 8)


def pairs(split: str) -> Pairs:
    """Two changed forms of each image of a split, fixed once for all, (N, 64) each."""
    generator = torch.Generator().manual_seed(1)
    return changed(images(split), generator), changed(images(split), generator)


def forward(model: nn.Module, batch: Batch) -> Tensor:
    """Unit vectors (B, 2, D) of both forms."""
    return nn.functional.normalize(
        torch.stack([model(form) for form in cast("Pairs", batch)], dim=1), dim=2
    )


def contrastive_loss(outputs: Tensor, batch: Pairs) -> Tensor:
    """Cross-entropy of finding the other form of each image among all of the batch, (B,).

    The mean over both forms of an image.

    Source: Chen et al. 2020, arXiv:2002.05709, equation 1 (there the temperature is .1 to .5).
    """
    count = len(outputs)
    forms = outputs.transpose(0, 1).flatten(0, 1)
    alike = forms @ forms.T / TEMPERATURE
    itself = torch.eye(2 * count, dtype=torch.bool, device=outputs.device)
    other = torch.arange(2 * count, device=outputs.device).roll(count)
    losses = nn.functional.cross_entropy(
        alike.masked_fill(itself, -math.inf), other, reduction="none"
    )
    return (losses[:count] + losses[count:]) / 2


def recognised(outputs: Tensor, batch: Pairs) -> Tensor:
    """1 where the second form is the nearest of all second forms to the first, else 0, (B,)."""
    alike = outputs[:, 0] @ outputs[:, 1].T
    nearest = alike.argmax(dim=1) == torch.arange(len(outputs), device=outputs.device)
    return nearest.to(torch.float32)


def problem(hidden: int = 32, size: int = 8) -> Problem:
    """An encoder 64-32-8 that is to recognise an image in two forms, in fixed batches of 128."""
    return Problem(
        model=nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, size)),
        data={split: pairs(split) for split in ROWS},
        loss=contrastive_loss,
        metrics={"recognised": recognised},
        forward=forward,
        batch_size=BATCH,
    )
