"""Workers forked from a process that has loaded torch: what a real start does, without its wait.

Run as a module it is that process; `forked_worker` starts it once a test process and asks it.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import IO, Any

from explorer.jobs import local_workers

started_worker = local_workers.start_worker  # for tests of what only a real start shows
MAX_BYTES = 1 << 20  # of a message
POLL_SECONDS = 0.01


class ForkedWorker:
    """A forked worker as `LocalWorkers` sees the one that it starts."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self.pid, self.returncode, self._server = pid, None, server

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})["status"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        began = time.monotonic()
        while (status := self.poll()) is None:
            if timeout is not None and time.monotonic() - began > timeout:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(POLL_SECONDS)
        return status


class ForkServer:
    """The process that forks; it ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                cwd=local_workers.ROOT,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def ask(self, question: Mapping[str, Any], *files: int) -> dict[str, Any]:
        """What it answers."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            return json.loads(self._socket.recv(MAX_BYTES))


@lru_cache(maxsize=1)
def server() -> ForkServer:
    """The server of this process, started when it is first needed."""
    return ForkServer()


def forked_worker(
    arguments: list[str], environment: Mapping[str, str], output: IO[bytes]
) -> ForkedWorker:
    """A worker with these arguments in a session of its own, in place of a started one."""
    question = {"arguments": arguments, "environment": dict(environment)}
    return ForkedWorker(server(), server().ask(question, output.fileno())["pid"])


def _serve(connection: socket.socket) -> None:
    """Fork and tell of the forked until the other end is closed."""
    statuses: dict[int, int] = {}
    while True:
        message, files, _, _ = socket.recv_fds(connection, MAX_BYTES, 1)
        if not message:
            return
        question = json.loads(message)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                statuses[ended[0]] = os.waitstatus_to_exitcode(ended[1])
        if "poll" in question:
            connection.send(json.dumps({"status": statuses.get(question["poll"])}).encode())
            continue
        pid = os.fork()
        if not pid:
            connection.close()
            _work(question, files[0])
        os.close(files[0])
        connection.send(json.dumps({"pid": pid}).encode())


def _work(question: Mapping[str, Any], output: int) -> None:
    """Be the worker, and end as it ends."""
    status = 1
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.clear()
        os.environ.update(question["environment"])
        sys.argv = ["worker", *question["arguments"]]
        _worker_main()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _worker_main() -> None:
    from explorer.jobs.worker.__main__ import main  # imported before the first fork

    main()


if __name__ == "__main__":
    import explorer.jobs.worker.__main__  # noqa: F401 - loads torch

    with socket.socket(fileno=int(sys.argv[1])) as end:
        _serve(end)
