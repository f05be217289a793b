"""The way from a stored analysis to its page: what it is about, in words and as an address."""

from collections.abc import Mapping
from dataclasses import dataclass

from explorer.jobs import desk
from explorer.kinds import Kind, kind_named, settings_from_json
from explorer.pages import _parts as parts
from explorer.wording import printable
from store import Catalog, records


@dataclass(frozen=True)
class Link:
    """Where an analysis is shown."""

    kind: Kind
    words: str  # its subjects, as on the command line: cards are narrow
    parameters: dict[str, str | list[str]]  # of its page's address


def model_names(catalog: Catalog) -> dict[str, str]:
    """Label of each model by its id, as pages list them."""
    return {model.id: label for label, model in parts.labels(catalog.models()).items()}


def link_to(catalog: Catalog, asked: records.Question, names: Mapping[str, str]) -> Link:
    """The way to an analysis.

    Args:
        catalog: where it is.
        asked: its question.
        names: from `model_names`.
    """
    kind = kind_named(asked.kind)
    named = zip(asked.model_ids, asked.model_names, strict=True)
    models = [names.get(id, printable(name)) for id, name in named]
    settings = settings_from_json(kind.settings, asked.settings)
    points = desk.named_points(kind, settings, asked.point_ids)
    told: list[str] = []
    steps: list[int | str | None] = []
    for name, model_id, id in zip(models, asked.model_ids, points, strict=True):
        point = desk.point_of(catalog, model_id, id)
        final = catalog.model(model_id).point_id == id
        step = printable(point.label) if point.step is None else point.step
        told.append(name if final else f"{name}@{step}")
        # Pages about two points do not start at final ones.
        steps.append(None if final and (len(models) == 1 or kind.whole_run) else step)
    words = f" {kind.joined} ".join(told)
    return Link(kind, words, parts.link_parameters(asked, models, steps))
