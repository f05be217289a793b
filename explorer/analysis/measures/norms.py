"""Measures by norms that know the layers: Fisher-Rao, relative flatness, normalised sharpness."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from explorer.analysis.curvature import products
from explorer.analysis.curvature.fisher import empirical_fisher
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature
from explorer.analysis.measures.point_measures import (
    STREAM,
    MeasuredPoint,
    MeasureValue,
    NotApplicable,
)
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.parameters import Block
from explorer.kinds.estimates import Estimate
from explorer.kinds.statistics import student_quantile
from explorer.problem import Batch, cross_entropy, squared_error

SWEEPS = 200  # of the closed-form minimisation over rows and columns
GROUPS = 5  # of probes left out in turn


def fisher_rao(point: MeasuredPoint) -> MeasureValue:
    """W' F w with the empirical Fisher matrix.

    Source: Liang et al. 2019, arXiv:1711.01530: over examples with their labels.
    """
    try:
        fisher = Curvature(point.objective, empirical_fisher)
    except products.CurvatureError as error:
        if "sum and a count" in str(error):
            raise NotApplicable("It needs one loss per example") from error
        raise
    theta = point.theta
    return MeasureValue.exact(float(theta.double() @ fisher(theta).double()))


def relative_flatness(point: MeasuredPoint) -> MeasureValue:
    """Sum over s, s' of <w_s, w_s'> Tr(H_ss') of the last linear layer.

    With G = W W' it is the trace of (G^1/2 x I) H (G^1/2 x I): by all its diagonal where that
    takes few products, else by random signs.

    Source: Petzka et al. 2021, arXiv:2001.00939.
    """
    block = last_linear(point)
    weight = point.theta[block.start : block.stop].view(block.shape)
    values, vectors = np.linalg.eigh((weight @ weight.t()).double().cpu().numpy())
    roots = vectors * np.sqrt(values.clip(min=0))  # G = roots roots'
    nonzero_roots = roots[:, values > 1e-12 * max(values.max(), 0)]
    if not nonzero_roots.size:
        return MeasureValue.exact(0.0)
    settings = point.settings
    inputs = weight.shape[1]
    if nonzero_roots.shape[1] * inputs <= settings.probes * settings.steps:
        forms = [
            _form(point, block, np.outer(root, np.eye(inputs)[place]))
            for root in nonzero_roots.T
            for place in range(inputs)
        ]
        return MeasureValue.exact(float(np.sum(forms)))
    forms = []
    for number in range(settings.probes):
        rng = np.random.RandomState([settings.seed, STREAM["flatness"], number])
        signs = 2.0 * rng.randint(0, 2, (nonzero_roots.shape[1], inputs)) - 1
        forms.append(_form(point, block, nonzero_roots @ signs))
    estimate = Estimate.of(np.array(forms))
    return MeasureValue(estimate.value, estimate.low, estimate.high)


def _form(point: MeasuredPoint, block: Block, within: np.ndarray) -> float:
    """X'Hx for x the matrix within a block and 0 elsewhere."""
    vector = torch.zeros_like(point.theta)
    vector[block.start : block.stop] = torch.from_numpy(within.ravel()).to(vector)
    return float(vector.double() @ point.hessian(vector).double())


def last_linear(point: MeasuredPoint) -> Block:
    """The weight of the linear layer whose outputs are the model's.

    Raises:
        NotApplicable: there is none.
    """
    objective, outputs_by_layer = point.objective, dict[str, Tensor]()

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: object, outputs: Tensor) -> None:
            outputs_by_layer[name] = outputs

        return hook

    layers = {n: m for n, m in objective.flat.module.named_modules() if isinstance(m, nn.Linear)}
    hooks = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    try:
        with objective.flat.at_theta(), evaluation_mode():
            batch = next(iter(objective.batches))[2]
            outputs = objective.problem.forward(objective.flat.module, batch)
    finally:
        for handle in hooks:
            handle.remove()
    blocks_by_name = {block.name: block for block in objective.flat.blocks}
    for name, layer_outputs in reversed(outputs_by_layer.items()):
        weight = f"{name}.weight".lstrip(".")
        if (
            weight in blocks_by_name
            and isinstance(outputs, Tensor)
            and torch.equal(layer_outputs, outputs)
        ):
            return blocks_by_name[weight]
    raise NotApplicable("It is about a last linear layer")


