"""The matrices that a spectrum can be of, and what is made of them: scaled, one block, dense."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature import fisher, products
from explorer.analysis.curvature.products import MapMaker, Product
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Block
from explorer.kinds.matrix import SpectrumSettings

MAKERS: Mapping[str, MapMaker] = {
    "hessian": products.hessian,
    "scaled_hessian": products.hessian,
    "gauss_newton": products.gauss_newton,
    "empirical_fisher": fisher.empirical_fisher,
}


def map_maker_of(settings: SpectrumSettings) -> MapMaker:
    """What makes a batch's part of the matrix."""
    if settings.matrix == "fisher":
        return fisher.monte_carlo_fisher(settings.seed, settings.labels)
    return MAKERS[settings.matrix]


def blocks_of(objective: Objective, settings: SpectrumSettings) -> list[Block]:
    """The tensors that the matrix is about.

    Raises:
        ValueError: there is none of that name.
    """
    blocks = objective.flat.blocks
    if not settings.layer:
        return blocks
    chosen = [block for block in blocks if block.name == settings.layer]
    if not chosen:
        names = ", ".join(block.name for block in blocks)
        raise ValueError(f"layer must be one of {names}, got {settings.layer!r}")
    return chosen


def matrix_of_settings(whole: Product, objective: Objective, settings: SpectrumSettings) -> Product:
    """The matrix of the settings: the whole one, scaled, or one block of it."""
    matrix: Product = whole
    if settings.matrix == "scaled_hessian":
        matrix = ScaledMatrix(matrix, objective.flat.theta.abs())
    if settings.layer:
        (block,) = blocks_of(objective, settings)
        matrix = MatrixBlock(matrix, block)
    return matrix


def gradients_of_settings(
    gradients: Tensor, objective: Objective, settings: SpectrumSettings
) -> Tensor:
    """B a of each a of (g, D), for the matrix B A B' of the settings and the whole one A = a a'."""
    if settings.matrix == "scaled_hessian":
        gradients = gradients * objective.flat.theta.abs()
    if settings.layer:
        (block,) = blocks_of(objective, settings)
        gradients = gradients[:, block.start : block.stop]
    return gradients


class ScaledMatrix:
    """D A D for a diagonal D (D,): with |w| it does not change under rescalings of the weights."""

    def __init__(self, inner: Product, scale: Tensor) -> None:
        self.inner, self.scale = inner, scale.clone()
        self.size, self.like = inner.size, inner.like

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (D,), as (D,)."""
        return self.inner(vector * self.scale).mul_(self.scale)


class MatrixBlock:
    """The diagonal block of one parameter tensor."""

    def __init__(self, inner: Product, block: Block) -> None:
        self.inner, self.block = inner, block
        self.size, self.like = block.stop - block.start, inner.like

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector of the block's size."""
        padded = vector.new_zeros(self.inner.size)
        padded[self.block.start : self.block.stop] = vector
        return self.inner(padded)[self.block.start : self.block.stop]


def dense_matrix(matrix: Product) -> np.ndarray:
    """The matrix itself (D, D), float64, made symmetric; its products with all unit vectors."""
    rows = []
    for number in range(matrix.size):
        unit = matrix.like.new_zeros(matrix.size)
        unit[number] = 1
        rows.append(matrix(unit).to("cpu", torch.float64))
    dense = torch.stack(rows).numpy()
    return np.asarray((dense + dense.T) / 2)
