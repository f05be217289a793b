"""The worker: answers jobs of the spool piece by piece, each problem's in a process of its own.

Run as `python -m explorer.jobs.worker JOBS_FOLDER [--device auto] [--linger 60]
[--parent PID]`. It goes on when the app dies, and stays a while when there is nothing to do:
starting torch takes longer than most answers.
"""

import argparse
import gc
import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil

from explorer.analysis.objective import device as devices
from explorer.contracts.devices import Place
from explorer.jobs.isolation import Isolation
from explorer.jobs.partner import Partner, end_with, start_partner
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import WorkerContext
from explorer.jobs.worker.failure import write_failure
from explorer.jobs.worker.serving import serve_jobs
from explorer.jobs.worker.subject import JobSubject


def main() -> None:
    """Serve a spool until there is nothing left to do."""
    parser = argparse.ArgumentParser(prog="python -m explorer.jobs.worker")
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--linger", type=float, default=60.0)
    parser.add_argument("--parent", type=int, default=0, help="process with which to end")
    options = parser.parse_args()
    if options.parent:
        end_with(options.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the app's terminal is not for us
    place = _device_in_child(options.device)
    seconds = max(0.0, time.time() - psutil.Process().create_time())
    worker = ProcessName.of(os.getpid())
    context = WorkerContext(options.jobs.resolve(), worker, place, seconds)
    serve = partial(partial, serve_jobs, context)
    gc.freeze()  # what is loaded stays, and is shared by the processes of all problems
    isolation = Isolation(Spool(context.jobs), JobSubject.of, serve, write_failure, place)
    isolation.serve(options.linger)


def _device_in_child(wanted: str) -> Place:
    """The device wanted, looked up in another process: what has looked at CUDA cannot be forked.

    Raises:
        SystemExit: there is no such device; the other process has said so.
    """
    partner = start_partner(partial(_send_device, wanted), [])
    name, title, *names = json.loads(partner.receive())
    partner.dismiss()
    return Place(wanted=wanted, name=name, device=title, devices=tuple(names))


def _send_device(wanted: str, partner: Partner) -> None:
    device = devices.device_from_name(wanted)
    words = [str(device), devices.device_title(device), *devices.device_names()]
    partner.connection.send_bytes(json.dumps(words).encode())


if __name__ == "__main__":
    main()
