"""Sharpness of one or several models: choose, ask, compare, rescale, export."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.kinds.measures import NO, SHOWN, YES, Measure
from explorer.kinds.sharpness import (
    NOT_YET,
    RESCALINGS,
    SHARPNESS,
    Sharpness,
    SharpnessSettings,
    ranks,
    unequal_losses,
)
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages._export import export_chart, export_numbers
from explorer.pages._objective import choose_objective
from explorer.pages._text import as_message, as_text, in_badge, listed
from store import records

LETTER = 7  # px of a letter of a measure's title, at most
BADGES = {YES: "✓ invariant", NO: "moves"}
WORDS = {  # setting -> its label and what it is
    "box": ("Keskar's box", "A share of abs(w) + 1; a second measure has half of it."),
    "rho": ("SAM's rho", "Also that of m-sharpness."),
    "batch_examples": ("m", "Examples a batch of m-sharpness."),
    "adaptive_rho": ("ASAM's rho", "In coordinates scaled by abs(w) + eta."),
    "eta": ("ASAM's eta", "A second measure has eta 0."),
    "max_rho": ("Adaptive rho, max norm", "A share of each parameter."),
    "euclid_rho": ("Adaptive rho, Euclidean", "Norm of d / abs(w)."),
    "ascent": ("Ascent steps", "Of the adaptive worst cases."),
    "restarts": ("Restarts", "Of the worst cases; the first from the model itself."),
    "noise": ("Noise", "Standard deviation of the average cases."),
    "radius": ("Ball's radius", "Norm of the perturbation."),
    "draws": ("Draws", "Pairs of opposite perturbations in each mean."),
    "probes": ("Probes", "Random vectors for sums over the spectrum."),
    "steps": ("Lanczos steps", "Of each probe."),
    "room": controls.ROOM,
    "z": ("z", "Of the effective dimension."),
    "drop": ("Allowed drop", "Of the accuracy, for the PAC-Bayes sigma."),
    "delta": ("delta", "The PAC-Bayes bounds hold with probability 1 - delta."),
    "seed": controls.SEED,
}

running = parts.start()
catalog = running.catalog


def choose() -> tuple[dict[str, asking.Wish], SharpnessSettings]:
    """The questions by the models' labels, and their settings, from the left column."""
    chosen = choose_subjects()
    problem = next(iter(chosen.values()))[0][0].problem_id
    with st.expander("Objective", expanded=True):
        values = choose_objective(catalog.problem(problem), curvature=True)
    with st.expander("Rescaling test", expanded=True):
        values |= choose_rescaling()
    values["measures"] = choose_measures()
    with st.expander("Numbers of the measures"):
        values |= controls.choose_numbers(SharpnessSettings(), WORDS)
    settings = controls.checked(SharpnessSettings, values)
    return {n: asking.Wish(SHARPNESS, settings, both) for n, both in chosen.items()}, settings


def choose_measures() -> tuple[str, ...]:
    """Names of the measures asked for; none for all of them."""
    names = [measure.name for measure in SHOWN]
    said = st.query_params.get_all("measures")
    if any(name not in names for name in said):
        controls.from_address("measures", f"some of {', '.join(names)}", lambda _: False)
    chosen = st.multiselect(
        "Measures",
        names,
        key="measures",
        bind="query-params",
        placeholder=f"All {len(names)}",
        help="Those to compute; all where none is chosen. What is known is never computed again.",
    )
    return tuple(chosen)


def shown() -> list[Measure]:
    """The measures asked for, in the order of reading."""
    return [measure for measure in SHOWN if measure.name in settings.chosen]


def choose_subjects() -> dict[str, tuple[questions.Subject, questions.Subject]]:
    """Each model's point and its initial parameters: one model at any snapshot, or several."""
    known = parts.known_models(catalog)
    controls.from_address("model", f"one of {', '.join(known)}", known.__contains__)
    first = [next(iter(known))]
    names = st.multiselect("Models", list(known), first, key="model", bind="query-params")
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    points = {name: known[name].point_id for name in names}
    if len(names) == 1:
        points[names[0]] = controls.choose_point(catalog, known[names[0]])
    return {
        n: ((known[n], point), (known[n], start_of(known[n], point))) for n, point in points.items()
    }


def start_of(model: records.Model, point: str) -> str:
    """The first snapshot of a model's training; the point itself where there is none before it."""
    snapshots = catalog.points(model.id)
    return snapshots[0].point_id if len(snapshots) > 1 else point


