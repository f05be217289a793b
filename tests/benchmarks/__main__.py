"""Run a benchmark: `python -m tests.benchmarks surface [--device cuda] [--json FILE]`."""

import argparse
import importlib
import json
import platform
from pathlib import Path

import torch

from explorer.analysis import device as devices

NAMES = ("surface",)


def main() -> None:
    """Run it, print its table, write its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = devices.chosen(given.device)
    rows = importlib.import_module(f"tests.benchmarks.{given.name}").run(device, given.rounds)
    machine = {
        "device": devices.title(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rounds": given.rounds,
    }
    print(" · ".join(f"{name} {value}" for name, value in machine.items()))
    for row in rows:
        low, middle, high = row["ratio"]
        print(
            f"{row['what']}: {row['seconds']:.3f} s, {row['against']} {row['limit']:.3f} s, "
            f"ratio {middle:.3f} ({low:.3f} to {high:.3f}), target {row['target']}"
        )
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
