"""What the pages share: guarding, choosing a model, settings, progress, badges, provenance."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.jobs import desk
from explorer.jobs.spool import Spool
from explorer.kinds import Kind, kind_named
from explorer.kinds.settings import NORMALISATIONS, PRECISIONS
from explorer.pages._running import Running, running
from store import Catalog, CatalogError, records


def guarded(page: Callable[[], None]) -> None:
    """Run a page; an error that is expected becomes one sentence on it."""
    try:
        page()
    except CatalogError as error:
        st.error(sentence(error), icon=":material/error:")


def live(seconds: float | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a part of a page run by itself every so many seconds, guarded as the page is."""

    def made(part: Callable[..., None]) -> Callable[..., None]:
        @st.fragment(run_every=seconds)
        @functools.wraps(part)
        def shown(*given: Any) -> None:
            guarded(functools.partial(part, *given))

        return shown

    return made


def sentence(error: Exception) -> str:
    """An error's message as a sentence: a capital first, a stop last."""
    said = str(error)
    return f"{said[:1].upper()}{said[1:].removesuffix('.')}."


def from_address(key: str, must: str, fits: Callable[[str], bool]) -> None:
    """Stop with one sentence where a widget would put its default in place of the address's value.

    Args:
        key: of the widget, which is also its name in the address.
        must: what the value must be.
        fits: whether the text is such a value.
    """
    said = st.query_params.get(key)
    if said is not None and key not in st.session_state and not fits(said):
        st.error(
            f"{key} in the address must be {must}, got {said!r}; correct it there, or choose this "
            "page anew on the left.",
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


def start() -> Running:
    """The process-wide objects, with a warning on the page while the catalog cannot be written."""
    now = running()
    if now.supervisor.trouble:
        st.warning(now.supervisor.trouble, icon=":material/warning:")
    return now


def labels(models: list[records.Model]) -> dict[str, records.Model]:
    """Models by a label that tells apart those of one name."""
    names = [model.name for model in models]
    return {
        model.name if names.count(model.name) == 1 else f"{model.name} ({model.id[:6]})": model
        for model in models
    }


def choose_model(catalog: Catalog) -> records.Model:
    """The model chosen; the page stops, saying why, while there is none."""
    known = labels(catalog.models())
    if not known:
        st.info("No models yet: the sample models appear here as soon as they are imported.")
        st.stop()
    from_address("model", f"one of {', '.join(known)}", known.__contains__)
    return known[st.selectbox("Model", list(known), key="model", bind="query-params")]


def choose_point(catalog: Catalog, model: records.Model) -> str:
    """The point of the model that is looked at: its final one, or a snapshot of its training."""
    points = {p.step: p.point_id for p in catalog.points(model.id) if p.step is not None}
    if len(points) < 2:
        return model.point_id
    steps = list(points)
    step = st.select_slider(
        "Training step",
        steps,
        value=steps[-1],
        key="step",
        bind="query-params",
        help="Stored snapshots of this model's training; the last one is the final model.",
    )
    return points[step]


def choose_objective(problem: records.Problem) -> dict[str, Any]:
    """Split and precision, as settings."""
    return {
        "split": _one_of("Data", list(problem.facts["splits"]), "split"),
        "precision": _one_of("Precision", PRECISIONS, "precision"),
    }


def _one_of(label: str, options: Sequence[str], key: str, help: str | None = None) -> str:
    """One of a few words, kept in the URL."""
    from_address(key, f"one of {', '.join(options)}", options.__contains__)
    return st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        key=key,
        bind="query-params",
        help=help,
        width="stretch",
    )


