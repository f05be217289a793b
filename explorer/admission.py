"""Only code that was agreed to is loaded in this process, from the very bytes that were hashed."""

import hashlib
from collections.abc import Callable, Mapping
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
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
    source, create = SourceFileLoader.get_code, ExtensionFileLoader.create_module
    sourceless, zipped = SourcelessFileLoader.get_code, zipimporter.get_code

    def checked(name: str) -> bytes | None:
        """The bytes of a file that may be loaded; None where it is none of the user's."""
        path = Path(name).resolve()
        if path not in files and not is_own(path):
            return None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != files.get(path):
            _refusals.append(FileNotAdmitted(refusal(path)))
            raise _refusals[-1]
        return content

    def get_source(self: SourceFileLoader, fullname: str) -> CodeType | None:
        content = checked(self.path)
        if content is None:
            return source(self, fullname)
        return self.source_to_code(content, self.path)

    def get_sourceless(self: SourcelessFileLoader, fullname: str) -> CodeType | None:
        checked(self.path)
        return sourceless(self, fullname)

    def get_zipped(self: zipimporter, fullname: str) -> CodeType:
        checked(self.archive)
        return zipped(self, fullname)

    def create_module(self: ExtensionFileLoader, spec: Any) -> ModuleType:
        path = Path(self.path).resolve()
        if path in files or path.is_relative_to(problem.resolve().parent):
            checked(self.path)
        return create(self, spec)

    SourceFileLoader.get_code = get_source  # type: ignore[assignment, method-assign]
    SourcelessFileLoader.get_code = get_sourceless  # type: ignore[method-assign]
    zipimporter.get_code = get_zipped  # type: ignore[method-assign]
    ExtensionFileLoader.create_module = create_module  # type: ignore[method-assign]


def check_admitted() -> None:
    """Stop where a file was refused and the user's code went on without it.

    Raises:
        FileNotAdmitted: one was refused.
    """
    if _refusals:
        raise _refusals[0]
