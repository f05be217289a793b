"""Where a Ray cluster is, and what must stand in the environment before Ray is loaded."""

import contextlib
import ipaddress
import os
import secrets
import socket
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from explorer.contracts.devices import OWN_CLUSTER, RAY, check_address
from explorer.private_folder import made_private_folder, write_private

PATIENCE_SECONDS = 2.0  # until an address that takes no connection does not answer
WORD_SECONDS = 5.0  # until what takes one and says nothing does not answer
SETTINGS = 4  # type of the frame that both sides of HTTP/2, and so of gRPC, begin with
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))
TOKEN_FILE = "ray_token"
TOKEN_VARIABLES = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
MISSING = (
    "Ray is not installed; run `pip install -r explorer/jobs/requirements-engine.txt`, or compute "
    "on this machine"
)


def check_installed() -> None:
    """See that Ray is there.

    Raises:
        ValueError: it is not.
    """
    if find_spec("ray") is None:
        raise ValueError(MISSING)


def reachable(address: str) -> str:
    """The address as HOST:PORT, if somebody takes connections there.

    Raises:
        ValueError: nobody does, or this machine's own cluster is not known.
    """
    place = _noted_address() if address == OWN_CLUSTER else address
    if not place:
        raise ValueError(
            "no Ray cluster of this machine is running; start one with `python -m explorer cluster "
            "local`, or give HOST:PORT"
        )
    try:
        _connection(place).close()
    except (OSError, OverflowError) as error:
        raise _silent(place, str(error)) from error
    return place


def answering(address: str) -> str:
    """The address as HOST:PORT, if somebody there speaks as Ray does, who else waits for long.

    Raises:
        ValueError: nobody does.
    """
    place = reachable(address)
    if os.environ.get("RAY_USE_TLS", "0") != "0":  # it would not understand a plain word
        return place
    try:
        with _connection(place) as connection:
            connection.settimeout(WORD_SECONDS)
            connection.sendall(GREETING)
            word = connection.recv(len(GREETING))
    except OSError as error:
        raise _silent(place, str(error)) from error
    if word[3:4] != bytes((SETTINGS,)):
        raise _silent(place, "something else does")
    return place


def _connection(place: str) -> socket.socket:
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE_SECONDS)


def _silent(place: str, why: str) -> ValueError:
    return ValueError(
        f"Ray at {place} does not answer ({why}); see whether it runs there, or compute on this "
        "machine"
    )


def engine_trouble(devices: Sequence[str]) -> str:
    """Why the engine of a cluster among the devices cannot start, in one sentence; else ""."""
    for device in devices:
        if device.startswith(RAY):
            try:
                check_installed()
                answering(check_address(device.removeprefix(RAY)))
            except ValueError as error:
                return str(error)
    return ""


def _noted_address() -> str:
    """The address of the cluster that was started last on this machine; "" where there is none.

    Ray notes it where anybody can: only the user's word, and root's, leads code and a token there.

    Raises:
        ValueError: it is no address, or the word of somebody else.
    """
    named = os.environ.get("RAY_ADDRESS", "")
    if named not in ("", OWN_CLUSTER):
        return check_address(named)
    folder = Path(
        os.environ.get("RAY_TMPDIR", "/tmp" if os.name == "posix" else tempfile.gettempdir())
    )
    file = folder / "ray" / "ray_current_cluster"
    try:
        with file.open() as opened:
            owner, place = os.fstat(opened.fileno()).st_uid, opened.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    if hasattr(os, "getuid") and owner not in (0, os.getuid()):
        raise ValueError(
            f"{file}, where Ray notes the cluster of this machine, is another user's; "
            "give HOST:PORT"
        )
    return check_address(place) if place else ""


def environment_for(place: str) -> dict[str, str]:
    """What Ray is to find in its environment, for a cluster at HOST:PORT.

    No word to Ray's makers; the user's token unless another way was chosen; and where the address
    is this machine's own, no port that others can reach.
    """
    environment = {"RAY_USAGE_STATS_ENABLED": "0"}
    if is_loopback(place):
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's word for: stay on loopback
    if not TOKEN_VARIABLES & os.environ.keys() and token_file().exists():
        environment |= token_environment()
    return environment


def is_loopback(place: str) -> bool:
    """Whether only this machine can reach HOST:PORT."""
    host = place.rpartition(":")[0].strip("[]")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def token_file() -> Path:
    """Where the user's token for clusters of Ray is kept; it need not be there yet."""
    return made_private_folder() / TOKEN_FILE


def made_token() -> Path:
    """The file of the user's token for clusters of Ray, made where it is missing."""
    file = token_file()
    if not file.exists():
        write_private(file, secrets.token_hex(32))
    return file


def token_environment() -> dict[str, str]:
    """What has Ray ask for the user's token and show it."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file())}