def normalised_sharpness(point: MeasuredPoint) -> MeasureValue:
    """Sum over weight tensors of the least of sum h e^(s_i + s'_j) + w^2 e^(-s_i - s'_j).

    h is the diagonal of the Gauss-Newton matrix, never negative, so that the minimum exists; it
    and w^2 are summed over a kernel. The interval, where h is by probes, is a jackknife's.

    Source: Tsuzuku, Sato and Sugiyama 2020, arXiv:1901.04653; published forms differ, this one
    has no temperature and takes the Gauss-Newton matrix for the Hessian.
    """
    blocks = [block for block in point.objective.flat.blocks if len(block.shape) >= 2]
    if point.is_small:
        matrix = dense_matrix(Curvature(point.objective, products.gauss_newton))
        diagonal = torch.from_numpy(np.diag(matrix).clip(min=0).copy())
        return MeasureValue.exact(_least(point, blocks, diagonal))
    squares = list(_diagonals(point))
    parts = [
        torch.stack(squares[n::GROUPS]).sum(dim=0) for n in range(GROUPS) if squares[n::GROUPS]
    ]
    total, count = torch.stack(parts).sum(dim=0), len(squares)
    estimate = _least(point, blocks, total / count)
    left = [
        _least(point, blocks, (total - part) / (count - len(squares[n::GROUPS])))
        for n, part in enumerate(parts)
    ]
    groups = len(left)
    spread = np.sqrt((groups - 1) ** 2 / groups) * np.std(left, ddof=1)
    reach = float(student_quantile(groups - 1) * spread)
    return MeasureValue(estimate, estimate - reach, estimate + reach)


def _least(point: MeasuredPoint, blocks: Sequence[Block], diagonal: Tensor) -> float:
    """The sum over blocks of the least for a diagonal (D,)."""
    theta, total = point.theta.to("cpu", torch.float64), 0.0
    for block in blocks:
        axes = slice(2, None)
        here, weights = (block.filters(v) for v in (diagonal, theta.square()))
        if here[0, 0].dim():
            here, weights = (t.flatten(axes.start).sum(dim=2) for t in (here, weights))
        total += least(here.numpy(), weights.numpy())
    return total


def least(curved: np.ndarray, weights: np.ndarray) -> float:
    """Least over s, s' of sum a_ij e^(s_i + s'_j) + b_ij e^(-s_i - s'_j), a and b (I, J) >= 0.

    Rows and columns in turn have closed forms, e^(2 s_i) = sum_j b e^-s' / sum_j a e^s'; the sum
    is convex in s and s', so that they end at the minimum.
    """
    tiny = np.finfo(float).tiny
    columns = np.ones(curved.shape[1])
    rows = np.ones(curved.shape[0])
    before = np.inf
    for _ in range(SWEEPS):
        rows = np.sqrt((weights @ (1 / columns)).clip(tiny) / (curved @ columns).clip(tiny))
        columns = np.sqrt((weights.T @ (1 / rows)).clip(tiny) / (curved.T @ rows).clip(tiny))
        value = float(rows @ curved @ columns + (1 / rows) @ weights @ (1 / columns))
        if before - value <= 1e-13 * value:
            break
        before = value
    return value


def _diagonals(point: MeasuredPoint) -> Iterator[Tensor]:
    """Unbiased draws of the Gauss-Newton diagonal (D,), float64: squares of J' C r.

    C C' is the Hessian of each example's loss by its outputs and r random signs.

    Raises:
        NotApplicable: C is not known in closed form for this loss.
    """
    model, settings = point.loss_and_gradient.model, point.settings
    model.flat.theta.copy_(point.theta)
    if model.problem.loss not in (cross_entropy, squared_error):
        raise NotApplicable("The model has more parameters")
    for number in range(settings.draws):
        rng, total = point.rng("factor", number), None
        for start in range(0, model.examples, model.usual_batch):
            batch = model.batch(start, min(start + model.usual_batch, model.examples))
            with model.with_derivatives(), torch.enable_grad():
                outputs = model.tensor_outputs(batch)
                signs = torch.from_numpy(2.0 * rng.randint(0, 2, tuple(outputs.shape)) - 1)
                factor = _factor(point, outputs.detach(), batch, signs.to(outputs.detach()))
                batch_gradient = model.flat_vector(
                    model.gradients((outputs * factor).sum(), kept=False)
                )
            total = batch_gradient if total is None else total + batch_gradient
        assert total is not None
        yield total.to("cpu", torch.float64).square() / model.examples


def _factor(point: MeasuredPoint, outputs: Tensor, batch: Batch, signs: Tensor) -> Tensor:
    """C r of each example, in the shape of its outputs."""
    if point.loss_and_gradient.model.problem.loss is squared_error:
        return signs * (2 / outputs[0].numel()) ** 0.5
    shares = outputs.softmax(dim=1)  # diag(p) - p p' = C C' with C = diag(sqrt p) - p sqrt(p)'
    roots = shares.sqrt()
    return roots * signs - shares * (roots * signs).sum(dim=1, keepdim=True)
