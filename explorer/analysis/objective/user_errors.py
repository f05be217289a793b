"""What went wrong in a user's code, as one sentence: the line, the reason, the way out."""

import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from explorer.analysis.objective.dataset import DataError
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.own_code import is_own

_OURS = Path(__file__).resolve().parents[2]
_STANDARD = Path(traceback.__file__).resolve().parent
_PRECISION = (
    "a tensor there has another precision than the weights: choose precision float32, or make it "
    "with theirs, by .to(outputs.dtype) in a loss, .to(next(model.parameters()).dtype) in forward"
)
LONGEST = 300  # characters of an error's own words
_DEVICE = re.compile(r"\bcuda\b|on device|same device|expected device|meta tensor", re.IGNORECASE)


_DTYPE = re.compile(
    r"same dtype|expected scalar type|Input type \(|does not match weight dtype", re.IGNORECASE
)
_WHOLE = re.compile(r"\b(long|int|bool|byte|char|short)\b|u?int\d+", re.IGNORECASE)


class ProblemError(ValueError):
    """A problem file that declares no usable problem; the message names the file."""


@contextmanager
def run_user_code(what: str, path: Path) -> Iterator[None]:
    """Run code of a problem file; `what` and `path` say which.

    Raises:
        ProblemError: whatever the code raises, also where it wants to end the program.
    """
    process = os.getpid()
    try:
        yield
    except ProblemError:
        raise
    except DataError as error:
        raise ProblemError(f"{path}, {error}") from error
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        kind, text = type(error).__name__, " ".join(str(error).split())
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        reason = f"{kind}: {text}" if text else kind
        raise ProblemError(
            f"{what} failed: {reason}{_place(path, error)}; {_way_out(error, path)}"
        ) from error
    finally:
        end_forked_copy(process)


def end_forked_copy(process: int) -> None:
    """End this process where it is another: a copy that the user's code has forked ends with it."""
    if os.getpid() != process:
        os._exit(0)


@contextmanager
def explain_problem_errors(path: Path) -> Iterator[None]:
    """A stretch of an answer, in which code of a problem file runs among ours.

    Raises:
        ProblemError: in place of what that code raises, or torch in what it was given by it.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, ProblemError) or not _is_theirs(error):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"
        way_out = _PRECISION if _is_mixed(error) else "mend it there, then import again"
        raise ProblemError(f"{path} failed: {reason}{_place(path, error)}; {way_out}") from error


def _is_theirs(error: BaseException) -> bool:
    """Whether what was called last, libraries apart, is not code of ours, or a ready function."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        library = bool({"site-packages", "dist-packages"} & set(file.parts))
        library = library or frame.name == "__torch_dispatch__"  # a mode that watches
        if library or file.is_relative_to(_STANDARD) or not file.is_file():
            continue
        return not file.is_relative_to(_OURS) or file == _OURS / "problem.py"
    return False


def _is_mixed(error: BaseException) -> bool:
    """Whether float32 meets float64."""
    words = set(re.findall(r"\w+", str(error).lower()))
    return {"float", "double"} <= words or {"float32", "float64"} <= words


def _place(path: Path, error: BaseException) -> str:
    """The last line of the problem file, or of another of the user's own, that was on the way."""
    return user_line(traceback.extract_tb(error.__traceback__), path)


def user_line(frames: Sequence[traceback.FrameSummary], path: Path) -> str:
    """As " (line 3 of p.py)" the last of these frames that is the user's own; "" without one."""
    for frame in reversed(frames):
        file = Path(frame.filename).resolve()
        if file.is_file() and (is_own(file) or file == path.resolve()):
            return f" (line {frame.lineno} of {file.name})"
    return ""


def _lies_above(module: str, path: Path) -> Path | None:
    """The folder above the problem file's in which a missing module lies, if one does."""
    top = module.split(".")[0]
    for folder in path.resolve().parent.parents:
        if (folder / f"{top}.py").is_file() or any((folder / top).glob("*.py")):
            return folder
    return None


def _way_out(error: BaseException, path: Path) -> str:
    text = str(error)
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return "take out what ends the program there"
    if isinstance(error, ModuleNotFoundError):
        if above := _lies_above(str(error.name), path):
            return f"it lies in {above}: have the file add that folder to sys.path"
        return "install it where the explorer runs, or put it beside the file"
    if is_out_of_memory(error):
        return "take fewer examples, or a device with more memory"
    if isinstance(error, TypeError) and text.startswith("problem() "):
        return "give the arguments that it takes, no others"
    if _DTYPE.search(text) and not _WHOLE.search(text):
        return (
            "parameters are held in float32, or in float64 where that is asked for, whatever the "
            "model was built in: cast to what the weights are, x.to(weight.dtype), in place of a "
            "fixed type"
        )
    if re.search(r"(got|\() ?(Byte|Char|Short|Int|Long|unsigned char)\b", text):
        return (
            "make whole numbers such as images of uint8 floats of the weights' precision: "
            "Problem(..., forward=lambda model, batch: "
            "model(batch[0].to(next(model.parameters()).dtype) / 255))"
        )
    if _DEVICE.search(text):
        return "leave model and data on the CPU: they are moved to the device that computes"
    return "mend it there, then import again"
