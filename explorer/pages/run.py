"""Training runs: paths on the plane of their principal components, their course, their curves."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial

import streamlit as st

from explorer import recorded_runs
from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import models_of
from explorer.importing import following
from explorer.kinds.look import CurvesLook
from explorer.kinds.run import RUN, Run, RunLook, RunSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages._export import export_chart, export_run
from explorer.pages._facts import facts_line
from explorer.pages._objective import choose_objective
from explorer.pages._offers import offer_stored
from explorer.pages._provenance import show_provenance
from explorer.pages._text import as_text
from explorer.pages._trajectories import choose_moment
from explorer.wording import counted, file_word
from store import Catalog, records


def choose(catalog: Catalog) -> tuple[dict[str, records.Model], RunSettings]:
    """The models by label, and what is asked about their runs, from the left column."""
    model = controls.choose_model(catalog, RUN.fewest)
    label = next(name for name, m in parts.known_models(catalog).items() if m.id == model.id)
    others = controls.choose_runs(
        catalog,
        model,
        "Other runs",
        fewest=RUN.fewest,
        own=False,
        help="Runs of the same problem, drawn on the same plane.",
    )
    with st.expander("Objective", expanded=True):
        values = choose_objective(RunSettings, catalog.problem(model.problem_id))
    with st.expander("Plane", expanded=True):
        values |= choose_plane(bool(others))
    return {label: model, **others}, forms.checked_settings(RunSettings, values)


def choose_plane(several: bool) -> forms.Values:
    """Whose components span the plane, and the grid over it, as settings."""
    values: forms.Values = {}
    if several:
        values["plane"] = forms.choose(RunSettings, "plane")
    values["margin"] = forms.choose(RunSettings, "margin")
    return values | forms.choose_row(RunSettings, ("x_count", "y_count"))


def earlier_answer(catalog: Catalog, wish: asking.WantedQuestion) -> records.Question | None:
    """The latest answer to the same question about the same runs as they were before they grew."""
    ids = tuple(model.id for model in models_of(RUN, wish.settings, wish.subjects))
    wanted_settings = settings_without_lengths(asdict(wish.settings))
    recent_questions, _ = catalog.questions(kind=RUN.name, model_id=ids[0], limit=100)
    for old in recent_questions:
        grown = set(old.point_ids) < set(wish.question(catalog).points)
        if (
            grown
            and old.units_done
            and (old.model_ids, settings_without_lengths(old.settings)) == (ids, wanted_settings)
        ):
            return old
    return None


def settings_without_lengths(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings without the lengths of the runs."""
    usual = asdict(RunSettings())
    return {name: value for name, value in {**usual, **settings}.items() if name != "lengths"}


def look_for_more(catalog: Catalog, points: Mapping[str, int]) -> None:
    """Run the page anew when a followed run has new snapshots, or is followed no longer."""
    growing = any(following.is_followed(catalog, catalog.model(id)) for id in points)

    @parts.live_fragment(parts.FOLLOWED_SECONDS if growing else None)
    def check_runs() -> None:
        if not growing:
            return
        now = [catalog.model(id) for id in points]
        ended = not any(following.is_followed(catalog, model) for model in now)
        if ended or snapshot_counts(catalog, now) != points:
            st.rerun()
        st.caption(":material/sync: Followed: new snapshots appear here by themselves.")

    check_runs()


def snapshot_counts(catalog: Catalog, models: list[records.Model]) -> dict[str, int]:
    """How many snapshots each model has."""
    counts_by_id = {model.id: model.points for model in catalog.models()}
    return {model.id: counts_by_id.get(model.id, 0) for model in models}


def show(catalog: Catalog, span: str, stored_questions: Mapping[str, records.Question]) -> None:
    """The plane with the paths, what of the runs it shows, and their course.

    Args:
        catalog: where they are.
        span: of the plane: "first" run or all of them.
        stored_questions: the one question.
    """
    from explorer.render.run import draw, growing, tracks_of

    (question,) = stored_questions.values()
    run = questions.result_as(catalog, question, Run)
    if run.path is None:
        return
    names = subject_names(catalog, question)
    own = [name.text for name in names]
    look = choose_look(run)
    look = replace(look, until=choose_moment(tracks_of(run, names)))
    whose = ", ".join(own)
    description = f"Contour plot of the {look.value} over the plane of the runs of {whose}"
    values = run.values[look.value]
    charts.show_chart(draw(run, look, names), f"{description}, with paths", values)
    explain(run, own, span)
    checks.show_badges(question, run)
    export_run(question, run, partial(growing, run, look, names), look.until)
    st.subheader("Course of the run" if len(own) == 1 else "Course of the runs", anchor=False)
    course = replace(look, picture="course", width=charts.plot_width())
    description = f"Loss and movement over the training of {whose}"
    charts.show_chart(draw(run, course, names), description)
    st.subheader("How much the plane shows", anchor=False)
    variance = replace(look, picture="variance", width=charts.plot_width())
    explained = run.facts.explained
    charts.show_chart(draw(run, variance, names), "Share of the variance by component", explained)
    show_provenance(catalog, question, run.facts)


