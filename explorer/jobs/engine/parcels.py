"""What a share takes along to a node."""

import os
from collections.abc import Mapping
from pathlib import Path

from explorer.jobs.engine.events import Parcel
from explorer.jobs.engine.held_job import HeldShare
from explorer.jobs.engine.versions import own_versions
from explorer.jobs.shares import Share
from explorer.own_code import SAMPLES


def parcel_of(share: HeldShare, tensors: Mapping[Path, str], on_gpu: bool) -> Parcel:
    """All that a share needs but the tensors themselves.

    Args:
        share: on its way.
        tensors: names on the node of the files that it reads.
        on_gpu: whether a GPU answers it.
    """
    job, folder = share.job, share.job.folder
    return Parcel(
        folder=(folder.job if isinstance(folder, Share) else folder).path.name,
        request=job.request_of(share),
        code=job.code,
        samples=SAMPLES,
        tensors=tensors,
        python_path=_python_path(),
        versions=own_versions(),
        tasks=share.machine.slots,
        on_gpu=on_gpu,
        import_folder=folder.path.resolve() if job.is_import else None,
    )


def _python_path() -> tuple[Path, ...]:
    """Where modules are looked for beside the installed ones."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return tuple(Path(entry).resolve() for entry in entries if entry)
