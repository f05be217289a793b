"""Followed runs: what a real Recorder adds is imported by a real supervisor and worker."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explorer import recorded_runs
from explorer.importing import following, sources
from explorer.kinds.look import CurvesLook
from explorer.own_code import code_of
from explorer.recorder import Recorder
from explorer.render.export.views import whole_spec
from explorer.render.training import curves_chart
from store import Catalog, records
from tests.fork_server import forked_script
from tests.tiny import (
    PATIENCE,
    agreed,
    command_line,
    end_workers,
    ended,
    point_of_weights,
    problem_file,
    record,
    record_two,
    supervised,
    tensors,
    until,
    until_stored,
)
from tests.tiny_problem import problem


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "LOOK_SECONDS", 0.2)
        with supervised(tmp_path_factory.mktemp("following") / "catalog") as (catalog, _):
            yield catalog


def follow(catalog: Catalog, folder: Path, file: Path, **fields: Any) -> None:
    run = following.FollowedRun(problem=file, digest=code_of(file).hash, arguments={})
    following.follow(catalog, folder, replace(run, **fields))


def model_of(catalog: Catalog, folder: Path) -> records.Model | None:
    """The one model of the run in the folder, once it is there."""
    recorded_runs = [
        m for m in catalog.models() if m.facts.get("run", {}).get("folder") == str(folder)
    ]
    assert len(recorded_runs) <= 1
    return recorded_runs[0] if recorded_runs else None


def steps(catalog: Catalog, folder: Path) -> list[int | None]:
    model = model_of(catalog, folder)
    return [p.step for p in catalog.points(model.id)] if model else []


def stopped(catalog: Catalog, folder: Path) -> str:
    """Why the run is followed no longer; empty while it is."""
    run = following.followed_runs(catalog).get(str(folder))
    return run.stopped if run else ""


def test_a_run_is_imported_while_it_grows_until_it_ends(catalog: Catalog, tmp_path: Path) -> None:
    """Each snapshot once, in one model; the last log line too; then it is followed no more."""
    folder = tmp_path / "run"

    def train() -> None:
        model = problem().model
        with Recorder(folder, seed=1) as run:
            for step in range(6):
                model.load_state_dict(tensors(seed=step))
                run.snapshot(model, step, loss=1 / (step + 1))
                time.sleep(0.4)
            run.log(7, loss=0.0)

    script = threading.Thread(target=train)
    script.start()
    until(lambda: (folder / "run.json").exists())
    follow(catalog, folder, problem_file(tmp_path / "p"))
    until_stored(catalog, lambda: steps(catalog, folder))
    until_stored(catalog, lambda: str(folder) not in following.followed_runs(catalog))
    script.join()
    assert steps(catalog, folder) == [0, 1, 2, 3, 4, 5]
    model = model_of(catalog, folder)
    assert model and model.point_id == catalog.points(model.id)[-1].point_id
    assert model.facts["run"]["ended"] is True
    assert model.facts["run"]["curves"]["loss"][-1] == [7, 0.0]


def test_a_changed_problem_file_is_not_run(catalog: Catalog, tmp_path: Path) -> None:
    """The agreement was to another content: nothing is ordered, and the reason is kept."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record(folder, 1)
    follow(catalog, folder, file)
    until_stored(catalog, lambda: steps(catalog, folder) == [1])
    jobs = len(catalog.jobs(limit=1000))
    file.write_text(file.read_text() + "\n# changed\n")
    record(folder, 2)
    until_stored(catalog, lambda: stopped(catalog, folder))
    assert stopped(catalog, folder).startswith(f"{file} has changed since you agreed to run")
    assert len(catalog.jobs(limit=1000)) == jobs and steps(catalog, folder) == [1]


