"""Workers, commands, apps and scripts forked from a process that has loaded all they need.

Run as a module it is that process; all processes of one test run share one.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TextIO

from filelock import FileLock

from explorer.jobs import local_workers

started_worker = local_workers.start_worker  # for tests of what only a real start shows
MAX_BYTES = 1 << 20  # of a message
POLL_SECONDS = 0.01
ADDRESS_VARIABLE = "EXPLORER_TEST_FORKS"  # where the server of this test run listens


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


class ForkedProcess(ForkedWorker):
    """A forked process as `subprocess.Popen` shows the one that it starts."""

    def __init__(self, server: "ForkServer", pid: int, stdout: TextIO) -> None:
        super().__init__(server, pid)
        self.stdout = stdout

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """What else it writes, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it has closed its output, and goes on.
        """
        with self.stdout:
            said = self.stdout.read()
        self.wait(timeout)
        return said, None


class ForkServer:
    """A process that forks, at the other end of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._lock, self._socket = threading.Lock(), connection

    def ask(self, question: Mapping[str, Any], *files: int) -> dict[str, Any]:
        """What it answers."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            return json.loads(self._socket.recv(MAX_BYTES))


@lru_cache(maxsize=1)
def server() -> ForkServer:
    """The server of this test run, started by who first needs it; it ends with the last of them."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"of-{os.getpid()}")
    usual = Path(tempfile.gettempdir()) / f"explorer-forks-{run}"
    address = Path(os.environ.setdefault(ADDRESS_VARIABLE, str(usual)))  # for the forked too
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with FileLock(f"{address}.lock"):
        if not address.exists():
            _start(address)
        connection.connect(str(address))
    return ForkServer(connection)


def _start(address: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(listener.fileno())],
            cwd=local_workers.ROOT,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl+C is for the tests
        )


