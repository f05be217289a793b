"""What one checkpoint file holds, read without running any of it and without trusting its sizes."""

import copy
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import safetensors
import safetensors.torch
import torch

from explorer.analysis.model.harmless_types import STAND_INS
from explorer.analysis.model.pickle_depth import MOST as DEEPEST
from explorer.analysis.model.pickle_depth import nests_deeply
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.wording import one_line, size

ARCHIVE = b"PK\x03\x04"  # how a file of torch.save begins
INFLATED = 20  # times a file's size that it may hold; torch.save packs nothing
SLACK = 1 << 24  # bytes that any file may take
READ_BYTES = 1 << 22
# torch allows a pickle to make `bytearray(n)` of any n, which takes and fills that memory.
_FILLS_MEMORY = (b"builtins\nbytearray\n", b"__builtin__\nbytearray\n")


class CheckpointError(ValueError):
    """A file that holds no weights for this model; the message names the file and the key."""


def file_content(path: Path) -> object:
    """What a file holds, by its content and not by its suffix: safetensors, or what torch saved.

    Of a pickle that are tensors and plain values; harmless types come as stand-ins.

    Raises:
        CheckpointError: it is missing, damaged, no checkpoint, far larger inside than outside, or
            wants to run code.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {one_line(path)}; check the path")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"{one_line(path)} cannot be read; check its permissions")
    _check_free_memory(path, path.stat().st_size)
    try:
        if _is_safetensors(path):
            return safetensors.torch.load_file(path)
        _check_archive(path)
        _check_pickle(path)
        with torch.serialization.safe_globals(STAND_INS), path.open("rb") as file:
            # by the open file, as torch would go by the suffix of a path
            return torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{one_line(path)} is no whole safetensors file ({one_line(error)}); save or copy it "
            "again"
        ) from error
    except Exception as error:  # torch.load raises a dozen types for damaged or hostile files
        raise CheckpointError(
            f"{one_line(path)} cannot be read as weights alone: {_why(path, error)}"
        ) from error


def _is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors do; one that begins as nothing goes by its suffix."""
    with path.open("rb") as file:
        head = file.read(9)
    header = struct.unpack("<Q", head[:8])[0] if len(head) == 9 else 0
    if head[8:] == b"{" and header < 1 << 40:  # first: each 32nd length begins as a pickle does
        return True
    return head[:4] != ARCHIVE and head[:1] != b"\x80" and path.suffix == ".safetensors"


def _check_archive(path: Path) -> None:
    """Refuse an archive that holds far more than its size, or whose bytes are not as written.

    torch itself does not look at the checksums. An archive without any was written so:
    `torch.serialization.set_crc32_options(False)`.

    Raises:
        CheckpointError: it is such an archive.
        zipfile.BadZipFile: it is cut off.
    """
    with path.open("rb") as file:
        if file.read(4) != ARCHIVE:
            return
    outside = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        held = sum(member.file_size for member in members)
        if held > INFLATED * outside + SLACK or sum(m.compress_size for m in members) > outside:
            raise CheckpointError(
                f"{one_line(path)} of {size(outside)} would hold {size(held)}, which weights never "
                "do; save model.state_dict() by torch.save"
            )
        _check_free_memory(path, held)
        if any(member.CRC for member in members):
            for member in members:
                _check_member(archive, member, path)


def _check_pickle(path: Path) -> None:
    """Refuse a pickle that could fill the memory, or overflow Python's stack, by a few bytes.

    Raises:
        CheckpointError: it could.
    """
    if any(_is_in(pickled, _FILLS_MEMORY) for pickled in _pickles(path)):
        raise CheckpointError(
            f"{one_line(path)} cannot be read as weights alone: it holds a bytearray, which may "
            "take any memory; save model.state_dict()"
        )
    if any(nests_deeply(pickled) for pickled in _pickles(path)):
        raise CheckpointError(
            f"{one_line(path)} nests tuples deeper than {DEEPEST:,} levels, which weights never "
            "do; save model.state_dict()"
        )


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    """The pickles of a file of torch.save, each open for reading."""
    with path.open("rb") as file:
        if file.read(4) != ARCHIVE:
            file.seek(0)
            yield file
            return
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".pkl"):
                    with archive.open(_without_checksum(member)) as pickled:
                        yield pickled


def _without_checksum(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The member, to be read whatever its checksum says: there may be none in the archive."""
    other = copy.copy(member)
    del other.CRC
    return other


def _is_in(file: IO[bytes], wanted: tuple[bytes, ...]) -> bool:
    """Whether one of these short words stands in the file."""
    last = b""
    while held := file.read(READ_BYTES):
        if any(word in last + held for word in wanted):
            return True
        last = held[-64:]
    return False


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Read a member to its end, where its checksum is compared."""
    try:
        with archive.open(member) as file:
            while file.read(READ_BYTES):
                pass
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CheckpointError(
            f"{one_line(path)} is damaged: the bytes of {one_line(member.filename)} are not those "
            "that were written; copy it again, or save it again"
        ) from error


def _check_free_memory(path: Path, held: int) -> None:
    """Refuse what does not fit into the free memory.

    Raises:
        CheckpointError: it is larger.
    """
    free = psutil.virtual_memory().available
    if held > free:
        raise CheckpointError(
            f"{one_line(path)} holds {size(held)}, and {size(free)} of memory are free; close "
            "other programs, or take a machine with more"
        )


def _why(path: Path, error: Exception) -> str:
    """What hinders, and the way out; torch's own words advise to run what the file holds."""
    text = str(error)
    if path.stat().st_size == 0:
        return "it is empty; save or copy it again"
    if wanted := re.search(r"GLOBAL ([\w.]+)", text):
        return (
            f"it holds {one_line(wanted[1])}, which only running code can read; save "
            "model.state_dict()"
        )
    if "TorchScript" in text:
        return "it is a TorchScript program; save the module's state_dict()"
    if "central directory" in text or isinstance(error, zipfile.BadZipFile):
        return "it is cut off or damaged; save or copy it again"
    if is_out_of_memory(error):
        return "it claims to hold more than the memory; save or copy it again"
    if "storage has wrong byte size" in text or "record size" in text:
        return "its tensors claim more numbers than it holds; save or copy it again"
    if "Unsupported operand" in text:
        return (
            "its pickle has another protocol than torch.save's own; save model.state_dict() by "
            "torch.save"
        )
    if zipfile.is_zipfile(path):
        return "it is an archive of something else; save model.state_dict() by torch.save"
    return "it is no checkpoint, or holds more than weights; save model.state_dict()"
