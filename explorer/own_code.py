"""The code that a problem file loads: every file of the user's own, found without running any.

Seen are `import` statements at any depth, `import_module` with a literal name, `__init__` files,
and folders that a file adds to `sys.path`; what is read and executed by other means is not.
"""

import hashlib
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from explorer.import_statements import folder_names, imports_of, module_names
from explorer.module_files import ModuleFiles, module_by_hooks, module_in_folders

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_models"
PROGRAM = (ROOT / "explorer", ROOT / "store", SAMPLES)


@dataclass(frozen=True)
class OwnFile:
    """One file of the user's own."""

    path: Path  # resolved
    name: str  # what stands for it in a hash: below the problem's folder its place, else its module
    content: bytes

    @property
    def digest(self) -> str:
        """sha256 of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Code:
    """A problem file and all files of the user's own that it may load."""

    problem: Path  # resolved
    files: tuple[OwnFile, ...]  # the problem file first

    @property
    def hash(self) -> str:
        """sha256 over all files; the problem file's own name, and where the folder is, may change.

        Names and order are those under which problems have been stored so far.
        """
        folder = self.problem.parent
        inside = sorted((f for f in self.files if f.path.is_relative_to(folder)), key=_path)
        outside = sorted((f for f in self.files if f not in inside), key=lambda f: f.name)
        digest = hashlib.sha256()
        for file in (*inside, *outside):
            name = "" if file.path == self.problem else file.name
            digest.update(name.encode() + b"\0")
            digest.update(hashlib.sha256(file.content).digest())
        return digest.hexdigest()

    @property
    def digests(self) -> dict[Path, str]:
        """sha256 of each file's bytes."""
        return {file.path: file.digest for file in self.files}


def code_of(problem: Path, also: Iterable[Path] = ()) -> Code:
    """What the problem file loads as the files are now.

    Args:
        problem: the file; relative imports aside it finds modules as `python FILE` does.
        also: files that it loads in a way that cannot be seen, and what these load.

    Raises:
        OSError: a file cannot be read.
    """
    walk = _Walk(problem.resolve())
    walk.add(walk.problem, problem.stem, is_package=False)
    for file in also:
        path = file.resolve()
        if path not in walk.files:
            walk.folders += [str(path.parent)]
            walk.add(path, path.stem, is_package=False)
    return Code(walk.problem, tuple(walk.files.values()))


def is_own(path: Path) -> bool:
    """Whether a resolved path is not Python's, an installed package's, or this program's."""
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _foreign())


@cache
def _foreign() -> tuple[Path, ...]:
    """Folders of Python, of installed packages and of this program."""
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    packages = [*site.getsitepackages(), site.getusersitepackages()]
    return (*(Path(p).resolve() for p in (*python, *packages) if p), *PROGRAM)


class _Walk:
    """Follows imports from file to file."""

    def __init__(self, problem: Path) -> None:
        self.problem = problem
        self.files: dict[Path, OwnFile] = {}
        self.folders = [str(problem.parent), *_search_path()]
        self.hinted: list[
            str
        ] = []  # folders that a file may add to sys.path, for what is not found
        self._modules: dict[str, ModuleFiles | None] = {}

    def add(self, path: Path, module: str, is_package: bool) -> None:
        """Take in a file of the user's own, and those that it imports."""
        waiting = [(path, module, is_package)]
        while waiting:
            path, module, is_package = waiting.pop()
            if path in self.files or not (is_own(path) or path == self.problem):
                continue
            folder = self.problem.parent
            inside = path.is_relative_to(folder)
            name = path.relative_to(folder).as_posix() if inside else module
            content = path.read_bytes()
            self.files[path] = OwnFile(path, name, content)
            if path.suffix == ".py":
                self._take_hints(path.parent, content)
                package = module if is_package else module.rpartition(".")[0]
                for module_name in module_names(imports_of(content), package):
                    waiting += self._files_along(module_name)

    def _files_along(self, name: str) -> Iterator[tuple[Path, str, bool]]:
        """The files of a module and of the packages that it is in."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            dotted = ".".join(parts[:count])
            module = self._module(dotted)
            if module is None:
                return
            if module.file is not None:
                yield module.file.resolve(), dotted, bool(module.folders)

    def _module(self, name: str) -> "ModuleFiles | None":
        if self._modules.get(name) is None:  # what is missing may be found by a later hint
            self._modules[name] = self._find_module(name)
        return self._modules[name]

    def _find_module(self, name: str) -> "ModuleFiles | None":
        parent, _, last = name.rpartition(".")
        if parent:
            above = self._module(parent)
            return module_in_folders(last, above.folders) if above else None
        if name in sys.builtin_module_names:
            return None
        module = module_in_folders(name, self.folders) or module_by_hooks(name)
        return module or module_in_folders(name, self.hinted)

    def _take_hints(self, folder: Path, content: bytes) -> None:
        """Where a file changes sys.path: its folder's parents, and what its texts may name."""
        bases = (folder, *folder.parents)
        for text in folder_names(content):
            for place in (str(base / text) for base in bases):
                if place not in self.hinted and os.path.isdir(place):  # noqa: PTH112 (many)
                    self.hinted.append(place)


def _search_path() -> list[str]:
    """Where modules are looked for after the problem's folder; not where a command was started."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    python_path = {os.path.abspath(entry) for entry in entries if entry}  # noqa: PTH100
    started = {"", str(Path.cwd()), str(ROOT)} - python_path
    return [entry for entry in sys.path if entry not in started]


def _path(file: OwnFile) -> Path:
    return file.path
