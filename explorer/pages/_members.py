"""Choosing what stands beside a model: other models' runs, and points alone."""

from collections.abc import Mapping

import streamlit as st

from explorer.ask.subjects import Subject, point_text
from explorer.kinds.members import OfMembers
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._parts import known_models
from explorer.wording import printable
from store import Catalog, records

MOST_SNAPSHOTS = 200  # in a menu; of more, only those that the address names
USUAL_TAIL = 5  # snapshots of a run whose model is chosen alone
MEMBERS_HELP = (
    "Models of the same problem, or points of them alone: snapshots, and what analyses brought. "
    "Of a model with several snapshots the last ones are taken, as many as is said below."
)


def choose_beside(
    catalog: Catalog, model: records.Model, label: str, *, own: bool, help: str
) -> dict[str, Subject]:
    """Models of the same problem, and points of them alone, by what the address calls each.

    Points are snapshots, and what analyses brought: ends of searches, bends, averages.

    Args:
        catalog: where they are.
        model: whose problem it is.
        label: of the menu.
        own: whether the model itself may be chosen; points of it always may.
        help: of the menu.
    """
    models = {
        name: other
        for name, other in known_models(catalog).items()
        if other.problem_id == model.problem_id
    }
    runs: dict[str, Subject] = {
        name: (other, "") for name, other in models.items() if own or other.id != model.id
    }
    options = runs | _brought_points(catalog, models) | _snapshots(catalog, models)
    few = ", ".join(list(options)[:12]) or "none"
    must = f"models of one problem, or NAME@POINT of them, as {few}"
    return {name: options[name] for name in controls.choose_several(label, [*options], must, help)}


def _brought_points(catalog: Catalog, models: Mapping[str, records.Model]) -> dict[str, Subject]:
    """The points that answers brought, as "net@end of search 2 (1a2b3c4d)"."""
    names = {model.id: name for name, model in models.items()}
    return {
        f"{names[brought.model_id]}@{point_text(brought)}": (
            models[names[brought.model_id]],
            brought.point_id,
        )
        for brought in catalog.answer_points()
        if brought.model_id in names and not brought.is_direction
    }


def _snapshots(catalog: Catalog, models: Mapping[str, records.Model]) -> dict[str, Subject]:
    """Snapshots that are no final ones, as "net@30"; of too many those that the address names."""
    of_runs = {name: model for name, model in models.items() if model.points > 1}
    named = st.query_params.get_all("runs")
    many = sum(model.points - 1 for model in of_runs.values()) > MOST_SNAPSHOTS
    if many:
        of_runs = {n: m for n, m in of_runs.items() if any(t.startswith(f"{n}@") for t in named)}
    snapshots: dict[str, Subject] = {}
    for name, model in of_runs.items():
        for point in catalog.points(model.id):
            step = printable(point.label) if point.step is None else point.step
            if point.point_id != model.point_id and (not many or f"{name}@{step}" in named):
                snapshots[f"{name}@{step}"] = (model, point.point_id)
    return snapshots


def own_run(model: records.Model, point: str) -> Subject:
    """The model's run where its final point is chosen, else that point alone."""
    return model, "" if point == model.point_id else point


def member_count(subjects: Mapping[str, Subject], last: int) -> int:
    """How many points these are, the last so many of each run."""
    return sum(1 if point else min(last, model.points) for model, point in subjects.values())


def choose_last(settings: type[OfMembers], runs: Mapping[str, Subject]) -> int:
    """How many snapshots of each run; nothing to choose where no run has several.

    Args:
        settings: the class of the kind's settings.
        runs: the runs and points that are chosen.
    """
    longest = max((model.points for model, point in runs.values() if not point), default=1)
    if longest == 1:
        return 1
    usual = min(USUAL_TAIL, longest) if len(runs) == 1 else 1
    last = forms.choose(settings, "last", usual=usual)
    assert isinstance(last, int)  # as the setting is
    return last
