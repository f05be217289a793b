"""What trainers save is understood, what runs code is not, and a refusal names file and key."""

import io
import json
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import CheckpointError, fit, fitted_tensors
from tests.conftest import small_problem


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


STATE = model().state_dict()
SAVED = {
    "state_dict": STATE,
    "trainer": {"model": STATE, "optimizer": {"lr": 0.1}, "epoch": 3},
    "lightning": {
        "state_dict": {f"model.{n}": t for n, t in STATE.items()} | {"loss.weight": torch.ones(2)},
        "pytorch-lightning_version": "2.6",
        "callbacks": {"checkpoint": {"best": "x.ckpt"}},
    },
    "data parallel": {"model_state_dict": {f"module.{n}": t for n, t in STATE.items()}},
    "compiled": {f"_orig_mod.{n}": t for n, t in STATE.items()},
    "both": {"state_dict": {f"_orig_mod.module.{n}": t for n, t in STATE.items()}},
    "nested": {"state_dict": {"model": STATE}, "iteration": 7},
    "averaged": {"ema": STATE, "decay": 0.999},
    "half": {n: t.half() if t.is_floating_point() else t for n, t in STATE.items()},
    "without counters": {n: t for n, t in STATE.items() if "num_batches" not in n},
}


@pytest.mark.parametrize("form", SAVED)
def test_what_trainers_save(tmp_path: Path, form: str) -> None:
    """Wrappers, prefixes and missing counters: the model's own names, in its order."""
    torch.save(SAVED[form], tmp_path / "x.pt")
    tensors = fitted_tensors(read_checkpoint(tmp_path / "x.pt"), model(), "x.pt")
    assert list(tensors) == list(STATE)
    for name, value in STATE.items():
        wanted = value.half() if form == "half" and value.is_floating_point() else value
        assert torch.equal(tensors[name], wanted), name


def test_a_named_part(tmp_path: Path) -> None:
    """Averaged weights beside the usual ones are taken when asked for; an unknown part is named."""
    averaged = {name: value + 1 for name, value in STATE.items()}
    torch.save({"model": STATE, "ema": averaged}, tmp_path / "x.pt")
    held = read_checkpoint(tmp_path / "x.pt")
    usual, other = fit(held, model(), "x.pt"), fit(held, model(), "x.pt", part="ema")
    assert torch.equal(usual.tensors["0.bias"] + 1, other.tensors["0.bias"])
    (said,) = usual.remarks
    assert said.startswith("x.pt also holds ema (9 tensors, 29 parameters); model was taken")
    assert not other.remarks
    with pytest.raises(CheckpointError, match=r"no part 'swa'; it holds 'model', 'ema'"):
        fit(held, model(), "x.pt", part="swa")


@pytest.mark.parametrize("sharded", [False, True])
def test_a_hugging_face_folder(tmp_path: Path, sharded: bool) -> None:
    """A folder of save_pretrained, in one file or in shards with their index."""
    if sharded:
        names = list(STATE)
        parts = {"a.safetensors": names[:3], "b.safetensors": names[3:]}
        for file, part in parts.items():
            safetensors.torch.save_file({n: STATE[n].clone() for n in part}, tmp_path / file)
        where = {name: file for file, part in parts.items() for name in part}
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": where}))
        assert read_checkpoint(index).keys() == STATE.keys()
    else:
        safetensors.torch.save_file(STATE, tmp_path / "model.safetensors")
    assert torch.equal(read_checkpoint(tmp_path)["2.weight"], STATE["2.weight"])


def test_a_shard_outside_its_folder(tmp_path: Path) -> None:
    """An index that leads elsewhere is refused."""
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(CheckpointError, match="does not lie beside it"):
        read_checkpoint(tmp_path)


class Runs:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.write_text, (self.path, "hostile"))


def by_name(path: Path) -> bytes:
    """A pickle that imports os.system by name, as `pickle` itself writes it in protocol 0."""
    return f"cos\nsystem\n(S'touch {path}'\ntR.".encode()


def nested_reduce(path: Path) -> bytes:
    """A pickle whose hostile part lies in a dictionary beside a tensor's name."""
    return pickle.dumps({"0.weight": [1.0], "hooks": [Runs(path)]})


@pytest.mark.parametrize(
    "hostile",
    [
        lambda path: pickle.dumps(Runs(path)),
        by_name,
        nested_reduce,
        lambda path: pickle.dumps(Runs(path), protocol=5),
        lambda path: b"cbuiltins\neval\n(S'open(\"" + str(path).encode() + b'", "w")\'\ntR.',
        lambda path: (
            b"cbuiltins\ngetattr\n(cos\nS'system'\ntR(S'touch " + str(path).encode() + b"'\ntR."
        ),
    ],
    ids=["reduce", "by name", "nested", "protocol 5", "eval", "getattr"],
)
@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin", ".pkl"])
def test_a_hostile_pickle_does_not_run(tmp_path: Path, hostile, suffix: str) -> None:
    """Whatever it is called and however it hides, its code does not run and the file is named."""
    trace = tmp_path / "trace"
    file = tmp_path / f"hostile{suffix}"
    file.write_bytes(hostile(trace))
    with pytest.raises(CheckpointError, match="cannot be read as weights alone") as said:
        read_checkpoint(file)
    assert str(file) in str(said.value) and "\n" not in str(said.value)
    assert not trace.exists()


