"""Only code that was agreed to is loaded in this process, from the very bytes that were hashed."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from zipimport import zipimporter

from explorer.own_code import is_own

_refusals: list["FileNotAdmitted"] = []


class FileNotAdmitted(BaseException):
    """A file that the user has not agreed to run; no `except Exception` of its own hides it."""


def admit(files: Mapping[Path, str], problem: Path, refusal: Callable[[Path], str]) -> None:
    """From now on load no file of the user's own but these; bytecode beside them is not looked at.

    It holds for whatever Python's own loaders load: `import` statements, `import_module`,
    `spec_from_file_location`; not for text that is read and executed. Compiled modules are looked
    at in and below the problem file's folder: libraries make some of their own elsewhere.

    Args:
        files: sha256 of each by resolved path.
        problem: the problem file.
        refusal: why a file is refused, in words.
    """
    _Admission(files, problem.resolve().parent, refusal).take_over()


@dataclass(frozen=True)
class _Admission:
    """The files that may be loaded, and Python's loaders bound to them."""

    files: Mapping[Path, str]  # sha256 by resolved path
    folder: Path  # of the problem file
    refusal: Callable[[Path], str]

    def content(self, name: str) -> bytes | None:
        """The bytes of a file that may be loaded; None where it is none of the user's.

        Raises:
            FileNotAdmitted: it is the user's own and not among the files, or has changed.
        """
        path = Path(name).resolve()
        if path not in self.files and not is_own(path):
            return None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.files.get(path):
            _refusals.append(FileNotAdmitted(self.refusal(path)))
            raise _refusals[-1]
        return content

    def take_over(self) -> None:
        """Let Python's loaders ask first, from now on."""
        self._guard_sources()
        self._guard_bytecode()
        self._guard_extensions()

    def _guard_sources(self) -> None:
        unguarded = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
            content = self.content(loader.path)
            if content is None:
                return unguarded(loader, fullname)
            return loader.source_to_code(content, loader.path)

        SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]

    def _guard_bytecode(self) -> None:
        sourceless, zipped = SourcelessFileLoader.get_code, zipimporter.get_code

        def get_sourceless(loader: SourcelessFileLoader, fullname: str) -> CodeType | None:
            self.content(loader.path)
            return sourceless(loader, fullname)

        def get_zipped(loader: zipimporter, fullname: str) -> CodeType:
            self.content(loader.archive)
            return zipped(loader, fullname)

        SourcelessFileLoader.get_code = get_sourceless  # type: ignore[assignment, method-assign]
        zipimporter.get_code = get_zipped  # type: ignore[assignment, method-assign]

    def _guard_extensions(self) -> None:
        unguarded = ExtensionFileLoader.create_module

        def create_module(loader: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
            path = Path(loader.path).resolve()
            if path in self.files or path.is_relative_to(self.folder):
                self.content(loader.path)
            return unguarded(loader, spec)

        ExtensionFileLoader.create_module = create_module  # type: ignore[assignment, method-assign]


def check_admitted() -> None:
    """Stop where a file was refused and the user's code went on without it.

    Raises:
        FileNotAdmitted: one was refused.
    """
    if _refusals:
        raise _refusals[0]
