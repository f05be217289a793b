"""Bad input, one real import each: what is said, and that nothing is stored.

What could end a process, or run where it should not, goes to a worker in a process of its own; the
others are imported by the same code in this one.
"""

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from explorer.ask import questions
from explorer.importing import sources, storing
from explorer.kinds.line import LINE, LineSettings
from store import Catalog, records
from tests.filling import new_catalog, work
from tests.problem_texts import HEAD, state
from tests.tiny import agreed, dumped, ended, supervised

LINE_OF_BODY = HEAD.count("\n") + 1

# The body of the problem file, and what must stand in the sentence beside the file's path.
PROBLEMS = {
    "noise in forward": (
        "def problem(): return made(forward=lambda m, b: m(b[0] + torch.randn_like(b[0])))",
        ("two evaluations of split 'train'", "loss ", "(randn_like)", "turn off dropout"),
    ),
    "functional dropout": (
        "def problem(): return made(forward=lambda m, b: F.dropout(m(b[0])))",
        ("two evaluations", "F.dropout needs training=self.training"),
    ),
    "a player that is none": (
        'def problem(): return made(players={"a": 1})',
        ("players['a'] must be of type Player, got int", 'write players={"name": Player(...)}'),
    ),
    "players in a list": (
        "def problem(): return made(players=[1])",
        ("players must be a dictionary, got list",),
    ),
    "an experiment's name": (
        'def problem(): return made(experiments={"e" * 201: 1})',
        ("the names of experiments must be texts of 1 to 200 characters",),
    ),
    "a player's loss that is none": (
        "from explorer.game import Player\n"
        'def problem(): return made(players={"a": Player("*", "loss")})',
        ("the loss of a player must be a function, got str (line",),
    ),
    "a player's patterns that are none": (
        "from explorer.game import Player\n"
        'def problem(): return made(players={"a": Player(["0.*", 2], cross_entropy)})',
        ("the parameters of a player must be patterns", "(line"),
    ),
    "players that overlap": (
        "from explorer.game import Player\n"
        "def problem(): return made(players={\n"
        '    "a": Player("*", cross_entropy), "b": Player("*.bias", cross_entropy)})',
        ("each parameter must be one player's", "bias is that of a, b; correct the patterns"),
    ),
    "a player's loss that takes too little": (
        "from explorer.game import Player\n"
        'def problem(): return made(players={"a": Player("*", lambda outputs: outputs)})',
        ("loss of player 'a'(outputs, batch)", "takes 1 positional argument but 2 were given"),
    ),
    "a player's loss that returns text": (
        "from explorer.game import Player\n"
        'def problem(): return made(players={"a": Player("*", lambda outputs, batch: "x")})',
        ("loss of player 'a' must return one real value per example", "got str"),
    ),
    "noise outside torch": (
        "import random\n"
        "def problem(): return made(loss=lambda o, b: cross_entropy(o, b) * random.random())",
        ("two evaluations", "random numbers are drawn at each call"),
    ),
    "random metric": (
        "def problem(): return made(metrics={'mine': lambda o, b: torch.rand(len(o))})",
        ("two evaluations", "give mine ", "(rand)"),
    ),
    "dropout left on": (
        "def problem(): return made(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3), Noisy()))",
        ("'2' (Noisy) is in training mode", "take train() out"),
    ),
    "training mode in forward": (
        "def problem(): return made(forward=lambda m, b: m.train()(b[0]),\n"
        "    model=nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3), nn.Dropout()))",
        ("'2' (Dropout) is in training mode", "take train() out"),
    ),
    "data without a seed": (
        "def problem(): return made(data={'train': (torch.randn(12, 4), xy()[1])})",
        ("the data of split 'train' differ from one call", "from a fixed seed"),
    ),
    "data in another order": (
        "def problem():\n    o = torch.randperm(12)\n"
        "    return made(data={'train': tuple(t[o] for t in xy())})",
        ("the data of split 'train' differ from one call", "shuffle them from a fixed seed"),
    ),
    "empty split": (
        "def problem(): return made(data={'test': xy(0)})",
        ("split 'test': there must be at least one example", "leave the split out"),
    ),
    "ragged split": (
        "def problem(): return made(data={'test': (xy(5)[0], xy(6)[1])})",
        ("split 'test': ", "got 5 and 6; cut them to one length"),
    ),
    "loader": (
        "def problem(): return made(data={'train': torch.utils.data.DataLoader([1])})",
        ("split 'train': data must be tensors or a data set, got DataLoader", "loader.dataset"),
    ),
    "array": (
        "def problem(): return made(data={'train': (xy()[0].numpy(), xy()[1])})",
        ("split 'train': data[0] must be a tensor, got ndarray", "torch.as_tensor"),
    ),
    "data without values": (
        "def problem(): return made(data={'train': (xy()[0].to('meta'), xy()[1])})",
        ("data[0] has no values (device meta)", "on the CPU"),
    ),
    "data of another width": (
        "def problem(): return made(data={'train': (torch.ones(12, 7), xy()[1])})",
        ("forward(model, batch) of", "on split 'train' failed", "(4x7 and 4x5)", "mend it"),
    ),
    "model without values": (
        "def problem(): return made(nn.Linear(4, 3, device='meta'))",
        ("the parameter 'weight' is on the device meta", "build the model on the CPU"),
    ),
    "another device": (
        "def forward(model, batch):\n    return model(batch[0]) + torch.ones(3, device='meta')\n"
        "def problem(): return made(forward=forward)",
        ("forward(model, batch) of", "leave model and data on the CPU", f"line {LINE_OF_BODY + 1}"),
    ),
    "whole numbers": (
        "def problem():\n    m = nn.Linear(4, 3)\n"
        "    m.k = nn.Parameter(torch.ones(3, dtype=torch.int64), requires_grad=False)\n"
        "    return made(m)",
        ("the parameter 'k' must be real", "torch.int64", "as a buffer"),
    ),
    "lazy": (
        "def problem(): return made(nn.LazyLinear(3))",
        ("the parameter 'weight' has no shape yet", "call the lazy model once"),
    ),
    "no module": (
        "def problem(): return made(nn.ReLU)",
        ("the model must be a torch.nn.Module, got the class ReLU", "give the module itself"),
    ),
    "single number": (
        "def problem(): return made(loss=lambda o, b: cross_entropy(o, b).mean())",
        ("split 'train': loss must return one value per example", "reduction='none'"),
    ),
    "single number in a row, in batches that are declared": (
        "import dataclasses\ndef mean(o, b): return cross_entropy(o, b).mean().reshape(1)\n"
        "def problem(): return dataclasses.replace(made(loss=mean), batch_size=5)",
        ("split 'train': loss must return one value per example", "reduction='none'"),
    ),
    "labels that are all ignored": (
        "from explorer.problem import token_cross_entropy\n"
        "def problem():\n    data = {'train': xy(), 'test': (xy()[0], torch.full((12,), -100))}\n"
        "    return made(data=data, loss=token_cross_entropy)",
        ("split 'test': the loss counts nothing", "leave the split out"),
    ),
    "noise of Python in the model": (
        "import random\nclass Drawing(nn.Linear):\n"
        "    def forward(self, x): return super().forward(x) * random.random()\n"
        "def problem(): return made(nn.Sequential(nn.Linear(4, 5), Drawing(5, 3)))",
        ("two evaluations", "random numbers are drawn at each call"),
    ),
    "mean and count": (
        "def problem(): return made(loss=lambda o, b: (cross_entropy(o, b).mean(), len(o)))",
        ("split 'train': loss returns (mean, count)", "must be the sum", "(mean * count, count)"),
    ),
    "mean and count, in batches that are declared": (
        "import dataclasses\ndef mean(o, b): return cross_entropy(o, b).mean(), len(o)\n"
        "def problem(): return dataclasses.replace(made(loss=mean), batch_size=12)",
        ("split 'train': loss returns (mean, count)", "must be the sum", "(mean * count, count)"),
    ),
    "complex loss": (
        "def problem(): return made(loss=lambda o, b: cross_entropy(o, b) * 1j)",
        ("loss must return one real value per example", "torch.complex64", "reduction='none'"),
    ),
    "Python number": (
        "def problem(): return made(loss=lambda o, b: cross_entropy(o, b).sum().item())",
        ("loss must return one real value per example", "got float"),
    ),
    "label of no class": (
        "def problem():\n    x, y = xy()\n    y[7] = 3\n    return made(data={'train': (x, y)})",
        ("split 'train', example 7 has the label 3, but the model has 3 classes, 0 to 2",),
    ),
    "loss of a whole batch": (
        "def problem(): return made(loss=lambda o, b: cross_entropy(o, b) / o.detach().std())",
        ("loss of an example depends on the others of its batch (", "Problem(..., batch_size=64)"),
    ),
    "memory": (
        "class Memory(nn.Linear):\n    kept = 0.0\n"
        "    def forward(self, x):\n"
        "        self.kept = self.kept + x.mean(0)\n"
        "        return super().forward(x + self.kept)\n"
        "def problem(): return made(nn.Sequential(Memory(4, 5), nn.Linear(5, 3)))",
        ("two evaluations", "the model keeps '0.kept' from call to call"),
    ),
    "data without end": (
        "class Endless(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 10**12\n"
        "    def __getitem__(self, index): return torch.zeros(4), 0\n"
        "def problem(): return made(data={'train': Endless()})",
        ("split 'train', 1,000,000,000,000 examples take about", "max_examples=10_000"),
    ),
    "failing metric": (
        "def mine(outputs, batch):\n    return outputs[99]\n"
        "def problem(): return made(metrics={'mine': mine})",
        ("mine(outputs, batch) of", "IndexError", f"(line {LINE_OF_BODY + 1} of p.py)"),
    ),
    "failing late": (
        "def late(outputs, batch):\n"
        "    return F.cross_entropy(outputs, batch[1] + batch[1] // 2, reduction='none')\n"
        "def problem():\n"
        "    return made(data={'train': (xy()[0], torch.arange(12) // 4)}, loss=late)",
        ("evaluating ", "on split 'train' at ", "w.pt failed: ", "(line ", "mend it"),
    ),
    "deep failure": (
        "def deeper():\n    return {}['data']\n\ndef problem():\n    return deeper()",
        ("failed: KeyError: 'data'", f"(line {LINE_OF_BODY + 1} of p.py)", "mend it there"),
    ),
    "missing package": (
        "import not_there",
        ("No module named 'not_there'", f"(line {LINE_OF_BODY} of p.py)", "install it where"),
    ),
    "missing argument": (
        "def problem(width): pass",
        ("missing 1 required positional argument: 'width'", "give the arguments that it takes"),
    ),
    "end of the program": (
        "import sys\ndef problem(): sys.exit(3)",
        ("failed: SystemExit: 3", f"(line {LINE_OF_BODY + 1} of p.py)", "take out what ends"),
    ),
    "end of a generator": (
        "def problem(): raise GeneratorExit",
        ("failed: GeneratorExit", f"(line {LINE_OF_BODY} of p.py)", "take out what ends"),
    ),
    "end of the program at once": (
        "raise KeyboardInterrupt",
        ("failed: KeyboardInterrupt", "take out what ends the program there"),
    ),
}


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def changed(name: str, value: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
    return state() | {name: value(state()[name])}


# What is saved, and what must stand in the sentence beside the file's path.
CHECKPOINTS = {
    "missing key": (
        lambda at: {n: t for n, t in state().items() if n != "1.bias"},
        ("lacks '1.bias'", "is it a checkpoint of this model"),
    ),
    "extra key": (
        lambda at: state() | {"head.w": torch.ones(1)},
        ("has 'head.w', unknown to the model", "is it a checkpoint of this model"),
    ),
    "shape": (
        lambda at: changed("1.bias", lambda t: t[:2]),
        ("1.bias must have shape (3,), got (2,)", "give the arguments"),
    ),
    "whole numbers": (
        lambda at: changed("1.bias", torch.Tensor.long),
        ("1.bias must be torch.float32, got torch.int64", "unquantised"),
    ),
    "8-bit floats": (
        lambda at: changed("1.bias", lambda t: t.to(torch.float8_e4m3fn)),
        ("1.bias must be torch.float32, got torch.float8_e4m3fn", "unquantised"),
    ),
    "complex": (
        lambda at: changed("1.bias", lambda t: t.to(torch.complex64)),
        ("1.bias must be torch.float32, got torch.complex64", "save the weights as real"),
    ),
    "sparse": (
        lambda at: changed("1.weight", torch.Tensor.to_sparse),
        ("'1.weight' must be dense", "save to_dense() of it"),
    ),
    "no values": (
        lambda at: changed("1.weight", lambda t: t.to("meta")),
        ("'1.weight' has no values (device meta)", "save a model with weights"),
    ),
    "numbers as names": (
        lambda at: {1: torch.ones(2)},
        ("tensors must have names, got 1", "save model.state_dict()"),
    ),
    "whole module": (
        lambda at: nn.Linear(4, 3),
        ("torch.nn.modules.linear.Linear", "save model.state_dict()"),
    ),
    "hostile": (
        lambda at: {"0.weight": Runs(at / "ran")},
        ("posix.mkdir, which only running code can read", "save model.state_dict()"),
    ),
    "hostile pickle": (
        lambda at: pickle.dumps(Runs(at / "ran")),
        ("cannot be read as weights alone", "save model.state_dict()"),
    ),
    "text": (
        lambda at: b"hello",
        ("it is no checkpoint", "save model.state_dict()"),
    ),
    "nothing": (
        lambda at: b"",
        ("it is empty", "save or copy it again"),
    ),
}


# What a worker must survive: shown in one that is a process of its own.
DANGEROUS = {"end of the program", "end of the program at once", "hostile", "hostile pickle"}


@dataclass
class Served:
    """A catalog with a good model, what waits for its jobs, and a folder for bad input."""

    catalog: Catalog
    folder: Path
    wait: Callable[[Catalog, str], records.Job]

    def imported(self, folder: Path, body: str, content: object = None) -> records.Job:
        """The job that imported w.pt through p.py of the folder, ended."""
        folder.mkdir(parents=True)
        (folder / "p.py").write_text(HEAD + body + "\n")
        file = folder / "w.pt"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            torch.save(state() if content is None else content, file)
        given = sources.resolve([str(file)])
        problem = agreed(folder / "p.py")
        return self.wait(
            self.catalog, sources.order(self.catalog, given, problem, {}, name=folder.name)
        )


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served by this process."""
    folder = tmp_path_factory.mktemp("bad")
    catalog = new_catalog(folder / "catalog")
    served = Served(catalog, folder, ended_here)
    assert served.imported(folder / "good", "def problem(): return made()").status == "done"
    yield served
    catalog.close()


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served by a supervisor and its worker."""
    folder = tmp_path_factory.mktemp("dangerous")
    with supervised(folder / "catalog") as (catalog, _):
        served = Served(catalog, folder, ended)
        assert served.imported(folder / "good", "def problem(): return made()").status == "done"
        yield served


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Served:
    """The one or the other, as the case of a test is."""
    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    served: Served = request.getfixturevalue("beside" if case in DANGEROUS else "here")
    return served


def ended_here(catalog: Catalog, job_id: str) -> records.Job:
    """The job, ended with all that waits."""
    work(catalog)
    return catalog.job(job_id)


def without_jobs(catalog: Catalog) -> str:
    return dumped(catalog).split('"jobs"')[0]


def check_refusal(catalog: Catalog, job: records.Job, words: tuple[str, ...], before: str) -> None:
    """One line with all the words, and a catalog as before."""
    assert job.status == "failed"
    said = job.error or ""
    assert "\n" not in said and "Traceback" not in said
    assert [word for word in words if word not in said] == [], said
    assert without_jobs(catalog) == before


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_bad_problem_is_one_sentence(served: Served, case: str) -> None:
    """The file, what is wrong and where, the way out; the catalog as before, the worker alive."""
    catalog, folder = served.catalog, served.folder
    body, words = PROBLEMS[case]
    before = without_jobs(catalog)
    job = served.imported(folder / f"problem {case}", body)
    path = str(folder / f"problem {case}" / "p.py")
    check_refusal(catalog, job, (path, *words), before)


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_bad_checkpoint_is_one_sentence(served: Served, case: str) -> None:
    """The file, the key, the way out; nothing runs, nothing is stored."""
    catalog, folder = served.catalog, served.folder
    content, words = CHECKPOINTS[case]
    at = folder / f"file {case}"
    before = without_jobs(catalog)
    job = served.imported(at, "def problem(): return made()", content(folder))
    check_refusal(catalog, job, (str(at / "w.pt"), *words), before)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "loss",
    [
        "accuracy",
        "lambda o, b: cross_entropy(o.detach(), b)",
        "lambda o, b: (o.argmax(1) != b[1]).float()",
    ],
)
def test_a_loss_without_gradient(served: Served, loss: str) -> None:
    """It is imported with a warning that names the file; a line along the gradient says why not."""
    catalog, folder = served.catalog, served.folder
    at = folder / f"gradient {abs(hash(loss))}"
    job = served.imported(at, f"def problem(): return made(loss={loss})")
    model = storing.imported_model(catalog, job)
    assert model is not None
    (warning,) = storing.warnings(catalog, model)
    assert warning.startswith(f"{at / 'p.py'}: the loss has no gradient: ")
    settings = LineSettings(direction="gradient", x_count=5)
    key = questions.ask(catalog, LINE, model, settings)
    failed = served.wait(catalog, catalog.active_job_for(key).id)
    assert failed.error.startswith("the loss has no gradient: ")
    assert "choose a random direction" in failed.error
    line = served.wait(catalog, _asked(catalog, model))
    assert line.status == "done", line.error


