"""What is named for an import: files, patterns and recorded runs become checkpoints in order."""

import errno
import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explorer import recorded_runs
from explorer.codec import Json
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing import checkpoint_names
from explorer.importing.checkpoint_names import natural_key
from explorer.importing.order import order_import
from explorer.recording import HEAD, OPTIMIZER, Recording, Snapshot
from explorer.wording import one_line
from store import Catalog

# In a folder of save_pretrained.
HUGGING_FACE = ("model.safetensors*", "pytorch_model.bin*", "adapter_model.*")


@dataclass(frozen=True)
class Sources:
    """The checkpoints of one model."""

    checkpoints: tuple[Checkpoint, ...]  # in order; the last is final
    recording: Recording | None  # the run that they are of
    errors: tuple[str, ...]  # a sentence for each name that gives none

    @property
    def name(self) -> str:
        """What to call the model unless a name is given."""
        if self.recording:
            return self.recording.folder.resolve().name
        if not self.checkpoints:
            return ""
        if not self.checkpoints[-1].label:
            return self.checkpoints[-1].file.stem
        return Path(os.path.commonpath([c.file for c in self.checkpoints])).name or "model"


def resolve(named: Iterable[str]) -> Sources:
    """The checkpoints that these names stand for: files, patterns, or the folder of one run.

    A pattern's files come in natural order: step_9 before step_10. A file named twice counts where
    it was named last.
    """
    named = list(named)
    files: dict[Path, None] = {}
    recordings: list[Recording] = []
    errors: list[str] = []
    for name in named:
        try:
            for path in _matching_paths(name):
                if recorded_runs.is_run(path):
                    recordings.append(_complete_recording(path))
                else:
                    files.pop(path, None)
                    files[_readable_path(path)] = None
        except OSError as error:
            errors.append(read_error_text(error, name))
        except ValueError as error:
            errors.append(str(error))
    if recordings and (files or len(recordings) > 1):
        folder = recordings[0].folder
        errors.append(f"a recorded run is a model of its own; import {folder} by itself")
    if recordings:
        recording = recordings[0]
        saved = tuple(map(_checkpoint, recording.snapshots))
        return Sources(saved, recording, tuple(errors))
    in_order = list(files)
    if len(in_order) == len(named):  # no pattern of ours, maybe one of the shell's
        in_order = checkpoint_names.ordered_files(in_order)
    return Sources(_labelled_files(in_order), None, tuple(errors))


def _labelled_files(files: Sequence[Path]) -> tuple[Checkpoint, ...]:
    """The files as an import takes them, with a label where their own names do not tell them apart.

    A step is the number that their names differ by, if they do.
    """
    names = checkpoint_names.checkpoint_labels(files)
    steps = checkpoint_names.label_steps(names)
    return tuple(
        Checkpoint(file=file, step=step, label="" if label == file.stem else label)
        for file, label, step in zip(files, names, steps, strict=True)
    )


def _checkpoint(snapshot: Snapshot) -> Checkpoint:
    """A snapshot as an import takes it, with the file of its optimiser's state if there is one."""
    state = snapshot.optimizer
    if state is not None:
        state = state.resolve() if state.is_file() else None
    return Checkpoint(file=snapshot.file, step=snapshot.step, optimizer=state)


def _matching_paths(name: str) -> list[Path]:
    """The path of that name, or those that the pattern matches, in natural order."""
    path = expanded_path(name)
    if path.exists():
        return [path]
    if not re.search(r"[*?[]", name):
        raise ValueError(f"there is no file {one_line(path)}; check the path")
    # unlike Path.glob it passes over hidden files, as those that a Recorder is still writing
    matching_paths = sorted(glob.glob(str(path), recursive=True), key=natural_key)  # noqa: PTH207
    matching_paths = [match for match in matching_paths if not match.endswith(OPTIMIZER)]
    if not matching_paths:
        raise ValueError(f"nothing matches {one_line(path)}; check the pattern")
    return [Path(match) for match in matching_paths]


