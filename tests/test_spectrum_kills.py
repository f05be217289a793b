"""A spectrum whose worker is killed: nothing finished is lost, and it goes on to the same bits."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM
from store import Catalog
from tests.filling import add_answer, add_tiny, done, new_catalog
from tests.tiny import (
    checkpoint,
    ended,
    imported,
    problem_file,
    supervised,
    until,
    until_stored,
)

SETTINGS = SpectrumSettings(probes=48, steps=40, top=4)
KILLS = 2
PAUSE = 0.0005  # seconds per pass through the model: kills come before the end on any machine
LONG_PAUSE = 0.01  # for a search that is kept once a second


@pytest.mark.slow
def test_a_killed_spectrum_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL twice midway: stored probes stay as they are, and all equal those of one go."""
    catalog = new_catalog(tmp_path / "whole")
    model = add_tiny(catalog, tmp_path / "one", "model")
    whole_key = add_answer(catalog, SPECTRUM, SETTINGS, (model, "")).key
    whole = catalog.values(whole_key, SPECTRUM.table)
    catalog.close()
    with supervised(tmp_path / "killed") as (catalog, supervisor):
        model = imported(catalog, tmp_path / "other", "model", pause=PAUSE)
        key = questions.ask(catalog, SPECTRUM, model, SETTINGS)
        killed: set[int] = set()
        for kill in range(KILLS):
            stored = until_stored(
                catalog,
                lambda n=kill: (u := catalog.units_done(key)) > 6 * (n + 1) and u,  # type: ignore[misc]
            )
            assert stored < SETTINGS.units, "the spectrum was complete before the kill"
            # what the last one left may be stored before the next one has begun
            (worker,) = until(lambda d=killed: [w for w in supervisor.workers if w.pid not in d])  # type: ignore[misc]
            before = catalog.values(key, SPECTRUM.table)
            os.kill(worker.pid, signal.SIGKILL)
            killed.add(worker.pid)
            until_stored(catalog, lambda s=stored: catalog.units_done(key) > s)  # type: ignore[misc]
            after = catalog.values(key, SPECTRUM.table)
            kept = np.isin(after["unit"], np.unique(before["unit"]))
            for name, values in before.items():
                assert np.array_equal(after[name][kept], values, equal_nan=True), name
        until_stored(catalog, lambda: catalog.question(key).status == "complete")
        stored_rows = catalog.values(key, SPECTRUM.table)
    assert stored_rows.keys() == whole.keys()
    for name, values in whole.items():
        assert np.array_equal(stored_rows[name], values, equal_nan=True), name


WIDE = 1500  # hidden units: 21,003 parameters
LONG = SpectrumSettings(probes=2, steps=20, tolerance=1e-12, room=400, precision="float64")


def kept_steps(catalog: Catalog, key: str) -> int:
    """Records that the catalog has of the search for pairs; the first is no step."""
    parts = catalog.answer_states(key).get(0, ())
    return sum(len(load_file(catalog.file_path(p.file_hash))["numbers"]) for p in parts)


def order_wide(catalog: Catalog, folder: Path, pause: float = 0.0) -> str:
    """The import of a model whose search for pairs takes hundreds of steps."""
    checkpoints = [Checkpoint(file=checkpoint(folder / "wide.safetensors", width=WIDE))]
    arguments = {"width": WIDE, "pause": pause}
    return order_import(catalog, problem_file(folder / "problem"), arguments, checkpoints, "wide")


def test_a_search_killed_midway_goes_on_from_its_last_step(tmp_path: Path) -> None:
    """SIGKILL twice before the pairs are found: no step that is kept is done again, same bits.

    What is kept of the unit lies in the catalog, and is dropped once the unit is done.
    """
    catalog = new_catalog(tmp_path / "whole")
    done(catalog, order_wide(catalog, tmp_path / "one"))
    question = add_answer(catalog, SPECTRUM, LONG, (catalog.models()[0], ""))
    whole, facts = catalog.values(question.key, SPECTRUM.table), question.facts
    catalog.close()
    with supervised(tmp_path / "killed") as (catalog, supervisor):
        job = ended(catalog, order_wide(catalog, tmp_path / "other", LONG_PAUSE))
        assert job.status == "done", job.error
        key = questions.ask(catalog, SPECTRUM, catalog.models()[0], LONG)
        for steps in (20, 60):
            until_stored(catalog, lambda n=steps: kept_steps(catalog, key) > n)  # type: ignore[misc]
            (worker,) = until(lambda: supervisor.workers)  # the next one, if the last was killed
            os.kill(worker.pid, signal.SIGKILL)
            assert not catalog.units_done(key), "the pairs were found before the kill"
        until_stored(catalog, lambda: catalog.question(key).status == "complete")
        stored_rows, told = catalog.values(key, SPECTRUM.table), catalog.question(key).facts
        assert catalog.answer_states(key) == {}
    for name, values in whole.items():
        assert np.array_equal(stored_rows[name], values, equal_nan=True), name
    assert told["lanczos_steps"] == facts["lanczos_steps"] > 100
    assert told["products_0"] <= facts["products_0"] - 59  # the first record is no step
