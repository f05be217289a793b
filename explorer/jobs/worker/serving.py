"""A process of its own for a subject, which loads no code but what was agreed to."""

import os
import sys
from functools import partial
from pathlib import Path

import torch

from explorer.admission import admit
from explorer.consent import agree_command, note_loaded_file
from explorer.jobs.partner import Partner
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker, WorkerContext
from explorer.jobs.worker.subject import JobSubject


def serve_jobs(context: WorkerContext, subject: JobSubject, partner: Partner) -> None:
    """Answer jobs about a subject in a process of its own."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # also where it starts a Python of its own
    sys.dont_write_bytecode = True
    sys.argv[:] = [str(subject.path)]
    os.chdir(subject.code.problem.parent)
    admit(subject.code.digests, subject.path, partial(_refusal, subject))
    torch_device = torch.device(context.place.name)
    if torch_device.type == "cuda":  # what a problem puts on "cuda" lies there too
        torch.cuda.set_device(torch_device)
    worker = Worker(Spool(context.jobs), torch_device, context, subject, partner)
    partner.serve(worker.run)


def _refusal(subject: JobSubject, file: Path) -> str:
    """Why a file is not loaded, and how to have it loaded."""
    problem = subject.code.problem
    if file in subject.code.digests:
        return f"{file} has changed while {problem} was at work; import its models again"
    note_loaded_file(problem, file)  # the next time it is shown
    out = f"read and agree: {agree_command(problem, file)}"
    return f"{problem} loads {file}, which you have not agreed to run; {out}"
