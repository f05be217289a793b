"""Servers for a real browser, and where that is."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.tiny import ROOT, until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # The page is put together by the processor itself: through SwiftShader, whatever turns or
    # fades on it took a whole core. Only what the page draws in WebGL goes that way.
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--disable-background-networking",
]
SHOWN_CHART = "[data-testid=stVegaLiteChart]:not(.st-key-ahead *)"  # that only loads what draws
PATIENCE = 180_000  # milliseconds; a machine that does something else too is slow
in_a_browser = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
    pytest.mark.slow,
]


class Server:
    """`streamlit run` of the app, or of another script, on a free port."""

    def __init__(
        self,
        catalog: Path,
        arguments: tuple[str, ...] = ("--no-token",),
        script: Path = ROOT / "app.py",
        **environment: str,
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._script, self._arguments = script, arguments  # test_access.py shows the token
        self._environment = {**os.environ, "EXPLORER_CATALOG": str(catalog), **environment}
        self.log = (catalog.parent / "server.log").open("a")
        self.start()

    def start(self) -> None:
        options = {"server.port": self.port, "server.headless": "true"}
        command = [sys.executable, "-m", "streamlit", "run", str(self._script)]
        command += [f"--{name}={value}" for name, value in options.items()]
        command += ["--", *self._arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=self.log, stderr=self.log
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=1).status == 200
        except OSError:
            return False

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """The exit status after that signal."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE / 1000)

    def url(self, page: str, **settings: Any) -> str:
        return f"{self.address}/{page}?{urlencode(settings, doseq=True)}"
