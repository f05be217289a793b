"""Loss along a line through one or several models: choose, ask, compare, export."""

import streamlit as st

from explorer.jobs import desk
from explorer.kinds.line import LINE, Line, LineSettings
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages._export import export_line
from store import records

LIVE_SECONDS = 0.7

running = parts.start()
catalog = running.catalog


def choose() -> tuple[dict[str, records.Model], LineSettings]:
    """The models by label, and the line, from the left column."""
    known = parts.labels(catalog.models())
    if not known:
        st.info("No models yet: the sample models appear here as soon as they are imported.")
        st.stop()
    controls.from_address("model", f"one of {', '.join(known)}", known.__contains__)
    first = st.query_params.get("model", next(iter(known)))
    names = st.multiselect("Models", list(known), default=[first], key="models_chosen")
    if not names:
        st.info("Choose at least one model.")
        st.stop()
    with st.expander("Objective", expanded=True):
        values = controls.choose_objective(catalog.problem(known[names[0]].problem_id))
    with st.expander("Line", expanded=True):
        values |= controls.choose_directions()
        values |= controls.choose_axis("x", 101)
    settings = controls.checked(LineSettings, values)
    return {name: known[name] for name in names}, settings


def questions(models: dict[str, records.Model]) -> dict[str, records.Question | None]:
    """The stored question about each model, if it was asked."""
    found = {}
    for name, model in models.items():
        try:
            key = desk.question(catalog, LINE, model, settings).key
        except ValueError as error:
            st.error(f"{name}: {error}.", icon=":material/error:")
            st.stop()
        asked = catalog.question(key)
        found[name] = asked if asked and asked.deleted is None else None
    return found


def show(asked: dict[str, records.Question]) -> None:
    """The profiles so far, their checks and where they come from."""
    from explorer.render.line import LineStyle, profile

    lines: dict[str, Line] = {name: desk.result_of(catalog, q) for name, q in asked.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        scale = st.segmented_control(
            "Scale",
            ["Linear", "Log"],
            default="Linear",
            required=True,
            key="scale",
            bind="query-params",
        )
        names = next(iter(lines.values())).values
        metrics = [name for name in names if name not in ("loss", "squared_norm")]
        second = st.selectbox("Below", [*metrics, "nothing"], width=160)
    style = LineStyle(log=scale == "Log", second=None if second == "nothing" else second, width=600)
    st.altair_chart(profile(lines, style), width="content")
    for name, question in asked.items():
        if len(asked) > 1:
            st.caption(name)
        checks.badges(question, lines[name])
    export_line(asked, lines, lambda: profile(lines, style))
    for name, question in asked.items():
        checks.provenance(catalog, question, lines[name])


@parts.live(LIVE_SECONDS)
def live(keys: dict[str, str]) -> None:
    """Open questions: their progress and the profiles as they grow; ends itself when complete."""
    asked = {name: catalog.question(key) for name, key in keys.items()}
    present = {name: q for name, q in asked.items() if q is not None}
    if all(question.status == "complete" for question in present.values()):
        st.rerun()
    for question in present.values():
        if question.status == "open":
            parts.progress(running, question)
    begun = {name: question for name, question in present.items() if question.units_done}
    if begun:
        show(begun)


left, right = st.columns([2, 5], gap="large")
with left:
    models, settings = choose()
    asked = questions(models)
    missing = [name for name, question in asked.items() if question is None]
    if missing and st.button(
        f"Compute {settings.units * len(missing):,} points",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
    ):
        for name in missing:
            desk.ask(catalog, LINE, models[name], settings)
        st.rerun()
with right:
    st.subheader("Loss along a random direction", anchor=False)
    known = {name: question for name, question in asked.items() if question is not None}
    if missing:
        st.info(f"Not computed yet for {', '.join(missing)}: press **Compute** on the left.")
    if any(question.status == "open" for question in known.values()):
        live({name: question.key for name, question in known.items()})
    elif known:
        show(known)
