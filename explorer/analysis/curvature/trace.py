"""The trace of a matrix from few products: exact on a Krylov space, by random vectors beside it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.lanczos import Lanczos
from explorer.analysis.curvature.products import Product
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.kinds.progress import UnitProgress

LEAST_VECTORS = 2  # for an error


class Forms(Protocol):
    """Random numbers whose mean is the trace of a matrix beside a space."""

    @property
    def products(self) -> int:
        """How many each takes."""

    def form(self, basis: Tensor, *seed: int) -> float:
        """One, beside the space of an orthonormal basis (k, D)."""


@dataclass(frozen=True)
class TraceEstimate:
    """A trace, and what is known of its error."""

    value: float
    error: float  # standard; 0 where the space is all there is
    vectors: int  # random ones that the error is from, beside the space

    @classmethod
    def of(cls, inside: float, forms: list[float]) -> "TraceEstimate":
        """The exact part and the mean of the random vectors' forms."""
        if not forms:
            return cls(inside, 0.0, 0)
        error = float(np.std(forms, ddof=1) / np.sqrt(len(forms)))
        return cls(inside + float(np.mean(forms)), error, len(forms))


def krylov_trace(
    product: Product,
    products: int,
    *seed: int,
    unit: UnitProgress | None = None,
    forms: Forms | None = None,
) -> TraceEstimate:
    """An unbiased estimate of the trace of a symmetric matrix, and its standard error.

    One half of the products makes a Krylov space, in which most of the large eigenvalues are soon
    found; there the trace is the sum of Lanczos' coefficients, which costs nothing more. The other
    half are random forms beside the space. These are independent of each other once the space is
    there, and their variance, where they are quadratic forms, is twice the squares of only those
    eigenvalues that it lacks.

    Source: Chen and Hallman 2023, "Krylov-aware stochastic trace estimation", arXiv:2205.01736;
    Meyer, Musco, Musco and Woodruff 2021, "Hutch++", arXiv:2010.09649.

    Args:
        product: the matrix, (D, D).
        products: at most so many, but enough for a space and forms of two dimensions; fewer where
            the space ends or is everything.
        seed: of the random vectors.
        unit: keeps the steps of the space, as `Lanczos` does.
        forms: quadratic ones unless given.
    """
    forms = forms or QuadraticForms(product)
    count = max(LEAST_VECTORS, (products - products // 2) // forms.products)
    steps = max(LEAST_VECTORS, min(products // 2, products - count * forms.products))
    lanczos = Lanczos(product, random_normal(product, *seed, 0), steps, unit)
    while not lanczos.is_over:
        lanczos.step()
    basis = lanczos.basis[: lanczos.steps]
    numbers = []
    for number in range(1, count + 1 if len(basis) < product.size else 1):
        numbers.append(forms.form(basis, *seed, number))
        if unit:
            unit.report(number, count, "random vector")
    return TraceEstimate.of(sum(lanczos.alphas), numbers)


class QuadraticForms:
    """Those of vectors beside the space, all of one length, by one product each.

    Source: Epperly, Tropp and Webber 2024, arXiv:2301.07825, section 2.4, for the length.
    """

    products = 1

    def __init__(self, product: Product) -> None:
        self._product = product

    def form(self, basis: Tensor, *seed: int) -> float:
        """The next one."""
        vector = _beside(basis, random_normal(self._product, *seed))
        return float(torch.dot(vector.double(), self._product(vector).double()))


def _beside(basis: Tensor, vector: Tensor) -> Tensor:
    """What of a vector (D,) is orthogonal to an orthonormal basis (k, D), of norm sqrt(D - k)."""
    for _ in range(2):  # the first time leaves rounding
        vector = torch.addmv(vector, basis.t(), basis @ vector, alpha=-1)
    return vector * ((basis.shape[1] - len(basis)) ** 0.5 / torch.linalg.vector_norm(vector))
