"""The command line: `python -m explorer COMMAND`; the same questions as the pages."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from explorer import agreement, commands, commands_start, job_progress, upkeep
from explorer.ask import questions
from explorer.ask.provenance import provenance_of
from explorer.consent import code_to_agree
from explorer.importing import sources, storing
from explorer.kinds import KINDS, kind_named, settings_from_json
from explorer.supervisor import Supervisor
from explorer.upkeep import model_named
from explorer.wording import message
from store import Catalog, CatalogError, records
from store.new_file import write_new

MAX_LISTED_SNAPSHOTS = 8  # snapshots that one line can list


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what went wrong is one sentence on stderr and exit status 1."""
    given = _parser().parse_args(arguments)
    try:
        if given.needs_no_catalog:
            return given.run(given)
        catalog = Catalog(given.catalog or questions.default_catalog_folder())
        if given.run is not upkeep.rebuild:  # for where there is no database to be opened
            catalog.check()
        return given.run(catalog, given)
    except (CatalogError, ValueError, OSError) as error:
        print(f"error: {message(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped waiting; what was computed is stored, the worker goes on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer", description=__doc__)
    parser.add_argument("--catalog", type=Path, help="folder of the catalog")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable, about: str, needs_no_catalog: bool = False
    ) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=about, description=about)
        subparser.set_defaults(run=run, needs_no_catalog=needs_no_catalog)
        return subparser

    begin = command(
        "new-problem", commands_start.new_problem, "Write a problem file to fill in.", True
    )
    begin.add_argument("file", type=Path, help="ends in .py; never overwritten")
    command("token", commands_start.print_token, "Print the token of the app's address.", True)

    bring = command("import", _import, "Import checkpoints of one model through a problem file.")
    bring.add_argument("problem", help="Python file with a function problem()")
    bring.add_argument(
        "checkpoints",
        nargs="+",
        help="files or quoted patterns in order, the last being the final one; or a recorded run",
    )
    bring.add_argument("--name", help="of the model; the last file's or the run's unless given")
    bring.add_argument("--part", default="", help="keys before the weights, as student or a.b")
    bring.add_argument("--argument", "-a", action="append", default=[], metavar="NAME=JSON")
    bring.add_argument("--yes", action="store_true", help="agree to run the problem file's code")
    bring.add_argument(
        "--follow",
        action="store_true",
        help="stay, and import what a recorded run brings until it has ended or Ctrl-C",
    )

    agree = command(
        "agree",
        agreement.command,
        "Show all code that a problem file loads; agree to run it.",
        needs_no_catalog=True,
    )
    agree.add_argument("problem", help="Python file with a function problem()")
    agree.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="FILE",
        help="a file that it loads in a way that cannot be seen in it",
    )
    agree.add_argument("--yes", action="store_true", help="agree without being asked")

    compute = command("compute", _compute, "Answer a question about one or several models.")
    compute.add_argument("kind", choices=[kind.name for kind in KINDS])
    compute.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="NAME[@STEP]",
        help="a model, or its snapshot at a step; twice for a kind that is about two",
    )
    compute.add_argument(
        "--together", action="store_true", help="all models in one question, as runs on one plane"
    )
    compute.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="values")
    compute.add_argument("--device", default="auto")
    compute.add_argument(
        "--dry-run", action="store_true", help="say what is stored and how long the rest will take"
    )

    listed = command("list", commands.list_catalog, "List models and analyses.")
    listed.add_argument("--json", action="store_true", help="as JSON")

    jobs = command("jobs", commands.list_jobs, "List what is computed, what waits and behind what.")
    jobs.add_argument("--all", action="store_true", help="also what has ended")
    jobs.add_argument("--json", action="store_true", help="as JSON")

    cancel = command("cancel", commands.cancel_jobs, "Stop jobs; what they have computed stays.")
    cancel.add_argument("job", nargs="*", help="id of a job, or its beginning; see `jobs`")
    cancel.add_argument("--all", action="store_true", help="all that run or wait")

    export = command("export", _export, "Write the values of an analysis to a CSV or Parquet file.")
    export.add_argument("key", help="of the analysis, or its beginning")
    export.add_argument(
        "file",
        type=Path,
        help="ends in .csv (its provenance goes to FILE.json) or .parquet; never overwritten",
    )

    merge = command(
        "merge", commands.merge_catalog, "Bring what another catalog has into this one."
    )
    merge.add_argument("other", type=Path, help="its folder, or the catalog.duckdb in it")

    upkeep.add_commands(command)
    return parser


