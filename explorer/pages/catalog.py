"""Home: what has been computed, with pictures; the models it was computed for."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.kinds import KINDS, kind_named, settings_from_json, unreadable
from explorer.pages import _parts as parts
from store import UnknownEntry, records

PAGE_SIZE = 12
LIVE_SECONDS = 1.0

running = parts.start()
catalog = running.catalog


def busy() -> list[records.Job]:
    """Jobs that are queued or running."""
    return catalog.jobs(status=("queued", "running"))


def subjects(
    asked: records.Question, names: Mapping[str, str]
) -> tuple[str, dict[str, str | list[str]]]:
    """What an analysis is about, in words and as parameters of its page's address."""
    kind = kind_named(asked.kind)
    models = [names.get(id, n) for id, n in zip(asked.model_ids, asked.model_names, strict=True)]
    settings = settings_from_json(kind.settings, asked.settings)
    points = desk.named_points(kind, settings, asked.point_ids)
    told, steps = [], []
    for name, model_id, id in zip(models, asked.model_ids, points, strict=True):
        point = desk.point_of(catalog, model_id, id)
        final = catalog.model(model_id).point_id == id
        step = point.label if point.step is None else point.step
        told.append(name if final else f"{name}@{step}")  # as on the command line: cards are narrow
        # Pages about two points do not start at final ones.
        steps.append(None if final and (len(models) == 1 or kind.whole_run) else step)
    return f" {kind.joined} ".join(told), parts.link_parameters(asked, models, steps)


def unknown(asked: records.Question, said: str) -> None:
    """An analysis that this version cannot show, by its title alone."""
    with st.container(border=True, gap="xsmall"):
        st.text(asked.title)
        st.text(said)


def card(asked: records.Question, image: bytes | None, names: Mapping[str, str]) -> None:
    """One analysis: its picture, what it is, the way to it."""
    if why := unreadable(asked.kind, asked.settings):
        unknown(asked, f"It is {why}: update this program to see it.")
        return
    kind = kind_named(asked.kind)
    words, parameters = subjects(asked, names)
    with st.container(border=True, gap="xsmall"):
        if image:
            st.image(image, width="stretch", alt=asked.title)
        else:
            st.skeleton(height=150)
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.page_link(
                kind.page,
                label=f"**{words}**",
                icon=kind.icon,
                query_params=parameters,
                help="Open this analysis",
                width="stretch",
            )
            if st.button(
                "",
                key=f"delete-{asked.key}",
                icon=":material/delete:",
                type="tertiary",
                help="Move to the trash",
            ):
                catalog.delete_question(asked.key)
                st.toast("Moved to the trash; restore it at the bottom of this page.")
                st.rerun()
        if asked.status == "open":
            st.progress(asked.units_done / asked.units, f"{asked.units_done:,} of {asked.units:,}")
        else:
            st.caption(parts.told_apart(asked))


def gallery(search: str, kind: str | None, page: int, names: Mapping[str, str]) -> int:
    """A page of cards; how many analyses there are in all."""
    found, total = catalog.questions(
        search, kind=kind, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE
    )
    images = catalog.images([asked.key for asked in found])
    columns = st.columns(4)
    for place, asked in enumerate(found):
        with columns[place % 4]:
            try:
                card(asked, images.get(asked.key), names)
            except UnknownEntry as error:  # damaged; the others are shown
                unknown(asked, parts.sentence(error))
    return total


def empty(search: str) -> None:
    """What to do where nothing is shown."""
    if search:
        st.info(f"Nothing matches “{search}”; try a model's name, a kind, or a setting.")
    elif busy():
        st.info("The first surfaces are being computed; they appear here as they are ready.")
    else:
        st.info("Nothing computed yet: choose a model below, or open **Surface** on the left.")


def measured(model: records.Model, split: str, name: str) -> float | None:
    """A measurement of the model, if there is one."""
    return model.measurements.get(split, {}).get(name)


