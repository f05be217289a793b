"""What the playground is asked: the function, its range and start, the optimisers' settings."""

from dataclasses import dataclass, replace

import streamlit as st

from explorer.kinds.setting import Setting, SettingField
from explorer.pages import _forms as forms
from explorer.pages._address import check_address, choose_listed, choose_several_named
from explorer.pages._parts import sentence
from explorer.pages._stopping import stop_page
from explorer.pages._terms import setting_help
from explorer.playground.expression import CONSTANTS, KNOWN_FUNCTIONS, MOST_LETTERS, require_finite
from explorer.playground.functions import EXAMPLES, ExampleFunction, Range, own_function
from explorer.playground.optimisers import OPTIMISERS
from explorer.playground.race import RaceSettings

OWN, OWN_WORDS = "own", "Your own formula"
OWN_FORMULA = "x^2 + 2*sin(3*x) + y^2/2"  # that stands there at first
FIRST_SHOWN = ("gd", "momentum", "adam", "saddle_free")
SETTINGS = ("rate", "adam_rate", "newton_rate", "momentum", "steps", "noise", "seed")
LARGEST = 1e4  # of a coordinate that may be typed in
STEP_PARTS = 500  # of a range: a step of the start's slider
SHOWN_KEY = "function shown"  # in the session


@dataclass(frozen=True)
class Chosen:
    """What is asked about."""

    name: str
    function: ExampleFunction
    start: tuple[float, ...]
    optimisers: tuple[str, ...]  # by their names
    settings: RaceSettings


def choose() -> Chosen:
    """All that is asked, from the left column."""
    names = [*EXAMPLES, OWN]
    check_address("function", f"one of {', '.join(names)}", names.__contains__)
    name = choose_listed(
        "Function",
        names,
        "function",
        names[0],
        lambda name: OWN_WORDS if name == OWN else EXAMPLES[name].title,
        "Computed at once, here: nothing of it is stored, and this address holds all of it.",
    )
    usual = _typed_function() if name == OWN else EXAMPLES[name]
    _begin_anew(f"{name} {usual.dimension}", usual)
    start = _choose_start(usual)
    with st.expander("Optimisers", expanded=True):
        optimisers = _choose_optimisers()
        settings = _choose_settings(usual)
    with st.expander("Range"):
        ranges = _choose_ranges(usual)
    function = replace(usual, ranges=ranges)
    try:
        require_finite(function.expression, function.grid(41)[1])
    except ValueError as error:
        stop_page(sentence(error))
    return Chosen(name, function, start, optimisers, settings)


def _typed_function() -> ExampleFunction:
    """The user's own formula, of one or two variables; the page stops where it is none."""
    text = st.text_input(
        "f(x) or f(x, y)",
        OWN_FORMULA,
        key="formula",
        bind="query-params",
        help=f"Of x, or of x and y, as `{OWN_FORMULA}`; up to {MOST_LETTERS} letters. There are "
        f"+ - * / ^, {', '.join(CONSTANTS)}, {', '.join(KNOWN_FUNCTIONS)}.",
    )
    count = 2 if "y" in text else 1
    try:
        return own_function(text, ((-3.0, 3.0),) * count, (1.0,) * count)
    except ValueError as error:
        stop_page(sentence(error))


def _begin_anew(shown: str, function: ExampleFunction) -> None:
    """Have all other controls say what is usual of a function that was not shown before."""
    before = st.session_state.get(SHOWN_KEY)
    st.session_state[SHOWN_KEY] = shown
    if before in (None, shown):
        return
    values: dict[str, object] = {
        f"{axis}0": v for axis, v in zip("xy", function.start, strict=False)
    }
    for axis, ends in zip("xy", function.ranges, strict=False):
        values |= {f"{axis}_from": ends[0], f"{axis}_to": ends[1]}
    values |= {**vars(RaceSettings()), **function.usual}
    values["until"] = values["steps"]
    for key in ("saddle", "scale-f", "clip"):
        st.session_state.pop(key, None)
    st.session_state.update(values)


def _choose_start(function: ExampleFunction) -> tuple[float, ...]:
    """Where all optimisers begin: on a curve by a slider, on a plane by two numbers."""
    if function.dimension == 1:
        low, high = _range_now("x", function.ranges[0])
        check_address(
            "x0", f"a number from {low:g} to {high:g}", lambda t: _is_between(t, low, high)
        )
        now = float(st.session_state.get("x0", function.start[0]))
        if not low <= now <= high:
            st.session_state["x0"] = min(max(now, low), high)
        usual = min(max(function.start[0], low), high)
        step = (high - low) / STEP_PARTS
        return (
            st.slider("Start at x", low, high, usual, step, "%.4g", key="x0", bind="query-params"),
        )
    columns = st.columns(2, gap="xsmall")
    values = []
    for axis, usual, column in zip("xy", function.start, columns, strict=True):
        setting = Setting(f"Start at {axis}", "Of all optimisers.", least=-LARGEST, most=LARGEST)
        with column:
            values.append(
                forms.number_field(SettingField(f"{axis}0", float, False, usual, setting))
            )
    return tuple(values)


def _is_between(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


def _choose_optimisers() -> tuple[str, ...]:
    titles = {optimiser.title: name for name, optimiser in OPTIMISERS.items()}
    first = [OPTIMISERS[name].title for name in FIRST_SHOWN]
    in_address = st.query_params.get_all("optimisers")
    if any(title not in titles for title in in_address):
        check_address("optimisers", f"some of {', '.join(titles)}", lambda _: False)
    chosen = choose_several_named("Racing", list(titles), "optimisers", first)
    return tuple(name for title, name in titles.items() if title in chosen)


def _choose_settings(function: ExampleFunction) -> RaceSettings:
    usual = {name: value for name, value in function.usual.items() if name in SETTINGS}
    values = forms.choose_all(RaceSettings, SETTINGS, usual=usual)
    return forms.checked_settings(RaceSettings, values)


def _choose_ranges(function: ExampleFunction) -> tuple[Range, ...]:
    """The ranges of the picture; the page stops where one does not rise."""
    ranges = []
    for axis, usual in zip("xy", function.ranges, strict=False):
        ends = []
        for end, value, column in zip(
            ("from", "to"), usual, st.columns(2, gap="xsmall"), strict=True
        ):
            setting = Setting(f"{axis} {end}", "Of the picture.", least=-LARGEST, most=LARGEST)
            described = SettingField(f"{axis}_{end}", float, False, value, setting)
            with column:
                ends.append(forms.number_field(described, help=setting_help(described)))
        if not ends[0] < ends[1]:
            stop_page(f"{axis} must go from less to more, got from {ends[0]:g} to {ends[1]:g}.")
        ranges.append((ends[0], ends[1]))
    return tuple(ranges)


def _range_now(axis: str, usual: Range) -> Range:
    """The range that its fields, which come later on the page, will say."""
    ends = []
    for end, value in zip(("from", "to"), usual, strict=True):
        key = f"{axis}_{end}"
        try:
            ends.append(float(st.session_state.get(key, st.query_params.get(key, value))))
        except ValueError:
            ends.append(value)
    return (ends[0], ends[1]) if ends[0] < ends[1] else usual
