"""A way of evaluating in words, and why it was taken."""

from explorer.analysis.objective.choice_checks import ROUNDING
from explorer.analysis.objective.evaluator import Evaluator
from explorer.kinds.execution import Choice


def choice_words(choice: Choice) -> str:
    """The choice in words."""
    words = [f"batches of {choice.batch:,}"]
    if choice.lanes > 1:
        words.append(f"{choice.lanes} points at once, one a core")
    if choice.stacked > 1:
        words.append(f"{choice.stacked} points a launch")
    for name, word in (
        ("channels_last", "channels last"),
        ("folded", "BatchNorm folded"),
        ("fused", "ReLU fused"),
        ("superposed", "first layer superposed"),
        ("traced", "traced"),
        ("compiled", "compiled"),
        ("graph", "CUDA graph"),
        ("streamed", "streamed"),
    ):
        if getattr(choice, name):
            words.append(word)
    return ", ".join(words)


def choice_reason(evaluator: Evaluator, measured: bool) -> str:
    """Why an evaluator evaluates as it does, in words: what decides about the last digits."""
    objective = evaluator.objective
    if objective.traits.draws:
        return "as one batch, by one copy of the model, as random numbers are drawn in it"
    if not objective.flat.is_copy:
        return "by the model itself, as a copy of it cannot be made or gives other values"
    if measured:
        within = ROUNDING[objective.settings.precision]
        return f"by the clock, of ways that differ by up to {within:.0e} of a value"
    if (
        not objective.traits.copies_are_independent
        and objective.workload.most_lanes > 1
        and not objective.streams
    ):
        return "by shapes, by one copy of the model, as copies of it disturb each other"
    return "by shapes"
