"""The problems that are measured: a model, a point, real data, and the loss in a user's words."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.model.problems import load_problem
from explorer.problem import Batch, Problem, accuracy, cross_entropy
from tests.benchmarks import data
from tests.benchmarks.networks import FromBytes, ResNet
from tests.benchmarks.transformer import SEQUENCE, sequences, trained

SAMPLES = data.ROOT / "sample_models"


@dataclass(frozen=True)
class Case:
    """A problem and where one stands in it."""

    title: str
    problem: Problem
    point: Mapping[str, Tensor]
    split: str
    plain: Callable[[Tensor, Batch], Tensor]  # sum of the loss, as a script of a user's has it

    @property
    def batch(self) -> Batch:
        """The data that are looked at."""
        return self.problem.data[self.split]

    def module(self, device: torch.device) -> nn.Module:
        """A copy of the model on its point, in evaluation mode."""
        model = copy.deepcopy(self.problem.model)
        model.load_state_dict(self.point)
        return model.to(device).eval()


def plain_cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """Sum of the cross-entropy of classes."""
    return functional.cross_entropy(outputs, batch[1], reduction="sum")


def digits() -> Case:
    """The sample perceptron on its 1,437 training images."""
    problem = load_problem(SAMPLES / "digits_mlp.py", {}).problem
    point = safetensors.torch.load_file(SAMPLES / "weights" / "mlp_a.safetensors")
    return Case("digits MLP, 1,437 images", problem, point, "train", plain_cross_entropy)


def wide_digits() -> Case:
    """A perceptron 64-64-64-10 on all digits, trained for thirty epochs of Adam."""
    from sklearn.datasets import load_digits  # takes long to import

    from sample_models.digits_mlp import MLP

    pixels, labels = load_digits(return_X_y=True)
    inputs, classes = torch.from_numpy(pixels / 16).float(), torch.from_numpy(labels).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP((64, 64, 64, 10))
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(30):
            for chosen in torch.randperm(len(classes)).split(64):
                optimiser.zero_grad()
                functional.cross_entropy(model(inputs[chosen]), classes[chosen]).backward()
                optimiser.step()
    return classified("MLP 64-64-64-10, 1,797 digits", model.eval(), inputs, classes)


def resnet20(count: int) -> Case:
    """A trained ResNet-20 on the first test images of CIFAR-10.

    Raises:
        MissingFileError: this machine lacks the weights or the images.
    """
    model = ResNet(20)
    # the file leaves out the counters of batches, of no use in evaluation
    model.load_state_dict(
        safetensors.torch.load_file(data.file("resnet20_cifar10.safetensors")), strict=False
    )
    images, labels = data.cifar("test", count)
    return classified(f"ResNet-20, {count:,} images", model, data.scaled(images), labels)


def resnet56(count: int, device: torch.device) -> Case:
    """An untrained ResNet-56 on training images of CIFAR-10 in bytes, running statistics theirs.

    Raises:
        MissingFileError: this machine lacks the images.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(FromBytes(data.MEAN, data.DEVIATION), ResNet(56))
    images, labels = data.cifar("train", count)
    recalibrate(model, images[:2000], device)
    return classified(f"ResNet-56, untrained weights, {count:,} images", model, images, labels)


def classified(title: str, model: nn.Module, images: Tensor, labels: Tensor) -> Case:
    """A model of classes at its present weights."""
    problem = Problem(model, {"images": (images, labels)}, cross_entropy, {"accuracy": accuracy})
    return Case(title, problem, model.state_dict(), "images", plain_cross_entropy)


@torch.no_grad()
def recalibrate(model: nn.Module, images: Tensor, device: torch.device) -> None:
    """Give the model's BatchNorm layers the statistics of the images."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over batches instead of a running one
    model.to(device).train()
    for batch in images.split(500):
        model(batch.to(device))
    model.to("cpu").eval()


def gpt(count: int, device: torch.device) -> Case:
    """A small transformer, briefly trained on Shakespeare, on sequences of his text.

    Raises:
        MissingFileError: this machine lacks the text.
    """
    text, symbols = data.shakespeare()
    model = trained(text, symbols, device)
    problem = Problem(model, {"text": sequences(text, count)}, sequence_loss)
    title = f"GPT 4 x 192, {count} sequences of {SEQUENCE}"
    return Case(title, problem, model.state_dict(), "text", plain_sequence_loss)


def sequence_loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy per symbol of each sequence, (B,)."""
    losses = functional.cross_entropy(outputs.flatten(0, 1), batch[1].flatten(), reduction="none")
    return losses.view(batch[1].shape).mean(dim=1)


def plain_sequence_loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Sum of the cross-entropy of symbols."""
    return functional.cross_entropy(outputs.flatten(0, 1), batch[1].flatten(), reduction="sum")
