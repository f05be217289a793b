"""Importing checkpoints, and following a recorded run."""

import sys
import time
from typing import Annotated

from cyclopts import Parameter

from explorer import recorded_runs
from explorer.commands.consent import user_agrees
from explorer.commands.exit_statuses import FAILED, INTERRUPTED
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import wait_for_jobs
from explorer.commands.values import named_values
from explorer.consent import code_to_agree
from explorer.importing import following, sources, storing
from explorer.importing.sources import Sources
from explorer.supervisor.supervisor import Supervisor
from explorer.wording import counted, message
from store import Catalog

POLL_SECONDS = 0.5


def import_checkpoints(
    problem: str,
    checkpoints: Annotated[list[str], Parameter(consume_multiple=True)],
    /,
    *,
    name: str = "",
    part: str = "",
    argument: Annotated[tuple[str, ...], Parameter(("--argument", "-a"))] = (),
    yes: bool = False,
    follow: bool = False,
    direction: bool = False,
    catalog: OpenCatalog,
) -> int:
    """Inspect and store checkpoints, after the user agreed to run the problem file.

    Args:
        problem: Python file with a function problem().
        checkpoints: files or quoted patterns in order, the last being the final one; or a recorded
            run.
        name: of the model; the last file's or the run's unless given.
        part: keys before the weights, as student or a.b.
        argument: NAME=JSON, of the function problem().
        yes: agree to run the problem file's code.
        follow: stay, and import what a recorded run brings until it has ended or Ctrl-C.
        direction: the file holds no weights but a direction, for axes of lines and planes.
        catalog: where it is stored.

    Raises:
        ValueError: there is nothing of that kind to import, or it is refused.
    """
    problem_path, _ = sources.problem_file(problem)
    import_sources = sources.resolve(checkpoints)
    if import_sources.errors:
        raise ValueError("; ".join(import_sources.errors))
    code = code_to_agree(problem_path)
    if not user_agrees(code, yes, catalog.folder):
        print("nothing was imported", file=sys.stderr)
        return FAILED
    arguments = named_values(argument)
    if follow and direction:
        raise ValueError("--direction is for one file, which nothing follows; leave out --follow")
    if follow:
        run = following.FollowedRun(
            problem=code.problem, digest=code.hash, arguments=arguments, name=name, part=part
        )
        return _follow(catalog, import_sources, run)
    job = sources.order(
        catalog, import_sources, problem_path, arguments, name=name, part=part, direction=direction
    )
    _wait_and_warn(catalog, job, name)
    return 0


def _wait_and_warn(catalog: Catalog, job: str, name: str) -> None:
    """Wait for an import; what is unusual about what it brought is said.

    Args:
        catalog: where it is stored.
        job: of the import.
        name: that was asked for; "" for none.

    Raises:
        ValueError: the import failed.
    """
    wait_for_jobs(catalog, [job], "auto")
    stored_job = catalog.job(job)
    model = storing.imported_model(catalog, stored_job)
    if name and model and (kept := storing.kept_name(stored_job, model)):
        print(message(kept), file=sys.stderr)
    for warning_text in storing.warnings(catalog, model) if model else ():
        print(f"warning: {message(warning_text)}", file=sys.stderr)


def _follow(catalog: Catalog, run_sources: Sources, run: following.FollowedRun) -> int:
    """Import what a recorded run has and brings, until it has ended; Ctrl-C leaves it alone.

    Raises:
        ValueError: the sources are no recorded run, or it can be followed no longer.
    """
    if run_sources.recording is None:
        raise ValueError("only a recorded run can be followed; name the Recorder's folder")
    folder = run_sources.recording.folder.resolve()
    identity = recorded_runs.identity(run_sources.recording)
    following.follow(catalog, folder, run)
    supervisor = Supervisor(catalog, "auto")
    count, printed_count = 0, -1
    supervisor.start()
    try:
        while True:
            entry = following.followed_runs(catalog).get(str(folder))
            models = recorded_runs.models_of_run(catalog, identity, run.part)
            count = max((model.points for model in models), default=0)
            if count != printed_count:
                print(f"{message(folder)}: {counted(count, 'snapshot')}", flush=True)
                printed_count = count
            if entry is None:
                return 0
            if entry.stopped:
                raise ValueError(f"{folder} is followed no longer: {entry.stopped}")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        following.unfollow(catalog, folder)
        stored = counted(count, "snapshot is", "snapshots are")
        print(f"\nfollowed no longer; {stored} stored", file=sys.stderr)
        return INTERRUPTED
    finally:
        supervisor.stop()