def choose_rescaling() -> dict[str, Any]:
    """None, by layers or by neurons, and the factor, as settings."""
    rescaling = controls.one_of(
        "Rescale",
        RESCALINGS,
        "rescaling",
        "All measures again at other parameters of the same function (Dinh et al. 2017): what "
        "comes out of a layer before a ReLU is multiplied and what goes into the next is divided, "
        "by one factor a layer or one a neuron.",
    )
    if rescaling == "none":
        return {"rescaling": rescaling}
    controls.from_address("alpha", "a finite number", controls.is_finite)
    alpha = st.number_input("Factor", value=5.0, key="alpha", bind="query-params")
    return {"rescaling": rescaling, "alpha": alpha}


def show(asked: dict[str, records.Question]) -> None:
    """The measures so far, the rescaling test, the worst directions."""
    found: dict[str, Sharpness] = {n: questions.result_of(catalog, q) for n, q in asked.items()}
    warn(asked, found)
    tabs: dict[str, Callable[[], None]] = {
        "Values": lambda: table(asked, found),
        "Chart": lambda: chart(asked, found),
        **({"Rescaling": lambda: rescaling(asked, found)} if rescales() else {}),
        "Worst directions": lambda: directions(asked, found),
        "Definitions": definitions,
    }
    for tab, part in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
        with tab:
            part()
    for name, question in asked.items():
        checks.provenance(catalog, question, found[name], name if len(asked) > 1 else "")


def rescales() -> bool:
    """Whether the measures are asked for at rescaled points too."""
    return settings.rescaling != "none"


def warn(asked: dict[str, records.Question], found: dict[str, Sharpness]) -> None:
    """The losses of the models, and a sentence where they are not equal."""
    with st.container(horizontal=True, gap="small"):
        for name, one in found.items():
            text = f"{in_badge(name)}: {asked[name].settings['split']} loss {one.loss:.4g}"
            if "accuracy" in one.facts:
                text += f", accuracy {one.facts['accuracy']:.1%}"
            st.badge(text, icon=":material/center_focus_strong:", color="blue")
            checks.moved_badge(one.facts)
        if len(found) > 1 and not unequal_losses(found, settings.split):
            st.badge("equal loss", icon=":material/check:", color="green")
    if sentence := unequal_losses(found, settings.split):
        st.warning(as_message(sentence), icon=":material/warning:")


def table(asked: dict[str, records.Question], found: dict[str, Sharpness]) -> None:
    """A row for each measure: its value at each model, and whether it is invariant."""
    rows = [_row(measure, found) for measure in shown()]
    columns = {
        "Measure": st.column_config.TextColumn(pinned=True, width=215),
        **{name: st.column_config.TextColumn(width=155) for name in found},
        "Invariant": st.column_config.TextColumn(
            width=95, help="Whether a rescaling of layers or neurons leaves it as it is."
        ),
    }
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        column_config=columns,
        hide_index=True,
        height=35 * (len(rows) + 1) + 3,
        row_height=35,
    )
    st.caption(
        "≥: the best found of a maximum. ± or in brackets: a 95 % interval over draws or probes, "
        "or an eigenvalue's residual. The others are exact but for rounding. What each measures: "
        "see Definitions."
    )
    if len(found) > 1:
        st.caption("#: rank of the model, #1 for the smallest value. Intervals may overlap.")
    for sentence, titles in _reasons(found).items():
        st.caption(f"**{', '.join(titles)}**: {sentence}")
    export_numbers(asked, found)


def _row(measure: Measure, found: dict[str, Sharpness]) -> dict[str, str]:
    from explorer.render.sharpness import value_text

    known = {name: one.of(measure.name) for name, one in found.items()}
    places, values = ranks(known), {}
    for name, value in known.items():
        text = value_text(value.value, value.low, value.high) or (
            "…" if value.why == NOT_YET else "—"
        )
        values[name] = f"{text}  #{places[name]}" if name in places else text
    return {
        "Measure": measure.title,
        **values,
        "Invariant": BADGES.get(measure.invariant, "✓ by layers"),
    }


