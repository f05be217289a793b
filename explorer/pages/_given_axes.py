"""Axes that the user gives: which points or stored directions they are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.ask.brought_points import directions_by_model
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import Subject, point_text
from explorer.kinds.given_axes import DIFFERENCE, GIVEN, GivenAxisSettings
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._address import check_address, choose_listed, choose_named
from explorer.pages._stopping import stop_page
from explorer.pages._text import as_text
from store import Catalog, records

ITSELF = "the model itself"
END_WORDS = {"start": "Start point of {}", "end": "End point of {}"}
NO_DIRECTION = (
    "No direction of this problem is stored. Lines and planes along eigenvectors or downhill, and "
    "training runs, bring theirs; or import a file as a direction."
)


@dataclass(frozen=True)
class ChosenAxes:
    """Axes as settings, and what given ones are made of."""

    values: forms.Values
    further: tuple[Subject | None, ...] = ()  # None: the model that is asked about

    def subjects(self, own: Subject) -> tuple[Subject, ...]:
        """All subjects of the question about this one."""
        return (own, *(subject or own for subject in self.further))


def choose_given_axes(
    catalog: Catalog,
    settings: type[GivenAxisSettings],
    own: Sequence[records.Model],
    axes: str,
) -> ChosenAxes:
    """What each of the axes is made of.

    Args:
        catalog: where the models are.
        settings: the class of the kind's settings.
        own: the models that are asked about, of one problem.
        axes: their letters.
    """
    problem_id, own_ids = own[0].problem_id, {model.id for model in own}
    labels = label_models(catalog.models())
    models = {name: m for name, m in labels.items() if m.problem_id == problem_id}
    # An axis leads away from the model, and a plane's second one to a third model.
    others = [name for name, m in models.items() if m.id not in own_ids] or list(models)
    values: forms.Values = {"direction": GIVEN}
    further: list[Subject | None] = []
    for axis in axes:
        sort = forms.choose(settings, f"{axis}_axis", menu=True)
        values[f"{axis}_axis"] = sort
        if sort == DIFFERENCE:
            further += [
                _choose_end(catalog, models, f"{axis}_start", ITSELF),
                _choose_end(catalog, models, f"{axis}_end", others["xy".index(axis) % len(others)]),
            ]
        elif sort == "stored":
            further.append(_choose_direction(catalog, models, f"{axis}_stored", problem_id))
    values["scaling"] = forms.choose(settings, "scaling")
    return ChosenAxes(values, tuple(further))


def _choose_end(
    catalog: Catalog, models: Mapping[str, records.Model], key: str, usual: str
) -> Subject | None:
    """A point of one of the models, at first of the usual one; None for the one asked about."""
    axis, _, part = key.partition("_")
    options = [ITSELF, *models] if part == "start" else list(models)
    _check_name(key, options)
    label = choose_named(END_WORDS[part].format(axis), options, key, usual)
    if part == "start" and label == ITSELF:
        return None
    return models[label], controls.choose_snapshot(
        catalog, models[label], f"{key}_step", False
    ).point_id


def _choose_direction(
    catalog: Catalog, models: Mapping[str, records.Model], key: str, problem_id: str
) -> Subject:
    """A direction from a file, or one of those that analyses of a model brought."""
    imported = label_models(catalog.models(directions=True))
    files = {name: d for name, d in imported.items() if d.problem_id == problem_id}
    points_by_model = directions_by_model(catalog)
    brought = {
        name: {point_text(point): point for point in points_by_model[model.id]}
        for name, model in models.items()
        if model.id in points_by_model
    }
    options = [*files, *brought]
    if not options:
        stop_page(NO_DIRECTION, error=False)
    _check_name(key, options)
    label = choose_named(f"Direction of {key[0]}", options, key, options[0])
    if label in files:
        return files[label], files[label].point_id
    own, step_key = brought[label], f"{key}_step"
    check_address(step_key, f"one of {', '.join(own)}", own.__contains__)
    chosen = choose_listed(
        "Direction",
        list(own),
        step_key,
        next(iter(own)),
        lambda name: as_text(name, 200),
        "Directions that analyses of this model were made along.",
    )
    return models[label], own[chosen].point_id


def _check_name(key: str, options: Sequence[str]) -> None:
    check_address(key, f"one of {', '.join(options)}", options.__contains__)
