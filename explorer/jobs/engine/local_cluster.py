"""A cluster of Ray on this machine, for a try-out: nobody else can reach it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from explorer.jobs.engine.address import (
    answering,
    check_installed,
    environment_for,
    made_token,
    token_environment,
)
from explorer.jobs.process import ProcessName, end_with_descendants

HOST = "127.0.0.1"
OBJECT_STORE_BYTES = 200_000_000  # memory for what travels; what is more goes to the disk
START_SECONDS = 60.0
STOP_SECONDS = 10.0


def ray_command() -> str:
    """Ray's own command, of the Python that runs."""
    return str(Path(sys.executable).with_name("ray"))


@contextlib.contextmanager
def local_cluster(workers: int, port: int = 0, folder: Path | None = None) -> Iterator[str]:
    """A cluster within the context; its address.

    Args:
        workers: shares at once.
        port: of its address; a free one unless given.
        folder: of Ray's files, with a short name; the usual one unless given.

    Raises:
        ValueError: Ray is not installed, or does not start; the port is none, or taken.
    """
    _check_free(port)
    check_installed()
    made_token()
    place = f"{HOST}:{port or _free_port()}"
    process = subprocess.Popen(
        _start_command(workers, place, folder),
        env={**os.environ, **environment_for(place), **token_environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for us: it is stopped in order
    )
    try:
        _wait_for(process, place)
        yield place
    finally:
        if process.poll() is None:
            _end(process)


def _start_command(workers: int, place: str, folder: Path | None) -> list[str]:
    port = place.rpartition(":")[2]
    return [
        *(ray_command(), "start", "--head", "--block"),
        *(f"--node-ip-address={HOST}", f"--port={port}"),
        *(f"--num-cpus={workers}", f"--object-store-memory={OBJECT_STORE_BYTES}"),
        *("--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"),
        *([f"--temp-dir={folder}"] if folder else []),
    ]


def _check_free(port: int) -> None:
    """See that a port can be listened on; 0 is for any.

    Raises:
        ValueError: it cannot.
    """
    try:
        socket.create_server((HOST, port)).close()
    except (OSError, OverflowError) as error:
        why = "is no port" if isinstance(error, OverflowError) else f"is not to be had ({error})"
        raise ValueError(f"port {port} {why}; give another one, or none for a free one") from error


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], place: str) -> None:
    """Wait until the cluster answers.

    Raises:
        ValueError: it does not.
    """
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(ValueError):
            answering(place)
            return
        time.sleep(0.2)
    said = _end(process).decode(errors="replace").strip().splitlines()
    raise ValueError(f"Ray did not start at {place}; it last said: {(said or ['nothing'])[-1]}")


def _end(process: subprocess.Popen[bytes]) -> bytes:
    """Have Ray stop in order, or kill it with all that it has started; what it said."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        end_with_descendants(ProcessName.of(process.pid), mark="")
        return process.communicate()[0]