def _asked(catalog: Catalog, model: records.Model) -> str:
    """The job of a line along a random direction."""
    return catalog.active_job_for(questions.ask(catalog, LINE, model, LineSettings(x_count=5))).id


@pytest.mark.parametrize(
    ("body", "content", "words"),
    [
        ("made()", {"1.bias": torch.full((3,), torch.nan)}, "NaN or infinite weights in w (3)"),
        ("made()", {"1.bias": torch.ones(3).half()}, "1.bias and others are float16"),
        (
            "made(loss=lambda o, b: cross_entropy(o, b) * float('nan'))",
            {},
            "nan on train, though its weights are finite",
        ),
        (
            "made()",
            {"1.bias": torch.full((3,), 1e300, dtype=torch.float64)},
            "on train, though its weights are finite",
        ),
    ],
    ids=["NaN", "half", "NaN loss", "beyond float32"],
)
def test_what_is_odd_but_allowed_is_warned_of(
    served: Served, body: str, content: dict, words: str
) -> None:
    """Such models are stored with their values as they are, and one sentence says so."""
    catalog, folder = served.catalog, served.folder
    at = folder / words[:20].strip() / body[:8] / str(len(words))
    job = served.imported(at, f"def problem(): return {body}", state() | content)
    assert job.status == "done", job.error
    model = storing.imported_model(catalog, job)
    assert model is not None
    assert [said for said in storing.warnings(catalog, model) if words in said]


