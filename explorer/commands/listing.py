"""Listing what a catalog has: models and analyses."""

from collections import Counter

from explorer.commands.analyses import all_questions
from explorer.commands.json_values import print_json
from explorer.commands.parameters import OpenCatalog
from explorer.contracts.facts import ModelFacts
from explorer.kinds import kind_named, unreadable
from explorer.wording import counted, message
from store import records


def list_catalog(search: str = "", /, *, json: bool = False, catalog: OpenCatalog) -> int:
    """Models with losses, imported directions, then analyses with keys and how far they are.

    Args:
        search: words, or a condition as in `kind == "surface" and learning_rate < 0.1`: then only
            the analyses that meet it.
        json: as JSON.
        catalog: where they are.
    """
    models = [] if search else catalog.models()
    directions = [] if search else catalog.models(directions=True)
    stored_questions = all_questions(catalog, search)
    if json:
        content = {
            "models": [_model_json(m) for m in models],
            "directions": [_direction_json(d) for d in directions],
            "analyses": [_analysis_json(q) for q in stored_questions],
        }
        print_json(content)
        return 0
    for model in models:
        measured = ", ".join(
            f"{message(split)} {message(name)} {value:.4g}"
            for split, values in model.measurements.items()
            for name, value in values.items()
        )
        size = counted(ModelFacts.of(model.facts).parameters or 0, "parameter")
        print(f"model {message(model.name)}: {size}, {measured}{_origin_text(model)}")
    for direction in directions:
        analyses = counted(direction.analyses, "analysis", "analyses")
        print(f"direction {message(direction.name)}: {analyses}")
    for question in stored_questions:
        if unreadable(question.kind, question.settings):
            continue
        complete = ", complete" if question.status == "complete" else ""
        complete = ", ended early, complete" if question.ended_early else complete
        done = kind_named(question.kind).count_text(question.units_done, question.units)
        how_far = f"{done}{complete}{_origin_text(question)}"
        print(f"{question.key[:12]} {message(question.title)}: {how_far}")
    for why, count in Counter(unreadable(q.kind, q.settings) for q in stored_questions).items():
        if why:
            analyses = counted(count, "analysis is", "analyses are")
            print(f"{analyses} {why}: update this program to see what a newer one stored")
    return 0


def _origin_text(entry: records.Model | records.Question) -> str:
    return f", from {message(entry.origin)}" if entry.origin else ""


def _model_json(model: records.Model) -> dict[str, object]:
    return {
        "id": model.id,
        "name": model.name,
        "parameters": ModelFacts.of(model.facts).parameters,
        "points": model.points,
        "measurements": model.measurements,
        "created": str(model.created),
        "origin": model.origin,
    }


def _direction_json(direction: records.Model) -> dict[str, object]:
    return {
        "id": direction.id,
        "name": direction.name,
        "analyses": direction.analyses,
        "created": str(direction.created),
    }


def _analysis_json(question: records.Question) -> dict[str, object]:
    return {
        "key": question.key,
        "kind": question.kind,
        "title": question.title,
        "models": question.model_names,
        "status": question.status,
        "units_done": question.units_done,
        "units": question.units,
        "seconds": question.seconds,
        "settings": question.settings,
        "created": str(question.created),
        "origin": question.origin,
    }
