"""Run a benchmark, print its rows as they come, write its figures.

`python -m tests.benchmarks NAME [--device cuda] [--peers] [--rounds N] [--only TEXT] [--json F]`

surface: the evaluator; spectrum: products, eigenpairs, densities, traces; matching: permutations;
curves: training a path; recorder: what recording costs, which has no peers; scale: time and memory
against the doubling of what a user has more and more of, which `--picture F` draws.
"""

import argparse
import importlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from explorer.analysis.objective import device as devices
from tests.benchmarks import limits, peers
from tests.benchmarks.report import Row

NAMES = ("surface", "spectrum", "matching", "curves", "recorder", "scale")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is shown")
    parser.add_argument("--only", default="", help="studies whose name holds this text")
    parser.add_argument("--peers", action="store_true", help="compare with public tools, too")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--picture", type=Path, help="file for the picture: svg, pdf or png")
    given = parser.parse_args()
    benchmark = importlib.import_module(f"tests.benchmarks.{given.name}")
    if given.picture and not hasattr(benchmark, "draw"):
        parser.exit(2, f"{given.name} has no picture, which scale alone has: leave it out\n")
    packages = getattr(benchmark, "PEERS", peers.PACKAGES)
    if given.peers and not peers.are_installed(packages):
        parser.exit(2, f"the peers are not installed: run `{peers.INSTALL}` first\n")
    try:
        device = devices.device_from_name(given.device)
        studies = benchmark.studies(device, given.only, given.peers)
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    rows = benchmark.rows(studies, device, given.rounds)
    printed = report(machine_of(device, given.rounds), rows, given.json)
    if given.picture:
        benchmark.draw(printed, given.picture)


def machine_of(device: torch.device, rounds: int) -> dict[str, Any]:
    """Where figures were measured."""
    return {
        "device": devices.device_title(device),
        "cores": limits.cores(),
        "bfloat16 units": bfloat16_units(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rounds": rounds,
    }


def bfloat16_units(device: torch.device) -> str:
    """The instructions that make bfloat16 worth choosing, as far as one can tell."""
    processor = Path("/proc/cpuinfo")
    if device.type != "cpu" or not processor.exists():
        return "yes" if device.type == "cuda" else "unknown"
    flags = set(processor.read_text().split())
    return ", ".join(sorted(flags & {"amx_bf16", "avx512_bf16"})) or "none"


def report(machine: dict[str, Any], rows: Iterable[Row], file: Path | None) -> list[Row]:
    """Print the rows as they come; the file holds those so far, should one fail."""
    print(" · ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    printed = []
    for row in rows:
        print(row, flush=True)
        printed.append(row)
        if file:
            json_rows = [each.json for each in printed]
            file.write_text(json.dumps({"machine": machine, "rows": json_rows}, indent=1))
    return printed


if __name__ == "__main__":
    main()