def test_a_good_problem_has_no_warning_and_keeps_its_worker(beside: Served) -> None:
    """After all that the same worker imports a good model; BatchNorm and dropout are no offence."""
    catalog, folder = beside.catalog, beside.folder
    job = beside.imported(
        folder / "good again",
        "def problem(): return made(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3), nn.Dropout()))",
    )
    assert job.status == "done", job.error
    model = storing.imported_model(catalog, job)
    assert model is not None and storing.warnings(catalog, model) == []


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    """A path that leads to no file is one short sentence with the way out; no pipe is waited on."""
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "loose.pt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    said = {
        "pipe.pt": "is no file that holds weights; check the path",
        "loose.pt": "there is no file",
        "folder": "holds neither a recorded run",
        "x" * 300: "cannot be read (File name too long); check its path",
        "a\0b": "has no null character",
    }
    for name, words in said.items():
        (error,) = sources.resolve([f"{tmp_path}/{name}"]).errors
        assert words in error and len(error) < 400
        with pytest.raises(ValueError, match=r"check (the|its) path|name the problem file"):
            sources.problem_file(f"{tmp_path}/{name}")
    (error,) = sources.resolve(["~nobody_here/x.pt"]).errors
    assert error == "there is no home folder ~nobody_here; write ~nobody_here/x.pt in full"


def test_an_optimisers_state_is_no_checkpoint(tmp_path: Path) -> None:
    """A pattern over a recorded run's folder passes over the files of the optimiser."""
    for name in ("step_1.safetensors", "step_1.optimizer.safetensors", "step_2.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    resolved_sources = sources.resolve([f"{tmp_path}/*.safetensors"])
    assert [c.file.name for c in resolved_sources.checkpoints] == [
        "step_1.safetensors",
        "step_2.safetensors",
    ]
