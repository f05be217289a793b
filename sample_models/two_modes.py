"""A generative adversarial network that is to imitate numbers with two modes."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from explorer.game import Player
from explorer.problem import Batch, Problem

Examples = tuple[Tensor, Tensor]  # real numbers (B, 1) and codes of the generated ones (B, 4)
MODES, SPREAD = (-1.0, 1.0), 0.2  # means, of equal weight, and standard deviation
EXAMPLES = 512


class Game(nn.Module):
    """Both players: a generator 4-12-12-1 and a discriminator 1-12-12-1."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = player(4)
        self.discriminator = player(1)

    def forward(self, real: Tensor, codes: Tensor) -> Tensor:
        """The discriminator's logits (B, 2): of the real numbers, and of as many generated ones."""
        generated = self.generator(codes)
        return torch.cat([self.discriminator(real), self.discriminator(generated)], dim=1)


def player(inputs: int) -> nn.Sequential:
    """A small network of leaky ReLU units with one output."""
    return nn.Sequential(
        *(nn.Linear(inputs, 12), nn.LeakyReLU(0.2)),
        *(nn.Linear(12, 12), nn.LeakyReLU(0.2), nn.Linear(12, 1)),
    )


def examples(count: int, generator: torch.Generator) -> Examples:
    """Real numbers (N, 1) and normal codes (N, 4), float32."""
    modes = torch.tensor(MODES)[torch.randint(len(MODES), (count, 1), generator=generator)]
    real = modes + SPREAD * torch.randn(count, 1, generator=generator)
    return real, torch.randn(count, 4, generator=generator)


def discriminator_loss(outputs: Tensor, batch: Examples) -> Tensor:
    """What the discriminator lowers: cross-entropy in nats of telling both apart, (B,)."""
    return softplus(-outputs[:, 0]) + softplus(outputs[:, 1])


def generator_loss(outputs: Tensor, batch: Examples) -> Tensor:
    """What the generator lowers: cross-entropy of its numbers as if they were real, (B,).

    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 3: the form that does not saturate.
    """
    return softplus(-outputs[:, 1])


def forward(model: nn.Module, batch: Batch) -> Tensor:
    """Logits (B, 2) of a batch."""
    return model(*cast("Examples", batch))


def problem() -> Problem:
    """The game: its loss is the discriminator's, and the generator's is a metric."""
    return Problem(
        model=Game(),
        data={
            split: examples(EXAMPLES, torch.Generator().manual_seed(seed))
            for seed, split in enumerate(("train", "test"))
        },
        loss=discriminator_loss,
        metrics={"generator": generator_loss},
        forward=forward,
        players={
            "generator": Player("generator.*", generator_loss),
            "discriminator": Player("discriminator.*", discriminator_loss),
        },
    )
