"""The one Lanczos kernel, and what it tells of a matrix: quadrature of the density, asymmetry."""

import math

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.products import Product
from explorer.analysis.curvature.random_vectors import random_signs
from explorer.kinds.progress import UnitProgress


class Lanczos:
    """A growing orthonormal basis of a Krylov space, and the matrix in it, tridiagonal.

    Every new vector is made orthogonal to all before it, twice; without that, converged
    eigenvalues come again as copies. Coefficients are float64, vectors of the product's type.

    Source: Golub and Van Loan, "Matrix Computations", section 10.3; twice is enough: Giraud,
    Langou and Rozloznik 2005.
    """

    def __init__(
        self, product: Product, start: Tensor, most_steps: int, unit: UnitProgress | None = None
    ) -> None:
        """Begin with a vector, or go on where what was kept of a unit of work ends.

        Args:
            product: the matrix.
            start: (D,), not zero.
            most_steps: as many vectors are held, (most_steps, D) together.
            unit: keeps the steps; it must have begun with the same matrix and start.
        """
        self.product = product
        self.most_steps = min(most_steps, product.size)
        self.basis = start.new_empty(self.most_steps, product.size)
        torch.div(start, torch.linalg.vector_norm(start), out=self.basis[0])
        self.alphas: list[float] = []
        self.betas: list[float] = []  # the one after each step; 0 where the space ended
        self.first = start.new_empty(0)  # the product with the normalised start, (D,)
        self._unit = unit
        self._recall()

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return len(self.alphas)

    @property
    def is_over(self) -> bool:
        """Whether there is no further step: the space is invariant, or all steps are taken."""
        return self.steps == self.most_steps or bool(self.betas and self.betas[-1] == 0)

    def step(self) -> None:
        """Take one product.

        Raises:
            NotFinite: the product is not finite.
        """
        number = self.steps
        basis_rows = self.basis[: number + 1]
        rest = self.product(basis_rows[number])
        if not number:
            self.first = rest.clone()
        along = basis_rows @ rest
        rest = torch.addmv(rest, basis_rows.t(), along, alpha=-1)
        again = basis_rows @ rest
        rest.addmv_(basis_rows.t(), again, alpha=-1)
        norm = torch.linalg.vector_norm(rest, dtype=torch.float64)
        alpha, beta = torch.stack(
            [(along[number].double() + again[number].double()), norm]
        ).tolist()
        if not (math.isfinite(alpha) and math.isfinite(beta)):
            raise NotFinite(
                "a product with the matrix is not finite, so that it has no spectrum; choose "
                "another point or float64"
            )
        scale = max(abs(a) for a in [*self.alphas, alpha])
        ended = beta < math.sqrt(self.product.size) * torch.finfo(rest.dtype).eps * scale
        rest = rest if ended else rest / beta
        if not number:
            self._note(0.0, 0.0, self.first)
        self._note(alpha, 0.0 if ended else beta, rest)
        self._append(alpha, 0.0 if ended else beta, rest)
        if self._unit:
            self._unit.report(self.steps, self.most_steps)

    def _append(self, alpha: float, beta: float, following: Tensor) -> None:
        self.alphas.append(alpha)
        self.betas.append(beta)
        if beta and self.steps < self.most_steps:
            self.basis[self.steps] = following

    def _note(self, alpha: float, beta: float, vector: Tensor) -> None:
        """Keep a step."""
        if self._unit:
            self._unit.append(numbers=np.array([alpha, beta]), vector=vector.cpu().numpy().copy())

    def _recall(self) -> None:
        """Take the steps that were kept: the first product, then the steps."""
        for number, record in enumerate(self._unit.records() if self._unit else ()):
            alpha, beta = record["numbers"].tolist()
            vector = torch.from_numpy(record["vector"].copy()).to(self.first)
            if not number:
                self.first = vector
            elif not self.is_over:
                self._append(alpha, beta, vector)

    def ritz(self) -> tuple[np.ndarray, np.ndarray]:
        """Ritz values (m,) ascending, and their vectors in the basis (m, m) as columns."""
        return tridiagonal(self.alphas, self.betas)

    def vectors(self, chosen: np.ndarray) -> Tensor:
        """Vectors (k, D) from their coordinates in the basis, (m, k), normalised."""
        weights = torch.from_numpy(chosen.T.copy()).to(self.basis)
        combinations = weights @ self.basis[: self.steps]
        return combinations / torch.linalg.vector_norm(combinations, dim=1, keepdim=True)


def tridiagonal(alphas: list[float], betas: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (m,) ascending and eigenvectors (m, m) of the tridiagonal matrix."""
    return eigh_tridiagonal(np.array(alphas), np.array(betas[: len(alphas) - 1]))


def quadrature(lanczos: Lanczos) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (m,) and weights (m,), summing to 1, of the start vector's spectral measure.

    Source: Golub and Welsch 1969; Ubaru, Chen and Saad 2017, "Fast estimation of tr(f(A)) via
    stochastic Lanczos quadrature".
    """
    values, coordinates = lanczos.ritz()
    return values, coordinates[0] ** 2


def asymmetry(product: Product, seed: int = 0) -> float:
    """abs(u'Hv - v'Hu) / (norm(Hu) norm(v)) of two random vectors; 0 but for rounding.

    More than 1e-4 means that what is computed is no second derivative: dropout, drifting
    statistics, or something that changes from call to call.
    """
    one, other = (random_signs(product, seed, number) for number in (0, 1))
    left, right = product(one), product(other)
    gap = torch.dot(one.double(), right.double()) - torch.dot(other.double(), left.double())
    size = torch.linalg.vector_norm(left.double()) * torch.linalg.vector_norm(other.double())
    return float(gap.abs() / size) if float(size) else float(gap.abs())
