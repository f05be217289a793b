"""Who may use the app: under its own host names alone, and only who holds the user's token.

The address 127.0.0.1 is open to everybody on the machine, and a browser is shared with the web.
"""

import argparse
import hmac
import secrets
from collections.abc import Collection
from importlib import resources
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from explorer.private_folder import made_private_folder, write_private

PARAMETER = "token"  # in the address that the terminal prints
COOKIE = "loss_surface_explorer"
REMEMBERED_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie
OPEN_PATHS = ("/_stcore/health",)  # says that a server is there, and nothing else
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


def user_token() -> str:
    """The user's token, made at the first call: address and cookie outlive the server.

    Raises:
        OSError: it can be neither read nor written.
    """
    file = made_private_folder() / "token"
    try:
        token = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = secrets.token_urlsafe(32)
        write_private(file, token)
    return token


def is_token_required() -> bool:
    """Whether the app asks for the token: not after `streamlit run app.py -- --no-token`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--no-token", action="store_true")
    return not parser.parse_known_args()[0].no_token


class HostGuard:
    """Refuses requests under other host names: a foreign page's own name may be made to lead here.

    Source: DNS rebinding; Jackson et al. 2007, "Protecting Browsers from DNS Rebinding Attacks",
    section 5.2 (checking the Host header).
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower().rstrip(".") for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse."""
        if scope["type"] not in ("http", "websocket") or self._is_own_host(scope):
            await self._app(scope, receive, send)
            return
        own = ", ".join(sorted(self._hosts))
        said = f"this app answers as {own} only; --server.allowedHosts NAME adds another name\n"
        await _refuse(PlainTextResponse(said, status_code=400), scope, receive, send)

    def _is_own_host(self, scope: Scope) -> bool:
        try:
            host = urlsplit(f"//{HTTPConnection(scope).headers.get('host', '')}").hostname or ""
        except ValueError:
            return False
        return host.rstrip(".") in self._hosts


class TokenGuard:
    """Lets requests through that bring the token: in the address once, as a cookie from then on."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, redirect to the address without the token, or refuse."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        if self._is_token(request.cookies.get(COOKIE, "")):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and self._is_token(request.query_params.get(PARAMETER, "")):
            await self._cookie_redirect(request)(scope, receive, send)
        else:
            await _refuse(HTMLResponse(_REFUSAL, status_code=403), scope, receive, send)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _cookie_redirect(self, request: HTTPConnection) -> RedirectResponse:
        """The same page at an address that can be shared, with the cookie."""
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        query = urlencode([pair for pair in pairs if pair[0] != PARAMETER])
        path = "/" + request.url.path.lstrip("/")  # with two slashes it would name another host
        answer = RedirectResponse(f"{path}?{query}" if query else path, status_code=303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE,
            self._token,
            max_age=REMEMBERED_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cache-Control"] = "no-store"
        return answer


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer; a WebSocket is closed before it is accepted, which browsers see as 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    else:
        await answer(scope, receive, send)


_REFUSAL = resources.files("explorer").joinpath("refusal.html").read_text(encoding="utf-8")
