"""Files of directions: which of a file's dictionaries is meant, tied tensors, names of wrappers."""

import pytest
import torch
from torch import nn

from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.model.checkpoints import fit
from explorer.analysis.model.direction_file import direction_in_file
from explorer.problem import Problem, cross_entropy
from tests.networks import seeded


class Tied(nn.Module):
    """Two layers that are one, and a last one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.last = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(inputs)))))


ONES = torch.ones(4, 4)


@pytest.fixture
def tied() -> Problem:
    """A problem of that model."""
    inputs, labels = torch.randn(12, 4, generator=seeded(1)), torch.arange(12) % 3
    return Problem(model=Tied(), data={"train": (inputs, labels)}, loss=cross_entropy)


@pytest.mark.parametrize("name", ["first.weight", "second.weight", "module.second.weight"])
def test_a_tied_tensor_is_given_by_any_of_its_names(tied: Problem, name: str) -> None:
    """It moves under all of them, also behind a wrapper's prefix; two tensors are left at 0."""
    tensors, left = direction_in_file({name: ONES}, tied, "f.pt")
    assert tensors["first.weight"].equal(ONES) and tensors["second.weight"].equal(ONES)
    assert left == 2 and not tensors["last.weight"].any()


def test_of_several_directions_one_is_chosen(tied: Problem) -> None:
    """None is taken in silence; the part that is named is."""
    held = {name: {"first.weight": size * ONES} for name, size in (("a", 1), ("b", 2))}
    with pytest.raises(CheckpointError, match=r"holds several directions, a .* choose with --part"):
        direction_in_file(held, tied, "f.pt")
    tensors, _ = direction_in_file(held, tied, "f.pt", "b")
    assert tensors["first.weight"].equal(2 * ONES)
    with pytest.raises(CheckpointError, match="has no part 'c'"):
        direction_in_file(held, tied, "f.pt", "c")


def test_two_values_of_one_tensor_are_refused(tied: Problem) -> None:
    """In a direction and in a checkpoint alike: neither of them is the model's."""
    state = {**tied.model.state_dict(), "second.weight": ONES}
    with pytest.raises(CheckpointError, match="are one tensor of the model"):
        direction_in_file(state, tied, "f.pt")
    with pytest.raises(CheckpointError, match="are one tensor of the model"):
        fit(state, tied.model, "f.pt")


def test_tied_tensors_that_are_alike_are_taken(tied: Problem) -> None:
    """Copies of one tensor are one, NaN included."""
    state = {name: value.clone() for name, value in tied.model.state_dict().items()}
    for name in ("first.weight", "second.weight"):
        state[name][0, 0] = float("nan")
    assert fit(state, tied.model, "f.pt").tensors["second.weight"].isnan().sum() == 1


@pytest.mark.parametrize(
    ("value", "words"), [(ONES.to_sparse(), "must be dense"), (ONES.to("meta"), "has no values")]
)
def test_what_has_no_values_is_refused(tied: Problem, value: torch.Tensor, words: str) -> None:
    """In one sentence."""
    with pytest.raises(CheckpointError, match=words):
        direction_in_file({"last.weight": torch.ones(3, 4), "first.weight": value}, tied, "f.pt")
