"""The code that a problem file loads: every file of the user's own, found without running any.

Seen are `import` statements at any depth, `import_module` with a literal name, `__init__` files,
and folders that a file adds to `sys.path`; what is read and executed by other means is not.
"""

import ast
import hashlib
import importlib.machinery
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_models"
PROGRAM = (ROOT / "explorer", ROOT / "store", SAMPLES)
_SUFFIXES = (*importlib.machinery.EXTENSION_SUFFIXES, ".py", ".pyc")  # as Python looks for them
_LONGEST = 200  # characters of a text that may name a folder


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
        self._modules: dict[str, _Module | None] = {}

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
                for module_name in _module_names(_imports(content), package):
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

    def _module(self, name: str) -> "_Module | None":
        if self._modules.get(name) is None:  # what is missing may be found by a later hint
            self._modules[name] = self._find_module(name)
        return self._modules[name]

    def _find_module(self, name: str) -> "_Module | None":
        parent, _, last = name.rpartition(".")
        if parent:
            above = self._module(parent)
            return _in_folders(last, above.folders) if above else None
        if name in sys.builtin_module_names:
            return None
        module = _in_folders(name, self.folders) or _by_hooks(name)
        return module or _in_folders(name, self.hinted)

    def _take_hints(self, folder: Path, content: bytes) -> None:
        """Where a file changes sys.path: its folder's parents, and what its texts may name."""
        bases = (folder, *folder.parents)
        for text in _folder_names(content):
            for place in (str(base / text) for base in bases):
                if place not in self.hinted and os.path.isdir(place):  # noqa: PTH112 (many)
                    self.hinted.append(place)


@dataclass(frozen=True)
class _Module:
    """Where a module's code lies."""

    file: Path | None  # None for a namespace
    folders: tuple[str, ...]  # of its submodules, for a package


def _in_folders(name: str, folders: Iterable[str]) -> _Module | None:
    """The module as Python's own finder would find it; folders that are no package are last."""
    namespace: list[str] = []
    for folder in folders:
        at = os.path.join(folder, name)  # noqa: PTH118 (many)
        for suffix in _SUFFIXES:
            if os.path.isfile(init := f"{at}/__init__{suffix}"):  # noqa: PTH113
                return _Module(Path(init), (at,))
        for suffix in _SUFFIXES:
            if os.path.isfile(f"{at}{suffix}"):  # noqa: PTH113
                return _Module(Path(f"{at}{suffix}"), ())
        if os.path.isdir(at):  # noqa: PTH112
            namespace.append(at)
    return _Module(None, tuple(namespace)) if namespace else None


def _by_hooks(name: str) -> _Module | None:
    """The module as a finder of its own finds it: packages installed so as to be edited."""
    for finder in sys.meta_path:
        if isinstance(finder, type) and finder.__module__.startswith("_frozen_importlib"):
            continue  # Python's own
        try:
            spec = finder.find_spec(name, None)
        except Exception:  # another package's finder
            continue
        if spec is not None and (spec.origin or spec.submodule_search_locations):
            file = Path(spec.origin) if spec.has_location and spec.origin else None
            return _Module(file, tuple(spec.submodule_search_locations or ()))
    return None


def _search_path() -> list[str]:
    """Where modules are looked for after the problem's folder; not where a command was started."""
    given = {os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p}  # noqa: PTH100
    started = {"", str(Path.cwd()), str(ROOT)} - given
    return [entry for entry in sys.path if entry not in started]


def _path(file: OwnFile) -> Path:
    return file.path


_Import = tuple[int, str, tuple[str, ...]]  # dots before it, module, names taken from it


def _module_names(imports: Iterable[_Import], package: str) -> Iterator[str]:
    """Dotted names of all modules that these imports may load."""
    for level, module, names in imports:
        base = module
        if level:
            above = package.split(".") if package else []
            if level > len(above):
                continue  # fails when it is run
            base = ".".join([*above[: len(above) - level + 1], *([module] if module else [])])
        yield base
        yield from (f"{base}.{name}" for name in names)


@lru_cache(maxsize=2048)
def _tree(content: bytes) -> ast.Module | None:
    """The parsed file without what never runs on import; None where it is no Python."""
    try:
        return _ImportTimeOnly().visit(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # running it says what is wrong


class _ImportTimeOnly(ast.NodeTransformer):
    """Leaves out what stands under `if __name__ == "__main__"` and `if TYPE_CHECKING`."""

    def visit_If(self, node: ast.If) -> ast.AST:
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING") or (
            "__name__" in test and "__main__" in test and "==" in test
        ):
            node.body = [ast.Pass()]
        return self.generic_visit(node)


@lru_cache(maxsize=2048)
def _imports(content: bytes) -> tuple[_Import, ...]:
    """What a file imports."""
    return tuple(_imports_in(ast.walk(tree))) if (tree := _tree(content)) else ()


def _imports_in(nodes: Iterable[ast.AST]) -> Iterator[_Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func).rpartition(".")[2]
            text = getattr(node.args[0], "value", None)
            if name in ("import_module", "__import__") and isinstance(text, str) and text:
                module = text.lstrip(".")
                yield len(text) - len(module), module, ()


@lru_cache(maxsize=2048)
def _folder_names(content: bytes) -> tuple[str, ...]:
    """Texts of a file that may name a folder that it adds to sys.path; none if it adds none."""
    tree = _tree(content)
    if tree is None or not any(map(_is_sys_path, ast.walk(tree))):
        return ()
    constants = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return ("", *sorted({c for c in constants if isinstance(c, str) and _may_be_path(c)}))


def _is_sys_path(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "sys" and any(alias.name == "path" for alias in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"


def _may_be_path(text: str) -> bool:
    return 0 < len(text) < _LONGEST and text.isprintable()
