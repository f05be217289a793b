"""Where a stored answer comes from, for the files that are made of it."""

from collections.abc import Sequence
from pathlib import PurePath

from explorer.codec import JsonValue, to_json
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.provenance import Provenance
from store import Catalog, records
from store.origins import either_of

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


def contributors(catalog: Catalog, question: records.Question) -> list[records.Share]:
    """Who computed how much of an answer; of units that another answer gave, who did there.

    None where no piece says it, as before pieces did.
    """
    shares = catalog.shares(question.key)
    untold = question.units_done - sum(share.units for share in shares)
    taken_over = AnswerFacts.of(question.facts).taken_over
    if untold <= 0 or taken_over is None:
        return shares
    # Earlier versions took rows over without saying whose they are: their givers may know.
    origins = [share.provenance for key in taken_over.givers for share in catalog.shares(key)]
    taken_units = min(untold, taken_over.points)
    shares = [*shares, records.Share(provenance=either_of(origins), units=taken_units)]
    if taken_units < untold:
        shares.append(records.Share(provenance={}, units=untold - taken_units))
    return shares


def shared_provenance(
    question: records.Question, shares: Sequence[records.Share]
) -> dict[str, JsonValue]:
    """What holds for the whole answer: that in which all who computed it agree."""
    if not shares:
        return dict(question.provenance)
    first, *others = (share.provenance for share in shares)
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }


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
        computed=_computation_facts(catalog, question),
    )


def _computation_facts(catalog: Catalog, question: records.Question) -> dict[str, object]:
    """Where and with what; where several processes differ, also how much each has computed."""
    shares = contributors(catalog, question)
    computed = _public(shared_provenance(question, shares))
    if len(shares) > 1:
        computed["shares"] = [{**_public(one.provenance), "units": one.units} for one in shares]
    return computed


def _public(provenance: records.Json) -> dict[str, object]:
    return {name: value for name, value in provenance.items() if name not in PRIVATE_FACTS}
