"""Why an imported direction is of no use to any model."""

import json

from explorer.contracts.facts import ModelFacts
from store import Catalog, records


def unused_warnings(catalog: Catalog, direction: records.Model) -> list[str]:
    """A sentence where no model is of the direction's problem and arguments; none of a model."""
    models = catalog.models()
    problem = catalog.problem(direction.problem_id)
    if not ModelFacts.of(direction.facts).direction or problem.id in {m.problem_id for m in models}:
        return []
    advice = "import the model that it is for with the same file and arguments"
    for model in models:
        other = catalog.problem(model.problem_id)
        if other.path == problem.path and other.arguments != problem.arguments:
            words = f"{json.dumps(other.arguments)} of {model.name}"
            advice = f"import it again with the arguments of the model that it is for, as {words}"
            break
    return [f"no model has the problem and arguments of {direction.name}: {advice}"]
