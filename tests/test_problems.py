from pathlib import Path

import pytest

from explorer.analysis.model.problems import ProblemError, load_problem

FILE = """
import torch
from explorer.problem import Problem, cross_entropy
from {sibling} import WIDTH

def problem(scale=1.0):
    data = {{"train": (scale * torch.ones(5, 2), torch.zeros(5, dtype=torch.int64))}}
    return Problem(torch.nn.Linear(2, WIDTH), data, cross_entropy)
"""


def written(folder: Path, name: str = "mine.py", width: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "width_of_it.py").write_text(f"WIDTH = {width}\n")
    (folder / name).write_text(FILE.format(sibling="width_of_it"))
    return folder / name


def test_a_module_beside_it_belongs_to_the_problem(tmp_path: Path) -> None:
    """Loading twice in a process gives one hash; editing a module beside it another, at once."""
    first = load_problem(written(tmp_path), {})
    again = load_problem(written(tmp_path), {})
    assert first.source_hash == again.source_hash
    edited = load_problem(written(tmp_path, width=4), {})
    assert edited.source_hash != first.source_hash
    assert edited.problem.model.out_features == 4


def test_the_place_and_name_of_the_file_do_not_count(tmp_path: Path) -> None:
    """The same content elsewhere and under another name is the same problem."""
    one = load_problem(written(tmp_path / "a"), {})
    other = load_problem(written(tmp_path / "b", "renamed.py"), {})
    assert one.source_hash == other.source_hash


def test_data_change_the_fingerprint(tmp_path: Path) -> None:
    """Arguments that change the data change the fingerprint of the split, not the source."""
    one, other = (
        load_problem(written(tmp_path), {}),
        load_problem(written(tmp_path), {"scale": 2.0}),
    )
    assert one.splits["train"].fingerprint != other.splits["train"].fingerprint
    assert one.source_hash == other.source_hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have a function problem"),
        ("1 / 0", "ZeroDivisionError"),
        ("def problem(): return 3", "must return a Problem, got int"),
        ("def problem(): raise KeyError('data')", "failed: KeyError"),
        ("def problem(", "SyntaxError"),
    ],
)
def test_what_is_no_problem_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    """A file that declares no usable problem is refused with its path and the reason."""
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ProblemError, match=said) as caught:
        load_problem(path, {})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["Top-1", "loss", "x", "1st", ""])
def test_metric_names_are_columns(tmp_path: Path, name: str) -> None:
    """A metric whose name cannot be a column is refused at import, not when its values come."""
    text = FILE.replace("cross_entropy)\n", f"cross_entropy, {{{{{name!r}: cross_entropy}}}})\n")
    path = written(tmp_path)
    path.write_text(text.format(sibling="width_of_it"))
    with pytest.raises(ProblemError, match="a metric's name must be"):
        load_problem(path, {})


def test_a_missing_module_is_looked_for_above_the_file(tmp_path: Path) -> None:
    """One that lies in a folder above is told so: "put it beside the file" would be no help."""
    (tmp_path / "lying_above.py").write_text("")
    (tmp_path / "work").mkdir()
    path = tmp_path / "work" / "seeker.py"
    path.write_text("def problem():\n    import lying_above\n")
    with pytest.raises(ProblemError) as caught:
        load_problem(path, {})
    assert str(caught.value).endswith(
        f"'lying_above' (line 2 of seeker.py); it lies in {tmp_path}: have the file add that "
        "folder to sys.path"
    )


def test_the_line_told_is_the_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a file in another folder, which the file has added; never a frame of no file."""
    (tmp_path / "raising_above.py").write_text("def fail():\n    exec('raise KeyError(1)')\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")  # as in the process of a problem
    path = tmp_path / "work" / "raiser.py"
    path.write_text("from raising_above import fail\ndef problem():\n    fail()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProblemError, match=r"KeyError: 1 \(line 2 of raising_above\.py\); mend it"):
        load_problem(path, {})
