"""Models and their snapshots as the command line names them."""

from collections.abc import Mapping, Sequence

from explorer.ask.command_text import option_name
from explorer.ask.stored_paths import path_of
from explorer.ask.subjects import Subject
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.wording import one_line
from store import Catalog, records

FEWEST_KEY_LETTERS = 6  # of a key that name it
MAX_LISTED_SNAPSHOTS = 8  # snapshots that one line can list


def model_named(models: Sequence[records.Model], name: str) -> records.Model:
    """The one of these models that has that name, or whose id begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    may_be_id = len(name) >= FEWEST_KEY_LETTERS
    named = [m for m in models if m.name == name or (may_be_id and m.id.startswith(name))]
    if len(named) == 1:
        return named[0]
    names = ", ".join(sorted(one_line(m.name) for m in models)) or "none"
    if not named:
        raise ValueError(f"{name!r} is no model; there are {names}")
    ids = ", ".join(m.id[:12] for m in named)
    raise ValueError(f"{name!r} names {len(named)} models; give the id's beginning: {ids}")


def further_subjects(
    catalog: Catalog, settings: ObjectiveSettings, given: Mapping[str, str]
) -> list[Subject | None]:
    """The subjects that the settings ask for beside those of the kind; None for the model itself.

    Args:
        catalog: where they are.
        settings: of the question.
        given: what was named, by the names of the subjects.

    Raises:
        ValueError: one is missing, is of no use, or is not there.
    """
    names = settings.further_subjects
    for name in given.keys() - set(names):
        wanted = ", ".join(map(option_name, names)) or "none of its like"
        raise ValueError(
            f"{option_name(name)} is of no use with these settings; they want {wanted}"
        )
    for name in names:
        if name not in given and not name.endswith("_start"):
            what = "which point it is" if "_" not in name else "what the axis is made of"
            raise ValueError(f"{option_name(name)} must say {what}; name it")
    return [
        subject_named(catalog, given[name], direction=name.endswith("_stored"))
        if name in given
        else None
        for name in names
    ]


def path_named(catalog: Catalog, text: str, first: Subject, second: Subject) -> tuple[Subject, ...]:
    """The bends of the path whose key begins so, from its end `first` on.

    Raises:
        ValueError: there is no such path, it is not at its end, or keys of several begin so.
    """
    keys = {p.question_key for p in catalog.answer_points() if p.question_key.startswith(text)}
    if len(text) < FEWEST_KEY_LETTERS or len(keys) != 1:
        what = "several analyses" if len(keys) > 1 else "no path that is trained to its end"
        raise ValueError(f"{text!r} names {what}; list them and give more of the key")
    question = catalog.question(keys.pop())
    path = question and path_of(catalog, question, first[1])
    if not path or {*path.question.point_ids} != {first[1], second[1]}:
        names = " and ".join(one_line(model.name) for model, _ in (first, second))
        raise ValueError(f"{text!r} is no path between {names}; name one that is")
    return path.bends


def subject_named(catalog: Catalog, text: str, direction: bool = False) -> Subject:
    """The model NAME and its final point, or another of its points.

    That is its snapshot NAME@STEP, or NAME@FILE without `.pt`, or a point that an answer brought,
    NAME@KEY:POINT, where the beginning of the key is enough.

    Args:
        catalog: where it is.
        text: its name.
        direction: whether it may be an imported direction.
    """
    models = [*catalog.models(), *(catalog.models(directions=True) if direction else ())]
    name, at, step = text.rpartition("@")
    if not at or any(model.name == text for model in models):
        model = model_named(models, text)
        return model, model.point_id
    model = model_named(models, name)
    stored_points = catalog.points(model.id)
    steps = {str(point.step): point.point_id for point in stored_points if point.step is not None}
    points = {point.label: point.point_id for point in stored_points} | steps
    by_id = [p for p in points.values() if len(step) >= FEWEST_KEY_LETTERS and p.startswith(step)]
    if step not in points and len(set(by_id)) == 1:
        return model, by_id[0]
    if step not in points and (brought := _brought_point(catalog, model, step)):
        return model, brought
    if step not in points:
        names = list(steps or points)
        step_range = (
            f"from {names[0]} to {names[-1]}"
            if len(names) > MAX_LISTED_SNAPSHOTS
            else ", ".join(names)
        )
        raise ValueError(f"{name} has no snapshot {step}; there are {step_range}")
    return model, points[step]


def _brought_point(catalog: Catalog, model: records.Model, text: str) -> str:
    """The id of the point KEY:POINT that an answer brought; empty if it is no such text.

    Raises:
        ValueError: no answer of that key has brought it, or several have.
    """
    key, colon, name = text.partition(":")
    if not colon or len(key) < FEWEST_KEY_LETTERS:
        return ""
    brought = [
        p for p in catalog.answer_points(model_id=model.id) if p.question_key.startswith(key)
    ]
    named = {point.point_id for point in brought if point.name == name}
    if len(named) == 1:
        return named.pop()
    names = ", ".join(point.name for point in brought) or "none"
    what = f"{len(named)} points" if named else "no point"
    raise ValueError(f"{text} names {what} of {model.name}; that analysis brought: {names}")