def expanded_path(name: str) -> Path:
    """The path that somebody typed, `~` being a home folder.

    Raises:
        ValueError: there is no such home folder, or no path can be so.
    """
    if "\0" in name:
        raise ValueError(f"a path has no null character, got {one_line(name)!r}; check the path")
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        user = Path(name).parts[0]
        raise ValueError(
            f"there is no home folder {one_line(user)}; write {one_line(name)} in full"
        ) from error


def problem_file(name: str) -> tuple[Path, bytes]:
    """The problem file that somebody typed, in full, and what it holds.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    path = expanded_path(name)
    try:
        if not path.is_file():
            if path.is_dir():
                raise ValueError(f"{path} is a folder; name the problem file in it")
            raise ValueError(f"there is no problem file {path}; check the path")
        return path.resolve(), path.read_bytes()
    except OSError as error:
        raise ValueError(read_error_text(error, name)) from error


def read_error_text(error: OSError, name: str) -> str:
    """Why a file cannot be read, and what to do."""
    denied = isinstance(error, PermissionError)
    out = "permissions" if denied else "path" if error.errno == errno.ENAMETOOLONG else "disk"
    what = one_line(error.filename or name)
    return f"{what} cannot be read ({error.strerror or error}); check its {out}"


def _complete_recording(folder: Path) -> Recording:
    recording = recorded_runs.recording_of(folder)
    for snapshot in recording.snapshots:
        if not snapshot.file.exists():
            raise ValueError(
                f"the run in {one_line(folder)} lacks its file {one_line(snapshot.file.name)}; "
                "copy it"
            )
    return recording


def _readable_path(path: Path) -> Path:
    """The path, which must be a file that can be opened, or a folder of Hugging Face's."""
    if path.is_dir():
        if not any(match for pattern in HUGGING_FACE for match in path.glob(pattern)):
            raise ValueError(
                f"{one_line(path)} holds neither a recorded run ({HEAD}) nor model.safetensors or "
                f"pytorch_model.bin, an adapter, or checkpoint-*; name its files, as in "
                f"{one_line(path / '*.pt')}"
            )
    elif not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{one_line(path)} is no file that holds weights; check the path")
    else:
        path.open("rb").close()  # safetensors calls a file that it may not read missing
    return path


def order(
    catalog: Catalog,
    sources: Sources,
    problem: Path,
    arguments: Json,
    *,
    name: str = "",
    part: str = "",
    direction: bool = False,
) -> str:
    """The job that imports the checkpoints as one model; of a run known already what is new.

    Args:
        catalog: where the model goes.
        sources: without errors.
        problem: the problem file, which the user agreed to run.
        arguments: of its function `problem`.
        name: of the model; the one that the run has already, or the source's, unless given.
        part: the key of the weights within each file; the usual one unless given.
        direction: whether the file holds no weights but a direction.

    Raises:
        ValueError: there is no checkpoint, or several that are to be one direction; or the
            arguments are no JSON values.
    """
    if sources.errors or not sources.checkpoints:
        missing = "name at least one checkpoint"
        if sources.recording:
            missing = f"the run in {sources.recording.folder} has no snapshot yet; follow it"
        raise ValueError("; ".join(sources.errors) or missing)
    if direction and (sources.recording or len(sources.checkpoints) > 1):
        raise ValueError(
            f"a direction must be one file, got {len(sources.checkpoints)}; import each by itself"
        )
    run = recorded_runs.run_folder_of(sources.recording) if sources.recording else None
    if run and not name:
        models = recorded_runs.models_of_run(catalog, run.identity, part)
        name = models[0].name if models else ""
    return order_import(
        catalog,
        problem,
        arguments,
        [replace(checkpoint, part=part) for checkpoint in sources.checkpoints],
        name or sources.name,
        facts={"part": part} if part else {},
        run=run,
        direction=direction,
    )
