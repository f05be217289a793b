"""What the pages share: guarding, living parts, progress, labels and links."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.ask import questions, requests
from explorer.ask.subject_names import label_models
from explorer.contracts.facts import ModelFacts, SplitFacts
from explorer.jobs.spool import Spool
from explorer.kinds import KINDS, Kind, kind_named, settings_from_json
from explorer.kinds.setting import setting_fields
from explorer.pages._charts import measure_column
from explorer.pages._running import AppState, app_state
from explorer.pages._text import as_message, as_text
from explorer.wording import printable
from store import Catalog, CatalogError, records

FIRST_MODEL_SECONDS = 1.0  # between two looks for a first model
LEFT_WIDTH = 250  # px
# Streamlit has no container that stays in view within a column.
IN_VIEW_CSS = """
div:has(> .st-key-ask), div:has(> .st-key-progress) {
  position: sticky; top: 0; z-index: 20; background: PAPER;
}
"""
PAGE_COLOURS = {"light": "#ffffff", "dark": "#171614"}


def run_guarded(page: Callable[[], None]) -> None:
    """Run a page; an error that is expected becomes one sentence on it."""
    try:
        page()
    except CatalogError as error:
        st.error(sentence(error), icon=":material/error:")


def live_fragment(seconds: float | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a part of a page run by itself every so many seconds, guarded as the page is.

    Streamlit drops what a user does in a part that the page has just given up
    (`AppSession.request_rerun`): a part that has nothing more to wait for stays one, with `seconds`
    None, and keeps its place on the page, which names it.
    """

    def live_part(part: Callable[..., None]) -> Callable[..., None]:
        @st.fragment(run_every=seconds)
        @functools.wraps(part)
        def guarded_part(*arguments: object) -> None:
            run_guarded(functools.partial(part, *arguments))

        return guarded_part

    return live_part


def sentence(error: Exception) -> str:
    """An error's message as a sentence: a capital first, a stop last; names in it are text."""
    message = str(error)
    return as_message(f"{message[:1].upper()}{message[1:].removesuffix('.')}.")


def start_page() -> AppState:
    """The process-wide objects, with a warning on the page while the catalog cannot be written."""
    app = app_state()
    with st.container():  # with or without a warning, what comes after keeps its place
        if app.supervisor.trouble:
            st.warning(as_message(app.supervisor.trouble), icon=":material/warning:")
    return app


@dataclass(frozen=True)
class Sides:
    """The parts of a page that asks."""

    top: DeltaGenerator  # of the left column: what begins the work, in view wherever one scrolls
    left: DeltaGenerator  # what is asked
    right: DeltaGenerator  # what is known


def sides() -> Sides:
    """Where a page asks and where it shows: side by side, or one below the other."""
    paper = PAGE_COLOURS["dark" if st.context.theme.type == "dark" else "light"]
    st.html(f"<style>{IN_VIEW_CSS.replace('PAPER', paper)}</style>")
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=LEFT_WIDTH), st.container(width="stretch")
    with left:
        top = st.container(key="ask", gap="xsmall")
    with right:
        measure_column()
    return Sides(top, left, right)


def known_models(catalog: Catalog) -> dict[str, records.Model]:
    """Models by label; while there is none, the page stops, says why, and looks again by itself."""

    @live_fragment(FIRST_MODEL_SECONDS)
    def nothing_yet() -> None:
        if catalog.models():
            st.rerun()
        st.info("No models yet: the sample models appear here as soon as they are imported.")

    models_by_label = label_models(catalog.models())
    if not models_by_label:
        nothing_yet()
        st.stop()
    return models_by_label


def about_text(model: records.Model) -> str | None:
    """What a model's importer said of it, for a tooltip."""
    about = ModelFacts.of(model.facts).about
    return as_text(about, 500) if about else None


def show_heading(words: str) -> None:
    """The heading of a page, which is also what the browser's tab is called."""
    name_tab(words)
    st.subheader(as_text(words, 160), anchor=False)


def name_tab(words: str) -> None:
    """Call the browser's tab after what the page is about."""
    st.set_page_config(page_title=f"{printable(words, 100)} · Loss Surface Explorer")


