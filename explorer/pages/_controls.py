"""What a page asks the user: model, snapshot, directions, axes, numbers; also from the URL."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.kinds.kind import measured_names
from explorer.kinds.settings import NORMALISATIONS
from explorer.pages._parts import known_models, sentence
from explorer.pages._text import as_message, as_step, as_text
from explorer.wording import printable
from store import Catalog, records

FEW_STEPS = 8  # steps that one sentence can list
# Labels and help of numbers that several pages ask for; see `choose_numbers`.
SEED = ("Seed", "Of everything that is drawn at random.")
SEARCH_STEPS = ("Search steps", "Of Lanczos for an eigenvalue, at most; as many vectors are held.")
TOLERANCE = (
    "Tolerance",
    "Largest residual of an eigenvalue, as a share of the largest absolute eigenvalue.",
)


def check_address(key: str, must: str, fits: Callable[[str], bool]) -> None:
    """Stop with one sentence where a widget would put its default in place of the address's value.

    Args:
        key: of the widget, which is also its name in the address.
        must: what the value must be.
        fits: whether the text is such a value.
    """
    text = st.query_params.get(key)
    if text is not None and key not in st.session_state and not fits(text):
        st.error(
            as_message(
                f"{key} in the address must be {must}, got {text!r}; correct it there, or choose "
                "this page anew on the left."
            ),
            icon=":material/error:",
        )
        st.stop()


def is_finite(text: str) -> bool:
    """Whether the text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def is_whole(text: str) -> bool:
    """Whether the text is a whole number that a browser can hold."""
    return is_finite(text) and float(text).is_integer() and abs(float(text)) < 2**53


def choose_model(catalog: Catalog, fewest: int = 1) -> records.Model:
    """The model chosen; at first one of at least so many snapshots, if there is any."""
    models_by_label = known_models(catalog)
    check_address("model", f"one of {', '.join(models_by_label)}", models_by_label.__contains__)
    usual = next(
        (n for n, model in enumerate(models_by_label.values()) if model.points >= fewest), 0
    )
    return models_by_label[
        st.selectbox("Model", list(models_by_label), usual, key="model", bind="query-params")
    ]


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
    names_in_address = st.query_params.get_all("runs")
    wrong = [name for name in names_in_address if name not in runs_by_label]
    if wrong and "runs" not in st.session_state:
        among = ", ".join(runs_by_label) or "none"
        check_address("runs", f"models of one problem with {fewest} snapshots: {among}", _never)
    if not runs_by_label:
        return {}
    kept_names = st.session_state.get("runs")
    if kept_names is not None and not set(kept_names) <= set(
        runs_by_label
    ):  # the model's change took them away
        st.session_state["runs"] = [name for name in kept_names if name in runs_by_label]
    chosen_labels = st.multiselect(
        label, list(runs_by_label), key="runs", bind="query-params", help=help
    )
    return {name: runs_by_label[name] for name in chosen_labels}


def _never(_: str) -> bool:
    return False


def choose_profile(values: Mapping[str, Any]) -> tuple[bool, str | None]:
    """How profiles with these values are drawn: log scale or not, and what is drawn below them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        scale = st.segmented_control(
            "Scale",
            ["Linear", "Log"],
            default="Linear",
            required=True,
            key="scale",
            bind="query-params",
        )
        below = st.selectbox("Below", [*measured_names(values)[1:], "nothing"], width=160)
    return scale == "Log", None if below == "nothing" else below


def choose_height(values: Mapping[str, Any], decades: bool) -> tuple[bool, str]:
    """How a plane with these values is drawn: log scale or not, and which value."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        value = st.selectbox("Value", measured_names(values), width=190)
        scale = st.segmented_control(
            "Scale",
            ["Linear", "Log"],
            default="Log" if decades and value == "loss" else "Linear",
            required=True,
            key=f"scale-{value}",
        )
    return scale == "Log", value


def choose_scale(key: str, log: bool = False, label: str = "Scale") -> bool:
    """Whether an axis is drawn on a log scale; `log` is the default."""
    default = "Log" if log else "Linear"
    scale = st.segmented_control(label, ["Linear", "Log"], default=default, required=True, key=key)
    return scale == "Log"


