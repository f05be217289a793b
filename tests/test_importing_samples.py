"""Sample models come into a catalog: six by themselves, each of the others when asked for."""

import dataclasses
from pathlib import Path

import pytest

from explorer.importing import samples as importing
from explorer.importing.samples import (
    is_sample,
    order_first_samples,
    order_sample,
    stored_sample,
)
from sample_models import sample_named
from store import Catalog
from tests.filling import new_catalog, work

FIRST = {"mlp_a", "mlp_b", "mlp_c", "deep_plain", "deep_residual", "cnn_bn"}


def test_a_first_start_orders_six_samples_once(tmp_path: Path) -> None:
    """The first start stays as quick as it was however many samples there are."""
    catalog = Catalog(tmp_path)
    catalog.check()
    for _ in range(2):
        order_first_samples(catalog)
        titles = [job.title for job in catalog.active_jobs()]
        assert sorted(titles) == sorted(f"Import of {name}" for name in FIRST)


def test_a_sample_is_imported_once_and_again_when_it_is_gone(tmp_path: Path) -> None:
    """Ordering twice makes one job, before and after the import; a deleted model comes back."""
    catalog = new_catalog(tmp_path)
    for _ in range(2):
        order_sample(catalog, "mlp_b")
        assert len(catalog.active_jobs()) == 1
    assert stored_sample(catalog, "mlp_b") is None
    work(catalog)
    model = stored_sample(catalog, "mlp_b")
    assert model is not None
    assert model.facts["about"] == sample_named("mlp_b").about
    order_sample(catalog, "mlp_b")
    assert not catalog.active_jobs()
    catalog.delete_model(model.id)
    order_sample(catalog, "mlp_b")
    assert len(catalog.active_jobs()) == 1


def test_a_sample_of_other_code_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of its problem file what was imported before is not it: it is ordered anew.

    Of a model that an earlier version imported, the code that the catalog knows says the same.
    """
    catalog = new_catalog(tmp_path)
    order_sample(catalog, "mlp_b")
    work(catalog)
    model = stored_sample(catalog, "mlp_b")
    assert model is not None
    facts = {name: fact for name, fact in model.facts.items() if name != "sample_content"}
    earlier = dataclasses.replace(model, facts=facts)
    sample = sample_named("mlp_b")
    assert len(facts) < len(model.facts) and is_sample(catalog, earlier, sample)
    monkeypatch.setattr(importing, "_hash_of", lambda problem, changed: "another")
    assert not is_sample(catalog, earlier, sample)
    assert stored_sample(catalog, "mlp_b") is None
    order_sample(catalog, "mlp_b")
    assert len(catalog.active_jobs()) == 1


def test_an_unknown_sample_is_refused(tmp_path: Path) -> None:
    """A name that no recipe has makes no job."""
    catalog = new_catalog(tmp_path)
    with pytest.raises(KeyError, match="mlp_z"):
        order_sample(catalog, "mlp_z")
    assert not catalog.active_jobs()
