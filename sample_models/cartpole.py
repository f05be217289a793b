"""A policy that balances a pole on a cart; the loss is what is missing of its return.

The physics is written in torch, because gymnasium steps one episode at a time: here all episodes,
and all points of a surface, take a step together.

Source: Barto, Sutton and Anderson 1983, IEEE SMC 13, p. 834; the numbers and the end of an episode
are those of gymnasium's CartPole-v0.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from explorer.problem import Batch, Problem

STEPS = 200  # the longest episode
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LARGEST_ANGLE, LARGEST_PLACE = 12 * 2 * math.pi / 360, 2.4
EPISODES = 64


def policy() -> nn.Sequential:
    """From place, speed, angle and its speed to a number: 4-8-1, tanh; pushed right where > 0."""
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def next_states(states: Tensor, forces: Tensor) -> Tensor:
    """States (B, 4) after a step of Euler's under forces (B,)."""
    _, speed, angle, turning = states.unbind(dim=1)
    mass = CART_MASS + POLE_MASS
    pushed = (forces + POLE_MASS * HALF_LENGTH * turning.square() * angle.sin()) / mass
    turn = (GRAVITY * angle.sin() - angle.cos() * pushed) / (
        HALF_LENGTH * (4 / 3 - POLE_MASS * angle.cos().square() / mass)
    )
    push = pushed - POLE_MASS * HALF_LENGTH * turn * angle.cos() / mass
    changes = torch.stack([speed, push, turning, turn], dim=1)
    return states + SECONDS * changes


def returns(model: nn.Module, batch: Batch) -> Tensor:
    """How many steps each episode lasts, (B,), from initial states (B, 4)."""
    states = cast("Tensor", batch)
    lasting = torch.ones_like(states[:, 0])
    total = torch.zeros_like(lasting)
    for _ in range(STEPS):
        forces = torch.where(model(states)[:, 0] > 0, FORCE, -FORCE)
        states = next_states(states, forces)
        total = total + lasting
        up = (states[:, 0].abs() <= LARGEST_PLACE) & (states[:, 2].abs() <= LARGEST_ANGLE)
        lasting = lasting * up
    return total


def initial_states(seed: int) -> Tensor:
    """Initial states (64, 4), uniform within .05, float32: the same for every policy."""
    return 0.1 * torch.rand(EPISODES, 4, generator=torch.Generator().manual_seed(seed)) - 0.05


def loss(outputs: Tensor, batch: Tensor) -> Tensor:
    """Minus the return as a share of the longest one, (B,): -1 is best."""
    return -outputs / STEPS


def steps_upright(outputs: Tensor, batch: Tensor) -> Tensor:
    """The return: how many steps the pole stays up, (B,)."""
    return outputs


def problem() -> Problem:
    """Balancing a pole; splits are two sets of initial states."""
    return Problem(
        model=policy(),
        data={"train": initial_states(0), "test": initial_states(1)},
        loss=loss,
        metrics={"return": steps_upright},
        forward=returns,
    )