def forked_command(
    arguments: list[str], timeout: float, given: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """`python -m explorer` with these arguments, run to its end; `given` is on its standard input.

    Raises:
        subprocess.TimeoutExpired: it goes on.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)]
        files[0].write(given or "")
        files[0].seek(0)
        question = {"role": "command", "arguments": arguments, "environment": dict(os.environ)}
        pid = server().ask(question, *(file.fileno() for file in files))["pid"]
        status = ForkedWorker(server(), pid).wait(timeout)
        for file in files:
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, files[1].read(), files[2].read())


def forked_app(folder: Path) -> ForkedProcess:
    """Another process that supervises the catalog, as the app does."""
    return _with_output("app", [str(folder)])


def forked_script(code: str, *arguments: object) -> ForkedProcess:
    """`python -c CODE ARGUMENTS`, what it needs loaded before; its standard output is a pipe."""
    return _with_output("script", [code, *map(str, arguments)])


def _with_output(role: str, arguments: list[str]) -> ForkedProcess:
    ours, theirs = os.pipe()
    question = {"role": role, "arguments": arguments, "environment": dict(os.environ)}
    with Path(os.devnull).open() as nothing, os.fdopen(theirs, "w") as end:
        pid = server().ask(question, nothing.fileno(), end.fileno(), sys.__stderr__.fileno())["pid"]
    return ForkedProcess(server(), pid, os.fdopen(ours))


def forked_worker(
    arguments: list[str], environment: Mapping[str, str], output: IO[bytes]
) -> ForkedWorker:
    """A worker with these arguments in a session of its own, in place of a started one."""
    question = {"role": "worker", "arguments": arguments, "environment": dict(environment)}
    with Path(os.devnull).open() as nothing:
        files = [nothing.fileno(), output.fileno(), output.fileno()]
        return ForkedWorker(server(), server().ask(question, *files)["pid"])


def _serve(listener: socket.socket) -> None:
    """Fork and tell of the forked until all have gone who were connected."""
    statuses: dict[int, int] = {}
    with selectors.DefaultSelector() as ends:
        ends.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ends.select():
                asker = key.fileobj
                assert isinstance(asker, socket.socket)
                if asker is listener:
                    ends.register(listener.accept()[0], selectors.EVENT_READ)
                elif not _answer(asker, ends, statuses):
                    ends.unregister(asker)
                    asker.close()
                    if len(ends.get_map()) == 1:
                        return


def _answer(asker: socket.socket, ends: selectors.BaseSelector, statuses: dict[int, int]) -> bool:
    """Answer one question; whether there was one."""
    message, files, _, _ = socket.recv_fds(asker, MAX_BYTES, 3)
    if not message:
        return False
    question = json.loads(message)
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = os.waitstatus_to_exitcode(ended[1])
    if "poll" in question:
        asker.send(json.dumps({"status": statuses.get(question["poll"])}).encode())
        return True
    pid = os.fork()
    if not pid:
        for key in list(ends.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        ends.close()
        _be(question, files)
    for file in files:
        os.close(file)
    asker.send(json.dumps({"pid": pid}).encode())
    return True


def _be(question: Mapping[str, Any], files: list[int]) -> None:
    """Be the worker or the command, and end as it ends; `files` become its standard streams."""
    status = 1
    try:
        os.setsid()
        for stream, file in enumerate(files):
            os.dup2(file, stream)
            os.close(file)
        os.environ.clear()
        os.environ.update(question["environment"])
        sys.argv = [question["role"], *question["arguments"]]
        status = ROLES[question["role"]]()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _worker() -> int:
    from explorer.jobs.worker.__main__ import main  # imported before the first fork

    main()
    return 0


def _command() -> int:
    """The command's status."""
    from explorer.commands.app import main  # imported before the first fork

    local_workers.start_worker = forked_worker  # type: ignore[assignment]
    return int(main() or 0)


def _app() -> int:
    """Supervise a catalog until the process is killed."""
    from explorer.supervisor.supervisor import Supervisor  # imported before the first fork
    from store import Catalog

    local_workers.start_worker = forked_worker  # type: ignore[assignment]
    catalog = Catalog(sys.argv[1], timeout=60)
    catalog.check()
    Supervisor(catalog, "cpu").start()
    print("ready", flush=True)
    time.sleep(3600)
    return 0


def _script() -> int:
    """Run the code that is the first argument."""
    code = sys.argv.pop(1)
    exec(compile(code, "<script>", "exec"), {"__name__": "__main__"})
    return 0


ROLES: dict[str, Callable[[], int]] = {
    "worker": _worker,
    "command": _command,
    "app": _app,
    "script": _script,
}


# What is loaded when it is first needed, at hand in all that are forked.
LOADED_LATE = (
    *("pandas", "pyarrow.compute", "pyarrow.csv", "pyarrow.pandas_compat", "pyarrow.parquet"),
    *("torch._dynamo", "torch._inductor.config", "torch.fx.experimental.symbolic_shapes"),
    *("cyclopts.utils", "explorer.render.export.table"),
)

if __name__ == "__main__":
    import pkgutil

    import explorer.commands
    import explorer.jobs.worker.__main__
    import explorer.supervisor.supervisor
    from explorer.analysis.model.problem_module import note_loaded_modules
    from explorer.kinds import KINDS
    from explorer.kinds.kind import named_code
    from store import instance

    for module in pkgutil.iter_modules(explorer.commands.__path__):
        importlib.import_module(f"explorer.commands.{module.name}")
    for name in LOADED_LATE:
        importlib.import_module(name)
    for kind in KINDS:
        named_code(kind.answer)
    note_loaded_modules()
    instance.CONFIG["threads"] = 1  # as in the test process
    for registered in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        registered.atexit = False  # of torch's libraries: none of them ends with what is forked
    gc.collect()
    gc.freeze()  # what is loaded stays, and is shared by all that are forked
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        address = Path(listener.getsockname())
        _serve(listener)
    for file in (address, Path(f"{address}.lock")):
        file.unlink(missing_ok=True)
