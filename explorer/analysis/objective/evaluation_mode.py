"""The mode in which points are evaluated: nothing is recorded for a gradient."""

from contextlib import AbstractContextManager

import torch

# Before, torch.func's grad, vjp and jvp give zeros in inference mode, and say nothing of it.
# Source: github.com/pytorch/pytorch/issues/177318; 2.11 gave zeros, 2.13 gives derivatives.
FIRST_WITH_DERIVATIVES = (2, 13)


def evaluation_mode() -> AbstractContextManager[object]:
    """Inference mode where a model may use `torch.func` in it, else no recording of gradients."""
    release = tuple(int(number) for number in torch.__version__.split(".")[:2])
    return torch.inference_mode() if release >= FIRST_WITH_DERIVATIVES else torch.no_grad()
