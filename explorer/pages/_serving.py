"""How the app is served: what guards it, and what the terminal says when it is ready."""

import signal
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from explorer.access import PARAMETER, HostGuard, TokenGuard, is_token_required, user_token

OWN_HOSTS = ("localhost", "127.0.0.1")
ALL_ADDRESSES = ("0.0.0.0", "::")  # where a server listens; no browser can open them


def guards() -> list[Middleware]:
    """What each request passes before Streamlit sees it; made when the server is."""
    return [Middleware(_guarded_by_host), Middleware(_guarded_by_token)]


def _guarded_by_host(app: ASGIApp) -> ASGIApp:
    """Every address, where Streamlit itself looks at the host of its WebSocket only."""
    return HostGuard(app, st.get_option("server.allowedHosts") or OWN_HOSTS)


def _guarded_by_token(app: ASGIApp) -> ASGIApp:
    return TokenGuard(app, user_token()) if is_token_required() else app


@asynccontextmanager
async def announce_address(app: st.App) -> AsyncIterator[None]:
    """Say where the app is, and open it in the browser where there is one."""
    address = _address()
    print(f"\n  Loss Surface Explorer: {address}\n", flush=True)
    if not is_token_required():
        print("  --no-token: everybody on this machine can use it.\n", flush=True)
    if not st.get_option("server.headless"):
        webbrowser.open(address)
    yield
    if hasattr(signal, "pthread_sigmask"):
        # uvicorn raises Ctrl-C once more when all is ended, which would read "Aborted!" and fail
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _address() -> str:
    """The address of the first page, with the token if it is asked for."""
    listening = st.get_option("server.address")
    host = st.get_option("browser.serverAddress") or listening
    host = "localhost" if not host or host in ALL_ADDRESSES else host
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    place = f"{scheme}://{host}:{st.get_option('server.port')}/{path}"
    return f"{place}?{PARAMETER}={user_token()}" if is_token_required() else place