def choose_numbers(usual: Any, words: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Numbers of the settings, two in a row, as settings.

    Args:
        usual: settings that hold the defaults.
        words: label and help of each, by the setting's name, which is that in the address too.
    """
    values = {}
    columns = st.columns(2, gap="xsmall")
    for place, (name, (label, help)) in enumerate(words.items()):
        if place % 2 == 0 and place:
            columns = st.columns(2, gap="xsmall")
        value = getattr(usual, name)
        whole = isinstance(value, int)
        check_address(
            name,
            "a whole number" if whole else "a finite number",
            is_whole if whole else is_finite,
        )
        values[name] = columns[place % 2].number_input(
            label,
            value=value,
            step=1 if whole else None,
            format="%d" if whole else "%.4g",
            key=name,
            bind="query-params",
            help=help or None,
        )
    return values


def choose_point(catalog: Catalog, model: records.Model) -> str:
    """The point of the model that is looked at: its final one, or a snapshot of its training."""
    return choose_snapshot(catalog, model, "step", False).point_id


def choose_snapshot(catalog: Catalog, model: records.Model, key: str, first: bool) -> records.Point:
    """A point of the model: by its training step, or by its file's name where it has no step.

    Args:
        catalog: where the model is.
        model: that the point is of.
        key: of the widget, and its name in the address.
        first: whether the first snapshot is the default, not the last.
    """
    points = {printable(p.label) if p.step is None else p.step: p for p in catalog.points(model.id)}
    if len(points) < 2:
        return questions.point_of(catalog, model.id, model.point_id)
    steps = list(points)
    few = ", ".join(map(str, steps)) if len(steps) <= FEW_STEPS else ""
    must = f"one of {few or f'the {len(steps)} stored steps from {steps[0]} to {steps[-1]}'}"
    check_address(key, must, lambda text: text in {*map(str, steps), *map(as_step, steps)})
    step = st.select_slider(
        "Training step",
        steps,
        value=_linked_option(key, steps, steps[0 if first else -1]),
        key=key,
        bind="query-params",
        format_func=as_step,
        help="Stored snapshots of this model's training; the last one is the final model.",
    )
    return points[step]


def _linked_option(key: str, options: Sequence[Any], usual: Any) -> Any:
    """The option that a link names whose words on the page are others, else the usual one.

    Streamlit looks for the words of the page in the address (1.67); links hold the names.
    """
    address_text = st.query_params.get(key)
    named = (option for option in options if str(option) == address_text != as_step(option))
    return next(named, usual)


def choose_one_of(label: str, options: Sequence[str], key: str, help: str | None = None) -> str:
    """One of a few words, kept in the URL."""
    fitting = {*options, *map(as_text, options)}
    check_address(key, f"one of {', '.join(options)}", fitting.__contains__)
    return st.segmented_control(
        label,
        options,
        default=_linked_option(key, options, options[0]),
        required=True,
        key=key,
        bind="query-params",
        format_func=as_text,
        help=help,
        width="stretch",
    )


def choose_directions() -> dict[str, Any]:
    """Seed, normalisation and ignore rule, as settings."""
    normalisation = choose_one_of(
        "Normalisation",
        NORMALISATIONS,
        "normalisation",
        "filter: each output filter gets the norm of the model's own (Li et al. 2018); "
        "layer: each tensor does; raw: plain Gaussian",
    )
    check_address(
        "seed",
        "a whole number from 0 to 4,294,967,295",
        lambda text: is_whole(text) and 0 <= float(text) < 2**32,
    )
    seed = st.number_input("Seed", 0, 2**32 - 1, 0, key="seed", bind="query-params")
    ignore = st.checkbox(
        "Keep biases and norm weights fixed",
        value=True,
        key="ignore_1d",
        bind="query-params",
        help="Directions are zero in one-dimensional parameters (Li et al. 2018).",
    )
    return {"seed": seed, "normalisation": normalisation, "ignore_1d": ignore}


def choose_axis(
    name: str, count: int, low: float = -1.0, high: float = 1.0, label: str = ""
) -> dict[str, Any]:
    """Range and number of points of an axis, as settings; the arguments are defaults."""
    check_address(f"{name}_min", "a finite number", is_finite)
    check_address(f"{name}_max", "a finite number", is_finite)
    check_address(f"{name}_count", "a whole number", is_whole)
    left, middle, right = st.columns(3, gap="xsmall")
    axis_label = label or name
    return {
        f"{name}_min": left.number_input(
            f"{axis_label} from", value=low, format="%.4g", key=f"{name}_min", bind="query-params"
        ),
        f"{name}_max": middle.number_input(
            f"{axis_label} to", value=high, format="%.4g", key=f"{name}_max", bind="query-params"
        ),
        f"{name}_count": right.number_input(
            "Points", value=count, step=10, key=f"{name}_count", bind="query-params"
        ),
    }


def checked_settings(cls: type, values: Mapping[str, Any]) -> Any:
    """The settings; the page stops with one sentence where they are refused."""
    try:
        return cls(**values)
    except ValueError as error:
        st.error(sentence(error), icon=":material/error:")
        st.stop()
