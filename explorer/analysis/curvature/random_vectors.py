"""Random vectors of a matrix's size, the same for good for a seed."""

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.products import Product


def random_signs(product: Product, *seed: int) -> Tensor:
    """A vector of random signs (D,); the same for good for a seed of one or several numbers.

    Its quadratic forms have less variance than those of normal vectors.
    """
    bits = np.random.RandomState(seed).randint(0, 2, product.size)
    signs = torch.from_numpy((2 * bits - 1).astype(np.float32))
    return signs.to(dtype=product.like.dtype, device=product.like.device)


def random_normal(product: Product, *seed: int) -> Tensor:
    """A standard normal vector (D,); the same for good for a seed of one or several numbers."""
    normal = np.random.RandomState(seed).standard_normal(product.size)
    return torch.from_numpy(normal).to(dtype=product.like.dtype, device=product.like.device)


def next_signs(random: np.random.RandomState, count: int, like: Tensor) -> Tensor:
    """So many further random signs, (count,), of a tensor's type and on its device."""
    bits = np.unpackbits(np.frombuffer(random.bytes(-(-count // 8)), np.uint8), count=count)
    return torch.from_numpy(bits).to(like).mul_(2).sub_(1)
