"""Problem files that tests write: what stands at the head of each, and weights that fit."""

import torch
from torch import nn

HEAD = """import torch
from torch import nn
from torch.nn import functional as F
from explorer.problem import Problem, accuracy, cross_entropy, first_input

class Noisy(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)

def xy(count=12, seed=0):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=draw)
    return torch.randn(count, 4, generator=draw), labels

def made(model=None, data=None, loss=cross_entropy, metrics={}, forward=first_input,
         **others):
    return Problem(model or nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)),
                   data or {"train": xy()}, loss, metrics, forward, **others)
"""


def state() -> dict[str, torch.Tensor]:
    """Weights that fit `made` of the head."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)).state_dict()
