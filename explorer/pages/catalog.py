"""Home: what has been computed, with pictures; the models it was computed for."""

import math
from collections.abc import Sequence

import streamlit as st

from explorer.ask.subject_names import label_models
from explorer.codec import JsonValue
from explorer.contracts.facts import ModelFacts
from explorer.kinds import KINDS, unreadable
from explorer.kinds.facts import AnswerFacts
from explorer.pages import _links as links
from explorer.pages import _parts as parts
from explorer.pages._text import as_text
from explorer.wording import printable
from store import UnknownEntry, records

PAGE_SIZE, ACROSS = 12, 4
LIVE_SECONDS = 1.0
CHOSEN_KEY = "chosen model"  # its id, in the session

app = parts.start_page()
catalog = app.catalog


def active_jobs() -> list[records.Job]:
    """Jobs that are queued or running."""
    return catalog.jobs(status=("queued", "running"))


def show_unreadable(question: records.Question, reason: str) -> None:
    """An analysis that this version cannot show, by its title alone."""
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.text(printable(question.title, 200))
        st.text(reason)


def show_card(
    question: records.Question,
    image: bytes | None,
    subjects: links.Subjects,
    last: records.Job | None,
) -> None:
    """One analysis: its picture, what it is, the way to it; `last` is its latest job."""
    if why := unreadable(question.kind, question.settings):
        show_unreadable(question, f"It is {why}: update this program to see it.")
        return
    link = links.link_to(question, subjects)
    with st.container(border=True, gap="xsmall", height="stretch"):
        if image:
            st.image(image, width="stretch", alt=printable(question.title, 200))
        else:
            st.skeleton(height=150)
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.page_link(
                link.kind.page,
                label=f"**{as_text(link.words, 120)}**",
                icon=link.kind.icon,
                query_params=link.parameters,
                help="Open this analysis",
                width="stretch",
            )
            if st.button(
                "",
                key=f"delete-{question.key}",
                icon=":material/delete:",
                type="tertiary",
                help="Move to the trash",
            ):
                users = len(catalog.users_of_points(question.key))
                kept = f" {users:,} analyses keep points that it brought." if users else ""
                catalog.delete_question(question.key)
                st.toast(f"Moved to the trash; restore it at the bottom of this page.{kept}")
                st.rerun()
        early = f"ended early, {count_text(question)} · " if question.ended_early else ""
        words = f"{parts.distinguishing_text(question)}  \n{early}{loss_and_day(question)}"
        st.caption(words)
        if question.status == "open":
            show_progress(question, last)


def loss_and_day(question: records.Question) -> str:
    """The loss at the point and the day, in one line."""
    alone = AnswerFacts.of(question.facts).stand_alone_loss
    loss = [f"loss {alone:.4g}"] if isinstance(alone, int | float) else []
    moment = parts.local_time(question.completed or question.created)
    whole = moment.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")
    return " · ".join([*loss, whole])


def count_text(question: records.Question) -> str:
    """How many of its units are answered."""
    return f"{question.units_done:,} of {question.units:,}"


def show_progress(question: records.Question, last: records.Job | None) -> None:
    """How far an open question is: only one that is worked on has a bar."""
    done = count_text(question)
    state = last.status if last else "stopped"
    if state == "running":
        st.progress(question.units_done / question.units, done)
    elif state == "queued":
        st.badge(f"waiting · {done}", icon=":material/schedule:", color="gray")
    elif state == "failed":
        st.badge(f"failed · {done}", icon=":material/error:", color="red")
    else:
        st.badge(f"stopped · {done}", icon=":material/stop:", color="orange")


def show_gallery(search: str, kind: str | None, page: int, subjects: links.Subjects) -> int:
    """A page of cards; how many analyses there are in all."""
    questions_on_page, total = catalog.questions(
        search, kind=kind, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE
    )
    images = catalog.images([question.key for question in questions_on_page])
    latest: dict[str | None, records.Job] = {}
    if any(question.status == "open" for question in questions_on_page):
        for job in catalog.jobs(limit=200):  # the latest first
            latest.setdefault(job.question_key, job)
    for start in range(
        0, len(questions_on_page), ACROSS
    ):  # row by row: cards of a row have one height
        for column, question in zip(
            st.columns(ACROSS), questions_on_page[start : start + ACROSS], strict=False
        ):
            with column:
                try:
                    show_card(
                        question, images.get(question.key), subjects, latest.get(question.key)
                    )
                except UnknownEntry as error:  # damaged; the others are shown
                    show_unreadable(question, parts.sentence(error))
    return total


def show_nothing_stored(search: str) -> None:
    """What to do where nothing is shown."""
    if search:
        st.info(f"Nothing matches “{as_text(search)}”; try a model's name, a kind, or a setting.")
    elif active_jobs():
        st.info("The first surfaces are being computed; they appear here as they are ready.")
    else:
        st.info("Nothing computed: choose a model below, or open **Surface** on the left.")


def measurement(model: records.Model, split: str, name: str) -> float | None:
    """A measurement of the model, if there is one."""
    return model.measurements.get(split, {}).get(name)


def seed_of(facts: ModelFacts) -> JsonValue:
    """The seed of a model's training, as far as it is noted."""
    return facts.seed if facts.seed is not None else facts.run.seed if facts.run else None


