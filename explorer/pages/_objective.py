"""What a page asks about the loss: data, examples, precision, BatchNorm; also from the URL."""

from explorer.contracts.facts import ProblemFacts
from explorer.kinds.objective_settings import FROZEN
from explorer.kinds.setting import setting_field
from explorer.pages import _forms as forms
from explorer.pages._stopping import stop_page
from explorer.wording import counted
from store import records

USUAL_EXAMPLES = 256  # in a subset at first, where there are so many


def choose_objective(
    settings: type, problem: records.Problem, batchnorm: str | None = None
) -> forms.Values:
    """Data, examples, precision and BatchNorm policy, as settings.

    Args:
        settings: the class of the kind's settings.
        problem: whose data they are.
        batchnorm: the policy at first, where it is not the default.
    """
    facts = ProblemFacts.of(problem.facts)
    splits = facts.splits
    split = str(forms.choose(settings, "split", options=list(splits)))
    values: forms.Values = {"split": split, **_choose_subset(settings, splits[split].count)}
    values["precision"] = forms.choose(settings, "precision", menu=True)
    if facts.has_batchnorm or setting_field(settings, "batchnorm").setting.choices == FROZEN:
        values["batchnorm"] = forms.choose(settings, "batchnorm", usual=batchnorm, menu=True)
        if values["batchnorm"] != "frozen":
            names = ("batchnorm_batch", "batchnorm_examples")
            values |= forms.choose_row(settings, names, values)
    return values


def _choose_subset(settings: type, count: int) -> forms.Values:
    """All examples, the first ones, or random ones."""
    note = f"There are {count:,}."
    values: forms.Values = {"subset": forms.choose(settings, "subset", note=note)}
    if values["subset"] == "all":
        return values
    usual = {"examples": min(USUAL_EXAMPLES, count)}
    names = ("examples", "examples_seed")
    values |= forms.choose_row(settings, names, values, usual=usual, narrow=True)
    if isinstance(examples := values["examples"], int) and examples > count:
        stop_page(f"The split has only {counted(count, 'example')}; choose fewer.")
    return values
