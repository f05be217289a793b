"""Which models are minima, and what is asked about each two of them; kept in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.ask.pair_wishes import FEWEST_MODELS, Pairs, check_models, path_kinds, usual_values
from explorer.kinds import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import setting_fields
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._address import check_address, choose_named, choose_several_named
from explorer.pages._objective import choose_objective
from explorer.pages._session import remember_models, remembered_models
from explorer.pages._stopping import stop_page
from explorer.wording import printable
from store import Catalog, records

MODELS_KEY, PROBLEM_KEY, EDGES_KEY = "models", "problem", "ways"  # in the address
TREE_KEY = "tree"
LOWEST = "Lowest known"  # among the sorts of ways
USUAL_MODELS = 8  # that are chosen at first


@dataclass(frozen=True)
class ChosenPairs:
    """What the left column says."""

    labels: Sequence[str]  # of the models
    kind: Kind
    settings: ObjectiveSettings  # the same for all pairs
    pairs: Pairs
    lowest: bool = False  # whether the lowest of all known ways is shown, of whichever kind
    tree_only: bool = False  # whether only pairs along the tree of the lowest known ways are asked


def choose(catalog: Catalog) -> ChosenPairs:
    """The models, the sort of way and its settings; the page stops where they make no pairs."""
    problem, models_by_label = _choose_models(catalog)
    kind, lowest = _choose_kind()
    usual = usual_values(kind)
    with st.expander("Objective", expanded=True):
        usual_batchnorm = kind.settings.usual_batchnorm()
        values = choose_objective(kind.settings, problem, batchnorm=usual_batchnorm)
    if lowest:
        values |= usual
    else:
        with st.expander(kind.title, expanded=True):
            values |= _choose_own(kind, usual)
    tree_only = kind.brings_path and not lowest and _choose_tree_only()
    settings = forms.checked_settings(kind.settings, values)
    models = list(models_by_label.values())
    try:
        check_models(models)
        pairs = Pairs.of(catalog, models, kind, settings)
    except ValueError as error:
        stop_page(parts.sentence(error))
    return ChosenPairs(list(models_by_label), kind, settings, pairs, lowest, tree_only)


def _choose_models(catalog: Catalog) -> tuple[records.Problem, dict[str, records.Model]]:
    """Models of one problem, by label."""
    by_problem = _models_by_problem(catalog)
    problem_label = _choose_problem(catalog, by_problem)
    problem, options = by_problem[problem_label]
    if len(options) < FEWEST_MODELS:
        stop_page(
            "A way needs two minima: import another model of the same problem, or choose a problem "
            "with more.",
            error=False,
        )
    if any(name not in options for name in st.query_params.get_all(MODELS_KEY)):
        must = f"models of one problem: {', '.join(options)}"
        check_address(MODELS_KEY, must, lambda _: False)
    usual = list(options)[:USUAL_MODELS]
    labels = choose_several_named("Models", list(options), MODELS_KEY, usual)
    models = {label: options[label] for label in labels}
    remember_models(list(models.values()))
    return problem, models


def _models_by_problem(
    catalog: Catalog,
) -> dict[str, tuple[records.Problem, dict[str, records.Model]]]:
    """Problems with their models by label, those with the most models first."""
    models_by_label = parts.known_models(catalog)
    own: dict[str, dict[str, records.Model]] = {}
    for label, model in models_by_label.items():
        own.setdefault(model.problem_id, {})[label] = model
    problems = {problem.id: problem for problem in catalog.problems() if problem.id in own}
    names = [printable(problem.name) for problem in problems.values()]
    by_problem = {}
    for id, problem in sorted(problems.items(), key=lambda pair: -len(own[pair[0]])):
        name = printable(problem.name)
        label = name if names.count(name) == 1 else f"{name} ({next(iter(own[id]))})"
        by_problem[label] = problem, own[id]
    return by_problem


def _choose_problem(
    catalog: Catalog, by_problem: Mapping[str, tuple[records.Problem, Mapping[str, object]]]
) -> str:
    """The problem; at first that of the last page's model, where it has others."""
    models = catalog.models()
    last = [models[place].problem_id for place in remembered_models(models)]
    usual = next(iter(by_problem))
    for label, (problem, own) in by_problem.items():
        if last[:1] == [problem.id] and len(own) >= FEWEST_MODELS:
            usual = label
    must = f"one of {', '.join(by_problem)}"
    check_address(PROBLEM_KEY, must, by_problem.__contains__)
    return choose_named("Problem", list(by_problem), PROBLEM_KEY, usual)


def _choose_kind() -> tuple[Kind, bool]:
    """The sort of way that is asked between two minima; whether all that are known are shown."""
    kinds = {kind.title: kind for kind in path_kinds()}
    words = [*kinds, LOWEST]
    check_address(EDGES_KEY, f"one of {', '.join(words)}", words.__contains__)
    word = st.selectbox(
        "Connected by",
        words,
        key=EDGES_KEY,
        bind="query-params",
        help=f"{LOWEST}: of each pair the one with the lowest saddle, of whichever kind, among all "
        "that are stored over the same loss and data.",
    )
    return kinds.get(word, next(iter(kinds.values()))), word == LOWEST


def _choose_tree_only() -> bool:
    """Whether paths are trained along the spanning tree alone."""
    return st.checkbox(
        "Only along the spanning tree",
        key=TREE_KEY,
        bind="query-params",
        help="Of the lowest ways known so far, as the straight lines between all pairs: one path "
        "less than there are models joins them all (Draxler et al. 2018).",
    )


def _choose_own(kind: Kind, usual: forms.Values) -> forms.Values:
    """The settings that a kind has beside those of the loss; words, which decide, first."""
    shared = {described.name for described in setting_fields(ObjectiveSettings)}
    own = [d for d in setting_fields(kind.settings) if d.name not in shared]
    own = [described for described in own if not described.setting.filled_in]
    values: forms.Values = {}
    for described in own:
        if described.setting.choices and described.counts(values):
            name = described.name
            values[name] = forms.choose(kind.settings, name, usual=usual.get(name), menu=True)
    numbers = [d.name for d in own if not d.setting.choices and d.counts(values)]
    return values | forms.choose_all(kind.settings, numbers, usual=usual)
