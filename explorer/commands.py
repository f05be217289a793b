"""Commands that compute nothing: what a question would take, what there is, following, merging."""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from explorer import job_progress, recorded_runs
from explorer.ask import questions, requests
from explorer.ask.estimate import estimate
from explorer.contracts.facts import ModelFacts
from explorer.importing import following
from explorer.importing.sources import Sources
from explorer.jobs import queue_state, vetting
from explorer.jobs.spool import Spool
from explorer.kinds import Kind, kind_named, unreadable
from explorer.own_code import Code
from explorer.supervisor import Supervisor
from explorer.wording import message
from store import Catalog, records

MAX_QUESTIONS = 1_000_000  # questions that one listing holds
POLL_SECONDS = 0.5


def print_estimates(
    catalog: Catalog, kind: Kind, settings: Any, asks: Sequence[Sequence[questions.Subject]]
) -> None:
    """Print what each question has and how long the rest will take; ask nothing.

    Points that it would take over from other questions are counted as missing.

    Args:
        catalog: it is only read.
        kind: of the questions.
        settings: of all of them.
        asks: the subjects of each.
    """
    warm = False
    for (model, point), *others in asks:
        question = questions.question_about(catalog, kind, model, settings, point, others)
        stored = catalog.question(question.key)
        done = stored.units_done if stored else 0
        units = question.settings.units
        rest = "complete, 0 s"
        if done < units:
            expected = estimate(catalog, question, model, warm)
            seconds = expected.start + expected.setup + (units - done) * expected.per_unit
            rest = f"about {seconds:.1f} s" if math.isfinite(seconds) else "never timed here"
            warm = True  # one worker answers all
        title = questions.title(
            catalog, question, questions.models_of(kind, [(model, point), *others])
        )
        print(f"{question.key[:12]} {message(title)}: {kind.count_text(done, units)}, {rest}")


def follow_run(
    catalog: Catalog, run_sources: Sources, code: Code, arguments: Mapping[str, Any], name: str
) -> int:
    """Import what a recorded run has and brings, until it has ended; Ctrl-C leaves it alone.

    Raises:
        ValueError: the sources are no recorded run, or it can be followed no longer.
    """
    if run_sources.recording is None:
        raise ValueError("only a recorded run can be followed; name the Recorder's folder")
    folder, identity = (
        run_sources.recording.folder.resolve(),
        recorded_runs.identity(run_sources.recording),
    )
    following.follow(catalog, folder, code.problem, code.hash, arguments, name)
    supervisor, printed_count = Supervisor(catalog, "auto"), -1
    supervisor.start()
    try:
        while True:
            entry = following.followed_runs(catalog).get(str(folder))
            count = max((m.points for m in recorded_runs.models_of(catalog, identity)), default=0)
            if count != printed_count:
                print(f"{message(folder)}: {count:,} snapshots", flush=True)
                printed_count = count
            if entry is None:
                return 0
            if entry.stopped:
                raise ValueError(f"{folder} is followed no longer: {entry.stopped}")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        following.unfollow(catalog, folder)
        print(f"\nfollowed no longer; {printed_count:,} snapshots are stored", file=sys.stderr)
        return 130
    finally:
        supervisor.stop()


def list_catalog(catalog: Catalog, given: argparse.Namespace) -> int:
    """Models with their losses, then analyses with their keys and how far they are."""
    models = catalog.models()
    stored_questions, _ = catalog.questions(limit=MAX_QUESTIONS)
    if given.json:
        content = {
            "models": [_model_json(m) for m in models],
            "analyses": [_analysis_json(q) for q in stored_questions],
        }
        print(json.dumps(_finite_json(content), allow_nan=False, indent=1))
        return 0
    for model in models:
        measured = ", ".join(
            f"{message(split)} {message(name)} {value:.4g}"
            for split, values in model.measurements.items()
            for name, value in values.items()
        )
        size = f"{ModelFacts.of(model.facts).parameters or 0:,} parameters"
        print(f"model {message(model.name)}: {size}, {measured}")
    for question in stored_questions:
        if unreadable(question.kind, question.settings):
            continue
        complete = ", complete" if question.status == "complete" else ""
        done = kind_named(question.kind).count_text(question.units_done, question.units)
        print(f"{question.key[:12]} {message(question.title)}: {done}{complete}")
    for why, count in Counter(unreadable(q.kind, q.settings) for q in stored_questions).items():
        if why:
            analyses = "1 analysis is" if count == 1 else f"{count:,} analyses are"
            print(f"{analyses} {why}: update this program to see what a newer one stored")
    return 0


