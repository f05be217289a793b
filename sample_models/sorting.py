"""A small causal transformer that sorts six digits."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from explorer.problem import Batch, Problem, labels_of, token_cross_entropy

LENGTH, DIGITS = 6, 10
SEPARATOR = DIGITS  # the token after the digits to sort
TOKENS = 2 * LENGTH  # six digits, the separator, the first five sorted ones
NOT_COUNTED = -100  # label where nothing is to be predicted
EXAMPLES = 512


class Block(nn.Module):
    """Causal self-attention with `heads` heads and a ReLU network, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attend = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states (B, T, width) of hidden states."""
        examples, tokens, width = hidden.shape
        parts = self.attend(self.norms[0](hidden)).reshape(examples, tokens, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = scaled_dot_product_attention(queries, keys, values, is_causal=True)
        hidden = hidden + self.join(seen.transpose(1, 2).reshape(examples, tokens, width))
        return hidden + self.narrow(self.widen(self.norms[1](hidden)).relu())


class Sorter(nn.Module):
    """Embeddings of tokens and places, two blocks, logits of digits."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.digits = nn.Embedding(DIGITS + 1, width)
        self.places = nn.Parameter(0.1 * torch.randn(TOKENS, width))
        self.blocks = nn.Sequential(Block(width, heads), Block(width, heads))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, DIGITS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, 10) of the next digit after each token (B, T)."""
        return self.head(self.norm(self.blocks(self.digits(tokens) + self.places)))


def sequences(count: int, generator: torch.Generator, descending: bool) -> tuple[Tensor, Tensor]:
    """Tokens (N, 12) and labels (N, 12) int64: the sorted digits, from the separator on."""
    digits = torch.randint(DIGITS, (count, LENGTH), generator=generator)
    ordered = digits.sort(dim=1, descending=descending).values
    separator = torch.full((count, 1), SEPARATOR)
    tokens = torch.cat([digits, separator, ordered[:, :-1]], dim=1)
    before = torch.full((count, LENGTH), NOT_COUNTED)
    return tokens, torch.cat([before, ordered], dim=1)


def right_digits(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """How many sorted digits are predicted, each from the right ones before it, and of how many."""
    labels = labels_of(batch)
    right = (outputs.argmax(dim=-1) == labels).to(torch.float32)
    return right.sum(), (labels != NOT_COUNTED).sum()


def problem(descending: bool = False, width: int = 16, heads: int = 2) -> Problem:
    """Sorting six digits, up or down; the split "reversed" is the test split the other way."""
    splits = {"train": (0, descending), "test": (1, descending), "reversed": (1, not descending)}
    return Problem(
        model=Sorter(width, heads),
        data={
            split: sequences(EXAMPLES, torch.Generator().manual_seed(seed), downwards)
            for split, (seed, downwards) in splits.items()
        },
        loss=token_cross_entropy,
        metrics={"accuracy": right_digits},
    )
