"""The trace from products of its own, by the Hessian's two parts where the loss allows it."""

import torch
from torch import Tensor

from explorer.analysis.curvature.group_gradients import GroupGradients
from explorer.analysis.curvature.linear_maps import residual
from explorer.analysis.curvature.matrices import gradients_of_settings, matrix_of_settings
from explorer.analysis.curvature.output_roots import NoRootError
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.trace import Forms, QuadraticForms, krylov_trace
from explorer.analysis.objective.objective import Objective
from explorer.analysis.spectrum_ends import STREAM, Rows
from explorer.kinds.matrix import SPLIT_MATRICES, MatrixRole, SpectrumSettings
from explorer.kinds.progress import UnitProgress


def trace_rows(
    matrix: Product,
    whole: Curvature,
    objective: Objective,
    settings: SpectrumSettings,
    unit: UnitProgress,
) -> Rows:
    """The trace and its standard error.

    Args:
        matrix: the matrix that is asked about.
        whole: of all parameters, as they are, which it is made of.
        objective: at the point.
        settings: which matrix, and how many products.
        unit: keeps the steps of the space.
    """
    seed, products = (settings.seed, STREAM["trace"]), settings.trace_products
    try:
        forms = SplitForms(whole, objective, settings)
        trace = krylov_trace(matrix, products, *seed, unit=unit, forms=forms)
    except NoRootError:
        trace = krylov_trace(matrix, products, *seed, unit=unit)
    return [(MatrixRole.TRACE, trace.vectors, trace.value, trace.error)]


class SplitForms:
    """A quadratic form of the residual, and for Gauss-Newton a norm by vectors of the outputs.

    With A = J' L of a group of examples and random signs s of its outputs, the mean of norm(A s)^2
    is the trace of A A', by one pass backward. Each group has signs of its own, so that what the
    gradients of two groups have in common, most of the variance, is in no form. The residual is
    small where the loss is. A form's parts are added, so that all have one standard error.

    Source: Hutchinson 1989, on L' J J' L, which has the same trace; Martens 2020, arXiv:1412.1193,
    section 8, for the two parts.
    """

    def __init__(self, whole: Curvature, objective: Objective, settings: SpectrumSettings) -> None:
        """Prepare for the point of the whole matrix; its graphs make room for ours.

        Raises:
            NoRootError: the loss has no known root, or the matrix is no such sum.
        """
        if settings.matrix not in SPLIT_MATRICES:
            raise NoRootError(f"{settings.matrix} is no sum of Gauss-Newton and a residual")
        self._whole, self._objective, self._settings = whole, objective, settings
        self._gradients = GroupGradients(objective)
        self._rest: Forms | None = None
        if settings.matrix != "gauss_newton":
            rest = Curvature(objective, residual)
            self._rest = QuadraticForms(matrix_of_settings(rest, objective, settings))

    @property
    def products(self) -> int:
        """What each takes: a pass backward by groups takes about as long as a product, or less."""
        return 2 if self._rest else 1

    def form(self, basis: Tensor, *seed: int) -> float:
        """The next one; see `Forms`.

        Raises:
            NoRootError: the loss has no known root on some group.
        """
        self._whole.release()
        self._whole.products += self.products

        def square(gradients: Tensor) -> float:
            mine = gradients_of_settings(gradients, self._objective, self._settings)
            norms = [torch.linalg.vector_norm(part, dim=1) for part in (mine, mine @ basis.t())]
            every, inside = (float(norm.double().square().sum()) for norm in norms)
            return every - inside

        form = self._gradients.mean_of(square, *seed)
        return form + self._rest.form(basis, *seed) if self._rest else form
