"""Which answers are of one plane, so that one can be drawn over the other's picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Whether two planes have the same axes, each around a point of its own."""
    mine, others = plane_identity(over), plane_identity(under)
    if mine is None or others is None:
        return False
    return replace(mine, points=mine.points[1:]) == replace(others, points=others.points[1:])


@dataclass(frozen=True)
class PlaneIdentity:
    """What makes a plane the one that it is."""

    axes: tuple[object, ...]
    points: tuple[str, ...]  # through the first; of a whole run all of them
    objective: str = ""  # hash of loss and data, where the axes are those of a loss


def plane_identity(question: records.Question) -> PlaneIdentity | None:
    """What makes the plane of an answer the one that it is; None where it has no plane."""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    recipe = settings.plane_recipe
    if recipe is None:
        return None
    single = len(kind.single_subjects(settings)) or len(question.point_ids)
    objective = question.objective or question.key if settings.plane_follows_loss else ""
    return PlaneIdentity(tuple(sorted(recipe.items())), question.point_ids[:single], objective)


def answers_over(
    catalog: Catalog, under: records.Question, kinds: Sequence[str] = ()
) -> list[records.Question]:
    """Complete answers that can be drawn over this one, the latest first.

    Args:
        catalog: where they are.
        under: what they are drawn over.
        kinds: names of those wanted; all unless given.
    """
    stored, _ = catalog.questions(limit=MOST_OFFERED)
    return [
        other
        for other in stored
        if other.status == "complete"
        and (not kinds or other.kind in kinds)
        and not unreadable(other.kind, other.settings)
        and lies_over(other, under)
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
