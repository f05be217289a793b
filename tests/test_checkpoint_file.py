"""Hostile and damaged files: nothing runs, nothing is read beyond its size, one short sentence."""

import io
import json
import pickle
import struct
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from uuid import UUID

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from explorer.analysis.model import file_contents
from explorer.analysis.model.checkpoint_file import CheckpointError, file_content
from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import fitted_tensors
from explorer.analysis.model.harmless_types import STAND_INS


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Linear(4, 3)


STATE = dict(model().state_dict())


def is_state(path: Path) -> bool:
    tensors = fitted_tensors(read_checkpoint(path), model(), path)
    return all(torch.equal(tensors[name], value) for name, value in STATE.items())


class AttributeDict(dict):
    """Lightning's, by its name."""


AttributeDict.__module__ = "lightning_fabric.utilities.data"

BESIDE = {
    "namespace": Namespace(lr=0.1, out=Path("/tmp/x"), nested=Namespace(a=[1])),
    "paths": [Path("a/b"), PurePosixPath("c")],
    "numpy": [np.float64(0.5), np.int64(3), np.bool_(True), np.arange(3.0), np.dtype("f4")],
    "numpy words": np.array(["a", "b"]),
    "random state": np.random.RandomState(0).get_state(),
    "defaultdict": defaultdict(list, a=[1], b=defaultdict(int, c=2)),
    "ordered": OrderedDict(a=1),
    "times": [datetime(2026, 1, 2, tzinfo=UTC), timedelta(days=1)],
    "containers": [deque([1, 2], maxlen=3), frozenset((1,)), range(3), slice(1, 2), {1, 2}],
    "uuid": UUID(int=7),
    "version": torch.__version__,
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_trainers_leave_beside_the_weights(tmp_path: Path, kind: str) -> None:
    """Files of Lightning, timm and scripts are read though they hold more than weights."""
    torch.save({"epoch": 3, "hyper_parameters": BESIDE[kind], "state_dict": STATE}, tmp_path / "x")
    assert is_state(tmp_path / "x")
    held = file_content(tmp_path / "x")["hyper_parameters"]
    flat = held if isinstance(held, list | tuple) else [held]
    foreign = (Namespace, Path, np.ndarray, np.generic, defaultdict, datetime, deque)
    assert not any(isinstance(value, foreign) for value in flat)  # stand-ins are made, not these


def test_a_dictionary_of_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own class of dictionary is read by name, without Lightning."""
    import sys
    import types

    module = types.ModuleType("lightning_fabric.utilities.data")
    module.AttributeDict = AttributeDict  # type: ignore[attr-defined]
    for name in ("lightning_fabric", "lightning_fabric.utilities"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "lightning_fabric.utilities.data", module)
    torch.save({"hyper_parameters": AttributeDict(lr=1), "state_dict": STATE}, tmp_path / "x.ckpt")
    assert is_state(tmp_path / "x.ckpt")


def test_stand_ins_are_only_there_while_a_file_is_read(tmp_path: Path) -> None:
    """No other code of this process finds them among torch's allowed types."""
    torch.save(STATE, tmp_path / "x.pt")
    file_content(tmp_path / "x.pt")
    assert not set(torch.serialization.get_safe_globals()) & set(STAND_INS)


def test_a_stand_in_does_nothing() -> None:
    """Whatever it is made from and whatever state it is given, it keeps none of it."""
    for kind, _ in STAND_INS:
        instance = kind(print, "x", *range(3))
        if hasattr(instance, "__setstate__") and type(instance).__module__.startswith("explorer"):
            instance.__setstate__({"__class__": int})
        assert not vars(instance) if hasattr(instance, "__dict__") else True
        assert len(instance) == 0 if isinstance(instance, list | dict) else True


@pytest.mark.parametrize("name", ["x", "x.bin", "x.pt", "x.ckpt", "x.model", "x.safetensors"])
@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_the_content_tells_the_form(tmp_path: Path, name: str, form: str) -> None:
    """Safetensors and pickles are what their bytes say, under any name."""
    if form == "safetensors":
        safetensors.torch.save_file(STATE, tmp_path / name)
    else:
        torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=form == "zip")
    assert is_state(tmp_path / name)


def repacked(path: Path, change: Callable[[str, bytes], bytes], packed: bool = False) -> Path:
    """The archive with other members, as somebody else's program writes it."""
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", how) as new:
        for name, held in members.items():
            new.writestr(name, held)
    return path


def saved(path: Path, what: object = None) -> Path:
    torch.save(STATE if what is None else what, path)
    return path


def bomb(path: Path) -> Path:
    """Few bytes that inflate to 60 MB."""
    zeros = bytes(60_000_000)
    return repacked(
        saved(path), lambda name, held: zeros if name.endswith("data/0") else held, packed=True
    )


