"""Addition modulo 31, learned from half of its table: first by heart, much later in general."""

import torch
from torch import Tensor, nn

from explorer.problem import Problem, accuracy, cross_entropy

MODULUS = 31


class Adder(nn.Module):
    """Embeddings of both numbers, side by side, then one hidden ReLU layer."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(MODULUS, embedding)
        self.hidden = nn.Linear(2 * embedding, hidden)
        self.head = nn.Linear(hidden, MODULUS)

    def forward(self, numbers: Tensor) -> Tensor:
        """Logits (B, 31) of pairs of numbers (B, 2) int64."""
        return self.head(self.hidden(self.embedding(numbers).flatten(1)).relu())


def table() -> dict[str, tuple[Tensor, Tensor]]:
    """Pairs (N, 2) and sums (N,) int64; half of the 961 pairs, chosen by seed 0, are "train"."""
    pairs = torch.cartesian_prod(torch.arange(MODULUS), torch.arange(MODULUS))
    pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))]
    sums = pairs.sum(dim=1) % MODULUS
    half = len(pairs) // 2
    return {"train": (pairs[:half], sums[:half]), "test": (pairs[half:], sums[half:])}


def problem(embedding: int = 16, hidden: int = 32) -> Problem:
    """The sum of two numbers modulo 31."""
    return Problem(
        model=Adder(embedding, hidden),
        data=table(),
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
    )