def list_jobs(catalog: Catalog, given: argparse.Namespace) -> int:
    """Jobs that run or wait in the order of their turns, then those that have ended, latest first.

    Each with its id, which `cancel` takes, and with what it does or why it has not begun.
    """
    spool = Spool(catalog.jobs_folder)
    under_way = sorted(
        catalog.jobs(status=vetting.ACTIVE_STATUSES, limit=MAX_QUESTIONS),
        key=lambda j: (j.status != "running", j.priority, str(j.created)),
    )
    over = (
        catalog.jobs(status=("done", "failed", "cancelled"), limit=MAX_QUESTIONS)
        if given.all
        else []
    )
    progress_texts = {job.id: queue_state.progress_text(spool, job.id) for job in under_way}
    if given.json:
        content = [_job_json(job, progress_texts.get(job.id, "")) for job in (*under_way, *over)]
        print(json.dumps(_finite_json(content), ensure_ascii=False, allow_nan=False, indent=1))
        return 0
    for job in (*under_way, *over):
        ended = job.status if not job.error else f"{job.status}: {job.error}"
        print(f"{job.id} {message(job.title)}: {progress_texts.get(job.id, ended)}")
    if not under_way and not over:
        print("no job runs or waits")
    return 0


def cancel_jobs(catalog: Catalog, given: argparse.Namespace) -> int:
    """Stop jobs after the piece in hand, and wait until they have ended.

    Raises:
        ValueError: no job is named, or one that neither runs nor waits.
    """
    under_way = catalog.jobs(status=vetting.ACTIVE_STATUSES, limit=MAX_QUESTIONS)
    jobs_to_cancel = (
        under_way if given.all else [_job_by_id_prefix(under_way, name) for name in given.job]
    )
    if not jobs_to_cancel and not given.all:
        raise ValueError("name a job by its id, which `jobs` shows, or give --all")
    for job in jobs_to_cancel:
        requests.cancel(catalog, job.id)
    supervisor = Supervisor(catalog, hires=False)
    supervisor.start()
    try:
        for job in jobs_to_cancel:
            ended = job_progress.wait_for_job(catalog, job.id, supervisor)
            print(f"{job.id} {message(job.title)}: {ended.status}", flush=True)
    finally:
        supervisor.stop()
    return 0


def _job_by_id_prefix(under_way: Sequence[records.Job], name: str) -> records.Job:
    """The job whose id begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    matches = [job for job in under_way if name and job.id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    what = f"{len(matches)} jobs" if matches else "no job that runs or waits"
    raise ValueError(f"{name!r} names {what}; `jobs` lists them with their ids")


def _job_json(job: records.Job, progress_text: str) -> dict[str, Any]:
    return {
        "id": job.id,
        "title": job.title,
        "task": job.task,
        "status": job.status,
        "doing": progress_text,
        "units_done": job.units_done,
        "units": job.units,
        "error": job.error,
        "analysis": job.question_key,
        "created": str(job.created),
    }


def merge_catalog(catalog: Catalog, given: argparse.Namespace) -> int:
    """Bring another catalog's models and answers into this one."""
    new = catalog.merge(given.other)
    print(
        f"brought {new.models:,} models, {new.points:,} checkpoints, {new.questions:,} analyses, "
        f"{new.units:,} points of analyses, {new.files:,} files"
    )
    return 0


def _model_json(model: records.Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "parameters": ModelFacts.of(model.facts).parameters,
        "points": model.points,
        "measurements": model.measurements,
        "created": str(model.created),
    }


def _analysis_json(question: records.Question) -> dict[str, Any]:
    return {
        "key": question.key,
        "kind": question.kind,
        "title": question.title,
        "models": question.model_names,
        "status": question.status,
        "units_done": question.units_done,
        "units": question.units,
        "seconds": question.seconds,
        "settings": question.settings,
        "created": str(question.created),
    }


def _finite_json(value: Any) -> Any:
    """JSON values; NaN and the infinities, which JSON lacks, as the words NaN, inf and -inf."""
    if isinstance(value, dict):
        return {name: _finite_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    return value
