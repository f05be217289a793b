"""Devices by name: where a worker computes, and which devices may each have one."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

ALL = "auto"  # every CUDA device; where there is none, the best device
CORES_VARIABLE = "EXPLORER_CORES"  # environment variable: cores that a worker may use
RAY = "ray:"  # before the address of a cluster: its engine stands in the place of workers
ELSEWHERE = (
    "elsewhere"  # an engine that others start on the catalog's folder: nothing is started here
)
OWN_CLUSTER = "auto"  # address of the cluster of this machine, as Ray has noted it
_ADDRESS = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9A-Fa-f:]+\]:[0-9]{1,5}")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")
MOST_PORT = 65_535
MOST_DEVICES = 64  # workers of one machine


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker computes."""

    wanted: str = ""  # device as it was asked for
    name: str = ""  # of the one that it has, to torch; "" until it is loaded
    device: str = ""  # what that calls itself
    devices: tuple[str, ...] = ()  # names of all of its machine, the best first


NOWHERE = Place()


def cpu_title(threads: int, name: str = "cpu") -> str:
    """What a processor calls itself, of which so many threads compute."""
    return f"{name}, {threads} threads"


def listed_devices(text: str) -> list[str]:
    """The devices of a list such as "cuda:0, cuda:2" or "cpu, cpu", one as often as it is named.

    Raises:
        ValueError: it is none.
    """
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(names) > MOST_DEVICES:
        raise _no_devices(text)
    return names


def _no_devices(text: str) -> ValueError:
    return ValueError(
        f"device must be auto, cpu, cuda, mps or a list such as cuda:0,cuda:1, got {text!r}"
    )


def check_devices(text: str) -> str:
    """The list as a user has written it, if all of it can be devices; some may not be there.

    Raises:
        ValueError: it is no list, or a name in it is misspelt.
    """
    if not all(map(_DEVICE.fullmatch, listed_devices(text))):
        raise _no_devices(text)
    return text


def check_address(address: str) -> str:
    """The address of a Ray cluster, if it can be one.

    Raises:
        ValueError: it cannot.
    """
    is_place = _ADDRESS.fullmatch(address) and int(address.rpartition(":")[2]) <= MOST_PORT
    if address != OWN_CLUSTER and not is_place:
        raise ValueError(f"the address of a Ray cluster is auto or HOST:PORT, got {address!r}")
    return address


def device_of(engine: str, device: str) -> str:
    """Where workers compute, as `listed_devices` reads it.

    Args:
        engine: address of a Ray cluster, or elsewhere; "" for this machine.
        device: of this machine.

    Raises:
        ValueError: that is no address.
    """
    if engine == ELSEWHERE:
        return ELSEWHERE
    return f"{RAY}{check_address(engine)}" if engine else device


def devices_for_workers(
    wanted: Sequence[str], present: Sequence[str], paused: Collection[str] = ()
) -> list[str]:
    """The devices that may each have a worker.

    Args:
        wanted: as listed; auto and cuda stand for all CUDA devices.
        present: names of this machine's devices, the best first; none while nobody has told.
        paused: names of those that a user has stopped, one as often as it is to have none.
    """
    stopped = Counter(paused)
    names: list[str] = []
    for name in wanted:
        cuda = [one for one in present if one.startswith("cuda:")] if name in (ALL, "cuda") else []
        best = [present[0]] if present and name == ALL else [name]
        names += cuda or best
    kept = []
    for name in names:
        if stopped[name]:
            stopped[name] -= 1
        else:
            kept.append(name)
    return kept
