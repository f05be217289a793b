"""The engine of a Ray cluster, in the place of this machine's workers.

Run as `python -m explorer.jobs.engine JOBS_FOLDER [--address auto|HOST:PORT] [--drain]`. It goes on
when the app dies, and stays a while when there is nothing to do; with --drain it leaves then.
"""

import argparse
import errno
import os
import sys
from pathlib import Path

from explorer.contracts.devices import OWN_CLUSTER, check_address
from explorer.jobs.engine.address import (
    answering,
    check_installed,
    environment_for,
)
from explorer.jobs.engine.engine import Engine
from explorer.jobs.engine.patience import Patience
from explorer.jobs.spool import Spool


def main() -> int:
    """Serve a spool until there is nothing left to do; 1 where there is no cluster."""
    parser = argparse.ArgumentParser(prog="python -m explorer.jobs.engine")
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--address", default=OWN_CLUSTER, help="auto or HOST:PORT")
    parser.add_argument("--drain", action="store_true", help="leave when nothing waits any more")
    parser.add_argument("--linger", type=float, default=300.0, help="seconds without work")
    parser.add_argument("--share-seconds", type=float, default=60.0, help="that a share takes")
    options = parser.parse_args()
    try:
        check_installed()
        place = answering(check_address(options.address))
        os.environ.update(environment_for(place))
        from explorer.jobs.engine.cluster import Cluster  # an extra: it may be missing

        cluster = Cluster(options.address, place, Patience(place))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    engine = Engine(Spool(options.jobs.resolve()), cluster, options.share_seconds)
    try:
        engine.serve(0.0 if options.drain else options.linger)
    except (ValueError, OSError) as error:
        sentence = end_sentence(error, options.jobs)
        if not sentence:
            raise
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        os._exit(1)  # Ray would wait for a cluster that is gone
    cluster.close()
    return 0


def end_sentence(error: ValueError | OSError, jobs: Path) -> str:
    """Why the engine ends, in one sentence; "" where that is a fault of ours.

    Args:
        error: that ends it.
        jobs: folder of the spool.
    """
    if isinstance(error, OSError):
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"no space is left on the disk of {jobs}; free some and resume" if is_full else ""
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
