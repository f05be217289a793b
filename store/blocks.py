"""The sums that DuckDB keeps with each block of its file, also of indexes and of unused space.

Source: DuckDB's file format (blocks of 256 KiB after three headers of 4 KiB, each block with eight
bytes before it), `src/common/checksum.cpp`: xor of 5381 and of each word times a constant.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from store.errors import CatalogDamaged

_HEADERS = 3 * 4096
_BLOCK = 1 << 18
_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SEED = np.uint64(5381)
_READER = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"


def damaged_blocks(database: Path) -> list[int]:
    """The blocks that are not what was written; none where the file is of another format.

    Nobody may write the file meanwhile. Another process reads it, for when this one closes it, the
    lock that keeps others from writing is gone: the system frees a process's locks on a file with
    any of its descriptors.

    Raises:
        CatalogDamaged: it cannot be read.
    """
    damaged, count = [], 0
    command = [sys.executable, "-I", "-S", "-c", _READER, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdout  # a pipe
        reader.stdout.read(_HEADERS)
        while len(block := reader.stdout.read(_BLOCK)) == _BLOCK:
            words = np.frombuffer(block, dtype="<u8")
            written = words[0] != 0 or words[1:].any()  # space given back reads as zeros
            if written and np.bitwise_xor.reduce(words[1:] * _FACTOR) ^ _SEED != words[0]:
                damaged.append(count)
            count += 1
    if reader.returncode:
        raise CatalogDamaged(database, "its blocks could not be read")
    return damaged if len(damaged) <= max(1, count // 2) else []
