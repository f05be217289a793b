"""Which of a file's networks is the model: told by names, asked for where several fit."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from explorer import extra_state
from explorer.analysis.model.adapters import CONFIG, Adapter, adapter_of
from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import CheckpointError, fit, fitted_tensors
from explorer.analysis.model.inspection import _check_built
from explorer.analysis.objective.flat_model import FlatModel


def net(seed: int = 0, width: int = 3) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))


def named(prefix: str, seed: int = 0, width: int = 3) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in net(seed, width).state_dict().items()}


FIRST, SECOND = named("", 1), named("", 2)
SIZE = r"\(4 tensors, 23 parameters\)"


def is_first(tensors: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensors[name], value) for name, value in FIRST.items())


@pytest.mark.parametrize(
    ("held", "parts"),
    [
        ({**named("teacher.", 2), **named("student.", 1)}, ("student", "teacher")),
        ({"state_dict": {**named("target.", 2), **named("online.", 1)}}, ("online", "target")),
        ({"student": FIRST, "teacher": SECOND}, ("student", "teacher")),
        ({**named("model.", 1), **named("ema.", 2)}, ("model", "ema")),
        ({"a": {"module": FIRST}, "b": {"module": SECOND}}, ("a", "b")),
        ({"nets": {"g.x": 1, **named("g.", 1), **named("g_ema.", 2)}}, ("g", "g_ema")),
        ({"models": [FIRST, SECOND]}, ("0", "1")),
        ({"best_state": FIRST, "last_state": SECOND}, ("best_state", "last_state")),
        ({"state_dict": FIRST, "best": SECOND, "ema": SECOND}, ("state_dict", "best")),
    ],
)
def test_several_networks_are_asked_for(held: dict, parts: tuple[str, str]) -> None:
    """The refusal lists each with its size, and what it advises gives that network."""
    with pytest.raises(CheckpointError) as said:
        fitted_tensors(held, net(), "x.pt")
    assert f"x.pt holds {parts[0]} (4 tensors, 23 parameters)" in str(said.value)
    assert f"{parts[1]} (4 tensors, 23 parameters)" in str(said.value)
    assert f"choose with --part {parts[0]}" in str(said.value)
    assert is_first(fitted_tensors(held, net(), "x.pt", parts[0]))
    assert not is_first(fitted_tensors(held, net(), "x.pt", parts[1]))


def test_dotted_parts_and_the_top() -> None:
    """`a.b` goes down dictionaries and prefixes alike; "." is what has no prefix."""
    held = {"a": {"b": FIRST, "c": SECOND}}
    assert is_first(fitted_tensors(held, net(), "x.pt", "a.b"))
    assert not is_first(fitted_tensors(held, net(), "x.pt", "a.c"))
    beside = {**FIRST, **named("teacher.", 2)}
    with pytest.raises(CheckpointError, match=rf"holds \. {SIZE} and teacher"):
        fitted_tensors(beside, net(), "x.pt")
    assert is_first(fitted_tensors(beside, net(), "x.pt", "."))
    with pytest.raises(CheckpointError, match=r"has no part 'd'; it holds 'a.b', 'a.c'"):
        fitted_tensors(held, net(), "x.pt", "d")


@pytest.mark.parametrize(
    "held",
    [
        {"epoch": 90, "arch": "mlp", "state_dict": named("module.", 1), "best": torch.ones(())},
        {"state_dict": FIRST, "rng_state": torch.zeros(9, dtype=torch.uint8), "scores": [1, 2]},
        {"generator": FIRST, "discriminator": named("", 2, width=5), "epoch": 1},
        {"epoch": 1, "G": named("", 2, width=5), "D": named("", 1)},
        {**FIRST, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(3, 4)}}}},
        {"model": FIRST, "same": {**FIRST}},  # one network twice is no question
        {"net": {**named("_orig_mod.module.", 1)}, "n_averaged": torch.ones(())},
        {"module": {"0": named("", 1)}, **named("module.", 1)},
        {"0": {"weight": FIRST["0.weight"], "bias": FIRST["0.bias"]}, **FIRST},
    ],
)
def test_what_lies_beside_the_weights(held: dict) -> None:
    """Tensors, numbers, lists, optimisers and other networks beside it are no hindrance."""
    assert is_first(fitted_tensors(held, net(), "x.pt"))


def test_wrappers_on_either_side() -> None:
    """Compiled or parallel when saved, when built, or both, also further inside."""
    compiled = {n.replace("0.", "0._orig_mod."): v for n, v in FIRST.items()}
    assert is_first(fitted_tensors(compiled, net(), "x.pt"))
    parallel = nn.DataParallel(net())
    for held in (FIRST, named("module.", 1)):
        tensors = fitted_tensors(held, parallel, "x.pt")
        assert list(tensors) == list(parallel.state_dict())
        assert torch.equal(tensors["module.0.bias"], FIRST["0.bias"])


def test_a_list_in_the_place_of_a_tensor() -> None:
    """What is no tensor though the model has one there is named with its type."""
    with pytest.raises(CheckpointError, match=r"'0\.bias' is no tensor but float; save"):
        fitted_tensors({**FIRST, "0.bias": 1.0}, net(), "x.pt")


class Scaled(nn.Linear):
    """Its output is scaled by a number that is no tensor."""

    scale: object = 1.0

    def get_extra_state(self) -> object:
        return {"scale": self.scale}

    def set_extra_state(self, state: dict) -> None:
        self.scale = state["scale"]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs) * self.scale


def scaled(scale: object = 1.0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(Scaled(4, 3), nn.Linear(3, 2))
    model[0].scale = scale
    return model


@pytest.mark.parametrize("scale", [2.5, torch.tensor(2.5), -0.5, 3])
def test_an_extra_state_reaches_the_model(tmp_path: Path, scale: object) -> None:
    """It is part of the point: what is computed from it is computed with it, in every copy."""
    torch.save({"state_dict": scaled(scale).state_dict(), "epoch": 3}, tmp_path / "x.pt")
    built = scaled()
    point = fitted_tensors(read_checkpoint(tmp_path / "x.pt"), built, "x.pt")
    assert all(isinstance(value, torch.Tensor) for value in point.values())
    assert fitted_tensors(point, built, "stored").keys() == point.keys()
    flat = FlatModel(built, torch.float32, torch.device("cpu"))
    flat.load(fitted_tensors(point, built, "stored"))
    inputs = torch.ones(1, 4)
    assert torch.equal(flat.module(inputs), scaled(scale)(inputs))
    assert torch.equal(flat.twin().module(inputs), scaled(scale)(inputs))
    assert built[0].scale == 1.0  # the user's own model is not touched


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (torch.tensor(list(b"\x80\x02cos\nsystem\n"), dtype=torch.uint8), "it holds a pickle"),
        ({"a": [b"\x80\x04x"]}, "it holds a pickle"),
        ({"when": Path("/tmp")}, "it holds PosixPath, which is not read from files"),
    ],
)
def test_an_unsafe_extra_state(tmp_path: Path, state: object, words: str) -> None:
    """What a module might unpickle, and what was not read, never reaches it."""
    held = {**scaled().state_dict(), "0._extra_state": state}
    torch.save(held, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=f"'0._extra_state' is not handed to.*{words}"):
        fitted_tensors(read_checkpoint(tmp_path / "x.pt"), scaled(), "x.pt")


@pytest.mark.parametrize(
    "value", [None, 1, 1.0, "a", [1, "b"], {"a": {"b": [None, True]}}, (1, 2), {1: 2}, 1j, {1, 2}]
)
def test_extra_states_survive(value: object) -> None:
    """A value comes back equal and of its type, and the same value has the same bytes."""
    once = extra_state.encode_state(value)
    assert torch.equal(once, extra_state.encode_state(value))
    again = extra_state.decode_state(once)
    assert again == value and type(again) is type(value)


class LoRA(nn.Module):
    """The layers and names that PEFT makes."""

    def __init__(self, base: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base.in_features, rank, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(rank, base.out_features, bias=False)})


class Peft(nn.Module):
    def __init__(self, seed: int, rank: int = 2) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            inner = nn.Sequential(
                LoRA(nn.Linear(4, 3), rank), nn.Tanh(), LoRA(nn.Linear(3, 2), rank)
            )
        self.base_model = nn.Module()
        self.base_model.model = inner


def adapter_folder(folder: Path, model: nn.Module, config: str = "{}") -> Path:
    folder.mkdir(exist_ok=True)
    state = {n.replace(".default", ""): v for n, v in model.state_dict().items() if "lora_" in n}
    torch.save(state, folder / "adapter_model.bin")
    (folder / CONFIG).write_text(config)
    return folder


def test_an_adapter_folder(tmp_path: Path) -> None:
    """Its tensors are the folder's, all others those that the model was built with, and named."""
    trained, built = Peft(1), Peft(2)
    fitted = fit(read_checkpoint(adapter_folder(tmp_path / "a", trained)), built, "a")
    assert list(fitted.tensors) == list(built.state_dict())
    for name, value in fitted.tensors.items():
        origin = trained if "lora_" in name else built
        assert torch.equal(value, origin.state_dict()[name]), name
    assert set(fitted.built) == {n for n in built.state_dict() if "base_layer" in n}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s.pop("base_model.model.0.lora_A.weight"), "lacks 'base_model.model.0.lora_A"),
        (lambda s: s.update({"base_model.model.7.lora_A.weight": torch.ones(1)}), "has no place"),
        (lambda s: s.update({"base_model.model.0.lora_A.weight": torch.ones(8, 4)}), "shape"),
    ],
)
def test_an_adapter_that_does_not_fit(tmp_path: Path, damage, words: str) -> None:
    """A tensor too few, too many, or of another rank is named."""
    folder = adapter_folder(tmp_path / "a", Peft(1))
    state = torch.load(folder / "adapter_model.bin")
    damage(state)
    torch.save(state, folder / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=words):
        fit(read_checkpoint(folder), Peft(2), "a")


