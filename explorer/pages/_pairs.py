"""Two points of one problem, each any snapshot of any model: chosen, and kept in the address."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from explorer.ask.subjects import Subject, snapshot_text
from explorer.kinds import Kind
from explorer.pages import _controls as controls
from explorer.pages._address import check_address, choose_named, name_at_first
from explorer.pages._links import parameter_names
from explorer.pages._parts import known_models
from explorer.pages._session import remember_models, remembered_models
from explorer.wording import printable
from store import Catalog, records


@dataclass(frozen=True)
class ChosenPoint:
    """One of the two."""

    label: str
    model: records.Model
    snapshot: records.Point

    @property
    def point(self) -> str:
        """The point's id."""
        return self.snapshot.point_id

    @property
    def subject(self) -> Subject:
        """What a question is asked about."""
        return self.model, self.point

    @property
    def words(self) -> str:
        """Model and snapshot."""
        final = self.point == self.model.point_id
        return self.label if final else f"{self.label} at {printable(snapshot_text(self.snapshot))}"


def choose_pair(catalog: Catalog, kind: Kind, from_start: bool) -> tuple[ChosenPoint, ChosenPoint]:
    """Both subjects of a kind.

    Args:
        catalog: where the models are.
        kind: with two subjects; the second one's name is its parameter in the address.
        from_start: the first is a model's first snapshot unless another is chosen, the second its
            last one; else the second is another model.
    """
    names = parameter_names(kind, kind.settings())
    models_by_label = known_models(catalog)
    last, *_ = [*remembered_models(list(models_by_label.values())), 0]
    usual = list(models_by_label)[last]
    keys = [name for name, _ in names]
    if not any(key in st.query_params or key in st.session_state for key in keys):
        second = _usual_second(models_by_label, usual, from_start)
        name_at_first(dict(zip(keys, (usual, second), strict=True)))
    first = _choose_point(catalog, kind.subjects[0], names[0], models_by_label, usual, from_start)
    remember_models([first.model])
    alike = {n: m for n, m in models_by_label.items() if m.problem_id == first.model.problem_id}
    usual = _usual_second(models_by_label, first.label, from_start)
    return first, _choose_point(catalog, kind.subjects[1], names[1], alike, usual, False)


def _usual_second(
    models_by_label: Mapping[str, records.Model], first: str, from_start: bool
) -> str:
    """The same model if a run's start comes first, else another of its problem, if there is one."""
    model = models_by_label[first]
    if from_start and model.points > 1:
        return first
    alike = (n for n, other in models_by_label.items() if other.problem_id == model.problem_id)
    return next((name for name in alike if name != first), first)


def _choose_point(
    catalog: Catalog,
    title: str,
    names: tuple[str, str],
    models_by_label: Mapping[str, records.Model],
    usual: str,
    first_step: bool,
) -> ChosenPoint:
    """A model among those known, and its snapshot."""
    name, step_name = names
    must = f"one of {', '.join(models_by_label)}: only models of one problem have the same tensors"
    check_address(name, must, models_by_label.__contains__)
    label = choose_named(title.capitalize(), list(models_by_label), name, usual)
    model = models_by_label[label]
    point = controls.choose_snapshot(catalog, model, step_name, first_step)
    return ChosenPoint(label, model, point)
