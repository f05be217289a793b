"""Small networks whose permutation symmetry tests look at, in the forms that people write."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.analysis.symmetry.tracing import Network


def random_network(model: nn.Module, seed: int = 0) -> Network:
    """The model in float64 and evaluation mode, with random parameters and statistics."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5, generator=generator)
    return Network(model)


def values(*shape: int, seed: int = 1) -> Tensor:
    """Random inputs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def perceptron() -> nn.Module:
    """Two hidden layers of 5 and 4."""
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.PReLU(4), nn.Linear(4, 3))


class Residual(nn.Module):
    """Convolutions with BatchNorm; a shortcut that strides and pads with zero channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        images = self.norm(self.stem(images)).relu()
        branch = self.second_norm(self.second(self.first_norm(self.first(images)).relu()))
        shortcut = functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        return self.head((shortcut + branch).relu().mean(dim=(2, 3)))


class Flattened(nn.Module):
    """Channels that a linear layer sees position by position."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 9, 5), nn.ReLU(), nn.Linear(5, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Dense(nn.Module):
    """A layer that sees the outputs of both before it, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 4)
        self.norm, self.third, self.head = nn.BatchNorm1d(8), nn.Linear(8, 5), nn.Linear(5, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.first(inputs).relu()
        both = torch.cat([first, self.second(first).relu()], dim=1)
        return self.head(self.third(self.norm(both)).relu())


class Attention(nn.Module):
    """Attention of two heads written by hand, with a matrix for each of q, k and v, or for all."""

    def __init__(self, packed: bool) -> None:
        super().__init__()
        self.inputs = nn.Linear(4, 8)
        self.packed = nn.Linear(8, 24) if packed else None
        if not packed:
            self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.out = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.inputs(tokens)
        batch, length, width = hidden.shape
        if self.packed is not None:
            q, k, v = self.packed(hidden).view(batch, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        else:
            q, k, v = (
                layer(hidden).view(batch, length, 2, 4).transpose(1, 2)
                for layer in (self.q, self.k, self.v)
            )
        shares = (q @ k.transpose(-1, -2) / 2).softmax(dim=-1)
        joined = (shares @ v).transpose(1, 2).reshape(batch, length, width)
        return self.out(joined).mean(dim=1)


class Window(nn.Module):
    """Attention with a bias looked up by a table, over tokens that are rolled and sorted."""

    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.packed, self.out = nn.Linear(3, 8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 2)
        self.bias = nn.Parameter(torch.zeros(5, 2))
        self.register_buffer("places", torch.arange(16) % 5)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.inputs(tokens).roll(1, 1)
        batch, length, width = hidden.shape
        packed = self.packed(self.norm(hidden)).reshape(batch, length, 3, 2, 4)
        q, k, v = packed.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias[self.places].view(4, 4, 2).permute(2, 0, 1)
        shares = (q @ k.transpose(-2, -1) + bias).softmax(dim=-1)
        joined = (shares @ v).transpose(1, 2).reshape(batch, length, width)
        hidden = hidden + self.out(joined).roll(-1, 1)
        return self.head(hidden.cumsum(1).sort(1).values[:, -1])


class Tied(nn.Module):
    """An encoder whose embedding is also its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.positions = nn.Parameter(torch.zeros(5, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(tokens) + self.positions))


class LastState(nn.Module):
    """What a recurrent layer ends with."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(6, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.layer(inputs)[0][:, -1])


def depthwise() -> nn.Module:
    """A depthwise convolution with two outputs a channel, then one by one."""
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3, groups=4), nn.ReLU()),
        nn.Conv2d(8, 3, 1),
    )


def grouped() -> nn.Module:
    """GroupNorm, and a convolution in two groups."""
    return nn.Sequential(
        *(nn.Conv2d(2, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 6, 1), nn.ReLU()),
        *(nn.Conv2d(6, 6, 1, groups=2), nn.ReLU(), nn.Conv2d(6, 3, 1)),
    )


class Ordered(nn.Module):
    """Hidden channels in the order of their values, or the largest two of them."""

    def __init__(self, largest: bool) -> None:
        super().__init__()
        self.inputs, self.head = nn.Linear(3, 4), nn.Linear(2 if largest else 4, 2)
        self.largest = largest

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.inputs(inputs)
        if self.largest:
            return self.head(hidden.topk(2, dim=-1).values)
        return self.head(hidden.sort(dim=-1).values)


class Deciding(nn.Module):
    """Takes one of two ways by the sum of what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.hidden(inputs)
        return self.head(hidden if hidden.sum() > 0 else -hidden)


class Changing(nn.Module):
    """Multiplies channels by other numbers from its second call on: no operation shows that."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
        self.calls = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        hidden = self.hidden(inputs)
        if self.calls > 1:
            hidden = hidden * torch.arange(1.0, 5.0, dtype=hidden.dtype)
        return self.head(hidden)
