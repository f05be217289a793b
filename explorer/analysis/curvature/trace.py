"""The trace of a matrix from few products: exact on a Krylov space, by random vectors beside it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.lanczos import Lanczos
from explorer.analysis.curvature.products import Product
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.kinds.progress import UnitProgress

LEAST_PRODUCTS = 4  # two for the space and two for an error


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
    product: Product, products: int, *seed: int, unit: UnitProgress | None = None
) -> TraceEstimate:
    """An unbiased estimate of the trace of a symmetric matrix, and its standard error.

    One half of the products makes a Krylov space, in which most of the large eigenvalues are soon
    found; there the trace is the sum of Lanczos' coefficients, which costs nothing more. The other
    half are quadratic forms of random vectors beside the space. These are independent of each other
    once the space is there, and their variance is twice the squares of only those eigenvalues that
    it lacks.

    Source: Chen and Hallman 2023, "Krylov-aware stochastic trace estimation", arXiv:2205.01736;
    Meyer, Musco, Musco and Woodruff 2021, "Hutch++", arXiv:2010.09649; vectors of one length in
    what is left: Epperly, Tropp and Webber 2024, arXiv:2301.07825, section 2.4.

    Args:
        product: the matrix, (D, D).
        products: at most so many, but at least four; fewer where the space ends or is everything.
        seed: of the random vectors.
        unit: keeps the steps of the space, as `Lanczos` does.
    """
    products = max(LEAST_PRODUCTS, products)
    lanczos = Lanczos(product, random_normal(product, *seed, 0), products // 2, unit)
    while not lanczos.is_over:
        lanczos.step()
    basis = lanczos.basis[: lanczos.steps]
    count = products - products // 2 if len(basis) < product.size else 0
    forms = []
    for number in range(1, count + 1):
        vector = _beside(basis, random_normal(product, *seed, number))
        forms.append(float(torch.dot(vector.double(), product(vector).double())))
        if unit:
            unit.report(number, count, "random vector")
    return TraceEstimate.of(sum(lanczos.alphas), forms)


def _beside(basis: Tensor, vector: Tensor) -> Tensor:
    """What of a vector (D,) is orthogonal to an orthonormal basis (k, D), of norm sqrt(D - k)."""
    for _ in range(2):  # the first time leaves rounding
        vector = torch.addmv(vector, basis.t(), basis @ vector, alpha=-1)
    return vector * ((basis.shape[1] - len(basis)) ** 0.5 / torch.linalg.vector_norm(vector))
