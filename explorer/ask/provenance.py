"""Where a stored answer comes from, for the files that are made of it."""

from pathlib import PurePath

from explorer.codec import to_json
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.provenance import Provenance
from store import Catalog, records

PRIVATE_FACTS = ("machine",)  # the name of the user's computer is nobody's business


def points_brought(catalog: Catalog, question: records.Question) -> list[str]:
    """Of each point of the question that an answer brought: which, and by which answer."""
    sentences = []
    for point_id in dict.fromkeys(question.point_ids):
        own = {point.point_id for id in question.model_ids for point in catalog.points(id)}
        brought = catalog.answer_point(point_id) if point_id not in own else None
        if brought is not None:
            parent = catalog.question(brought.question_key)
            title = parent.title if parent else "an analysis that was deleted"
            sentences.append(f"{brought.label} of {title} ({brought.question_key})")
    return sentences


def provenance_of(catalog: Catalog, question: records.Question) -> Provenance:
    """What the catalog knows of the answer; of a path only the file's name."""
    problem = catalog.problem(question.problem_id)
    split = question.split
    facts = ProblemFacts.of(problem.facts)
    data = facts.splits.get(split)
    return Provenance(
        title=question.title,
        kind=f"{question.kind}, version {question.version}",
        key=question.key,
        models=question.model_names,
        points=question.point_ids,
        settings=question.settings,
        data={"split": split, **(to_json(data) if data else {})},
        problem={
            "file": PurePath(problem.path).name,
            "sha256": problem.source_hash,
            "arguments": problem.arguments,
            "loss": facts.loss,
        },
        computed=_computed(catalog, question),
    )


def _computed(catalog: Catalog, question: records.Question) -> dict[str, object]:
    """Where and with what; where several processes differ, also how much each has computed."""
    shares = catalog.shares(question.key)
    computed = _public(question.provenance)
    if len(shares) > 1:
        computed["shares"] = [{**_public(one.provenance), "units": one.units} for one in shares]
    return computed


def _public(provenance: records.Json) -> dict[str, object]:
    return {name: value for name, value in provenance.items() if name not in PRIVATE_FACTS}
