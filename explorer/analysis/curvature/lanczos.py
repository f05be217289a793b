"""The one Lanczos kernel: extreme eigenpairs with true residuals, and quadrature of the density."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.products import Product
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
        if not np.isfinite([alpha, beta]).all():
            raise NotFinite(
                "a product with the matrix is not finite, so that it has no spectrum; choose "
                "another point or float64"
            )
        scale = max(abs(a) for a in [*self.alphas, alpha])
        ended = beta < np.sqrt(self.product.size) * torch.finfo(rest.dtype).eps * scale
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


@dataclass(frozen=True)
class Pairs:
    """Extreme eigenpairs, the largest first; each |value - an eigenvalue| <= its residual."""

    values: np.ndarray  # (k,)
    residuals: np.ndarray  # (k,) norm(H v - value v), by a product of its own
    vectors: Tensor  # (k, D) unit vectors
    steps: int  # of Lanczos
    converged: bool  # whether every residual is within the tolerance
    ended: bool  # whether the space ended early: the matrix has few different eigenvalues
    scale: float  # largest absolute value seen, an estimate of the matrix's norm


def eigenpairs(
    product: Product,
    start: Tensor,
    top: int,
    bottom: int = 0,
    tolerance: float = 1e-3,
    most_steps: int = 300,
    least: int = 0,
    watch: Callable[[Lanczos], None] | None = None,
    verified: bool = True,
    unit: UnitProgress | None = None,
) -> Pairs:
    """The largest and the smallest (algebraically) eigenvalues.

    Steps are taken until each wanted pair's residual, which the recurrence bounds, is within
    `tolerance` times the largest absolute eigenvalue; then it is measured by a product.

    Args:
        product: the matrix.
        start: (D,) random; a known approximate eigenvector makes the search shorter.
        top: how many of the largest.
        bottom: how many of the smallest.
        tolerance: relative to the largest absolute eigenvalue.
        most_steps: steps at most; as many vectors are held.
        least: steps before which nothing counts as found: a start near an eigenvector that is not
            extreme would hide the one that is.
        watch: called after each step.
        verified: whether residuals are measured by products of their own; else the recurrence's.
        unit: of work, which keeps the steps, to go on from after a kill.

    Raises:
        ValueError: more pairs are wanted than the matrix has, or none.
        NotFinite: a product is not finite.
    """
    wanted = top + bottom
    if not 0 < wanted <= product.size:
        raise ValueError(
            f"the number of eigenpairs must be from 1 to {product.size:,}, the number of "
            f"parameters, got {wanted:,}"
        )
    lanczos = Lanczos(product, start, max(most_steps, wanted), unit)
    while True:
        if lanczos.steps >= max(wanted, least) or lanczos.is_over:
            values, coordinates = lanczos.ritz()
            chosen = _ends(len(values), top, bottom)
            scale = float(np.abs(values).max())
            residuals = np.abs(lanczos.betas[-1] * coordinates[-1, chosen])
            if lanczos.is_over or residuals.max() <= tolerance * scale / 2:
                vectors = lanczos.vectors(coordinates[:, chosen])
                if verified or lanczos.is_over:
                    residuals = true_residuals(product, vectors, values[chosen])
                converged = bool((residuals <= tolerance * scale).all())
                if converged or lanczos.is_over:
                    over = lanczos.betas[-1] == 0
                    steps = lanczos.steps
                    return Pairs(values[chosen], residuals, vectors, steps, converged, over, scale)
        lanczos.step()
        if watch:
            watch(lanczos)


def _ends(count: int, top: int, bottom: int) -> np.ndarray:
    """Indices into ascending values of the largest, descending, then the smallest, descending."""
    order = np.arange(count)[::-1]
    if top + bottom >= count:
        return order
    return np.concatenate([order[:top], order[count - bottom :]])


def true_residuals(product: Product, vectors: Tensor, values: np.ndarray) -> np.ndarray:
    """norm(H v - value v) of each unit vector (k, D), (k,)."""
    residuals = [
        torch.linalg.vector_norm(product(v).sub_(v, alpha=float(value)), dtype=torch.float64)
        for v, value in zip(vectors, values, strict=True)
    ]
    return torch.stack(residuals).cpu().numpy()


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


def random_signs(product: Product, *seed: int) -> Tensor:
    """A vector of random signs (D,); the same for good for a seed of one or several numbers.

    Its quadratic forms have less variance than those of normal vectors.
    """
    drawn = np.random.RandomState(seed).randint(0, 2, product.size)
    signs = torch.from_numpy((2 * drawn - 1).astype(np.float32))
    return signs.to(dtype=product.like.dtype, device=product.like.device)


def random_normal(product: Product, *seed: int) -> Tensor:
    """A standard normal vector (D,); the same for good for a seed of one or several numbers."""
    drawn = np.random.RandomState(seed).standard_normal(product.size)
    return torch.from_numpy(drawn).to(dtype=product.like.dtype, device=product.like.device)
