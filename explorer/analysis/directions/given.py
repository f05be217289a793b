"""Axes that the user gives: differences of points, stored directions; and where the points lie."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.analysis.directions.directions import direction_facts, drawn_recipe
from explorer.analysis.directions.plane import Plane, parameter_vector
from explorer.analysis.objective.direction_tensors import moving_names
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.random_directions import (
    direction_parts,
    groups_of,
    orthogonalise,
    rescale,
)
from explorer.codec import JsonValue
from explorer.kinds.direction_settings import BY_GROUP, DirectionSettings
from explorer.kinds.given_axes import DIFFERENCE, GivenAxisSettings

ALONG = 1 - 1e-9  # cosine from which two axes are one


def given_axes(
    objective: Objective, settings: GivenAxisSettings, further: Sequence[Tensors]
) -> tuple[Tensor, dict[str, JsonValue]]:
    """The axes (m, D) in the model's precision, and what a reader checks them by.

    Source of a plane through three points: Garipov et al. 2018, arXiv:1802.10026, section 3.

    Args:
        objective: stands on the point that the axes begin at.
        settings: what the axes are.
        further: the points and directions that they are made of, as the settings name them.

    Raises:
        ValueError: an axis is zero or not finite, or both are one.
    """
    flat = objective.flat
    parts = _parts_by_axis(settings, further)
    rows: list[Tensor] = []
    recipes: list[dict[str, JsonValue]] = []
    for axis, sort in settings.given_axes.items():
        vector, recipe = _axis_vector(objective, settings, axis, parts[axis])
        _check_direction(axis, vector, "")
        grouping = _grouping(settings, sort)
        if rows and getattr(settings, "orthogonal", False):
            for group in groups_of(flat.blocks, grouping):
                orthogonalise(group(vector), group(rows[0]))
        _scale(flat, vector, grouping)
        rows.append(vector)
        recipes.append({"recipe": recipe, "norm": float(vector.norm())})
    vectors = torch.stack(rows)
    facts: dict[str, JsonValue] = {"directions": recipes, "given": _given_facts(settings)}
    if len(rows) > 1:
        facts["axes_cosine"] = cosine = Plane(rows[0], vectors).cosine
        if abs(cosine) > ALONG:
            raise ValueError("both axes lie along each other; choose another difference for one")
    rounded = vectors.to(flat.theta)
    for axis, vector in zip(settings.given_axes, rounded, strict=True):
        _check_direction(axis, vector.double(), f" as it is scaled and in {settings.precision}")
    return rounded, direction_facts(flat, rounded) | facts


def _given_facts(settings: GivenAxisSettings) -> list[dict[str, JsonValue]]:
    """What each axis is made of, as a reader is told."""
    places: dict[str, list[int]] = {axis: [] for axis in settings.given_axes}
    for place, role in enumerate(settings.further_subjects, start=1):
        places[role[0]].append(place)
    return [
        {"sort": sort, "scaling": settings.scaling, "subjects": places[axis]}
        for axis, sort in settings.given_axes.items()
    ]


def marked_points(
    objective: Objective,
    subjects: Sequence[Tensors],
    settings: GivenAxisSettings,
    vectors: Tensor,
) -> list[dict[str, JsonValue]]:
    """Where the points that the axes lead through lie, with the true loss of each.

    Args:
        objective: of the losses.
        subjects: of the question; the first is where the axes begin.
        settings: what the axes are.
        vectors: the axes (m, D).
    """
    blocks = objective.flat.blocks
    plane = Plane(parameter_vector(subjects[0], blocks), vectors.to("cpu", torch.float64))
    origin = content_hash(subjects[0])
    places: dict[str, int] = {}
    for place, role in enumerate(settings.further_subjects, start=1):
        if not role.endswith("_stored") and (point := content_hash(subjects[place])) != origin:
            places.setdefault(point, place)
    points = [subjects[place] for place in places.values()]
    losses = own_losses(objective.problem, points, objective.settings, objective.device)
    return [
        {
            "subject": place,
            **_placed(plane, objective, subjects[0], subjects[place]),
            "loss": own["loss"] if math.isfinite(own["loss"]) else None,
        }
        for place, own in zip(places.values(), losses, strict=True)
    ]


def _placed(
    plane: Plane, objective: Objective, origin: Tensors, point: Tensors
) -> dict[str, float]:
    """Where a point lies, its distance being over what does not move too."""
    place = plane.place(parameter_vector(point, objective.flat.blocks))
    moving = moving_names(objective.flat)
    names = [n for n, _ in objective.flat.module.named_parameters() if n not in moving]
    beside = (float((point[n].double() - origin[n].double()).norm()) for n in names)
    return place | {"out": math.hypot(place["out"], *beside)}


def _axis_vector(
    objective: Objective, settings: GivenAxisSettings, axis: str, parts: Sequence[Tensors]
) -> tuple[Tensor, dict[str, JsonValue]]:
    """One axis (D,) in float64 as it is given, and how it is made again.

    Args:
        objective: stands on the point that the axes begin at.
        settings: what the axes are.
        axis: its letter.
        parts: both ends of a difference, or a direction, or nothing.
    """
    flat, sort = objective.flat, settings.given_axes[axis]
    if sort == "random":
        return _drawn_vector(flat, settings), drawn_recipe(settings, 1)
    require_same_beside(objective.problem, parts if sort == DIFFERENCE else ())
    recipe: dict[str, JsonValue] = {"direction": sort, "scaling": settings.scaling}
    recipe["orthogonal"] = axis != "x" and bool(getattr(settings, "orthogonal", False))
    recipe["made_of"] = [content_hash(part) for part in parts]
    begin, *end = (parameter_vector(part, flat.blocks) for part in parts)
    return end[0] - begin if end else begin, recipe


def _drawn_vector(flat: FlatModel, settings: GivenAxisSettings) -> Tensor:
    """The second random direction of the seed (D,), as it is where the first one is random too."""
    vector = torch.empty(flat.theta.numel(), dtype=torch.float64)
    alone = DirectionSettings(
        seed=settings.seed, normalisation=settings.normalisation, ignore_1d=settings.ignore_1d
    )
    for stretch, _, part in direction_parts(flat.blocks, flat.theta, alone, [1]):
        vector[stretch.within] = part
    return vector


def _parts_by_axis(
    settings: GivenAxisSettings, further: Sequence[Tensors]
) -> dict[str, list[Tensors]]:
    """The points and directions that each axis is made of."""
    parts: dict[str, list[Tensors]] = {axis: [] for axis in settings.given_axes}
    for role, tensors in zip(settings.further_subjects, further, strict=True):
        parts[role[0]].append(tensors)
    return parts


def _grouping(settings: GivenAxisSettings, sort: str) -> str:
    """What an axis is scaled by: a normalisation, or a scaling of the same meaning."""
    return settings.normalisation if sort == "random" else settings.scaling


def _scale(flat: FlatModel, vector: Tensor, grouping: str) -> None:
    """Give each group the norm of the model's own; or the whole a norm of 1."""
    if grouping in BY_GROUP:
        theta = flat.theta.to("cpu", torch.float64)
        for group in groups_of(flat.blocks, grouping):
            rescale(group(vector), group(theta))
    elif grouping == "unit":
        vector.div_(vector.norm())


def _check_direction(axis: str, vector: Tensor, where: str) -> None:
    """Refuse an axis that leads nowhere.

    Raises:
        ValueError: it is zero or not finite.
    """
    norm = float(vector.norm())
    if not 0 < norm < math.inf:
        raise ValueError(
            f"{axis} must have a norm that is finite and above 0, got {norm}{where}: choose other "
            "points, another direction or another scaling"
        )