def facts_line(model: records.Model) -> str:
    """A model's measured facts in one line."""
    fact_texts = [f"{ModelFacts.of(model.facts).parameters or 0:,} parameters"]
    for split, values in sorted(model.measurements.items(), reverse=True):
        for name, value in sorted(values.items(), reverse=True):
            text = f"{value:.1%}" if name == "accuracy" else f"{value:.4g}"
            fact_texts.append(f"{as_text(split)} {as_text(name)} {text}")
    return " · ".join(fact_texts)


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def local_time(moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in the time zone of the browser, which is named where it is not known."""
    if moment is None:
        return ""
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return at.astimezone(ZoneInfo(st.context.timezone or "")).strftime(form)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return f"{at.astimezone(UTC):{form}} UTC"


def picture_if_complete(app: AppState, key: str) -> None:
    """Have the picture of an answer drawn that other answers completed at once."""
    question = app.catalog.question(key)
    if question is not None and question.status == "complete":
        app.thumbnails.request(key)


def show_progress(app: AppState, question: records.Question, name: str = "") -> None:
    """How far an open question is, with the way to stop or resume it; `name` tells it apart."""
    job = app.catalog.active_job_for(question.key)
    share, kind = question.units_done / question.units, kind_named(question.kind)
    if job is None:
        _show_stopped(app, question, name)
        return
    measured = job.worker.get("units_per_second")
    rate = measured if isinstance(measured, int | float) else 0.0
    progress_text = kind.count_text(question.units_done, question.units)
    if rate and question.units_done:
        left = (question.units - question.units_done) / rate
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        progress_text += f" · {speed} {kind.unit}/s · {seconds_text(left)} left"
    elif job.status == "queued":
        progress_text = "Waiting for the worker"
    else:
        progress_text = "Loading model and data"
    folder = Spool(app.catalog.jobs_folder).job(job.id)
    if folder and (progress := folder.progress) and progress.within:
        progress_text += f" · {as_text(progress.within)}"
    bar, button = st.columns([4, 1], vertical_alignment="center")
    bar.progress(share, f"{as_text(name)}: {progress_text}" if name else progress_text)
    if button.button("Stop", icon=":material/stop:", key=f"stop-{job.id}", width="stretch"):
        requests.cancel(app.catalog, job.id)


def _show_stopped(app: AppState, question: records.Question, name: str) -> None:
    """An open question that nobody works on."""
    last = next(
        (job for job in app.catalog.jobs(limit=200) if job.question_key == question.key), None
    )
    if last and last.status == "failed":
        st.error(as_message(f"{question.title} stopped: {last.error}."), icon=":material/error:")
    text, button = st.columns([4, 1], vertical_alignment="center")
    done = kind_named(question.kind).count_text(question.units_done, question.units)
    of = f" of {as_text(name)}" if name else ""
    text.caption(f"{done}{of} are stored.")
    key = f"resume-{question.key}"
    if button.button("Resume", icon=":material/play_arrow:", key=key, width="stretch"):
        questions.resume(app.catalog, question)
        st.rerun()


def distinguishing_text(question: records.Question) -> str:
    """The settings that tell one analysis from another, as text of a page."""
    kind = kind_named(question.kind)
    words = list(settings_from_json(kind.settings, question.settings).distinguishing_words)
    if kind.runs_from is not None:
        words.append(f"{len(question.point_ids) - kind.runs_from} snapshots")
    return as_text(" · ".join(words), 200)


def parameter_names(kind: Kind) -> list[tuple[str, str]]:
    """The names of model and step in an address, for each subject of a kind."""
    others = [(name, f"{name}_step") for name in kind.subjects[1:]]
    return [("model", "step"), *others]


def link_parameters(
    question: records.Question, names: Sequence[str], steps: Sequence[int | str | None]
) -> dict[str, str | list[str]]:
    """The URL parameters under which a page shows a question.

    Args:
        question: the question.
        names: of its models, as pages list them.
        steps: of its points, or their files' names; None for a final one.
    """
    kind = kind_named(question.kind)
    changed: dict[str, object] = {
        described.name: value
        for described in setting_fields(kind.settings)
        if (value := question.settings.get(described.name)) is not None
        and not described.setting.filled_in
        and (described.setting.in_links or value != described.default)
    }
    if len(kind.subjects) > 1 and not kind.whole_run:  # there a page may have another default
        changed["batchnorm"] = question.settings["batchnorm"]
    about: dict[str, object] = {}
    single = max(1, len(names) if kind.runs_from is None else kind.runs_from)
    places = zip(parameter_names(kind), names[:single], steps[:single], strict=False)
    for (name, step_name), model, step in places:
        about |= {name: model} | ({} if step is None else {step_name: step})
    all_values = (about | changed).items()
    url_parameters: dict[str, str | list[str]] = {}
    for name, entry in all_values:
        if isinstance(entry, list | tuple):
            if entry:
                url_parameters[name] = list(map(str, entry))
        else:
            url_parameters[name] = str(entry).lower() if isinstance(entry, bool) else str(entry)
    return url_parameters | ({"runs": list(names[single:])} if names[single:] else {})


def kind_links(name: str) -> None:
    """Links to what can be asked about the model of that name, as pages list it."""
    with st.container(horizontal=True):
        for kind in filter(lambda kind: kind.own_page, KINDS):
            st.page_link(
                kind.page,
                label=f"{kind.title} of {as_text(name)}",
                icon=kind.icon,
                query_params={"model": name},
            )


def worker_stage(catalog: Catalog, job_id: str) -> str:
    """What a job's worker is doing, in its own word."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    progress = folder.progress if folder else None
    return progress.stage if progress else ""


def part_of_data(split: SplitFacts) -> str:
    """Which part of a larger data set a split is; empty for a whole one."""
    if split.of is None:
        return ""
    return f"{split.count:,} of {split.of:,} examples drawn with seed {split.seed}"