def choose_look(run: Run) -> RunLook:
    """How the plane is drawn."""
    log, value = controls.choose_height(run.values, RunLook.usual(run).log)
    return RunLook(value=value, log=log, levels=14, width=charts.plane_width(value))


def explain(run: Run, names: list[str], span: str) -> None:
    """What the picture is worth, in words."""
    facts = run.facts
    plane = sum(facts.explained[:2])
    if len(names) == 1:
        walk = sum(facts.explained_by_random_walk[:2])
        count = len(run.paths[0].x)
        explanation = (
            f"The plane holds {plane:.1%} of the run's variance; of a random walk of {count} "
            f"snapshots it would hold {walk:.1%}."
        )
    else:
        own = zip(names, facts.held, strict=True)
        shares_held = ", ".join(f"{share or 0:.1%} of {as_text(name)}'s own" for name, share in own)
        whose = f"{as_text(names[0])}'s variance" if span == "first" else "all snapshots' variance"
        explanation = f"The plane holds {plane:.1%} of {whose}, and {shares_held}."
    size, out = (max(float(getattr(p, n).max()) for p in run.paths) for n in ("moved", "out"))
    which = "the run is" if len(names) == 1 else "the longest run is"
    st.caption(
        f"{explanation} The snapshots lie up to {out:.3g} from it ({which} {size:.3g} wide), so "
        "that the height of the surface under a dot is not its own loss: the tooltip has that."
    )


def show_curves(catalog: Catalog, models_by_label: Mapping[str, records.Model]) -> None:
    """What the scripts logged and what was measured of each snapshot."""
    from explorer.render import training

    curves_by_run = {
        name: recorded_runs.training_curves(catalog, model)
        for name, model in models_by_label.items()
    }
    st.subheader("Training curves", anchor=False)
    if not any(curves_by_run.values()):
        st.caption("Nothing was logged, and the snapshots have no steps: record with a Recorder.")
        return
    log = controls.choose_scale("curves", label="Scale of the curves")
    look = CurvesLook(log=log, width=charts.plot_width())
    chart = partial(training.curves_chart, curves_by_run, look)
    charts.show_chart(chart(), f"Training curves of {', '.join(curves_by_run)}")
    st.caption("logged: by the training script; the others: measured at each stored snapshot.")
    export_chart(f"curves-{file_word(next(iter(curves_by_run)))}", chart)


app = parts.start_page()
sides = parts.sides()
with sides.left:
    models_by_label, settings = choose(app.catalog)
    models = list(models_by_label.values())
    wish = asking.WantedQuestion(RUN, settings, tuple((model, "") for model in models))
    stored_question = asking.find_questions(app.catalog, {"": wish})[""]
    older_question = earlier_answer(app.catalog, wish) if stored_question is None else None
with sides.top:
    missing = asking.ask_button(app, {"": stored_question}, {"": wish})
with sides.right:
    parts.show_heading(f"Training of {' and '.join(models_by_label)}")
    with st.container():
        for name, model in models_by_label.items():
            of = f"{as_text(name)}: " if len(models_by_label) > 1 else ""
            st.caption(f"{of}{counted(model.points, 'snapshot')} · {facts_line(model)}")
        look_for_more(app.catalog, {model.id: model.points for model in models})
        if older_question is not None:
            new = len(wish.question(app.catalog).points) - len(older_question.point_ids)
            st.info(
                f"{counted(new, 'new snapshot')} since this was computed: {asking.PRESS_COMPUTE}."
            )
        elif stored_question is None:
            st.info(f"Not computed yet: {asking.PRESS_COMPUTE}.")
            offer_stored(app, missing)
    if question_shown := stored_question or older_question:
        show_run = partial(show, app.catalog, settings.plane)
        asking.show_answers(app, {"": question_shown}, show_run)
    with st.container():
        show_curves(app.catalog, models_by_label)