def test_an_adapter_of_another_scale(tmp_path: Path) -> None:
    """Where the model says how it scales its adapter, the folder must say the same."""
    model = Peft(2)
    model.peft_config = {"default": type("Config", (), {"r": 2, "lora_alpha": 8})()}
    folder = adapter_folder(tmp_path / "a", Peft(1), '{"r": 2, "lora_alpha": 16}')
    with pytest.raises(CheckpointError, match=r"has lora_alpha 16, and the model .* has 8"):
        fit(read_checkpoint(folder), model, "a")
    assert adapter_of(adapter_folder(folder, Peft(1), '{"r": 2, "lora_alpha": 8}'))
    fit(read_checkpoint(folder), model, "a")


def test_base_weights_that_differ_from_call_to_call() -> None:
    """An adapter stands on weights that every call of problem() builds alike, or is refused."""
    built = fit(Adapter(Path("a"), {"base_model.model.x": torch.ones(1)}, {}), Outer(), "a")
    loaded = SimpleNamespace(path=Path("p.py"))
    _check_built(built, Outer, loaded)
    with pytest.raises(CheckpointError, match=r"p\.py: 'base' is not in the adapter's folder and"):
        _check_built(built, lambda: Outer(2.0), loaded)


class Outer(nn.Module):
    """A frozen tensor and a trained one."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.tensor([value]), requires_grad=False)
        self.x = nn.Parameter(torch.zeros(1))


def test_an_adapter_alone() -> None:
    """In a plain file it is refused, with the ways out."""
    held = {n: v for n, v in Peft(1).state_dict().items() if "lora_" in n}
    with pytest.raises(CheckpointError) as said:
        fit(held, Peft(2), "x.pt")
    assert "holds an adapter alone and lacks 'base_model.model.0.base_layer" in str(said.value)
    assert "name a folder with adapter_config.json and adapter_model" in str(said.value)
