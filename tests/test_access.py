"""Who gets in: the guards before the app, asked as a server does; the token; the template."""

import asyncio
import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.__main__ import main
from explorer.access import COOKIE, HostGuard, TokenGuard, user_token
from explorer.private_folder import made_private_folder
from tests.tiny import ROOT

TOKEN = "a-token"
Sent = list[dict[str, Any]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "served"})


def asked(
    guard: Any, path: str = "/", kind: str = "http", query: str = "", **headers: str
) -> tuple[Sent, dict[str, str]]:
    """What a guard sends for a request, and the headers of its answer."""
    sent: Sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(guard(scope, None, send))
    head = sent[0].get("headers", [])
    return sent, {name.decode(): value.decode() for name, value in head}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8501", "LOCALHOST.:99", "[::1]:8501"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_own_hosts_are_served(host: str, kind: str) -> None:
    """The app answers under its own names, whatever the port and the case."""
    guard = HostGuard(app, ["localhost", "127.0.0.1", "::1"])
    assert asked(guard, kind=kind, host=host)[0] == [{"type": "served"}]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "[", "", "x:y:z"]
)
def test_foreign_hosts_are_refused(host: str) -> None:
    """DNS rebinding: another name that leads here gets one sentence, its WebSocket nothing."""
    guard = HostGuard(app, ["localhost"])
    sent, _ = asked(guard, host=host)
    assert sent[0]["status"] == 400
    assert b"--server.allowedHosts" in sent[1]["body"]
    assert asked(guard, kind="websocket", host=host)[0][0]["type"] == "websocket.close"


def test_the_token_opens_once_and_the_cookie_from_then_on() -> None:
    """The address with the token leads to the same page without it, and leaves a cookie."""
    guard = TokenGuard(app, TOKEN)
    sent, headers = asked(guard, "/surface", query=f"model=a&token={TOKEN}&seed=")
    assert sent[0]["status"] == 303
    assert headers["location"] == "/surface?model=a&seed="
    assert "httponly" in headers["set-cookie"].lower()
    assert "samesite=lax" in headers["set-cookie"].lower()
    cookie = headers["set-cookie"].split(";")[0]
    for kind in ("http", "websocket"):
        assert asked(guard, kind=kind, cookie=cookie)[0] == [{"type": "served"}]


@pytest.mark.parametrize("path", ["/", "/_stcore/stream", "/_stcore/upload_file/x", "/media/x.png"])
@pytest.mark.parametrize("given", [{}, {"cookie": f"{COOKIE}=other"}, {"query": "token=ä"}])
def test_nothing_is_served_without_the_token(path: str, given: dict[str, str]) -> None:
    """Another user of the machine reaches no page, no upload, no file and no WebSocket."""
    guard = TokenGuard(app, TOKEN)
    assert asked(guard, path, **given)[0][0]["status"] == 403
    assert asked(guard, path, "websocket", **given)[0][0]["type"] == "websocket.close"


def test_no_redirect_leaves_the_app() -> None:
    """An address that begins with two slashes is no way to send a browser elsewhere."""
    _, headers = asked(TokenGuard(app, TOKEN), "//evil.example/", query=f"token={TOKEN}")
    assert headers["location"] == "/evil.example/"


def test_the_token_is_the_user_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made once, in a folder and a file that nobody else can read."""
    monkeypatch.setenv("EXPLORER_STATE", str(tmp_path / "state"))
    token = user_token()
    assert len(token) >= 32
    assert user_token() == token
    assert stat.S_IMODE(made_private_folder().stat().st_mode) == 0o700
    assert stat.S_IMODE((made_private_folder() / "token").stat().st_mode) == 0o600
    (tmp_path / "state").chmod(0o755)
    assert stat.S_IMODE(made_private_folder().stat().st_mode) == 0o700


def test_a_new_problem_file_runs_and_is_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`new-problem` writes a problem that gives a loss; a file that is there stays."""
    file = tmp_path / "mine.py"
    assert main(["new-problem", str(file)]) == 0
    with torch.random.fork_rng():
        problem = runpy.run_path(str(file))["problem"](width=8)
    batch = problem.data["test"]
    losses = problem.loss(problem.forward(problem.model, batch), batch)
    assert losses.shape == (100,) and losses.isfinite().all()
    file.write_text("mine")
    assert main(["new-problem", str(file)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_a_script_elsewhere_can_import_the_recorder(tmp_path: Path) -> None:
    """The README's line: the project's folder in PYTHONPATH, whatever the working folder."""
    subprocess.run(
        [sys.executable, "-c", "from explorer.recorder import Recorder"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