def choose_directions() -> dict[str, Any]:
    """Seed, normalisation and ignore rule, as settings."""
    normalisation = _one_of(
        "Normalisation",
        NORMALISATIONS,
        "normalisation",
        "filter: each output filter gets the norm of the model's own (Li et al. 2018); "
        "layer: each tensor does; raw: plain Gaussian",
    )
    from_address(
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


def choose_axis(name: str, count: int) -> dict[str, Any]:
    """Range and number of points of an axis, as settings."""
    from_address(f"{name}_min", "a finite number", is_finite)
    from_address(f"{name}_max", "a finite number", is_finite)
    from_address(f"{name}_count", "a whole number", is_whole)
    low, high, points = st.columns(3, gap="xsmall")
    return {
        f"{name}_min": low.number_input(
            f"{name} from", value=-1.0, format="%.4g", key=f"{name}_min", bind="query-params"
        ),
        f"{name}_max": high.number_input(
            f"{name} to", value=1.0, format="%.4g", key=f"{name}_max", bind="query-params"
        ),
        f"{name}_count": points.number_input(
            "Points", value=count, step=10, key=f"{name}_count", bind="query-params"
        ),
    }


def facts_line(model: records.Model) -> str:
    """A model's measured facts in one line."""
    said = [f"{model.facts['parameters']:,} parameters"]
    for split, values in sorted(model.measurements.items(), reverse=True):
        for name, value in sorted(values.items(), reverse=True):
            text = f"{value:.1%}" if name == "accuracy" else f"{value:.4g}"
            said.append(f"{split} {name} {text}")
    return " · ".join(said)


def checked(cls: type, values: Mapping[str, Any]) -> Any:
    """The settings; the page stops with one sentence where they are refused."""
    try:
        return cls(**values)
    except ValueError as error:
        st.error(sentence(error), icon=":material/error:")
        st.stop()


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate(catalog: Catalog, model: records.Model, settings: Any) -> float:
    """Seconds that a question will take, from an earlier answer about the model or its import."""
    asked, _ = catalog.questions(model_id=model.id, limit=20)
    for old in asked:
        same = all(old.settings[name] == getattr(settings, name) for name in ("split", "precision"))
        if same and old.units_done > 50 and old.seconds:
            return settings.units * old.seconds / old.units_done
    measured = catalog.point(model.point_id).facts["seconds"]
    return settings.units * measured.get(settings.split, math.nan)


def ask_button(
    running: Running, kind: Kind, model: records.Model, settings: Any, point: str
) -> None:
    """The button that asks, with the time it will take."""
    took = seconds_text(estimate(running.catalog, model, settings))
    if st.button(
        f"Compute {settings.units:,} points",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        help=f"about {took} on this machine",
    ):
        desk.ask(running.catalog, kind, model, settings, point)
        st.rerun()
    st.caption(f"About {took}; points appear as they are computed and are kept.")


def progress(running: Running, asked: records.Question) -> None:
    """How far an open question is, with the way to stop or resume it."""
    job = running.catalog.active_job_for(asked.key)
    share = asked.units_done / asked.units
    if job is None:
        _stopped(running, asked)
        return
    rate = job.worker.get("units_per_second", 0.0)
    said = f"{asked.units_done:,} of {asked.units:,} points"
    if rate and asked.units_done:
        left = (asked.units - asked.units_done) / rate
        said += f" · {rate:,.0f} points/s · {seconds_text(left)} left"
    elif job.status == "queued":
        said = "Waiting for the worker"
    else:
        said = "Loading model and data"
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(share, said)
    if button.button("Stop", icon=":material/stop:", key=f"stop-{job.id}", width="stretch"):
        desk.cancel(running.catalog, job.id)


def _stopped(running: Running, asked: records.Question) -> None:
    """An open question that nobody works on."""
    last = next(
        (job for job in running.catalog.jobs(limit=200) if job.question_key == asked.key), None
    )
    if last and last.status == "failed":
        st.error(f"{asked.title} stopped: {last.error}.", icon=":material/error:")
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.caption(f"{asked.units_done:,} of {asked.units:,} points are stored.")
    if button.button("Resume", icon=":material/play_arrow:", width="stretch"):
        desk.resume(running.catalog, asked)
        st.rerun()


def badges(asked: records.Question, result: Any) -> None:
    """Self-checks of an answer, each green or telling what is off."""
    facts = result.facts
    with st.container(horizontal=True, gap="small"):
        _centre_badge(facts, result)
        if "norm_error" in facts:
            good = facts["norm_error"] < 1e-6
            st.badge(
                f"{asked.settings['normalisation']} norms match" if good else "norms do not match",
                icon=":material/check:" if good else ":material/error:",
                color="green" if good else "red",
                help=f"Largest relative difference of norms: {facts['norm_error']:.1e}.",
            )
        if "axes_cosine" in facts:
            st.badge(
                f"cos(axes) {abs(facts['axes_cosine']):.3f}",
                icon=":material/square_foot:",
                color="green" if abs(facts["axes_cosine"]) < 0.1 else "orange",
                help="Absolute cosine between the two directions; 0 is a right angle.",
            )
        _finite_badge(result)


def _centre_badge(facts: Mapping[str, Any], result: Any) -> None:
    alone = facts.get("stand_alone", {}).get("loss")
    if alone is None:
        return
    centre = _at_centre(result)
    if centre is None:
        st.badge(
            f"centre off the grid, loss there {alone:.4g}",
            icon=":material/info:",
            color="blue",
            help="An even count or a one-sided range has no point at 0; it was computed apart.",
        )
        return
    same = centre == alone or (math.isnan(centre) and math.isnan(alone))
    st.badge(
        f"centre = stand-alone loss {alone:.4g}"
        if same
        else "centre differs from the model's loss",
        icon=":material/check:" if same else ":material/error:",
        color="green" if same else "red",
        help=f"Grid {centre!r}, model by itself {alone!r}.",
    )


def _at_centre(result: Any) -> float | None:
    """The loss at coordinate 0, if that is a point of the grid and computed."""
    place = []
    for name in ("y", "x"):
        axis = getattr(result, name, None)
        if axis is not None:
            where = (axis == 0).nonzero()[0]
            if not len(where):
                return None
            place.append(where[0])
    index = tuple(place)
    return float(result.loss[index]) if result.computed[index] else None


def _finite_badge(result: Any) -> None:
    import numpy as np

    bad = int((result.computed & ~np.isfinite(result.loss)).sum())
    st.badge(
        f"{bad:,} points NaN or Inf" if bad else "all finite",
        icon=":material/warning:" if bad else ":material/check:",
        color="orange" if bad else "green",
        help="NaN and Inf are stored and drawn as they are, never replaced.",
    )


def provenance(catalog: Catalog, asked: records.Question, result: Any) -> None:
    """Everything that the answer was computed from, and where and how long."""
    problem = catalog.problem(asked.problem_id)
    facts = result.facts
    with st.expander("Provenance", icon=":material/fingerprint:"):
        # Not side by side: a key of 64 characters must fit.
        question, answer = st.tabs(["The question", "The answer"])
        question.caption("The key changes with any of these.")
        question.table(
            _rows(
                {
                    "key": asked.key,
                    "kind": f"{asked.kind}, version {asked.version}",
                    "point (parameters and buffers)": ", ".join(asked.point_ids),
                    "problem file": problem.source_hash,
                    "arguments": dict(problem.arguments) or "none",
                    "loss": problem.facts["loss"],
                    "data": problem.facts["splits"][asked.settings["split"]]["fingerprint"],
                    **asked.settings,
                }
            )
        )
        answer.caption("These do not change the key.")
        answer.table(
            _rows(
                {
                    "model": ", ".join(asked.model_names),
                    "problem path": problem.path,
                    "asked": f"{asked.created:%Y-%m-%d %H:%M} UTC",
                    "complete": f"{asked.completed:%Y-%m-%d %H:%M} UTC"
                    if asked.completed
                    else "no",
                    "compute time": seconds_text(asked.seconds),
                    **{
                        n: facts[n]
                        for n in ("examples", "parameters", "batch_size", "threads")
                        if n in facts
                    },
                    **asked.provenance,
                }
            )
        )


def _rows(values: Mapping[str, Any]) -> dict[str, list[str]]:
    shown = [str(value) for value in values.values()]
    return {"": list(values), "value": [t if len(t) <= 64 else f"{t[:61]}…" for t in shown]}


def link_parameters(asked: records.Question, model: str, step: int | None = None) -> dict[str, str]:
    """The URL parameters under which a page shows a question; `step` where it is no final point."""
    defaults = dataclasses.asdict(kind_named(asked.kind).settings())
    changed = {n: v for n, v in asked.settings.items() if v != defaults.get(n)}
    if step is not None:
        changed["step"] = step
    return {"model": model} | {
        n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in changed.items()
    }


def worker_stage(catalog: Catalog, job_id: str) -> str:
    """What a job's worker is doing, in its own word."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    return str(folder.progress.get("stage", "")) if folder else ""
