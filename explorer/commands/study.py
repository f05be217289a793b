"""Studies without a browser: listed, computed, written to a file and read from one."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from explorer.ask import study_run
from explorer.ask.study import STUDY, Study, add_study, study_from_json, study_named
from explorer.ask.study_cells import UNDER_WAY, Cell, cells, missing_cells, seconds_left
from explorer.ask.study_files import numbers_file, read_study, study_file
from explorer.commands.output_file import check_output_file
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import counting, wait_for_jobs
from explorer.contracts.devices import check_devices, device_of
from explorer.importing.catalogs import merged_words
from explorer.importing.study_catalog import export_catalog
from explorer.report.contents import read_report
from explorer.report.page import report_page
from explorer.wording import counted, message
from store import Catalog, write_new

study = App("study")


@study.command(name="list")
def list_studies(name: str = "", /, *, catalog: OpenCatalog) -> int:
    """List the studies; or of one its analyses, with their keys and how far they are.

    Args:
        name: of the study.
        catalog: where they are.

    Raises:
        ValueError: this version cannot read that study.
    """
    if name:
        _, named = study_named(catalog, name)
        for cell in cells(catalog, named):
            print(_cell_line(named, cell))
        return 0
    for document in catalog.documents(STUDY):
        try:
            print(f"{message(document.name)}: {_summary(catalog, document.content)}")
        except ValueError as error:
            print(f"{message(document.name)}: {message(error)}")
    return 0


@study.command(name="run")
def run_study(
    name: str,
    /,
    *,
    device: str = "auto",
    engine: str = "",
    dry_run: bool = False,
    catalog: OpenCatalog,
) -> int:
    """Compute what a study lacks, and wait with the progress on the terminal.

    What is answered is not computed again. Where one analysis fails the others go on; at the end it
    is said which did.

    Args:
        name: of the study.
        device: auto, cpu, cuda, mps or a list, as cuda:0,cuda:2 or cpu,cpu.
        engine: a Ray cluster, auto or HOST:PORT, or elsewhere, instead of this machine's devices.
        dry_run: say what is missing and how long it takes.
        catalog: where it is.

    Raises:
        ValueError: this version cannot read the study, or an analysis failed.
    """
    device = device_of(engine, check_devices(device))
    _, named = study_named(catalog, name)
    if dry_run:
        missing = study_run.in_order(missing_cells(cells(catalog, named)))
        for cell in missing:
            print(_cell_line(named, cell))
        print(f"{len(missing):,} missing, {_time_text(missing)}")
        return 0
    study_run.compute_missing(catalog, named)
    all_cells = cells(catalog, named)
    under_way = {cell.job.id: "" for cell in all_cells if cell.job and cell.state in UNDER_WAY}
    for cell in all_cells:
        if cell.state == "refused":
            print(_cell_line(named, cell))
    if under_way:
        wait_for_jobs(catalog, list(under_way), device, keep_going=True)
    ended = cells(catalog, named)
    failed = [cell for cell in ended if cell.state == "failed"]
    print(_counts_text(ended))
    if failed:
        raise ValueError("; ".join(_cell_line(named, cell) for cell in failed))
    return 0


@study.command(name="export")
def export_study(
    name: str, file: Path | None = None, /, *, as_catalog: Path | None = None, catalog: OpenCatalog
) -> int:
    """Write a study, for `study import`, the numbers of its answers, or a catalog of its own.

    Args:
        name: of the study.
        file: ends in .json (the study) or .csv (the numbers); never overwritten.
        as_catalog: a folder to be made, with the study, its models, answers and figures.
        catalog: where it is.

    Raises:
        ValueError: no file or folder is named, or both; no such ending; or this version cannot read
            the study.
        FileExistsError: a file or folder of that name is there.
    """
    if (file is None) == (as_catalog is None):
        raise ValueError("name either a file or, with --as-catalog, a folder to be made")
    if as_catalog is not None:
        with counting(f"{name}: files") as tell:
            print(merged_words(export_catalog(catalog, name, as_catalog, tell)))
        return 0
    assert file is not None
    check_output_file(file, (".json", ".csv"))
    _, named = study_named(catalog, name)
    if file.suffix == ".json":
        write_new(file, study_file(name, named))
    else:
        write_new(file, numbers_file(catalog, named, cells(catalog, named)))
    return 0


@study.command(name="report")
def write_report(name: str, file: Path, /, *, catalog: OpenCatalog) -> int:
    """Write a study as one HTML file with charts and 3-D views, which needs no network.

    Args:
        name: of the study.
        file: ends in .html; never overwritten.
        catalog: where it is.

    Raises:
        ValueError: no such ending, too large a study, or this version cannot read it.
        FileExistsError: a file of that name is there.
    """
    check_output_file(file, (".html",))
    _, named = study_named(catalog, name)
    write_new(file, report_page(read_report(catalog, name, named)))
    return 0


@study.command(name="import")
def import_study(file: Path, /, *, name: str = "", catalog: OpenCatalog) -> int:
    """Keep the study of a file.

    Args:
        file: as `study export` writes it.
        name: instead of the one in the file.
        catalog: where it goes.

    Raises:
        ValueError: the file holds no study, or the name is taken.
    """
    own_name, read = read_study(file.read_bytes())
    add_study(catalog, name or own_name, read)
    print(f"{message(name or own_name)}: {_counts_text(cells(catalog, read))}")
    return 0


def _summary(catalog: Catalog, content: object) -> str:
    named = study_from_json(content)
    size = f"{counted(len(named.models), 'model')}, {counted(len(named.questions), 'question')}"
    return f"{size}; {_counts_text(cells(catalog, named))}"


def _counts_text(all_cells: Sequence[Cell]) -> str:
    """How many cells are in which state, the answered ones first."""
    counts = Counter(cell.state for cell in all_cells)
    others = [f"{count:,} {state}" for state, count in counts.items() if state != "answered"]
    return ", ".join([f"{counts['answered']:,} of {len(all_cells):,} answered", *others])


def _cell_line(named: Study, cell: Cell) -> str:
    """Key, kind, model, and how far the answer is or why there is none."""
    model, question = named.models[cell.wish.row], named.questions[cell.wish.column]
    key = f"{cell.wish.key[:12]} " if cell.wish.key else ""
    return message(f"{key}{question.kind} of {model.name}: {_state_text(cell)}")


def _state_text(cell: Cell) -> str:
    if cell.state in ("refused", "failed"):
        return f"{cell.state}: {cell.sentence}"
    if cell.wish.question is None or cell.state == "answered":
        return cell.state
    counts = cell.wish.question.kind.count_text(cell.units_done, cell.units)
    return f"{cell.state}, {counts}, {_time_text([cell])}"


def _time_text(some_cells: Sequence[Cell]) -> str:
    seconds = seconds_left(some_cells)
    return f"about {seconds:.1f} s" if math.isfinite(seconds) else "never timed here"
