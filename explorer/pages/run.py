"""A training run: its path on the plane of its principal components, and its course."""

from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.kinds.run import LARGEST_MARGIN, RUN, Path, Run, RunSettings
from explorer.pages import _asking as asking
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _parts as parts
from explorer.pages._export import contour_style, export_run
from explorer.render.relief import spans_decades
from store import records

running = parts.start()
catalog = running.catalog


def choose() -> tuple[records.Model, asking.Wish]:
    """The model, and the question about its run, from the left column."""
    model = controls.choose_model(catalog)
    with st.expander("Objective", expanded=True):
        values = controls.choose_objective(catalog.problem(model.problem_id))
    with st.expander("Plane", expanded=True):
        controls.from_address("margin", "a number", controls.is_finite)
        values["margin"] = st.number_input(
            "Margin",
            value=0.25,
            step=0.05,
            key="margin",
            bind="query-params",
            help="Left free around the path, in widths of the path along each axis; "
            f"at most {LARGEST_MARGIN:g}.",
        )
        for name in ("x_count", "y_count"):
            controls.from_address(name, "a whole number", controls.is_whole)
        left, right = st.columns(2)
        for column, name in ((left, "x_count"), (right, "y_count")):
            values[name] = column.number_input(
                f"Points along {name[0]}", value=41, key=name, bind="query-params"
            )
    settings = controls.checked(RunSettings, values)
    return model, asking.Wish(RUN, settings, ((model, ""),))


def steps_of(asked: records.Question) -> list[int | str]:
    """Training step of each snapshot of the question, or its file's name where it has none."""
    known = {p.point_id: p for p in catalog.points(model.id)}
    found = [known.get(id) for id in asked.point_ids]
    return [
        id[:6] if p is None else p.label if p.step is None else p.step
        for id, p in zip(asked.point_ids, found, strict=True)
    ]


def show(known: dict[str, records.Question]) -> None:
    """The plane with the path, what of the run it shows, and the run's course."""
    from explorer.render.run import course, growing, scree

    (asked,) = known.values()
    run: Run = desk.result_of(catalog, asked)
    path = run.path
    if path is None:
        return
    steps = steps_of(asked)
    look = choose_look(run)
    at = st.select_slider("Path until step", steps, value=steps[-1], key="until")
    until = steps.index(at)

    plane = growing(run, contour_style(look, width=560), steps=steps)
    st.altair_chart(plane(until), width="content")
    explain(run, path)
    checks.badges(asked, run)
    export_run(asked, run, plane, until)
    st.subheader("Course of the run", anchor=False)
    st.altair_chart(course(path, steps, look["log"]), width="content")
    st.subheader("How much the plane shows", anchor=False)
    st.altair_chart(scree(run.facts), width="content")
    checks.provenance(catalog, asked, run)


def choose_look(run: Run) -> dict[str, Any]:
    """How the plane is drawn."""
    log, value = controls.choose_height(run.values, spans_decades(run.values["loss"]))
    return {"value": value, "log": log, "clip": None, "colour_map": "viridis", "contours": 14}


def explain(run: Run, path: Path) -> None:
    """What the picture is worth, in words."""
    facts = run.facts
    plane, walk = (sum(facts[n][:2]) for n in ("explained", "explained_by_random_walk"))
    size = float(path.moved.max())
    st.caption(
        f"The plane holds {plane:.1%} of the run's variance; of a random walk of {len(path.x)} "
        f"snapshots it would hold {walk:.1%}. The snapshots lie up to {path.out.max():.3g} from it "
        f"(the run is {size:.3g} wide), so that the height of the surface under a dot is not its "
        "own loss: the tooltip has that."
    )


left, right = st.columns([2, 5], gap="large")
with left:
    model, wish = choose()
    asked = asking.found(catalog, {"": wish})[""]
    if asked is None:
        asking.ask_button(running, {"": wish})
with right:
    st.subheader(f"Training of {model.name}", anchor=False)
    with st.container():
        st.caption(f"{model.points} snapshots · {parts.facts_line(model)}")
        if asked is None:
            st.info("Not computed yet: press **Compute** on the left.")
    if asked is not None:
        asking.answered(running, {"": asked}, show)
