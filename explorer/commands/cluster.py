"""Clusters of machines: a batch script for SLURM, and a small one of this machine to try it out."""

import shlex
import signal
import time

from cyclopts import App

from explorer.commands.parameters import OpenCatalog
from explorer.jobs.engine.address import made_token
from explorer.jobs.engine.local_cluster import local_cluster
from explorer.jobs.engine.slurm import Batch, batch_script

MOST_WORKERS = 64  # of one machine
COMPUTING = ("compute", "study", "minima", "phenomena")  # commands that take an engine
cluster = App("cluster")


@cluster.command(name="slurm")
def print_slurm_script(
    *,
    nodes: int,
    gpus_per_node: int = 0,
    cpus_per_node: int = 8,
    time: str,
    run: str = "",
    sbatch: list[str] | None = None,
    catalog: OpenCatalog,
) -> int:
    """Print a batch script for SLURM that computes what waits in the catalog on several nodes.

    Args:
        nodes: machines.
        gpus_per_node: GPUs of each; one share of an answer is computed on each GPU.
        cpus_per_node: processors of each; without GPUs one share is computed on each.
        time: limit, as H:MM:SS.
        run: command to run instead, as "study run NAME"; it asks, and its answers are computed.
        sbatch: further option of sbatch, as --partition=NAME; again for others.
        catalog: where the answers go; on a file system that the nodes share.

    Raises:
        ValueError: a number or the time is none, or the command cannot be run there.
    """
    made_token()
    batch = Batch(
        nodes=nodes,
        gpus=gpus_per_node,
        cpus=cpus_per_node,
        time=time,
        jobs=catalog.jobs_folder.resolve(),
        catalog=catalog.folder.resolve(),
        command=_command_words(run),
        options=sbatch or [],
    )
    print(batch_script(batch), end="")
    return 0


def _command_words(text: str) -> list[str]:
    """The words of a command that asks and computes; none is for what waits in the catalog.

    Raises:
        ValueError: it is none, which the batch job would say only when it has begun.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"the command {text!r} cannot be read: {str(error).lower()}") from error
    if words and words[0] not in COMPUTING:
        raise ValueError(
            f'a command that computes begins with {", ".join(COMPUTING)}, as "study run NAME", '
            f"got {text!r}"
        )
    return words


@cluster.command(name="local")
def run_local_cluster(*, workers: int = 2, port: int = 0) -> int:
    """Run a Ray of this machine until Ctrl-C, to try out how jobs are shared.

    Args:
        workers: shares at once.
        port: of its address on this machine; a free one unless given.

    Raises:
        ValueError: Ray is not installed or does not start.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ValueError(f"workers must be 1 to {MOST_WORKERS}, got {workers}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with local_cluster(workers, port) as address:
        print(f"Ray runs at {address} with {workers} places; only this machine can reach it.")
        print(f"To use it: python -m explorer compute KIND --model NAME --engine {address},")
        print("or choose it on the page Jobs. To stop it: Ctrl-C.", flush=True)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            print("stopped", flush=True)
    return 0
