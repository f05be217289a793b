"""Files that are there whole or not at all."""

import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write the file whole or not at all; a failure leaves nothing behind to fill the disk."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # of this call alone
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