def test_an_import_under_way_is_waited_for(catalog: Catalog, tmp_path: Path) -> None:
    """Import and Follow pressed together make one job, under the name that was given."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record(folder, 1, 2)
    before = {job.id for job in catalog.jobs(limit=1000)}
    job_id = sources.order(catalog, sources.resolve([str(folder)]), file, {}, name="mine")
    follow(catalog, folder, file)
    assert ended(catalog, job_id).status == "done"
    record(folder, 3)
    until_stored(catalog, lambda: steps(catalog, folder) == [1, 2, 3])
    model = model_of(catalog, folder)
    assert model and model.name == "mine"
    assert len({job.id for job in catalog.jobs(limit=1000)} - before) == 2


def test_a_part_of_a_run_is_followed(catalog: Catalog, tmp_path: Path) -> None:
    """What follows is imported by the part that was named; a model of another part is left out."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record_two(folder, 1)
    run = sources.resolve([str(folder)])
    job_id = sources.order(catalog, run, file, {}, name="student", part="student")
    assert ended(catalog, job_id).status == "done"
    follow(catalog, folder, file, part="ema", name="averaged")

    def averaged_points() -> list[str]:
        own = [m for m in catalog.models() if m.name == "averaged"]
        return [p.point_id for m in own for p in catalog.points(m.id)]

    until_stored(catalog, lambda: len(averaged_points()) == 1)
    record_two(folder, 2, end=True)
    until_stored(catalog, lambda: str(folder) not in following.followed_runs(catalog))
    assert averaged_points() == [point_of_weights(1001), point_of_weights(1002)]
    (student,) = (m for m in catalog.models() if m.name == "student")
    assert [p.point_id for p in catalog.points(student.id)] == [point_of_weights(1)]


def test_the_command_line_follows_a_part(tmp_path: Path) -> None:
    """`import --follow --part ema` has the weights of that part alone."""
    folder, file, place = tmp_path / "run", problem_file(tmp_path / "p"), tmp_path / "catalog"
    record_two(folder, 1, end=True)
    try:
        words = ("import", "--yes", "--follow", "--part", "ema", file, folder)
        done = command_line(*words, catalog=place)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("1 snapshot\n")
    finally:
        end_workers(Catalog(place))
    own = Catalog(place)
    (model,) = (m for m in own.models() if m.facts.get("run"))
    assert [p.point_id for p in own.points(model.id)] == [point_of_weights(1001)]


def test_a_deleted_model_stays_deleted(catalog: Catalog, tmp_path: Path) -> None:
    """A run goes on after its model went to the trash: following stops and says why."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record(folder, 1)
    follow(catalog, folder, file)
    until_stored(catalog, lambda: steps(catalog, folder))
    model = model_of(catalog, folder)
    assert model
    catalog.delete_model(model.id)
    record(folder, 2)
    until_stored(catalog, lambda: stopped(catalog, folder))
    assert "deleted" in stopped(catalog, folder) and model_of(catalog, folder) is None


def test_a_failed_import_stops_it(catalog: Catalog, tmp_path: Path) -> None:
    """A problem that fails is not tried for ever: its sentence is kept; unfollow forgets it."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    file.write_text("def problem():\n    raise OSError('no data')\n")
    agreed(file)
    record(folder, 1)
    follow(catalog, folder, file)
    until_stored(catalog, lambda: stopped(catalog, folder))
    assert "failed: OSError: no data" in stopped(catalog, folder)
    following.unfollow(catalog, folder)
    assert str(folder) not in following.followed_runs(catalog)


def test_lists_that_threads_change_at_once_lose_nothing(tmp_path: Path) -> None:
    """A page follows while the supervisor unfollows: each change is kept."""
    catalog, file = Catalog(tmp_path / "catalog"), problem_file(tmp_path / "p")
    catalog.check()
    catalog.jobs_folder.mkdir(exist_ok=True)
    ended_runs = [tmp_path / f"ended {n}" for n in range(8)]
    for folder in ended_runs:
        follow(catalog, folder, file)
    begun_runs = [tmp_path / f"begun {n}" for n in range(8)]

    def change(number: int) -> None:
        follow(catalog, begun_runs[number], file)
        following.unfollow(catalog, ended_runs[number])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(change, range(8)))
    assert set(following.followed_runs(catalog)) == {str(folder) for folder in begun_runs}


