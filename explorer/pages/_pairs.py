"""Two points of one problem, each any snapshot of any model: chosen, and kept in the address."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from explorer.ask.subjects import Subject, snapshot_text
from explorer.kinds import Kind
from explorer.pages import _controls as controls
from explorer.pages._address import check_address
from explorer.pages._links import parameter_names
from explorer.pages._parts import known_models
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
    names = parameter_names(kind)
    models_by_label = known_models(catalog)
    first = _choose_point(catalog, kind.subjects[0], names[0], models_by_label, 0, from_start)
    alike = {n: m for n, m in models_by_label.items() if m.problem_id == first.model.problem_id}
    own = list(alike).index(first.label)
    beside = next((n for n in range(len(alike)) if n != own), own)
    start = own if from_start and first.model.points > 1 else beside
    return first, _choose_point(catalog, kind.subjects[1], names[1], alike, start, False)


def _choose_point(
    catalog: Catalog,
    title: str,
    names: tuple[str, str],
    models_by_label: Mapping[str, records.Model],
    start: int,
    first_step: bool,
) -> ChosenPoint:
    """A model among those known, and its snapshot."""
    name, step_name = names
    must = f"one of {', '.join(models_by_label)}: only models of one problem have the same tensors"
    check_address(name, must, models_by_label.__contains__)
    if st.session_state.get(name) not in (
        None,
        *models_by_label,
    ):  # the first one's change took it away
        st.session_state[name] = list(models_by_label)[start]
    label = st.selectbox(
        title.capitalize(), list(models_by_label), index=start, key=name, bind="query-params"
    )
    model = models_by_label[label]
    point = controls.choose_snapshot(catalog, model, step_name, first_step)
    return ChosenPoint(label, model, point)
