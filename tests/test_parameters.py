import copy

import pytest
import torch
from torch import nn

from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.named_tensors import content_hash
from explorer.analysis.objective.parameters import parameter_blocks
from tests.conftest import small_problem


def test_flat_vector_is_the_model() -> None:
    """Every parameter is a view of theta, tied ones once, so that moving theta moves the model."""
    problem = small_problem()
    flat = FlatModel(problem.model, torch.float64, torch.device("cpu"))
    assert flat.theta.numel() == sum(p.numel() for p in problem.model.parameters())
    images = problem.data["train"][0]
    with torch.no_grad():
        before = flat.module(images)
        assert torch.equal(before, problem.model.eval()(images))
        flat.theta.mul_(1.5)
        scaled = copy.deepcopy(problem.model).eval()
        for parameter in scaled.parameters():
            parameter.mul_(1.5)
        assert torch.equal(flat.module(images), scaled(images))


def test_original_is_untouched() -> None:
    """Copying to another precision and moving the copy leaves the user's model byte for byte."""
    problem = small_problem()
    state = {n: t.clone() for n, t in problem.model.state_dict().items()}
    training = problem.model.training
    flat = FlatModel(problem.model, torch.float32, torch.device("cpu"))
    flat.theta.zero_()
    assert problem.model.training == training
    assert all(p.requires_grad for p in problem.model.parameters())
    for name, value in problem.model.state_dict().items():
        assert torch.equal(value, state[name])


def test_filters_are_output_filters() -> None:
    """Row i of `filters` is output filter i for linear, convolution and transposed convolution."""
    model = small_problem().model
    named = {block.name: block for block in parameter_blocks(model)}
    flat = FlatModel(model, torch.float64, torch.device("cpu"))
    parameters = dict(flat.module.named_parameters())
    for name, axis in (("conv.weight", 0), ("up.weight", 1), ("first.weight", 0)):
        rows = named[name].filters(flat.theta)
        assert torch.equal(rows[1], parameters[name].select(axis, 1)), name
    assert named["first.bias"].filters(flat.theta).shape == (1, 6)


def test_a_twin_is_the_same_in_values_and_modes() -> None:
    """Parameters and buffers of its own, the same values, and each layer in the same mode."""
    flat = FlatModel(small_problem().model, torch.float64, torch.device("cpu"))
    flat.module.norm.train()
    twin = flat.twin()
    assert torch.equal(twin.theta, flat.theta)
    assert twin.theta.data_ptr() != flat.theta.data_ptr()
    modes = [[m.training for m in one.module.modules()] for one in (twin, flat)]
    assert modes[0] == modes[1] and sum(modes[0]) == 1


def test_content_hash_sees_every_ingredient() -> None:
    """Name, type, shape, one bit of a parameter and one of a buffer each change the hash."""
    tensors = {n: t.clone() for n, t in small_problem().model.state_dict().items()}
    original = content_hash(tensors)
    assert content_hash(dict(reversed(tensors.items()))) == original
    for name in ("conv.weight", "norm.running_var", "norm.num_batches_tracked"):
        changed = {n: t.clone() for n, t in tensors.items()}
        changed[name].view(-1)[:1].add_(1)
        assert content_hash(changed) != original, name
    renamed = {("x" if n == "last.bias" else n): t for n, t in tensors.items()}
    assert content_hash(renamed) != original
    reshaped = tensors | {"first.weight": tensors["first.weight"].t().contiguous().view(6, -1)}
    assert content_hash(reshaped) != original
    assert content_hash(tensors | {"last.bias": tensors["last.bias"].float()}) != original


def test_model_without_parameters_is_refused() -> None:
    """A model that cannot move is refused in words."""
    with pytest.raises(ValueError, match="must have parameters"):
        FlatModel(nn.ReLU(), torch.float32, torch.device("cpu"))