def test_what_was_followed_anew_is_not_stopped(tmp_path: Path) -> None:
    """What a look found out about an agreement says nothing of one that was given since."""
    catalog, file = Catalog(tmp_path / "catalog"), problem_file(tmp_path / "p")
    catalog.check()
    catalog.jobs_folder.mkdir(exist_ok=True)
    follower, folder = following.Follower(catalog), tmp_path / "run"
    follow(catalog, folder, file)
    looked_at = following.followed_runs(catalog)[str(folder)]
    follow(catalog, folder, file, digest="0" * 64)
    follower._stop(folder, looked_at, "its code has changed")
    assert stopped(catalog, folder) == ""
    following.unfollow(catalog, folder)
    follower._stop(folder, looked_at, "its code has changed")
    assert following.followed_runs(catalog) == {}


def test_nothing_followed_leaves_the_catalog_alone(tmp_path: Path) -> None:
    """Without followed runs a look does not open the catalog: a notebook may hold it."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    catalog.close()
    follower = following.Follower(catalog)
    before = (tmp_path / "catalog" / "catalog.duckdb").stat().st_mtime_ns
    (tmp_path / "catalog" / "catalog.duckdb").rename(tmp_path / "away")
    follower.check_runs()
    assert not (tmp_path / "catalog" / "catalog.duckdb").exists()
    assert (tmp_path / "away").stat().st_mtime_ns == before


def test_a_run_is_followed_before_its_first_snapshot(catalog: Catalog, tmp_path: Path) -> None:
    """A begun run without snapshots is waited for; its model has the name that was given."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record(folder)
    run_sources = sources.resolve([str(folder)])
    assert run_sources.recording and not run_sources.checkpoints and not run_sources.errors
    with pytest.raises(ValueError, match="has no snapshot yet; follow it"):
        sources.order(catalog, run_sources, file, {})
    follow(catalog, folder, file, name="early")
    time.sleep(1.0)
    assert steps(catalog, folder) == [] and stopped(catalog, folder) == ""
    record(folder, 3)
    until_stored(catalog, lambda: steps(catalog, folder) == [3])
    model = model_of(catalog, folder)
    assert model and model.name == "early" and following.is_followed(catalog, model)
    record(folder, end=True)
    until_stored(catalog, lambda: str(folder) not in following.followed_runs(catalog))
    assert not following.is_followed(catalog, model)


def test_the_command_line_follows_a_run_of_another_process(tmp_path: Path) -> None:
    """`import --follow` on a fresh catalog stays while a script records, and ends with it."""
    folder, file = tmp_path / "run", problem_file(tmp_path / "p")
    record(folder)
    script = forked_script(SCRIPT, folder)
    place = tmp_path / "catalog"
    try:
        done = command_line("import", "--yes", "--follow", file, folder, catalog=place)
        assert (done.returncode, done.stderr) == (0, "")
        assert script.wait(PATIENCE) == 0
        script.communicate()
    finally:
        end_workers(Catalog(place))
    own = Catalog(place)
    assert steps(own, folder) == [0, 1, 2] and following.followed_runs(own) == {}
    model = model_of(own, folder)
    assert model
    curves = recorded_runs.training_curves(own, model)
    assert curves["learning_rate"]["logged"] == [(0, 0.5), (1, 0.25), (2, 0.125)]
    assert curves["loss"]["logged"] == [(0, 1.0), (1, 0.5), (2, 0.25), (7, 0.0)]
    assert [step for step, _ in curves["loss"]["train"]] == [0, 1, 2]
    assert curves["loss"]["train"][-1][1] == model.measurements["train"]["loss"]
    for curves_by_run in ({"run": curves}, {"a": curves, "b": curves}):
        drawn = whole_spec(curves_chart(curves_by_run, CurvesLook(log=True)))
        titles = json.dumps(drawn)
        assert "Learning rate" in titles and "train" in titles and len(drawn["vconcat"]) >= 2
    with pytest.raises(ValueError, match="runs must have a curve"):
        curves_chart({"run": {}}, CurvesLook())


SCRIPT = """
import sys, time, torch
from explorer.own_code import code_of
from explorer.recorder import Recorder
from tests.tiny import tensors
from tests.tiny_problem import problem

model = problem().model
optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
with Recorder(sys.argv[1]) as run:
    for step in range(3):
        model.load_state_dict(tensors(seed=step))
        run.snapshot(model, step, optimizer=optimiser, loss=0.5**step)
        optimiser.param_groups[0]["lr"] /= 2
        time.sleep(1)
    run.log(7, loss=0.0)
"""
