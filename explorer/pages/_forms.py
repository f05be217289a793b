"""A control for each setting, made from what the setting says of itself; also from the address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from explorer.kinds.setting import (
    SettingError,
    SettingField,
    Settings,
    SettingValue,
    setting_field,
)
from explorer.pages._address import check_address, check_number, linked_option
from explorer.pages._parts import sentence
from explorer.pages._stopping import stop_page
from explorer.pages._terms import setting_help
from explorer.pages._text import as_text

S = TypeVar("S", bound=Settings)
Values = dict[str, SettingValue]  # of settings, by their names
MOST_LETTERS = 22  # of words side by side: the left column has no room for more


def choose(
    settings: type,
    name: str,
    *,
    usual: SettingValue | None = None,
    options: Sequence[str] = (),
    note: str = "",
    narrow: bool = False,
    menu: bool = False,
) -> SettingValue:
    """The value of a setting.

    Args:
        settings: the class that has it.
        name: of the setting, and its key and name in the address.
        usual: the value at first, where that is not the setting's default.
        options: the words to choose from, where the setting does not say them.
        note: what is true of this page alone, before the setting's help.
        narrow: there is little room for the label.
        menu: the words drop down, where there is no room for all of them side by side.
    """
    described = setting_field(settings, name)
    setting, value = described.setting, described.default if usual is None else usual
    label = (narrow and setting.short) or setting.label
    help = setting_help(described, note)
    if described.several:
        return _choose_several_of(described, label, help)
    if described.type is bool:
        return st.checkbox(label, bool(value), key=name, bind="query-params", help=help)
    words = tuple(options) or setting.choices
    if not words:
        return number_field(replace(described, default=value), label=label, help=help)
    if len(setting.choices) == 1:
        check_address(name, f"{words[0]} here", words.__contains__)
        return words[0]
    if menu or sum(map(len, words)) > MOST_LETTERS:
        return _choose_from_menu(name, words, str(value), label, help)
    usual_word = str(value) if value in words else words[0]
    return choose_one_of(label, words, name, help, usual_word)


def _choose_several_of(described: SettingField, label: str, help: str) -> tuple[str, ...]:
    """Some of the choices; none where all are meant."""
    name, choices = described.name, described.setting.choices
    if any(word not in choices for word in st.query_params.get_all(name)):
        check_address(name, f"some of {', '.join(choices)}", lambda _: False)
    none = described.setting.where_none
    placeholder = f"All {len(choices)}" if none == "all" else none[:1].upper() + none[1:]
    chosen = st.multiselect(
        label, choices, key=name, bind="query-params", placeholder=placeholder, help=help
    )
    return tuple(chosen)


def number_field(described: SettingField, *, label: str = "", help: str = "") -> float:
    """A number of the setting's range, kept in the address; whole where the setting's are.

    Args:
        described: the setting; its name is the key, and its default is there at first.
        label: of the field, where it is not the setting's.
        help: of the field, where it is not the setting's.
    """
    name, setting, is_whole = described.name, described.setting, described.type is int
    check_number(name, setting, is_whole)
    least, most = described.ends
    step = int(setting.step or 1) if is_whole else setting.step
    return st.number_input(
        label or setting.label,
        min_value=least,
        max_value=most,
        value=described.type(described.default),
        step=step,
        format="%d" if is_whole else "%.4g",
        key=name,
        bind="query-params",
        help=help or setting_help(described),
    )


def _choose_from_menu(name: str, words: Sequence[str], value: str, label: str, help: str) -> str:
    check_address(name, f"one of {', '.join(filter(None, words))}", words.__contains__)
    return st.selectbox(
        label,
        words,
        words.index(value),
        format_func=lambda word: word or "all",
        key=name,
        bind="query-params",
        help=help,
    )


def choose_one_of(
    label: str, options: Sequence[str], key: str, help: str | None = None, usual: str = ""
) -> str:
    """One of a few words, kept in the address; the first one at first unless another is usual."""
    fitting = {*options, *map(as_text, options)}
    check_address(key, f"one of {', '.join(options)}", fitting.__contains__)
    return st.segmented_control(
        label,
        options,
        default=linked_option(key, options, usual or options[0]),
        required=True,
        key=key,
        bind="query-params",
        format_func=as_text,
        help=help,
        width="stretch",
    )


def choose_row(
    settings: type,
    names: Sequence[str],
    beside: Mapping[str, SettingValue] | None = None,
    *,
    usual: Mapping[str, SettingValue] | None = None,
    narrow: bool = False,
) -> Values:
    """Settings side by side; those that do not matter beside the others are left out.

    Args:
        settings: the class that has them.
        names: of the settings.
        beside: values of other settings.
        usual: values at first, where they are not the settings' defaults.
        narrow: there is little room for the labels.
    """
    values: Values = {}
    for name, column in zip(names, st.columns(len(names), gap="xsmall"), strict=True):
        if setting_field(settings, name).counts({**(beside or {}), **values}):
            with column:
                at_first = (usual or {}).get(name)
                values[name] = choose(settings, name, usual=at_first, narrow=narrow)
    return values


def choose_all(
    settings: type, names: Sequence[str], *, usual: Mapping[str, SettingValue] | None = None
) -> Values:
    """Settings two in a row; see `choose_row`."""
    values: Values = {}
    for start in range(0, len(names), 2):
        columns = st.columns(2, gap="xsmall")
        for name, column in zip(names[start : start + 2], columns, strict=False):
            if setting_field(settings, name).counts(values):
                with column:
                    values[name] = choose(settings, name, usual=(usual or {}).get(name))
    return values


def choose_axis(settings: type, axis: str) -> Values:
    """Range and number of points of an axis of a grid."""
    return choose_row(settings, [f"{axis}_{part}" for part in ("min", "max", "count")], narrow=True)


def checked_settings(settings: type[S], values: Mapping[str, SettingValue]) -> S:
    """The settings; the page stops with one sentence where they are refused."""
    make: Callable[..., S] = settings
    try:
        return make(**values)
    except ValueError as error:
        stop_page(sentence(_with_label(settings, error)))


def _with_label(settings: type, error: ValueError) -> ValueError:
    """The error with the label of the setting that it is about, as the page shows it."""
    if not isinstance(error, SettingError):
        return error
    return ValueError(f"{setting_field(settings, error.name).setting.label} {error.refusal}")
