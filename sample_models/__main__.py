"""`python -m sample_models train|check|verify|statements [NAME ...]`.

train: samples anew; check: whether their files give their recipes' numbers; verify: the table of
phenomena, each measured and set against what is expected of it; statements: what the literature
names, with the page that shows it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError

from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.statements import STATEMENTS, shown_by
from sample_models import FOLDER, Sample, samples
from sample_models.measurement import check, one_thread
from sample_models.training import write_sample
from sample_models.verification import verify

# Relative. Measured on the shipped files: two threads, other batch sizes and a float64 network move
# a number by at most 3e-7, a loss taken in float32 by 3.4e-6. One changed prediction is 7e-4.
TOLERANCE = 1e-5
SHORT_SECONDS = 0.5  # of a phenomenon, as it says itself, that the short table has


def train_command(samples_chosen: list[Sample], folder: Path) -> None:
    """Train each sample, write it to the folder and print what was measured."""
    for sample in samples_chosen:
        print(
            f"{measured_line(write_sample(sample.name, folder))}  written to {folder}", flush=True
        )


def check_command(samples_chosen: list[Sample]) -> bool:
    """Whether the files of all samples give the numbers in their recipes."""
    # A line for each, also after one is off.
    results = [check_line(sample) for sample in samples_chosen]
    return all(results)


def check_line(sample: Sample) -> bool:
    """Whether the files of one sample give the numbers in its recipe; prints so."""
    try:
        deviation = check(sample)
    except (OSError, SafetensorError, RuntimeError) as error:  # missing, damaged, other shapes
        print(f"{sample.name}: OFF, {error}")
        return False
    good = deviation <= TOLERANCE  # False for NaN
    print(
        f"{measured_line(sample)}  checkpoints {len(sample.checkpoints)}  "
        f"largest relative deviation {deviation:.1e}  {'ok' if good else 'OFF'}"
    )
    return good


def verify_command(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """The exit status of the table of phenomena: 1 where one does not come out."""
    if options.json is not None and options.json.exists():
        parser.error(f"--json must be a new file, got {options.json}")
    try:
        chosen_phenomena = [phenomenon_named(name) for name in options.names] or list(PHENOMENA)
    except ValueError as error:
        parser.error(str(error))
    if options.short:
        chosen_phenomena = [p for p in chosen_phenomena if p.seconds <= SHORT_SECONDS]
    return 0 if verify(chosen_phenomena, options.json) else 1


def statements_command() -> int:
    """The exit status of the list of statements: 1 where one is shown nowhere."""
    nowhere = 0
    for statement in STATEMENTS:
        ways = [*(p.name for p in shown_by(statement, PHENOMENA)), statement.page]
        places = ", ".join(way for way in ways if way)
        nowhere += not places
        print(f"{statement.row:>5}  {statement.words}  ->  {places or 'NOWHERE'}")
    print(f"{len(STATEMENTS)} statements, {nowhere} shown nowhere")
    return 1 if nowhere else 0


def measured_line(sample: Sample) -> str:
    """The name of a sample with its measured losses and metrics."""
    parts = [
        " ".join([split, *(f"{name} {value:.4f}" for name, value in values.items())])
        for split, values in sample.measured.items()
    ]
    return f"{sample.name}: {'  '.join(parts)}"


def main(words: Sequence[str] | None = None) -> int:
    """The exit status: 0; 1 when a check finds something off; 2 when asked wrongly."""
    parser = argparse.ArgumentParser(
        prog="python -m sample_models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("train", "check", "verify", "statements"))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="samples, or phenomena; all when none is named"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where weights and recipes are")
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"verify only what takes up to {SHORT_SECONDS:g} s each",
    )
    parser.add_argument("--json", type=Path, help="a new file for the table of `verify`")
    options = parser.parse_args(words)
    if options.command == "statements":
        return statements_command()
    if options.command == "verify":
        return verify_command(parser, options)
    recipes = options.folder if options.command == "check" else FOLDER
    samples_by_name = {sample.name: sample for sample in samples(recipes)}
    if not samples_by_name:
        parser.error(f"--folder must hold recipes/NAME.json, got {options.folder}")
    for name in options.names:
        if name not in samples_by_name:
            parser.error(f"NAME must be one of {', '.join(samples_by_name)}, got {name}")
    chosen_samples = [samples_by_name[name] for name in options.names or samples_by_name]
    with one_thread():
        if options.command == "check":
            return 0 if check_command(chosen_samples) else 1
        try:
            train_command(chosen_samples, options.folder)
        except FileExistsError as error:
            parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