def overlapping(path: Path) -> Path:
    """An archive whose directory lists one member a hundred times."""
    saved(path, {**STATE, "big": torch.ones(300_000)})
    whole = path.read_bytes()
    end = whole.find(b"PK\x06\x06") if b"PK\x06\x06" in whole else whole.rindex(b"PK\x05\x06")
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    entries = whole[start:end].split(b"PK\x01\x02")[1:]
    largest = max(entries, key=lambda entry: struct.unpack("<I", entry[16:20])[0])
    listed = whole[start:end] + (b"PK\x01\x02" + largest) * 100
    count = len(entries) + 100
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(listed), start, 0)
    path.write_bytes(whole[:start] + listed + tail)
    return path


def flipped(path: Path) -> Path:
    """One bit of one weight is another one."""
    whole = bytearray(saved(path).read_bytes())
    place = whole.index(STATE["weight"].numpy().tobytes())
    whole[place + 2] ^= 1
    path.write_bytes(whole)
    return path


def claims(path: Path) -> Path:
    """A tensor that claims more numbers than its storage holds."""
    saved(path, {"weight": torch.arange(100.0)})
    return repacked(path, lambda name, held: held.replace(b"K\x64", b"M\xff\xff"))


def legacy_claims(path: Path) -> Path:
    torch.save({"weight": torch.arange(100.0)}, path, _use_new_zipfile_serialization=False)
    many = b"\x8a\x06" + (10**12).to_bytes(6, "little")
    path.write_bytes(path.read_bytes().replace(b"K\x64", many))
    return path


def header_claims(path: Path) -> Path:
    """A safetensors head that speaks of a terabyte."""
    head = json.dumps({"w": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}})
    path.write_bytes(struct.pack("<Q", len(head)) + head.encode() + bytes(16))
    return path


def filling(path: Path) -> Path:
    """A pickle that would make a bytearray of a terabyte."""
    body = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85R."
    return repacked(saved(path), lambda name, held: body if name.endswith("data.pkl") else held)


def deep(path: Path) -> Path:
    """100,000 dictionaries within each other."""
    body = b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 100_000 + b"}" + b"s" * 100_000 + b"."
    return repacked(saved(path), lambda name, held: body if name.endswith("data.pkl") else held)


def laughing(path: Path) -> Path:
    """Each dictionary holds the one before it ten times: ten billion names."""
    inner: dict = {"w": torch.ones(1)}
    for _ in range(10):
        inner = {f"{n}": inner for n in range(10)}
    return saved(path, inner)


def opaque(path: Path) -> Path:
    """A name of 50,000 characters and one that clears the terminal."""
    return saved(path, {"x" * 50_000: torch.ones(1), "\x1b[2J\x1b]0;gone\x07": torch.ones(1)})


def deep_key(path: Path) -> Path:
    """A key whose hash would overflow the stack of Python, and end the process."""
    path.write_bytes(b"\x80\x02})" + b"\x85q\x01" * 300_000 + b"K\x01s.")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (bomb, "would hold 60 MB, which weights never do"),
        (overlapping, "which weights never do"),
        (flipped, "is damaged: the bytes of x/data/0 are not those that were written"),
        (claims, "its tensors claim more numbers than it holds"),
        (legacy_claims, "it claims to hold more than the memory"),
        (header_claims, "is no whole safetensors file"),
        (filling, "it holds a bytearray, which may take any memory"),
        (deep, "holds no dictionary of tensors"),
        (deep_key, "nests tuples deeper than 1,000 levels"),
        (laughing, "holds entries without end"),
        (opaque, "lacks 'weight', 'bias' and has 'xxx"),
    ],
)
def test_a_hostile_file_is_one_short_sentence(
    tmp_path: Path, make, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, with no raw word of a file in the message; a damaged one before torch reads it."""
    path = make(tmp_path / "x")
    monkeypatch.setattr(file_contents, "MOST_ENTRIES", 20_000)
    if make in (bomb, overlapping, flipped, filling, deep_key):
        monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch read the file"))
    with pytest.raises(CheckpointError) as said:
        fitted_tensors(read_checkpoint(path), model(), path)
    text = str(said.value)
    assert words in text and len(text) < 800 and text.isprintable()


def test_a_file_without_checksums(tmp_path: Path) -> None:
    """Torch can be told to write none; such a file has nothing to compare and is read."""
    torch.serialization.set_crc32_options(False)
    try:
        saved(tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert is_state(tmp_path / "x.pt")


def test_long_lists_and_dictionaries_of_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history beside the weights is no endless dictionary: numbers in lists count for nothing."""
    monkeypatch.setattr(file_contents, "MOST_ENTRIES", 1_000)
    history = {"losses": [0.5] * 1_000, "by_step": dict.fromkeys(range(900), 0.5)}
    assert is_state(saved(tmp_path / "x.pt", {**history, "model": STATE}))


def test_a_dictionary_that_holds_itself(tmp_path: Path) -> None:
    """Cycles end, and the weights beside them are found."""
    held: dict = {"state_dict": STATE}
    held["self"] = held
    assert is_state(saved(tmp_path / "x.pt", held))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"a": "m.safetensors.index.json"}, "an index, as a shard"),
        ({"a": "/etc/passwd"}, "which does not lie beside it"),
        ({"a": ".."}, "which does not lie beside it"),
        ({"a": "loop"}, "there is no file"),
        ({"a": "s.safetensors"}, "s.safetensors lacks 'a'"),
        ({"a": 5}, "is no index of shards"),
        ({"a": "b\0c"}, "is no index of shards"),
        ([], "is no index of shards"),
    ],
)
def test_an_index_that_leads_nowhere(tmp_path: Path, where: object, words: str) -> None:
    """Itself, elsewhere, a link in a circle, a shard without the tensor: a sentence."""
    (tmp_path / "loop").symlink_to("loop")
    safetensors.torch.save_file(STATE, tmp_path / "s.safetensors")
    index = tmp_path / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(index)
    index.write_text('{"weight_map":' * 100_000)
    with pytest.raises(CheckpointError, match="is no index of shards"):
        read_checkpoint(index)


