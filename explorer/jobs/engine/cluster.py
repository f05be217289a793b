"""A cluster of Ray: its nodes, and shares that run on them. The one file that imports ray.

A task is not tried again by Ray: it would compute again what has arrived already. Who was at a
share has died where `Lost` comes of it, and what is missing is offered anew.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import ray
from ray.exceptions import (
    GetTimeoutError,
    NodeDiedError,
    RayError,
    RayTaskError,
    TaskUnschedulableError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from explorer.contracts.devices import RAY, Place
from explorer.jobs.engine.address import reachable
from explorer.jobs.engine.events import Event, Lost, Machine, Over, Parcel
from explorer.jobs.engine.node import answer_share
from explorer.jobs.engine.patience import Patience
from explorer.own_code import PROGRAM, ROOT

ORDER_SECONDS = 5.0  # until an order that cannot be read is none
PROGRAM_FOLDERS = {folder.name for folder in PROGRAM}  # all that the nodes get of this folder


class _Orders:
    """What shares that are under way are ordered to do; they look here."""

    def __init__(self) -> None:
        self._by_share: dict[str, str] = {}

    def give(self, share: str, order: str) -> None:
        self._by_share[share] = order

    def order(self, share: str) -> str:
        return self._by_share.get(share, "")


def _answer(
    share: str, parcel: Parcel, contents: dict[str, ray.ObjectRef], orders: ray.actor.ActorHandle
) -> Iterator[Event]:
    """Answer a share on the node where this runs."""

    def order() -> str:
        with contextlib.suppress(GetTimeoutError):
            return str(ray.get(orders.order.remote(share), timeout=ORDER_SECONDS))
        return ""

    def content_of(name: str) -> bytes:
        return bytes(ray.get(contents[name]))

    yield from answer_share(parcel, content_of, order)


_REMOTE_ORDERS = ray.remote(num_cpus=0)(_Orders)
_REMOTE_ANSWER = ray.remote(max_retries=0, max_calls=0, num_returns="streaming")(_answer)


class Cluster:
    """A cluster of Ray that this process is connected to."""

    def __init__(self, address: str, place: str, patience: Patience) -> None:
        """Connect; the environment is as `environment_for` says, since before Ray was imported.

        Args:
            address: as it was asked for.
            place: the same as HOST:PORT.
            patience: that ends this process if the cluster says nothing any more.

        Raises:
            ValueError: there is no cluster, or none that takes this process; one sentence.
        """
        self.place, self._patience = place, patience
        name = f"{RAY}{address}"
        self.as_place = Place(wanted=name, name=name, device=f"Ray at {self.place}")
        try:
            ray.init(
                address=self.place,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"working_dir": str(ROOT), "excludes": _not_of_program()},
            )
        except (RayError, RuntimeError, ConnectionError, ValueError, OSError) as error:
            why = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"Ray at {self.place} cannot be used ({why}); see that it is of the same version "
                "and takes your token"
            ) from error
        self._own_node = ray.get_runtime_context().get_node_id()
        self._orders = _REMOTE_ORDERS.options(scheduling_strategy=_on(self._own_node)).remote()
        self._contents: dict[Path, tuple[str, ray.ObjectRef]] = {}
        self._streams: dict[ray.ObjectRefGenerator, str] = {}
        self._places: dict[str, str] = {}  # ids of the nodes that are at shares
        self._alive: set[str] = set()  # ids of the nodes that are there
        self.has_gpus = any(node["Resources"].get("GPU") for node in ray.nodes() if node["Alive"])

    def nodes(self) -> list[Machine]:
        """The machines that are there now.

        Raises:
            ValueError: the cluster is gone; Ray itself would wait for a minute.
        """
        reachable(self.place)
        resource = "GPU" if self.has_gpus else "CPU"
        nodes = [node for node in ray.nodes() if node["Alive"]]
        self._patience.note_move()
        self._alive = {node["NodeID"] for node in nodes}
        return [
            Machine(
                node["NodeID"],
                node["NodeManagerHostname"],
                int(node["Resources"].get(resource, 0)),
                node["NodeID"] == self._own_node,
            )
            for node in nodes
        ]

    def carry(self, files: list[Path]) -> dict[Path, str]:
        """Have files of tensors ready for the nodes; their names there.

        Raises:
            OSError: one cannot be read.
        """
        for file in files:
            if file not in self._contents:
                content = file.read_bytes()
                name = f"{hashlib.sha256(content).hexdigest()}{file.suffix}"
                self._contents[file] = name, ray.put(content)
        return {file: self._contents[file][0] for file in files}

    def keep_only(self, files: set[Path]) -> None:
        """Forget the files of tensors that are not among these."""
        self._contents = {file: kept for file, kept in self._contents.items() if file in files}

    def start(self, share: str, parcel: Parcel, node: Machine) -> None:
        """Have a node answer a share."""
        names = set(parcel.tensors.values())
        contents = {name: ref for name, ref in self._contents.values() if name in names}
        task = _REMOTE_ANSWER.options(
            num_cpus=0 if parcel.on_gpu or parcel.import_folder else 1,
            num_gpus=1 if parcel.on_gpu else 0,
            scheduling_strategy=_on(node.id),
        )
        self._streams[task.remote(share, parcel, contents, self._orders)] = share
        self._places[share] = node.id

    def order(self, share: str, order: str) -> None:
        """Tell a share what to do at its next piece."""
        self._orders.give.remote(share, order)

    def end(self, share: str) -> None:
        """Kill whoever is at a share."""
        for stream, name in self._streams.items():
            if name == share:
                ray.cancel(stream, force=True)

    def events(self, seconds: float) -> Iterator[tuple[str, Event]]:
        """What has come of the shares; the last of each is `Over`, `Unfit` or `Lost`.

        Args:
            seconds: to wait for something.
        """
        yield from self._lost_with_nodes()
        if not self._streams:
            return
        ready, _ = ray.wait(list(self._streams), num_returns=1, timeout=seconds, fetch_local=False)
        if ready and len(self._streams) > 1:  # all that have something now
            ready, _ = ray.wait(
                list(self._streams), num_returns=len(self._streams), timeout=0, fetch_local=False
            )
        for stream in ready:
            share = self._streams[stream]
            event = _next_event(stream)
            if event is None or isinstance(event, Lost):
                self._forget(stream)
                event = event or Lost(how="it ended without a word")
            yield share, event

    def _lost_with_nodes(self) -> Iterator[tuple[str, Event]]:
        """Shares of nodes that are gone: Ray says nothing of those whose node is frozen."""
        for stream, share in list(self._streams.items()):
            if self._places[share] not in self._alive:
                self._forget(stream)
                yield share, Lost(how="its machine is gone", machine_gone=True)

    def _forget(self, stream: ray.ObjectRefGenerator) -> None:
        del self._places[self._streams.pop(stream)]

    def close(self) -> None:
        """Leave the cluster; what is under way there ends."""
        ray.shutdown()


def _next_event(stream: ray.ObjectRefGenerator) -> Event | None:
    """The next event of a share; None at the end."""
    try:
        event: Event = ray.get(next(stream))
    except StopIteration:
        return None
    except RayTaskError as error:
        cause = " ".join(str(error.cause).split())
        return Over(status="failed", error=f"a node cannot answer: {cause}")
    except RayError as error:
        gone = isinstance(error, NodeDiedError | TaskUnschedulableError)
        return Lost(how=" ".join(str(error).split())[:200], machine_gone=gone)
    return event


def _on(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _not_of_program() -> list[str]:
    """Patterns, as of .gitignore, of what lies beside the program and stays here."""
    beside = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in PROGRAM_FOLDERS]
    return [*beside, "__pycache__"]
