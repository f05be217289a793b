"""Where a stored answer comes from, for the files that are made of it."""

from pathlib import PurePath

from explorer.codec import to_json
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.provenance import Provenance
from store import Catalog, records

PRIVATE_FACTS = ("machine",)  # the name of the user's computer is nobody's business


def provenance_of(catalog: Catalog, question: records.Question) -> Provenance:
    """What the catalog knows of the answer; of a path only the file's name."""
    problem = catalog.problem(question.problem_id)
    split = str(question.settings.get("split", ""))
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
        computed={n: v for n, v in question.provenance.items() if n not in PRIVATE_FACTS},
    )
