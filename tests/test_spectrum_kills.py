"""A spectrum whose worker is killed: no finished probe is lost, and it goes on to the same bits."""

import os
import signal
from pathlib import Path

import numpy as np

from explorer.jobs import desk
from explorer.kinds.spectrum import SPECTRUM, SpectrumSettings
from tests.tiny import imported, supervised, until

SETTINGS = SpectrumSettings(probes=400, steps=60, top=4)
KILLS = 3


def test_a_killed_spectrum_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL three times midway: stored probes stay as they are, and all equal those of one go."""
    with supervised(tmp_path / "whole") as (catalog, _):
        model = imported(catalog, tmp_path / "one", "model")
        key = desk.ask(catalog, SPECTRUM, model, SETTINGS)
        until(lambda: catalog.question(key).status == "complete")
        whole = catalog.values(key, SPECTRUM.table)
    with supervised(tmp_path / "killed") as (catalog, supervisor):
        model = imported(catalog, tmp_path / "other", "model")
        assert desk.ask(catalog, SPECTRUM, model, SETTINGS) == key
        for kill in range(KILLS):
            stored = until(
                lambda n=kill: (u := catalog.units_done(key)) > 20 * (n + 1) and u  # type: ignore[misc]
            )
            assert stored < SETTINGS.units, "the spectrum was complete before the kill"
            (worker,) = supervisor.workers
            before = catalog.values(key, SPECTRUM.table)
            os.kill(worker.pid, signal.SIGKILL)
            until(lambda s=stored: catalog.units_done(key) > s)  # type: ignore[misc]
            after = catalog.values(key, SPECTRUM.table)
            kept = np.isin(after["unit"], np.unique(before["unit"]))
            for name, values in before.items():
                assert np.array_equal(after[name][kept], values, equal_nan=True), name
        until(lambda: catalog.question(key).status == "complete")
        found = catalog.values(key, SPECTRUM.table)
    assert found.keys() == whole.keys()
    for name, values in whole.items():
        assert np.array_equal(found[name], values, equal_nan=True), name
