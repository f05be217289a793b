"""Which answers are of one plane, so that one can be drawn over the other's picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import setting_fields
from store import Catalog, records

MOST_OFFERED = 300  # answers that are looked at


def lies_over(over: records.Question, under: records.Question) -> bool:
    """Whether an answer can be drawn over another's picture: both are of the same plane.

    Its loss may be another one: of another split, of another task, or a measure of curvature.
    """
    if not kind_named(over.kind).over or over.key == under.key:
        return False
    mine, others = plane_identity(over), plane_identity(under)
    return mine is not None and mine == others


def around_another_point(over: records.Question, under: records.Question) -> bool:
    """Whether two planes have axes that are made alike, each around a point of its own."""
    mine, others = plane_identity(over), plane_identity(under)
    if mine is None or others is None:
        return False
    return mine.axes == others.axes and mine.origin != others.origin


@dataclass(frozen=True)
class PlaneIdentity:
    """What makes a plane the one that it is."""

    origin: str  # id of the point it goes through; "" where its axes say that too
    axes: tuple[object, ...]  # settings, points and loss that they are made of


def plane_identity(question: records.Question) -> PlaneIdentity | None:
    """What makes the plane of an answer the one that it is; None where it has no plane."""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    recipe = settings.plane_recipe
    if recipe is None:
        return None
    single = len(kind.single_subjects(settings))
    points = question.point_ids[:single] or question.point_ids  # a whole run's are all of it
    axes = (*sorted(recipe.items()), *points[1:])
    if settings.plane_follows_loss:
        return PlaneIdentity("", (*axes, points[0], question.objective or question.key))
    return PlaneIdentity(points[0], axes) if single else PlaneIdentity("", (*axes, points[0]))


def answers_over(
    catalog: Catalog, under: records.Question, kinds: Sequence[str] = ()
) -> list[records.Question]:
    """Complete answers that can be drawn over this one, the latest first.

    Args:
        catalog: where they are.
        under: what they are drawn over.
        kinds: names of those wanted; all unless given.
    """
    plane = plane_identity(under)
    if plane is None:
        return []
    stored, _ = catalog.questions(limit=MOST_OFFERED)
    return [
        other
        for other in stored
        if other.status == "complete"
        and other.key != under.key
        and (not kinds or other.kind in kinds)
        and not unreadable(other.kind, other.settings)
        and kind_named(other.kind).over
        and plane_identity(other) == plane
    ]


def overlay_words(over: records.Question, under: records.Question) -> str:
    """In what an answer differs from the one that it is drawn over, as "test"."""
    kind, other = kind_named(over.kind), kind_named(under.kind)
    words = [kind.title] if kind is not other else []
    if over.problem_id != under.problem_id:
        words.append(over.model_names[0])
    settings = [
        settings_from_json(k.settings, q.settings) for k, q in ((kind, over), (other, under))
    ]
    for described in setting_fields(ObjectiveSettings):
        mine, others = (getattr(one, described.name) for one in settings)
        if mine != others:
            words.append(str(mine))
    if not words:
        words = list(settings[0].distinguishing_words)
    return " ".join(words)
