"""What is stored of the same kind and models with other settings, as links."""

from collections.abc import Mapping

import streamlit as st

from explorer.ask.subjects import models_of
from explorer.kinds.setting import setting_fields
from explorer.pages import _links as links
from explorer.pages._asking import WantedQuestion
from explorer.pages._running import AppState
from explorer.pages._text import as_text
from store import Catalog, records

MOST_OFFERED = 6  # stored answers to other settings


def offer_stored(app: AppState, missing: Mapping[str, WantedQuestion]) -> None:
    """Links to what is stored of the same kinds and models with other settings."""
    subjects = links.Subjects(app.catalog)
    offered_links = []
    for wish in missing.values():
        similar = _similar_answers(app.catalog, wish)
        ways = links.links_of(similar, subjects)
        offered_links += [
            (ways[old.key], _differing_settings(old, wish)) for old in similar if old.key in ways
        ]
    if not offered_links:
        return
    st.caption("Stored with other settings:")
    for link, words in offered_links[:MOST_OFFERED]:
        links.show_link(link, as_text(f"{link.words}: {words}", 200), icon=":material/history:")


def _similar_answers(catalog: Catalog, wish: WantedQuestion) -> list[records.Question]:
    """Answers, also begun ones, of the same kind about the same models; the latest first."""
    models = [model.id for model in models_of(wish.kind, wish.settings, wish.subjects)]
    stored, _ = catalog.questions(kind=wish.kind.name, model_id=models[0], limit=100)
    return [
        old
        for old in stored
        if list(old.model_ids) == models
        and old.units_done
        and old.version == wish.kind.version_of(wish.settings)
        and old.key != wish.question(catalog).key
    ]


def _differing_settings(old: records.Question, wish: WantedQuestion) -> str:
    """The settings in which a stored question differs from the one that is wished, in words."""
    unlike = [
        f"{described.setting.label} {value_text}"
        for described in setting_fields(wish.kind.settings)
        if not described.setting.filled_in
        and (value_text := _value_text(old.settings.get(described.name, described.default)))
        != _value_text(getattr(wish.settings, described.name))
    ]
    differences = ", ".join(unlike) or "another snapshot"
    part = f", {old.units_done:,} of {old.units:,}" if old.status == "open" else ""
    return differences + part


def _value_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "all"
    return f"{value:g}" if isinstance(value, float) else str(value) or "all"
