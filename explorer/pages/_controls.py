"""What a page asks the user beside settings: model, snapshot, runs, how a picture is drawn."""

from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.ask.brought_points import brought_words
from explorer.ask.subjects import Subject, point_of, point_text
from explorer.kinds.piece import measured_names
from explorer.pages._address import (
    check_address,
    choose_listed,
    choose_named,
    choose_several_named,
    linked_option,
)
from explorer.pages._parts import FIRST_MODEL_SECONDS, known_models, live_fragment
from explorer.pages._session import remember_models, remembered_models
from explorer.pages._stopping import answer_place, stop_page
from explorer.pages._text import as_step, as_text
from explorer.wording import printable
from store import Catalog, records

FEW_STEPS = 8  # steps that one sentence can list
SCALES = ("Linear", "Log")
STAND_IN_KEY = "stand-in"  # of the model that stands in on this page for one without a run


def choose_model(catalog: Catalog, fewest: int = 1, label: str = "Model") -> records.Model:
    """The model chosen; at first the last page's, or one that has so many snapshots at least."""
    models_by_label = known_models(catalog)
    check_address("model", f"one of {', '.join(models_by_label)}", models_by_label.__contains__)
    labels = list(models_by_label)
    fitting = [name for name, model in models_by_label.items() if model.points >= fewest]
    if not fitting:
        with answer_place():
            _wait_for_snapshots(catalog, fewest)
        st.stop()
    last = [labels[place] for place in remembered_models(list(models_by_label.values()))]
    usual = next((name for name in last if name in fitting), fitting[0])
    if "model" not in st.query_params and "model" not in st.session_state:
        st.session_state[STAND_IN_KEY] = usual if last and usual not in last else ""
    name = choose_named(label, labels, "model", usual)
    if name not in (*last[:1], st.session_state.get(STAND_IN_KEY)):
        remember_models([models_by_label[name]])
    return models_by_label[name]


@live_fragment(FIRST_MODEL_SECONDS)
def _wait_for_snapshots(catalog: Catalog, fewest: int) -> None:
    """That no model has so many snapshots; it looks again by itself."""
    if any(model.points >= fewest for model in catalog.models()):
        st.rerun()
    st.info(
        f"No model has {fewest} snapshots: import several checkpoints of a training together, "
        "or record it with a Recorder."
    )


def choose_models(catalog: Catalog) -> dict[str, Subject]:
    """Points by their models' labels: any snapshot of one model, or the final ones of several."""
    models_by_label = known_models(catalog)
    check_address("model", f"one of {', '.join(models_by_label)}", models_by_label.__contains__)
    labels = list(models_by_label)
    last = [labels[place] for place in remembered_models(list(models_by_label.values()))]
    names = choose_several_named("Models", labels, "model", last or labels[:1])
    if not names:
        stop_page("Choose at least one model.", error=False)
    models = {name: models_by_label[name] for name in names}
    remember_models(list(models.values()))
    if len(names) == 1:
        return {name: (model, choose_point(catalog, model)) for name, model in models.items()}
    return {name: (model, model.point_id) for name, model in models.items()}


def choose_runs(
    catalog: Catalog, model: records.Model, label: str, *, fewest: int, own: bool, help: str
) -> dict[str, records.Model]:
    """Models of the same problem whose training is drawn, by label; none where there is no other.

    Args:
        catalog: where the models are.
        model: whose problem it is.
        label: of the widget, whose name in the address is "runs".
        fewest: snapshots that a run needs.
        own: whether the model itself may be chosen.
        help: of the widget.
    """
    runs_by_label = {
        name: other
        for name, other in known_models(catalog).items()
        if other.problem_id == model.problem_id
        and other.points >= fewest
        and (own or other.id != model.id)
    }
    among = ", ".join(runs_by_label) or "none"
    must = f"models of one problem with {fewest} snapshots: {among}"
    chosen_labels = choose_several(label, list(runs_by_label), must, help)
    return {name: runs_by_label[name] for name in chosen_labels}


def choose_several(label: str, options: Sequence[str], must: str, help: str) -> list[str]:
    """Some of the runs, or points alone, that there are; none where there is nothing to choose.

    Args:
        label: of the widget, whose name in the address is "runs".
        options: what there is.
        must: what the address must say.
        help: of the widget.
    """
    wrong = [name for name in st.query_params.get_all("runs") if name not in options]
    if wrong and "runs" not in st.session_state:
        check_address("runs", must, _never)
    if not options:
        return []
    kept_names = st.session_state.get("runs")
    if kept_names is not None and not set(kept_names) <= set(options):
        # the model's change took them away
        st.session_state["runs"] = [name for name in kept_names if name in options]
    return st.multiselect(label, list(options), key="runs", bind="query-params", help=help)


