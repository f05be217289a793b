"""What a question would take, asked of nobody."""

import math
from collections.abc import Sequence

from explorer.ask import questions
from explorer.ask.estimate import estimate
from explorer.ask.subjects import Subject, models_of
from explorer.kinds import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.wording import message
from store import Catalog


def print_estimates(
    catalog: Catalog,
    kind: Kind,
    settings: ObjectiveSettings,
    asks: Sequence[Sequence[Subject]],
) -> None:
    """Print what each question has and how long the rest will take; ask nothing.

    Points that it would take over from other questions are counted as missing.

    Args:
        catalog: it is only read.
        kind: of the questions.
        settings: of all of them.
        asks: the subjects of each.
    """
    warm = False
    for (model, point), *others in asks:
        question = questions.question_about(
            catalog, kind, model, settings, point=point, others=others
        )
        stored = catalog.question(question.key)
        done = stored.units_done if stored else 0
        units = question.settings.units
        rest = "complete, 0 s"
        if stored is None or stored.status != "complete":
            expected = estimate(catalog, question, model, warm)
            seconds = expected.start + expected.setup + (units - done) * expected.per_unit
            rest = f"about {seconds:.1f} s" if math.isfinite(seconds) else "never timed here"
            warm = True  # one worker answers all
        title = questions.title(
            catalog, question, models_of(kind, settings, [(model, point), *others])
        )
        print(f"{question.key[:12]} {message(title)}: {kind.count_text(done, units)}, {rest}")
