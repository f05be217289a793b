"""What this user has agreed to run: hashes of all code of a problem file, kept outside any catalog.

A catalog that comes from somebody else brings paths, never an agreement.
"""

import contextlib
import hashlib
import json
import os
import shlex
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.own_code import SAMPLES, Code, OwnFile, code_of
from explorer.private_folder import VARIABLE, made_private_folder, private_folder


class ConsentError(ValueError):
    """Code that this user has not agreed to run; the message says how to."""


def code_to_agree(problem: Path, also: Sequence[Path] = ()) -> Code:
    """What the user is asked about: all that the file is seen to load, or was once seen to load.

    Raises:
        ConsentError: a file cannot be read.
    """
    try:
        visible_code = code_of(problem)
        noted_files = [file for file in _noted_paths(visible_code) if file.is_file()]
        return code_of(problem, [*also, *noted_files]) if also or noted_files else visible_code
    except OSError as error:
        raise _unreadable(error, problem) from error


def agree(code: Code) -> None:
    """Keep that the user agreed to run this code: these very bytes at these paths.

    Raises:
        ConsentError: it cannot be written down.
    """
    files = [{"path": str(f.path), "name": f.name, "sha256": f.digest} for f in code.files]
    content = {"problem": str(code.problem), "files": files, "time": time.time()}
    _write(_folder(code.problem) / f"{code.hash}.json", content)


def agreed_code(problem: Path, source_hash: str = "") -> Code:
    """The code as it lies there, where the user has agreed to run it; nothing is executed.

    The shipped samples are part of this program.

    Args:
        problem: the file.
        source_hash: of the code that is wanted, should the user have agreed to several; where
            what was agreed to last is other code, that is returned.

    Raises:
        ConsentError: it is not agreed to, or has changed since.
    """
    if not problem.is_file():
        raise ConsentError(f"there is no problem file {problem}; check the path")
    try:
        code = code_of(problem)
    except OSError as error:
        raise _unreadable(error, problem) from error
    if code.problem.is_relative_to(SAMPLES):
        return code
    agreements = _agreements(code.problem)
    candidates = [agreement.matching_code(code) for agreement in agreements]
    matching_codes = [
        candidate for candidate in candidates if candidate and source_hash in ("", candidate.hash)
    ]
    if matching_codes:
        return matching_codes[0]
    if not candidates or candidates[0] is None:
        raise ConsentError(_refusal_reason(code, agreements))
    return candidates[0]


def note_loaded_file(problem: Path, file: Path) -> None:
    """Keep that the problem file loads another in a way that cannot be seen: it is asked about."""
    with contextlib.suppress(ConsentError, OSError):  # the refusal names the file too
        visible_code = code_of(problem)
        _write(_notes(visible_code), sorted({*map(str, _noted_paths(visible_code)), str(file)}))


def agree_command(problem: Path, *also: Path) -> str:
    """The command that shows the code and asks."""
    files = [word for file in also for word in ("--also", str(file))]
    return shlex.join(["python", "-m", "explorer", "agree", str(problem), *files])


@dataclass(frozen=True)
class _Agreement:
    """The files that the user agreed to at one time."""

    files: tuple[tuple[Path, str, str], ...]  # path, name in the hash, sha256
    time: float

    def matching_code(self, code: Code) -> Code | None:
        """The code with what else was agreed to, if all of it lies there as it was."""
        agreed = {path: digest for path, _, digest in self.files}
        if any(agreed.get(path) != digest for path, digest in code.digests.items()):
            return None
        more = [OwnFile(p, n, _content_of(p)) for p, n, _ in self.files if p not in code.digests]
        if any(file.digest != agreed[file.path] for file in more):
            return None
        return Code(code.problem, (*code.files, *more))

    def difference_text(self, code: Code) -> str:
        """What is no longer as it was."""
        now = code.digests
        for path, _, digest in self.files:
            if now.get(path, hashlib.sha256(_content_of(path)).hexdigest()) != digest:
                return f"{path} has changed since you agreed to run {code.problem.name}"
        agreed_paths = {path for path, *_ in self.files}
        new = next(path for path in now if path not in agreed_paths)
        return f"{code.problem} now loads {new}, which you have not agreed to run"


def _refusal_reason(code: Code, agreements: list[_Agreement]) -> str:
    """Why the code as it lies there may not be run, and what to do."""
    if agreements:
        what = agreements[0].difference_text(code)
    else:
        count = len(code.files) - 1
        loads = f" and the {count} file{'s' * (count > 1)} that it loads" if count else ""
        what = f"you have not agreed to run {code.problem}{loads}"
    return f"{what}; read and agree: {agree_command(code.problem)}"


def _agreements(problem: Path) -> list[_Agreement]:
    """All that the user agreed to for this file, the last one first."""
    agreements = []
    for file in _folder(problem).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            if file.stat().st_uid != os.getuid():
                continue  # somebody else's yes
            content = json.loads(file.read_text())
            entries = content["files"]
            files = tuple((Path(e["path"]), e["name"], e["sha256"]) for e in entries)
            agreements.append(_Agreement(files, content["time"]))
    return sorted(agreements, key=lambda agreement: -agreement.time)


def _noted_paths(visible_code: Code) -> list[Path]:
    """What was once seen to be loaded by this very code beside what can be seen in it."""
    try:
        return [Path(text) for text in json.loads(_notes(visible_code).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def _notes(visible_code: Code) -> Path:
    return _folder(visible_code.problem) / f"{visible_code.hash}.loads"


def _folder(problem: Path) -> Path:
    """Where agreements to run this file are kept."""
    digest = hashlib.sha256(os.fsencode(problem)).hexdigest()
    return private_folder() / "agreed" / digest[:32]


def _write(path: Path, content: object) -> None:
    """Write a file of the user's own, whole or not at all.

    Raises:
        ConsentError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        for folder in (made_private_folder() / "agreed", path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file)
        partial.replace(path)
    except OSError as error:
        raise ConsentError(
            f"your agreement cannot be kept in {path.parent} ({error.strerror}); "
            f"free it, or name another folder in {VARIABLE}"
        ) from error


def _content_of(path: Path) -> bytes:
    """What lies there, nothing where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _unreadable(error: OSError, problem: Path) -> ConsentError:
    what, why = error.filename or problem, error.strerror or error
    return ConsentError(f"{what} cannot be read ({why}); check its permissions")