def model_rows(models: Sequence[records.Model]) -> dict[str, list[object]]:
    """The table of models, column by column."""
    all_facts = [ModelFacts.of(model.facts) for model in models]
    rows: dict[str, list[object]] = {
        "Model": list(label_models(list(models))),
        "Parameters": [facts.parameters for facts in all_facts],
        "Snapshots": [m.points for m in models],
        "Analyses": [m.analyses for m in models],
    }
    for split in ("train", "test"):
        rows[f"Loss, {split}"] = [measurement(m, split, "loss") for m in models]
        rows[f"Accuracy, {split}"] = [measurement(m, split, "accuracy") for m in models]
    rows["Optimiser"] = [str(facts.optimiser or "") for facts in all_facts]
    rows["Seed"] = [seed_of(facts) for facts in all_facts]
    rows["What it shows"] = [facts.about or "" for facts in all_facts]
    return rows


def show_models() -> None:
    """The models with their facts; choosing one leads to its surface."""
    models = catalog.models()
    if not models:
        if active_jobs() or app.is_settling:
            st.info("The sample models are being imported; this takes a few seconds at first.")
        else:
            st.info("No models: **Import** brings one in, and the trash gives back what it has.")
        return
    percent = st.column_config.NumberColumn(format="percent")
    loss = st.column_config.NumberColumn(format="%.4f")
    ids = [model.id for model in models]
    chosen_id = st.session_state.get(CHOSEN_KEY)
    table_state = st.dataframe(
        model_rows(models),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        # A selection is a row's number: with other rows it would be another model's.
        key=f"models-{hash(tuple(ids))}",
        selection_default={
            "selection": {"rows": [ids.index(chosen_id)] if chosen_id in ids else []}
        },
        column_config={
            "Model": st.column_config.TextColumn(width=130),
            "What it shows": st.column_config.TextColumn(width="large"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            **{f"Loss, {s}": loss for s in ("train", "test")},
            **{f"Accuracy, {s}": percent for s in ("train", "test")},
        },
    )
    rows = table_state["selection"]["rows"]
    st.session_state[CHOSEN_KEY] = ids[rows[0]] if rows else None
    if rows:
        label = list(label_models(models))[rows[0]]
        parts.kind_links(label)
        rename_or_delete(label, models[rows[0]])


def rename_or_delete(label: str, model: records.Model) -> None:
    """The ways to rename a model and to move it to the trash, from which it comes back whole."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", model.name, key=f"name-{model.id}", width=320)
        # Never disabled: it would be while a name is typed, and take no press then.
        if st.button("Rename", icon=":material/edit:") and name.strip() != model.name:
            try:
                catalog.rename_model(model.id, name)
            except ValueError as error:
                st.error(parts.sentence(error), icon=":material/error:")
            else:
                st.rerun()
        if st.button("Delete", icon=":material/delete:", help="With its analyses, to the trash"):
            catalog.delete_model(model.id)
            st.toast(f"{as_text(label)} is in the trash; restore it at the bottom of this page.")
            st.rerun()


def show_trash() -> None:
    """What was deleted, until it is emptied."""
    trash_items = catalog.trash()
    if not trash_items:
        return
    with st.expander(f"Trash ({len(trash_items)})", icon=":material/delete:"):
        for item in trash_items[:50]:
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.markdown(f"{as_text(item.title, 120)} · deleted {parts.local_time(item.deleted)}")
            if right.button("Restore", key=f"restore-{item.id}"):
                restore = (
                    catalog.restore_question if item.what == "analysis" else catalog.restore_model
                )
                restore(item.id)
                st.rerun()
        if st.button("Empty the trash", icon=":material/delete_forever:"):
            removed = catalog.empty_trash()
            st.toast(f"{removed.count:,} files removed, {removed.bytes / 1e6:,.1f} MB")
            st.rerun()


def choose_filters() -> tuple[str, str | None]:
    """Words to search for, and a kind."""
    search = st.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="model, kind or setting",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    titles = {kind.title: kind.name for kind in KINDS}
    kind = st.pills(
        "Kind", list(titles), key="kind", label_visibility="collapsed", bind="query-params"
    )
    return search or "", titles.get(kind) if kind else None


def show_analyses() -> None:
    """The gallery with its filters and pages; live while something is being computed."""
    st.subheader("Analyses", anchor=False)
    search, kind = choose_filters()
    before = {model.id for model in catalog.models()}
    unsettled = bool(active_jobs()) or app.is_settling

    @parts.live_fragment(LIVE_SECONDS if unsettled else None)
    def live_gallery() -> None:
        subjects = links.Subjects(catalog)  # anew each time: a run that is followed grows
        total = show_gallery(search, kind, st.session_state.get("page", 1), subjects)
        if not total:
            show_nothing_stored(search)
        pages = math.ceil(total / PAGE_SIZE)
        if pages > 1:
            st.pagination(pages, key="page")
        jobs = active_jobs()
        if jobs:
            st.caption(f"{len(jobs)} jobs under way or waiting; see **Jobs**.")
        settled = not jobs and not app.is_settling
        if (unsettled and settled) or set(subjects.labels) != before:
            st.rerun()  # the table of models changes too, or there is nothing left to wait for

    live_gallery()


parts.name_tab("Catalog")
st.title("Loss Surface Explorer", anchor=False)
show_analyses()
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader("Models", anchor=False, width="content")
    st.page_link("explorer/pages/import.py", label="Import", icon=":material/upload_file:")
show_models()
show_trash()