def model_rows(models: Sequence[records.Model]) -> dict[str, list[Any]]:
    """The table of models, column by column."""
    rows: dict[str, list[Any]] = {
        "Model": list(parts.labels(list(models))),
        "Parameters": [m.facts.get("parameters") for m in models],
        "Snapshots": [m.points for m in models],
        "Analyses": [m.analyses for m in models],
    }
    for split in ("train", "test"):
        rows[f"Loss, {split}"] = [measured(m, split, "loss") for m in models]
        rows[f"Accuracy, {split}"] = [measured(m, split, "accuracy") for m in models]
    rows["Optimiser"] = [str(m.facts.get("optimiser", "")) for m in models]
    rows["Seed"] = [m.facts.get("seed", m.facts.get("run", {}).get("seed")) for m in models]
    rows["What it shows"] = [m.facts.get("about", "") for m in models]
    return rows


def models_table() -> None:
    """The models with their facts; choosing one leads to its surface."""
    models = catalog.models()
    if not models:
        st.info("The sample models are being imported; this takes a few seconds the first time.")
        return
    percent = st.column_config.NumberColumn(format="percent")
    loss = st.column_config.NumberColumn(format="%.4f")
    chosen = st.dataframe(
        model_rows(models),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="models",
        column_config={
            "Model": st.column_config.TextColumn(width=130),
            "What it shows": st.column_config.TextColumn(width="large"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            **{f"Loss, {s}": loss for s in ("train", "test")},
            **{f"Accuracy, {s}": percent for s in ("train", "test")},
        },
    )
    rows = chosen["selection"]["rows"]
    if rows:
        name = list(parts.labels(models))[rows[0]]
        parts.kind_links(name)


def trash() -> None:
    """What was deleted, until it is emptied."""
    kept = catalog.trash()
    if not kept:
        return
    with st.expander(f"Trash ({len(kept)})", icon=":material/delete:"):
        for item in kept[:50]:
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.write(f"{item.title} · deleted {item.deleted:%Y-%m-%d %H:%M}")
            if right.button("Restore", key=f"restore-{item.id}"):
                restore = (
                    catalog.restore_question if item.what == "analysis" else catalog.restore_model
                )
                restore(item.id)
                st.rerun()
        if st.button("Empty the trash", icon=":material/delete_forever:"):
            gone = catalog.empty_trash()
            st.toast(f"{gone.count:,} files removed, {gone.bytes / 1e6:,.1f} MB")
            st.rerun()


def filters() -> tuple[str, str | None]:
    """Words to search for, and a kind."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    search = left.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="model, kind or setting",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    titles = {kind.title: kind.name for kind in KINDS}
    kind = right.segmented_control(
        "Kind", list(titles), key="kind", label_visibility="collapsed", bind="query-params"
    )
    return search or "", titles.get(kind) if kind else None


def analyses() -> None:
    """The gallery with its filters and pages; live while something is being computed."""
    st.subheader("Analyses", anchor=False)
    search, kind = filters()
    names = {model.id: label for label, model in parts.labels(catalog.models()).items()}
    unsettled = bool(busy()) or running.settling

    @parts.live(LIVE_SECONDS if unsettled else None)
    def shown() -> None:
        total = gallery(search, kind, st.session_state.get("page", 1), names)
        if not total:
            empty(search)
        pages = math.ceil(total / PAGE_SIZE)
        if pages > 1:
            st.pagination(pages, key="page")
        jobs = busy()
        if jobs:
            st.caption(f"{len(jobs)} jobs under way or waiting; see **Jobs**.")
        settled = not jobs and not running.settling
        if (unsettled and settled) or set(names) != {model.id for model in catalog.models()}:
            st.rerun()  # the table of models changes too, or there is nothing left to wait for

    shown()


st.title("Loss Surface Explorer", anchor=False)
analyses()
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader("Models", anchor=False, width="content")
    st.page_link("explorer/pages/bring.py", label="Import", icon=":material/upload_file:")
models_table()
trash()
