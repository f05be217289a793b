"""What models may be grouped by: their names, tags, what is recorded of their training."""

import re
from collections.abc import Sequence

from store import Catalog, records

# Facts that tell no models apart.
NO_FACTS = ("sample", "run", "tensors", "import", "remarks", "advice", "direction")


def model_words(
    catalog: Catalog, models: Sequence[records.Model | None], labels: Sequence[str]
) -> dict[str, list[str]]:
    """By name of what may group them: the word that each model has; "" where it has none.

    A name's last number is often a run's seed.

    Args:
        catalog: where the models are.
        models: None where one is there no more.
        labels: what they are called.
    """
    columns = {"name without its last number": [re.sub(r"[-_ ]?\d+$", "", n) for n in labels]}
    facts = [dict(model.facts) if model else {} for model in models]
    for name in dict.fromkeys(name for row in facts for name in row):
        plain = all(isinstance(row.get(name, ""), str | int | float) for row in facts)
        if plain and name not in (*NO_FACTS, "about", "title"):
            columns[name.replace("_", " ")] = [str(row.get(name, "")) for row in facts]
    problems = [catalog.problem(model.problem_id) if model else None for model in models]
    columns["problem"] = [_problem_word(problem) if problem else "" for problem in problems]
    noted = catalog.annotations("model", [model.id for model in models if model])
    columns["tags"] = [", ".join(sorted(noted[model.id].tags)) if model else "" for model in models]
    return columns


def _problem_word(problem: records.Problem) -> str:
    """Its file and the arguments that it was given."""
    arguments = (f"{name}={value}" for name, value in problem.arguments.items())
    return " ".join([problem.path.rpartition("/")[2], *arguments])
