"""The renderer's process, started when needed: one JSON request a line, and its reply."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from explorer.codec import Json

COMMAND = [sys.executable, "-m", "explorer.render.relief3d.process"]
ROOT = Path(__file__).resolve().parents[3]


class RenderError(RuntimeError):
    """The renderer did not answer, or could not; one sentence."""


class RendererChild:
    """The process; threads take turns."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Nothing starts yet."""
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def end(self) -> None:
        """End the process; the next request starts another."""
        with self._lock:
            self._end()

    def reply_to(self, request: Mapping[str, object], timeout: float) -> Json:
        """The reply; a process that died is started again once.

        Raises:
            RenderError: there was none in time, or it is that the renderer could not.
        """
        line = json.dumps(request) + "\n"
        with self._lock:
            answer = self._reply_line(line, timeout) or self._reply_line(line, timeout)
        if not answer:
            raise RenderError(
                "the renderer stopped twice on the same request; its messages are in the log"
            )
        reply = json.loads(answer)
        if not reply.pop("ok"):
            raise RenderError(f"the renderer could not draw this: {reply['error']}")
        return reply

    def _reply_line(self, line: str, timeout: float) -> str:
        """The reply's line, empty if the child died over it."""
        child = self._running()
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        alarm = threading.Timer(timeout, stop)
        alarm.start()
        try:
            assert child.stdin and child.stdout  # both are pipes
            child.stdin.write(line)
            child.stdin.flush()
            answer = child.stdout.readline()
        except OSError:  # a broken pipe: it is gone
            answer = ""
        finally:
            alarm.cancel()
        if answer.endswith("\n"):
            return answer
        self._end()
        if late.is_set():
            raise RenderError(f"the renderer gave no answer within {timeout:g} s and was stopped")
        return ""

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _end(self) -> None:
        """Kill and reap the child, if there is one."""
        child, self._process = self._process, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:  # what was not yet written has nobody to read it
                pass
        child.wait()
