"""A share as it arrives on a node: its code, its tensors and its request, for a worker there.

The problem file runs where it lies if the very code that the user has agreed to lies there too, as
on a shared file system; else a copy of that code runs, laid out as it was.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from explorer import consent
from explorer.contracts.request import AnswerRequest, Request
from explorer.jobs.engine.events import Parcel
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.spool import Spool
from explorer.jobs.whole_file import write_whole
from explorer.own_code import SAMPLES, Code

ContentOf = Callable[[str], bytes]  # of a file of tensors, by its name on the node


class Delivery:
    """Where what a parcel brings lies in the folder of a node."""

    def __init__(self, parcel: Parcel, folder: Path) -> None:
        self._parcel = parcel
        self._tensors = folder / "tensors"
        self._copy = folder / "code" / parcel.code.hash
        self.in_place = all(self._lies_there(path) for path in parcel.code.digests)

    def _lies_there(self, path: Path) -> bool:
        """Whether a file of the code has the same content here."""
        own = {file.path: file.content for file in self._parcel.code.files}
        with contextlib.suppress(OSError):
            return self._own_place(path).read_bytes() == own[path]
        return False

    def _own_place(self, path: Path) -> Path:
        """The same path, but for the shipped samples, of which each machine has its own."""
        samples = self._parcel.samples
        return SAMPLES / path.relative_to(samples) if path.is_relative_to(samples) else path

    def place_of(self, path: Path) -> Path:
        """Where a file or folder of the user's own lies here."""
        return (
            self._own_place(path) if self.in_place else self._copy / path.relative_to(path.anchor)
        )

    def own_words(self, text: str) -> str:
        """A text of this machine with the paths that the user knows."""
        copied = text.replace(f"{self._copy}{os.sep}", os.sep)
        return copied.replace(str(SAMPLES), str(self._parcel.samples))

    @property
    def python_path(self) -> str:
        """Where modules of the user's own are looked for, as the environment says it."""
        return os.pathsep.join(str(self.place_of(path)) for path in self._parcel.python_path)

    def offer(self, spool: Spool, content_of: ContentOf) -> JobFolder:
        """Put the share up for the worker of this node.

        Raises:
            ConsentError: the agreement cannot be written down here.
        """
        self._bring_code()
        self._bring_tensors(content_of)
        job = JobFolder(spool.folder / self._parcel.folder)
        job.remove()  # of a share before, which was given up
        job.offer(self._own_request())
        return job

    def _bring_code(self) -> None:
        """Have the code here, and the agreement to it: the user's, checked where it was sent."""
        code = self._parcel.code
        files = tuple(replace(file, path=self.place_of(file.path)) for file in code.files)
        for file in files if not self.in_place else ():
            file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(file.path, file.content)
        consent.agree(Code(self.place_of(code.problem), files))

    def _bring_tensors(self, content_of: ContentOf) -> None:
        """Have the tensors of this share here, and no others."""
        self._tensors.mkdir(mode=0o700, exist_ok=True)
        wanted = set(self._parcel.tensors.values())
        for file in self._tensors.iterdir():
            if file.name not in wanted:
                file.unlink()
        for name in wanted:
            if not (self._tensors / name).exists():
                write_whole(self._tensors / name, content_of(name))

    def _own_request(self) -> Request:
        """The request with the paths of this machine."""
        request = self._parcel.request
        problem = self.place_of(request.problem.resolve())
        if not isinstance(request, AnswerRequest):
            return replace(request, problem=problem)
        names = self._parcel.tensors
        states = {
            unit: tuple(self._tensors / names[file] for file in files)
            for unit, files in request.states.items()
        }
        files = tuple(self._tensors / names[file] for file in request.files)
        return replace(request, problem=problem, files=files, states=states)