def _never(_: str) -> bool:
    return False


def choose_profile(values: Mapping[str, object], several: bool = False) -> tuple[bool, str]:
    """How profiles with these values are drawn: log scale or not, and what is drawn below them.

    Args:
        values: of one of them.
        several: paths of heights that are decades apart: on a log scale, unless chosen otherwise.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        log = choose_scale("scale-paths", log=True) if several else choose_scale()
        below = choose_word("Below", [*measured_names(values)[1:], "nothing"], "below", 160)
    return log, "" if below == "nothing" else below


def choose_height(values: Mapping[str, object], decades: bool) -> tuple[bool, str]:
    """How a plane with these values is drawn: log scale or not, and which value."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = choose_word("Value", measured_names(values), "value", 190)
        log = choose_scale(f"scale-{value}", decades and value == "loss")
    return log, value


def choose_word(label: str, words: Sequence[str], key: str, width: int) -> str:
    """One of the words, kept in the address."""
    check_address(key, f"one of {', '.join(words)}", words.__contains__)
    return st.selectbox(label, words, key=key, bind="query-params", width=width)


def choose_scale(key: str = "scale", log: bool = False, label: str = "Scale") -> bool:
    """Whether an axis is drawn on a log scale; kept in the address.

    Args:
        key: of the control, and its name in the address.
        log: the default.
        label: of the control.
    """
    check_address(key, "Linear or Log", SCALES.__contains__)
    scale = st.segmented_control(
        label, SCALES, default=SCALES[log], required=True, key=key, bind="query-params"
    )
    return scale == "Log"


def choose_point(catalog: Catalog, model: records.Model) -> str:
    """The point of the model that is looked at: its final one, or another that there is of it."""
    return choose_snapshot(catalog, model, "step", False).point_id


def choose_snapshot(catalog: Catalog, model: records.Model, key: str, first: bool) -> records.Point:
    """A point of the model: by its training step, or by its file's name where it has no step.

    After its snapshots come the points that answers brought.

    Args:
        catalog: where the model is.
        model: that the point is of.
        key: of the widget, and its name in the address.
        first: whether the first snapshot is the default, not the last.
    """
    own: dict[int | str, records.Point] = {
        printable(p.label) if p.step is None else p.step: p for p in catalog.points(model.id)
    }
    brought = {
        point_text(p): p for p in catalog.answer_points(model_id=model.id) if not p.is_direction
    }
    points = own | {name: point.point for name, point in brought.items()}
    if len(points) < 2:
        return point_of(catalog, model.id, model.point_id)
    steps = list(points)
    few = ", ".join(map(str, steps)) if len(steps) <= FEW_STEPS else ""
    must = f"one of {few or f'the {len(steps)} stored steps from {steps[0]} to {steps[-1]}'}"
    check_address(key, must, lambda text: text in {*map(str, steps), *map(as_step, steps)})
    usual = list(own)[0 if first else -1]
    if brought:
        return points[_choose_listed_point(catalog, steps, brought, key, usual)]
    step = st.select_slider(
        "Training step",
        steps,
        value=linked_option(key, steps, usual),
        key=key,
        bind="query-params",
        format_func=as_step,
        help="Stored snapshots of this model's training; the last one is the final model.",
    )
    return points[step]


def _choose_listed_point(
    catalog: Catalog,
    names: Sequence[int | str],
    brought: Mapping[str, records.AnswerPoint],
    key: str,
    usual: int | str,
) -> int | str:
    """One of the names of points; what is known of those that answers brought stands beside."""
    texts = dict(zip(brought, brought_words(catalog, list(brought.values())), strict=True))

    def words(name: int | str) -> str:
        if name not in brought:
            return f"step {name}" if isinstance(name, int) else as_step(name)
        return as_text(" · ".join(filter(None, (texts[str(name)], str(name)))), 200)

    chosen = choose_listed(
        "Point",
        names,
        key,
        usual,
        words,
        "Stored snapshots of this model's training; then points that analyses brought.",
    )
    if chosen in brought:
        st.caption(as_text(chosen))  # the menu is too narrow for all that it says
    return chosen
