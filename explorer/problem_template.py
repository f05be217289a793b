"""A problem: the model, the data and the loss whose surface is to be seen.

This file runs as it is. Put your own model, data and loss in the three marked places, then

    python -m explorer import FILE CHECKPOINT... --name NAME
"""

import torch
from torch import nn

from explorer.problem import Problem, accuracy, cross_entropy


def problem(width: int = 32) -> Problem:
    """The problem; its arguments are given by `-a width=64` at the import."""
    # 1. The architecture alone: its weights come from the checkpoint. Import your own class here:
    #    modules beside this file are found, and this file's folder is the working folder.
    model = nn.Sequential(nn.Linear(20, width), nn.Tanh(), nn.Linear(width, 3))

    # 2. The examples by split, always the same ones: tensors with a common first dimension, or a
    #    map-style torch.utils.data.Dataset. Shuffle and augment with a fixed seed, or not at all.
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(500, 20, generator=draws)
    labels = inputs[:, :3].argmax(dim=1)
    data = {"train": (inputs[:400], labels[:400]), "test": (inputs[400:], labels[400:])}

    # 3. The loss of each example, (B,), or a pair (sum over the batch, count), never a mean.
    #    Without `forward=` the model is called on the first tensor of a batch.
    return Problem(model, data, loss=cross_entropy, metrics={"accuracy": accuracy})


if __name__ == "__main__":  # python FILE writes a checkpoint to try the import with
    made = problem()
    torch.save(made.model.state_dict(), "untrained.pt")