def definitions() -> None:
    """What each measure is, and where it is from."""
    st.table(
        {
            "Measure": [measure.title for measure in SHOWN],
            "Definition": [as_message(measure.definition) for measure in SHOWN],
            "Source": [measure.source for measure in SHOWN],
        }
    )
    st.caption(
        "L is the mean loss, w the parameters, d a perturbation, g the gradient, H the Hessian."
    )


def chart(asked: dict[str, records.Question], found: dict[str, Sharpness]) -> None:
    """The values with their intervals."""
    from explorer.render.sharpness import measures_chart

    width = charts.plot_width(titles_width())
    charts.show_chart(
        measures_chart(found, width), f"Sharpness of {', '.join(found)} by each measure"
    )
    st.caption(
        "Bars are 95 % intervals; a triangle is a lower bound, the best found of a maximum. Values "
        "that are not above 0 have no place on this axis: see the table."
    )
    export_chart("sharpness", lambda: measures_chart(found), asked.values())


def titles_width() -> int:
    """The px beside a plot that the titles of its measures take."""
    return 30 + LETTER * max(len(measure.title) for measure in shown())


def _reasons(found: dict[str, Sharpness]) -> dict[str, list[str]]:
    """Why measures have no value: sentence -> their titles."""
    reasons: dict[str, list[str]] = {}
    for name, one in found.items():
        for measure in shown():
            why = one.of(measure.name).why
            if why and why != NOT_YET:
                said = f"{measure.title} of {as_text(name)}" if len(found) > 1 else measure.title
                reasons.setdefault(why, []).append(said)
    return reasons


def rescaling(asked: dict[str, records.Question], found: dict[str, Sharpness]) -> None:
    """Which pairs were rescaled, that outputs agree, and how far each measure moved."""
    from explorer.render import sharpness as drawn

    for name, one in found.items():
        told = one.facts.get("rescaling", {})
        if not told.get("pairs"):
            st.info(f"{as_text(name)}: this model has no pair of layers that can be rescaled.")
            continue
        with st.container(horizontal=True, gap="small"):
            st.badge(
                f"{in_badge(name)}: outputs agree to {told['gap']:.1e}",
                icon=":material/check:",
                color="green",
                help=f"Rescaled: {as_message(told['pairs'])}. Difference over the largest output.",
            )
            wrong = one.moved(settings)
            st.badge(
                f"moved unexpectedly: {', '.join(wrong)}" if wrong else "the invariant ones stayed",
                icon=":material/warning:" if wrong else ":material/check:",
                color="orange" if wrong else "green",
                help="Within 1 % and the rounding of the losses.",
            )
    known = {name: one for name, one in found.items() if one.ratios}
    if known:
        charts.show_chart(
            drawn.ratios_chart(known, charts.plot_width(titles_width())),
            f"Each measure of {', '.join(known)} after rescaling over that before",
        )
        export_chart(
            "sharpness-ratios", lambda: drawn.ratios_chart(known), [asked[n] for n in known]
        )


def directions(asked: dict[str, records.Question], found: dict[str, Sharpness]) -> None:
    """The loss along the worst direction of a measure."""
    from explorer.render import sharpness as drawn

    known = {m.title: m.name for one in found.values() for m in one.directions}
    if not known:
        st.caption("No worst direction is known yet.")
        return
    title = st.selectbox("Found by", list(known), width=320, key="direction-of")
    charts.show_chart(
        drawn.worst_direction_chart(found, known[title], charts.plot_width()),
        f"Loss along the worst direction found by {title}",
    )
    st.caption(
        "The loss of the problem itself, to one and a half lengths of the perturbation found, both "
        "ways."
    )
    export_chart(
        "worst-direction", lambda: drawn.worst_direction_chart(found, known[title]), asked.values()
    )


sides = parts.sides()
with sides.left:
    wishes, settings = choose()
    asked = asking.found(catalog, wishes)
with sides.top:
    missing = asking.ask_button(running, asked, wishes)
with sides.right:
    parts.heading(f"Sharpness of {' and '.join(wishes)}")
    if len(wishes) == 1:
        (only,) = (wish.subjects[0][0] for wish in wishes.values())
        st.caption(parts.facts_line(only), help=parts.about(only))
    known = {name: question for name, question in asked.items() if question is not None}
    with st.container():
        if missing:
            st.info(
                f"Not computed yet for {listed(missing)}: {asking.PRESS}.",
                icon=SHARPNESS.icon,
            )
            asking.offer_stored(running, missing)
    if known:
        asking.answered(running, known, show)