class Reduced:
    """Pickled as a call of a function."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self.call


def raw(body: bytes) -> bytes:
    """An archive of torch's with this pickle."""
    file = io.BytesIO()
    torch.save(STATE, file)
    old = zipfile.ZipFile(file)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, body if name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


TRACE = "trace-of-hostile-code"
ABUSES: dict[str, Callable[[], bytes]] = {
    "a path that opens itself": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00acpathlib\nPath.touch\ncpathlib\nPath\nX\x15\x00\x00\x00"
        + TRACE.encode()
        + b"\x85R\x85Rs."
    ),
    "numpy makes any class": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00acnumpy.core.multiarray\n_reconstruct\ncsubprocess\nPopen\n"
        b"K\x00\x85C\x01b\x87Rs."
    ),
    "a factory that runs": lambda: pickle.dumps(
        {"a": defaultdict(partial(Path.touch, Path(TRACE)))}, protocol=2
    ),
    "functools": lambda: pickle.dumps({"a": Reduced(partial, Path.touch, Path(TRACE))}, 2),
    "a state that is set": lambda: pickle.dumps(
        {"a": Reduced(Namespace, state={"x": Reduced(Path.touch, Path(TRACE))})}, 2
    ),
    "operator": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00acoperator\nmethodcaller\nX\x05\x00\x00\x00touch\x85Rs."
    ),
    "an array of objects": lambda: pickle.dumps(
        {"a": np.array([Reduced(Path.touch, Path(TRACE))], dtype=object)}, 2
    ),
    "a scalar's type": lambda: pickle.dumps(
        {"a": Reduced(np.float64, Reduced(eval, f"open('{TRACE}','w')"))}, 2
    ),
    "codecs": lambda: raw(b"\x80\x02c_codecs\nlookup\nX\x01\x00\x00\x00x\x85R."),
    "a subclass of the stand-in": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00acbuiltins\ntype\nX\x01\x00\x00\x00A"
        b"cpathlib\nPath\n\x85}\x87Rs."
    ),
    "getattr of a stand-in": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00acbuiltins\ngetattr\ncpathlib\nPath\n"
        b"X\x0a\x00\x00\x00__bases__\x85\x86Rs."
    ),
    "rebuild from a class": lambda: raw(
        b"\x80\x02}X\x01\x00\x00\x00actorch._tensor\n_rebuild_from_type_v2\n"
        b"(cargparse\nNamespace\ncargparse\nNamespace\n)}X\x09\x00\x00\x00__class__cpathlib\nPath\nstRs."
    ),
}


@pytest.mark.parametrize("abuse", ABUSES)
def test_no_allowed_type_is_a_way_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abuse: str
) -> None:
    """Harmless types with hostile arguments, states, factories and neighbours: nothing runs."""
    monkeypatch.chdir(tmp_path)
    Path("x.pt").write_bytes(ABUSES[abuse]())
    with warnings.catch_warnings(), pytest.raises(CheckpointError) as said:
        warnings.simplefilter("ignore")
        fitted_tensors(read_checkpoint(Path("x.pt")), model(), "x.pt")
    assert not Path(TRACE).exists() and len(str(said.value)) < 800


def test_a_safetensors_file_may_begin_as_a_pickle_does(tmp_path: Path) -> None:
    """A header of 640 bytes has the first byte of a pickle, as each 32nd has: it is read."""
    path = tmp_path / "weights.bin"
    for length in range(800):
        safetensors.torch.save_file(STATE, path, {"note": "x" * length})
        if path.read_bytes()[:2] == b"\x80\x02":
            break
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert is_state(path)
