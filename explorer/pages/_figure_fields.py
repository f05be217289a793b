"""Controls of the page Figure from the descriptions of settings, and tables that are edited."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.kinds.setting import SettingField, setting_fields
from explorer.pages._terms import setting_help


def choose_fields(
    settings: type, values: Mapping[str, object], key: str, names: Sequence[str]
) -> dict[str, Any]:
    """The values of fields of a settings class, a control each: two in a row, switches below."""
    described = [field for field in setting_fields(settings) if field.name in names]
    switches = [field for field in described if field.type is bool]
    others = [field for field in described if field.type is not bool]
    chosen: dict[str, Any] = {}
    for start in range(0, len(others), 2):
        for field, column in zip(others[start : start + 2], st.columns(2), strict=False):
            with column:
                chosen[field.name] = _control(field, values[field.name], f"{key}-{field.name}")
    with st.container(horizontal=True, gap="medium"):
        for field in switches:
            chosen[field.name] = _control(field, values[field.name], f"{key}-{field.name}")
    return chosen


def _control(field: SettingField, value: Any, key: str) -> object:
    setting, help = field.setting, setting_help(field, ends=False) or None
    label = f"{setting.label}, {setting.unit}" if setting.unit else setting.label
    if field.type is bool:
        return st.toggle(label, bool(value), key=key, help=help)
    if setting.choices:
        options = list(setting.choices)
        index = options.index(value) if value in options else 0
        return st.selectbox(label, options, index=index, key=key, help=help)
    if field.type is str:
        return st.text_input(label, str(value), key=key, help=help)
    low, high = field.ends
    step = field.type(setting.step or 1)
    return st.number_input(
        label, low, high, field.type(value), step, key=key, help=help,
        format="%d" if field.type is int else "%.4g",
    )  # fmt: skip


def edit_rows(
    columns: Mapping[str, str],
    rows: Sequence[tuple[object, ...]],
    key: str,
    config: Mapping[str, Any] | None = None,
) -> list[tuple[Any, ...]]:
    """The rows of a table as they are edited; None where a cell is empty.

    The table begins as it was at first in this session: edits count from there.
    """
    import pandas as pd

    begun = st.session_state.setdefault(f"{key}-begun", list(rows))
    table = pd.DataFrame(begun, columns=list(columns)).astype(dict(columns))
    edited = st.data_editor(table, num_rows="dynamic", key=key, column_config=config)
    return [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in edited.itertuples(index=False)
    ]