def test_a_hostile_archive_does_not_run(tmp_path: Path) -> None:
    """The same in the zip form that torch.save writes today."""
    torch.save({"state_dict": STATE, "extra": Runs(tmp_path / "trace")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="weights alone"):
        read_checkpoint(tmp_path / "x.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("0.weight"), "lacks '0.weight'"),
        (lambda s: s.update({"9.weight": torch.ones(1)}), "has '9.weight', unknown to the model"),
        (lambda s: s.update({"0.weight": torch.ones(3, 5)}), r"0.weight must have shape \(3, 4\)"),
        (lambda s: s.update({"0.bias": torch.ones(3, dtype=torch.int64)}), "got torch.int64"),
        (lambda s: s.update({"0.bias": torch.ones(3, dtype=torch.complex64)}), "got torch.complex"),
    ],
)
def test_what_does_not_fit_is_named(change, said: str) -> None:
    """A missing, unknown, misshapen or mistyped tensor is refused by its name."""
    state = dict(STATE)
    change(state)
    with pytest.raises(CheckpointError, match=said):
        fitted_tensors(state, model(), "x.pt")


def renamed(state: dict) -> None:
    """Put a prefix before every name, and change two shapes."""
    for name in list(state):
        state[f"body.{name}"] = state.pop(name)
    state["body.0.bias"] = state.pop("body.0.bias").reshape(1, 3)
    state["body.2.bias"] = torch.ones(7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: [s.pop(n) for n in list(s) if n.startswith(("0", "2"))],
            "lacks '0.weight', '0.bias', '2.weight' and 1 more; is it a checkpoint of this model",
        ),
        (
            lambda s: s.update({f"head.{n}": torch.ones(1) for n in range(5)}),
            "has 'head.0', 'head.1', 'head.2' and 2 more, unknown to the model; is it a checkpoint",
        ),
        (renamed, "0.bias must have shape (3,), got (1, 3), 2.bias must have shape (2,), got (7,)"),
        (renamed, "; give the arguments that the model was trained with"),
        (
            lambda s: s.update({"0.weight": torch.ones(3, 4, dtype=torch.int8)}),
            "0.weight must be torch.float32, got torch.int8; save the weights as real floating",
        ),
        (
            lambda s: s.update({"1.num_batches_tracked": torch.ones(())}),
            "1.num_batches_tracked must be torch.int64, got torch.float32",
        ),
    ],
    ids=["missing", "unknown", "shapes", "way out", "integers", "counter"],
)
def test_all_that_does_not_fit_is_in_one_sentence(change, words: str) -> None:
    """The file, the first few keys and how many more, and what to do; also behind a prefix."""
    state = dict(STATE)
    change(state)
    with pytest.raises(CheckpointError) as said:
        fitted_tensors(state, model(), "runs/x.pt")
    assert str(said.value).startswith("runs/x.pt")
    assert words in str(said.value) and "\n" not in str(said.value)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_types_are_kept(kind: torch.dtype) -> None:
    """Half and double precision fit as they are: no value is changed by the import."""
    state = {n: t.to(kind) if t.is_floating_point() else t for n, t in STATE.items()}
    tensors = fitted_tensors(state, model(), "x.pt")
    assert all(torch.equal(tensors[n], t) and tensors[n].dtype == t.dtype for n, t in state.items())


def test_weights_that_are_no_numbers_fit() -> None:
    """NaN weights are accepted as they are; the import counts them (test_recorded_runs)."""
    state = STATE | {"0.bias": torch.full((3,), torch.nan)}
    assert fitted_tensors(state, model(), "x.pt")["0.bias"].isnan().all()


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as weights alone"),
        (b"hello", "cannot be read as weights alone"),
        (saved([1, 2]), "holds no dictionary of tensors"),
        (saved({"lr": 0.1}), "holds no dictionary of tensors"),
    ],
)
def test_no_checkpoint(tmp_path: Path, content: bytes, said: str) -> None:
    """A file that is something else: one sentence with its name."""
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as error:
        fitted_tensors(read_checkpoint(tmp_path / "x.pt"), model(), tmp_path / "x.pt")
    assert "x.pt" in str(error.value)


def test_a_truncated_safetensors_file(tmp_path: Path) -> None:
    """A file that was cut is refused with what to do."""
    safetensors.torch.save_file(STATE, tmp_path / "x.safetensors")
    whole = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="save or copy it again"):
        read_checkpoint(tmp_path / "x.safetensors")


def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder without weights says which files it looked for."""
    with pytest.raises(CheckpointError, match=r"holds none of model\.safetensors"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("left_out", ["second.weight", "third.weight"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_tied_tensor_saved_once(left_out: str, prefix: str) -> None:
    """Saved under either of its names, with or without a prefix, it has both; or else it lacks."""
    tied = small_problem().model
    kept = {f"{prefix}{n}": t for n, t in tied.state_dict().items() if n != left_out}
    tensors = fitted_tensors(kept, tied, "here")
    assert list(tensors) == list(tied.state_dict())
    assert torch.equal(tensors[left_out], tied.state_dict()["second.weight"])
    lacking = {n: t for n, t in kept.items() if not n.endswith(("second.weight", "third.weight"))}
    with pytest.raises(
        CheckpointError, match=r"lacks 'second.weight' and 1|lacks 'second.weight', 'third.weight';"
    ):
        fitted_tensors(lacking, tied, "here")
