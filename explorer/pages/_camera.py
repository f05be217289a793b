"""The camera of a page's 3-D view: as the user last turned it, kept in the address."""

import math
from collections.abc import Sequence

import streamlit as st

from explorer.kinds.look import CAMERA_NUMBERS
from explorer.pages._address import check_address
from explorer.pages._session import kept
from explorer.pages._text import as_message
from explorer.render.relief3d.camera import Camera, camera_numbers, camera_of

VIEWER_KEY = "relief"  # of the view on the page
PARAMETER = "camera"  # in the address; also of what other pages are told, the last camera
DIGITS = 4  # of each number in the address: a ten-thousandth of the scene


def camera_now() -> tuple[float, ...]:
    """Position, focal point and up, nine numbers: of the last move, else of the address; or none.

    The view tells a move before the page is made anew, so that what is exported is what is seen.
    """
    moved = (st.session_state.get(VIEWER_KEY) or {}).get("camera")
    if moved:
        numbers = tuple(round(number, DIGITS) for number in camera_numbers(moved))
        text = _text(numbers)
        if st.query_params.get(PARAMETER) != text:
            st.query_params[PARAMETER] = text
    else:
        check_address(PARAMETER, "nine numbers with commas, from a link of this app", _is_camera)
        numbers = _numbers(st.query_params.get(PARAMETER, ""))
    if numbers:
        kept()[PARAMETER] = dict(camera_of(numbers) or {})
    return numbers


def keep_camera(viewer: str, parameter: str) -> None:
    """Have the address say where that view was turned to, before the page is made anew."""
    moved = (st.session_state.get(viewer) or {}).get("camera")
    if moved:
        st.query_params[parameter] = _text(camera_numbers(moved))


def linked_camera(parameter: str) -> Camera | None:
    """Where the address has views stand; None where it has none; a bad one is said."""
    text = st.query_params.get(parameter, "")
    if not text:
        return None
    if not _is_camera(text):
        st.warning(
            as_message(
                f"{parameter} in the address must be nine numbers with commas, got {text[:80]!r}: "
                "the views stand as usual."
            )
        )
        del st.query_params[parameter]
        return None
    return camera_of(_numbers(text))


def _text(numbers: Sequence[float]) -> str:
    """The numbers as the address has them."""
    return ",".join(f"{round(number, DIGITS):g}" for number in numbers)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(","))) if text else ()


def _is_camera(text: str) -> bool:
    """Whether the text is a camera that looks somewhere."""
    try:
        numbers = _numbers(text)
    except ValueError:
        return False
    finite = all(math.isfinite(number) and abs(number) < 1e6 for number in numbers)
    looks = numbers[:3] != numbers[3:6] and any(numbers[6:])
    return len(numbers) == CAMERA_NUMBERS and finite and looks
