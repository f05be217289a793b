"""How the app is served: what guards it, what begins with it, what the terminal says then."""

import gc
import inspect
import logging
import signal
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from explorer.access import PARAMETER, HostGuard, TokenGuard, is_token_required, user_token
from explorer.pages._page_views import PAGE_VIEWS

OWN_HOSTS = ("localhost", "127.0.0.1")
ALL_ADDRESSES = ("0.0.0.0", "::")  # where a server listens; no browser can open them
log = logging.getLogger(__name__)


def guards() -> list[Middleware]:
    """What each request passes before Streamlit sees it; made when the server is."""
    return [Middleware(_guarded_by_host), Middleware(_guarded_by_token)]


def _guarded_by_host(app: ASGIApp) -> ASGIApp:
    """Every address, where Streamlit itself looks at the host of its WebSocket only."""
    return HostGuard(app, st.get_option("server.allowedHosts") or OWN_HOSTS)


def _guarded_by_token(app: ASGIApp) -> ASGIApp:
    return TokenGuard(app, user_token()) if is_token_required() else app


@asynccontextmanager
async def begin_and_announce(app: st.App) -> AsyncIterator[None]:
    """Go on with the catalog's work, say where the app is, open it in the browser if there is one.

    Workers that went on without an app are served though nobody opens a page.
    """
    threading.Thread(target=_begin_work, name="beginning", daemon=True).start()
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


def _begin_work() -> None:
    """Begin with the imports of each page: the server answers and the browser loads meanwhile."""
    gc.disable()  # modules stay: to look through them again and again takes a fifth of the time
    try:
        for load in (_load_pages, _begin_with_catalog, _load_drawing):
            load()
            gc.freeze()  # Streamlit collects after each run of a page, also of one cut short
            # For the first thing it shows, Streamlit looks at the stack to see whether it runs in
            # a REPL; the files of all modules, which are looked up for that, are kept from here.
            inspect.stack()
    finally:
        gc.enable()


def _load_pages() -> None:
    from explorer.pages import _navigation  # noqa: F401 - for the pages


def _begin_with_catalog() -> None:
    from explorer.pages._running import app_state
    from store import CatalogError

    try:
        app_state()
    except CatalogError as error:  # each page says so too
        log.warning("nothing is computed yet: %s", error)


def _load_drawing() -> None:
    from explorer.pages._running import load_ahead

    load_ahead(lambda: PAGE_VIEWS.has_begun)


def _address() -> str:
    """The address of the first page, with the token if it is asked for."""
    listening = st.get_option("server.address")
    host = st.get_option("browser.serverAddress") or listening
    host = "localhost" if not host or host in ALL_ADDRESSES else host
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    place = f"{scheme}://{host}:{st.get_option('server.port')}/{path}"
    return f"{place}?{PARAMETER}={user_token()}" if is_token_required() else place
