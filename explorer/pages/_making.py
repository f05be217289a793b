"""Files that take long to make: made beside the page, with how far it is, a stop, and the file."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import streamlit as st

from explorer.pages import _parts as parts
from explorer.pages._running import app_state
from explorer.pages._session import kept
from explorer.render.relief3d.client import RenderError
from store import CatalogError

Tell: TypeAlias = Callable[[int, int], None]  # how many parts are done, of how many
MAKINGS_KEY = "makings"  # in the session: the last ones, by what they are of
MOST_MAKINGS = 4
LOOK_SECONDS = 0.5  # between two looks at how far one is


class Stopped(Exception):
    """The user, or the app's end, has stopped it."""


@dataclass
class Making:
    """A file that a thread makes."""

    make: Callable[[Tell], bytes]
    ended: threading.Event  # of the app
    done: int = 0
    total: int = 0
    content: bytes = b""
    error: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.thread = threading.Thread(target=self._run, name="making", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Have it end after the part in hand."""
        self.stopped.set()

    def _run(self) -> None:
        try:
            self.content = self.make(self._tell)
        except Stopped:
            self.error = "it was stopped"
        except (ValueError, RenderError, CatalogError, OSError) as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"it could not be made: {type(error).__name__}"
            raise

    def _tell(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self.stopped.is_set() or self.ended.is_set():
            raise Stopped


def offer_file(
    label: str, file_name: str, media: str, key: Sequence[object], make: Callable[[Tell], bytes]
) -> None:
    """A button that has a file made; then how far it is with the way to stop it; then the file.

    Args:
        label: of the file's sort, as in "GIF".
        file_name: of the file.
        media: its media type.
        key: of all that the file shows: another key, or name, is another file.
        make: makes it, telling how far it is; what that raises ends it.
    """
    makings: dict[str, Making] = kept().setdefault(MAKINGS_KEY, {})
    name = repr([file_name, *key])
    working = name in makings and makings[name].thread.is_alive()

    @parts.live_fragment(LOOK_SECONDS if working else None)
    def show() -> None:
        making = makings.get(name)
        if making is not None and making.thread.is_alive():
            _show_progress(label, making, f"stop-{file_name}")
            return
        if working:  # it has just ended: nothing to look for any more
            st.rerun()
        if making is not None and making.content:
            st.download_button(
                f"Download {label}",
                making.content,
                file_name,
                media,
                on_click="ignore",
                icon=":material/download:",
                key=f"made-{file_name}",
            )
            return
        if making is not None:
            st.error(parts.sentence(ValueError(making.error)), icon=":material/error:")
        if st.button(f"Make {label}", icon=":material/movie:", key=f"make-{file_name}"):
            _begin(makings, name, make)
            st.rerun()

    show()


def _begin(makings: dict[str, Making], name: str, make: Callable[[Tell], bytes]) -> None:
    """Begin a file; any other that is being made in this session is stopped."""
    for other in makings.values():
        other.stop()
    makings.pop(name, None)
    makings[name] = Making(make, app_state().ended)
    for old in list(makings)[:-MOST_MAKINGS]:
        del makings[old]


def _show_progress(label: str, making: Making, key: str) -> None:
    share = making.done / making.total if making.total else 0.0
    words = f"{making.done} of {making.total} pictures" if making.total else "Beginning"
    bar, button = st.columns([3, 1], vertical_alignment="center")
    bar.progress(share, f"{label}: {words}")
    if button.button("Stop", icon=":material/stop:", key=key):
        making.stop()
