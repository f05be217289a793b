"""Which files of the user's own a problem loads, found without running any of them."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from explorer.own_code import SAMPLES, code_of, is_own


def written(folder: Path, files: dict[str, str]) -> Path:
    """The files in the folder; the problem file p.py among them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "p.py"


def names(problem: Path, folder: Path) -> list[str]:
    """The files that it loads, relative to the folder, the problem file left out."""
    first, *others = code_of(problem).files
    assert first.path == problem.resolve()
    return sorted(os.path.relpath(file.path, folder.resolve()) for file in others)


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import nets", ["nets.py"]),
        ("def problem():\n    from nets import net", ["nets.py"]),
        ("class A:\n    def forward(self, x):\n        import nets.deep", ["nets.py"]),
        ("try:\n    import nets\nexcept ImportError:\n    pass", ["nets.py"]),
        ("import package.low", ["nets.py", "package/__init__.py", "package/low.py"]),
        ("from package import low", ["nets.py", "package/__init__.py", "package/low.py"]),
        ("from package import NAME", ["package/__init__.py"]),
        ("import space.inner", ["space/inner.py"]),
        ("from space import inner", ["space/inner.py"]),
        ("import importlib\nm = importlib.import_module('nets')", ["nets.py"]),
        ("import torch, os, json, explorer.problem, sample_models", []),
        ("if __name__ == '__main__':\n    import nets", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nets", []),
        ("def broken(:", []),
    ],
)
def test_imports_are_followed_at_any_depth(
    tmp_path: Path, statement: str, loaded: list[str]
) -> None:
    """Statements in functions, packages and what they import relatively, namespaces; no library."""
    files = {
        "nets.py": "import torch",
        "package/__init__.py": "NAME = 1",
        "package/low.py": "from . import NAME\nfrom .missing import x\nimport nets",
        "space/inner.py": "",
        "unused.py": "",
        "p.py": statement,
    }
    assert names(written(tmp_path, files), tmp_path) == loaded


@pytest.mark.parametrize(
    "line",
    [
        "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))",
        "sys.path.append('..')",
        "sys.path.append(str(Path(__file__).resolve().parents[1]))",
        "sys.path += [str(Path(__file__).parent.parent / 'lib')]",
    ],
)
def test_folders_that_a_file_adds_to_the_path_are_looked_into(tmp_path: Path, line: str) -> None:
    """A package in the parent folder, or in one beside it, however it is put on the path."""
    place = "lib/shared" if "lib" in line else "shared"
    files = {
        f"{place}/__init__.py": "from .net import Net",
        f"{place}/net.py": "Net = None",
        "work/p.py": f"import os, sys\nfrom pathlib import Path\n{line}\nfrom shared import Net",
    }
    written(tmp_path, files)
    loaded = names(tmp_path / "work" / "p.py", tmp_path)
    assert loaded == [f"{place}/__init__.py", f"{place}/net.py"]


def test_a_package_that_is_installed_to_be_edited_is_the_user_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a .pth file or PYTHONPATH puts on Python's path from elsewhere."""
    written(tmp_path, {"elsewhere/mine/__init__.py": "", "work/p.py": "import mine"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "elsewhere")])
    code = code_of(tmp_path / "work" / "p.py")
    assert [file.name for file in code.files] == ["p.py", "mine"]


def test_libraries_and_the_program_are_nobody_s_own() -> None:
    """Python, installed packages and this program are not; a file anywhere else is."""
    assert not is_own(Path(os.__file__).resolve())
    assert not is_own(Path(pytest.__file__).resolve())
    assert not is_own(SAMPLES / "digits_mlp.py")
    assert is_own(Path("/home/somebody/project/nets.py"))


def test_the_hash_is_the_one_under_which_problems_are_stored(tmp_path: Path) -> None:
    """Of one file: its content alone; of several: those beside it by their relative names."""
    problem = written(tmp_path, {"p.py": "X = 1"})
    sha = hashlib.sha256(b"X = 1").digest()
    assert code_of(problem).hash == hashlib.sha256(b"\0" + sha).hexdigest()
    written(tmp_path, {"p.py": "import q.r", "q/__init__.py": "", "q/r.py": "Y = 2"})
    digest = hashlib.sha256()
    for name, content in (("", b"import q.r"), ("q/__init__.py", b""), ("q/r.py", b"Y = 2")):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    assert code_of(problem).hash == digest.hexdigest()


def test_each_file_counts_and_the_place_does_not(tmp_path: Path) -> None:
    """A copy of the project has the same hash, one of its files edited another."""
    files = {"work/p.py": "import sys\nsys.path.append('..')\nimport lib", "lib.py": "A = 1"}
    written(tmp_path / "a", files)
    written(tmp_path / "b" / "c", files)
    one = code_of(tmp_path / "a" / "work" / "p.py").hash
    assert code_of(tmp_path / "b" / "c" / "work" / "p.py").hash == one
    (tmp_path / "a" / "lib.py").write_text("A = 2")
    assert code_of(tmp_path / "a" / "work" / "p.py").hash != one