def _import(catalog: Catalog, given: argparse.Namespace) -> int:
    """Inspect and store checkpoints, after the user agreed to run the problem file."""
    problem, _ = sources.problem_file(given.problem)
    import_sources = sources.resolve(given.checkpoints)
    if import_sources.errors:
        raise ValueError("; ".join(import_sources.errors))
    code = code_to_agree(problem)
    if not agreement.user_agrees(code, given.yes):
        print("nothing was imported", file=sys.stderr)
        return 1
    arguments = dict(_pair(text) for text in given.argument)
    if given.follow:
        return commands.follow_run(catalog, import_sources, code, arguments, given.name or "")
    job = sources.order(catalog, import_sources, problem, arguments, given.name or "", given.part)
    _wait(catalog, [job], "auto")
    model = storing.imported_model(catalog, catalog.job(job))
    for warning_text in storing.warnings(catalog, model) if model else ():
        print(f"warning: {message(warning_text)}", file=sys.stderr)
    return 0


def _compute(catalog: Catalog, given: argparse.Namespace) -> int:
    """Ask, and wait with the progress on the terminal."""
    kind = kind_named(given.kind)
    settings = settings_from_json(kind.settings, dict(_pair(text) for text in given.values))
    subjects = [_subject(catalog, text) for text in given.model]
    if given.together and not kind.whole_run:
        raise ValueError(f"--together is for kinds about whole runs, got {kind.name}")
    apart = len(kind.subjects) == 1 and not given.together
    asks = [[subject] for subject in subjects] if apart else [subjects]
    if given.dry_run:
        commands.print_estimates(catalog, kind, settings, asks)
        return 0
    keys = [
        questions.ask(catalog, kind, model, settings, point, others=others)
        for (model, point), *others in asks
    ]
    jobs = [job.id for key in keys if (job := catalog.active_job_for(key))]
    _wait(catalog, jobs, given.device)
    for key in keys:
        print(key)
    return 0


def _wait(catalog: Catalog, jobs: Sequence[str], device: str) -> None:
    """Supervise until the jobs have ended, or follow the supervisor that is there.

    Raises:
        ValueError: a job failed; the message is its error.
    """
    supervisor = Supervisor(catalog, device)
    supervisor.start()
    try:
        for job_id in jobs:
            job = _wait_with_progress(catalog, job_id, supervisor)
            if job.status != "done":
                raise ValueError(f"{job.title} {job.status}: {job.error or 'resume it to go on'}")
    finally:
        supervisor.stop()


def _wait_with_progress(catalog: Catalog, job_id: str, supervisor: Supervisor) -> records.Job:
    """The job once it has ended; meanwhile its progress on the terminal."""
    title, printed_line = message(catalog.job(job_id).title), ""

    def tell(progress: str) -> None:
        nonlocal printed_line
        line = f"{title}: {message(progress)}"
        if line != printed_line:
            print(f"\r{line:<{len(printed_line)}}", end="", flush=True)
            printed_line = line

    job = job_progress.wait_for_job(catalog, job_id, supervisor, tell)
    line = f"{title}: {job.status}"
    print(f"\r{line:<{len(printed_line)}}", flush=True)
    return job


def _export(catalog: Catalog, given: argparse.Namespace) -> int:
    """Write a table with its provenance."""
    from explorer.render.export.table import export_files

    if given.file.suffix not in (".csv", ".parquet"):
        raise ValueError(f"the file must end in .csv or .parquet, got {given.file.name}")
    matching_questions = [
        q for q in catalog.questions(limit=1_000_000)[0] if q.key.startswith(given.key)
    ]
    if len(matching_questions) != 1:
        raise ValueError(
            f"{len(matching_questions)} analyses have a key that begins with {given.key!r}"
        )
    question = matching_questions[0]
    contents = export_files(
        questions.result_of(catalog, question), provenance_of(catalog, question), given.file.name
    )
    for name in contents:
        if (given.file.parent / name).exists():  # never over a file of the user's
            raise FileExistsError(f"{given.file.parent / name} is there already; name another file")
    for name, content in contents.items():
        write_new(given.file.parent / name, content)
    return 0


def _subject(catalog: Catalog, text: str) -> questions.Subject:
    """The model NAME and its final point, or its snapshot NAME@STEP, or NAME@FILE without `.pt`."""
    name, at, step = text.rpartition("@")
    if not at or any(model.name == text for model in catalog.models()):
        model = model_named(catalog.models(), text)
        return model, model.point_id
    model = model_named(catalog.models(), name)
    stored_points = catalog.points(model.id)
    steps = {str(point.step): point.point_id for point in stored_points if point.step is not None}
    points = {point.label: point.point_id for point in stored_points} | steps
    if step not in points:
        names = list(steps or points)
        step_range = (
            f"from {names[0]} to {names[-1]}"
            if len(names) > MAX_LISTED_SNAPSHOTS
            else ", ".join(names)
        )
        raise ValueError(f"{name} has no snapshot {step}; there are {step_range}")
    return model, points[step]


def _pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE with a JSON value, or a plain word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"a setting must be NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
