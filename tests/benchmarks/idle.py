"""What an open page costs while nothing runs: share of a core and memory, app and browser apart.

`python -m tests.benchmarks.idle CATALOG [PAGE] [--minutes 20] [--json FILE]` opens the page of a
copy of that catalog in headless Chromium and samples both process trees every ten seconds.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.browser.server import CHROMIUM, FLAGS, Server

EVERY = 10.0  # seconds between samples
SETTLING = 60.0  # seconds after which the page is taken to be drawn whole


@dataclass(frozen=True)
class Sample:
    """A process tree at one moment."""

    seconds: float  # since the first sample
    cpu: float  # seconds of processor time so far
    megabytes: float  # that would be free were the tree to end
    processes: int


@dataclass(frozen=True)
class Idleness:
    """What a process tree took while nobody asked for anything."""

    core_share: float
    worst_minute: float  # share of a core
    first_megabytes: float  # mean of the first five samples
    last_megabytes: float  # mean of the last five
    megabytes_per_hour: float  # the slope of a line through the second half

    def __str__(self) -> str:
        return (
            f"{self.core_share:.2%} of a core (worst minute {self.worst_minute:.2%}), "
            f"{self.first_megabytes:.0f} -> {self.last_megabytes:.0f} MB "
            f"({self.megabytes_per_hour:+.1f} MB an hour in the second half)"
        )


def idleness(samples: list[Sample]) -> Idleness:
    """What the samples say, which are evenly spaced."""
    seconds, cpu, megabytes = (
        np.array([getattr(sample, name) for sample in samples])
        for name in ("seconds", "cpu", "megabytes")
    )
    ahead = min(len(samples) - 1, round(60 / EVERY))
    minutes = (cpu[ahead:] - cpu[:-ahead]) / (seconds[ahead:] - seconds[:-ahead])
    half = len(samples) // 2
    slope = np.polyfit(seconds[half:], megabytes[half:], 1)[0]
    return Idleness(
        (cpu[-1] - cpu[0]) / (seconds[-1] - seconds[0]),
        float(minutes.max()),
        float(megabytes[:5].mean()),
        float(megabytes[-5:].mean()),
        float(slope * 3600),
    )


class Tree:
    """A process and all that descend from it, whose processor time is kept when they end."""

    def __init__(self, process: psutil.Process) -> None:
        self._root = process
        self._cpu_by_process: dict[psutil.Process, float] = {}

    def sample(self, seconds: float) -> Sample:
        """The tree now."""
        megabytes, alive = 0.0, 0
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                megabytes += process.memory_full_info().uss / 2**20
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self._cpu_by_process[process] = times.user + times.system
            alive += 1
        return Sample(seconds, sum(self._cpu_by_process.values()), megabytes, alive)


def samples_of(trees: Mapping[str, Tree], minutes: float) -> dict[str, list[Sample]]:
    """What each tree takes, every ten seconds for so long."""
    samples: dict[str, list[Sample]] = {name: [] for name in trees}
    began = time.monotonic()
    while (seconds := time.monotonic() - began) <= minutes * 60:
        for name, tree in trees.items():
            samples[name].append(tree.sample(seconds))
        time.sleep(max(0.0, EVERY - (time.monotonic() - began - seconds)))
    return samples


@contextmanager
def open_page(address: str) -> Iterator[psutil.Process]:
    """The browser's first process while it shows that page."""
    from playwright.sync_api import sync_playwright  # a GPU machine has no browser

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=str(CHROMIUM),
            args=FLAGS,
            viewport={"width": 1440, "height": 1000},
        )
        page = context.pages[0]
        page.goto(address)
        page.locator("[data-testid=stMain]").wait_for(timeout=60_000)
        page.wait_for_timeout(SETTLING * 1000)
        yield browser_process(profile)
        context.close()


def browser_process(profile: str) -> psutil.Process:
    """The eldest process that was started with this profile."""
    for process in psutil.Process().children(recursive=True):
        if any(profile in part for part in process.cmdline()):
            return process
    raise ProcessLookupError(f"no browser uses {profile}")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.idle")
    parser.add_argument("catalog", type=Path, help="its copy is shown")
    parser.add_argument("page", nargs="?", default="", help="such as run?model=mlp_a")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--json", type=Path, help="file for the samples")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "catalog"
        shutil.copytree(given.catalog, copy)
        server = Server(copy)
        try:
            with open_page(f"{server.address}/{given.page}") as browser:
                trees = {"app": Tree(psutil.Process(server.process.pid)), "browser": Tree(browser)}
                samples = samples_of(trees, given.minutes)
        finally:
            server.end()
    for name, taken in samples.items():
        print(f"{name}: {idleness(taken)}", flush=True)
    if given.json:
        rows = {name: [asdict(sample) for sample in taken] for name, taken in samples.items()}
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
