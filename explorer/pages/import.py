"""Import: name a problem file and checkpoints, agree to run the file, see what was found."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.ask import requests
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_of
from explorer.consent import ConsentError, agree, code_to_agree
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts
from explorer.contracts.progress import WorkerProgress
from explorer.importing import following, sources, storing
from explorer.jobs.spool import Spool
from explorer.own_code import Code
from explorer.pages import _parts as parts
from explorer.pages._text import as_message, as_text
from store import records

LIVE_SECONDS = 0.7
LIVE_FOLLOWED = 3.0
FEW = 6  # files that are listed
UNDER_WAY = ("queued", "running")

app = parts.start_page()
catalog = app.catalog


@dataclass(frozen=True)
class WantedImport:
    """What the fields say; an import needs all of it."""

    code: Code | None  # of the problem file, that can be read
    arguments: Mapping[str, Any] | None
    checkpoint_sources: sources.Sources | None  # without errors

    @property
    def complete(self) -> bool:
        """Whether nothing is missing but the user's agreement."""
        return None not in (self.code, self.arguments, self.checkpoint_sources)


def complain(error: str) -> None:
    """One sentence about a field."""
    st.error(parts.sentence(ValueError(error)), icon=":material/error:")


def choose_problem() -> Code | None:
    """All code that the problem file loads, with its sources to read."""
    text = st.text_input(
        "Problem file",
        key="problem",
        placeholder="/home/me/project/my_problem.py",
        help="A Python file with a function problem() that says what model, data and loss are.",
    ).strip()
    if not text:
        return None
    try:
        code = code_to_agree(sources.problem_file(text)[0])
    except ValueError as error:
        complain(str(error))
        return None
    for file in code.files:
        with st.expander(f"Source of {as_text(file.name)}", icon=":material/code:"):
            st.code(file.content.decode(errors="replace"), language="python", line_numbers=True)
        st.caption(f"{as_message(file.path)}  \nsha256 {file.digest}")
    return code


def choose_arguments() -> dict[str, object] | None:
    """The arguments of the problem's function."""
    text = st.text_input("Arguments", "{}", key="arguments", help='JSON, as in {"width": 128}')
    try:
        arguments = json.loads(text.strip() or "{}", parse_constant=_refuse_word)
    except ValueError as error:
        complain(f"the arguments must be JSON, got {text} ({error}); write names in double quotes")
        return None
    if not isinstance(arguments, dict):
        complain(f"the arguments must be a JSON object, got {text}; write them between braces")
        return None
    return arguments


def _refuse_word(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


def choose_checkpoints() -> sources.Sources | None:
    """The checkpoints, listed as they were found."""
    text = st.text_area(
        "Checkpoints",
        key="checkpoints",
        placeholder="/home/me/project/ckpt/step_*.pt",
        help="One a line, the last being the final one: a file, a pattern, a Hugging Face or "
        "adapter folder; or the folder of one recorded run or of a Trainer.",
    )
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        return None
    checkpoint_sources = sources.resolve(names)
    for error in checkpoint_sources.errors:
        complain(error)
    files = [str(checkpoint.file) for checkpoint in checkpoint_sources.checkpoints]
    if files:
        few = files if len(files) <= FEW else [*files[: FEW - 1], "…", files[-1]]
        what = "snapshots of a recorded run" if checkpoint_sources.recording else "checkpoints"
        several = f"{len(files):,} {what}, the last is the final one:"
        st.caption(several if len(files) > 1 else "1 checkpoint, the final one:")
        st.code("\n".join(few), language=None)
    if checkpoint_sources.recording and not files:
        st.caption("The run has no snapshot yet: follow it to import them as they come.")
    return None if checkpoint_sources.errors else checkpoint_sources


def choose_import() -> None:
    """The fields, the agreement, and the button that orders the import."""
    code = choose_problem()
    arguments, checkpoint_sources = choose_arguments(), choose_checkpoints()
    left, right = st.columns(2)
    part = left.text_input(
        "Weights",
        key="part",
        placeholder="the usual ones",
        help="Keys before the network's own names in each file, as student, ema or a.b; empty "
        "where one network fits, or where the usual one stands beside its averages.",
    ).strip()
    usual = checkpoint_sources.name if checkpoint_sources else ""
    name = right.text_input("Name of the model", key="name", placeholder=usual).strip()
    wanted = WantedImport(code, arguments, checkpoint_sources)
    count = len(code.files) if code else 0
    agreed = code is not None and st.checkbox(
        "Run this file in the worker" if count == 1 else f"Run these {count} files in the worker",
        key=f"agreed-{code.problem}-{code.hash}",  # a changed file asks again
        help="It is code, and can do whatever you can. It never runs in the app itself.",
    )
    growing = (
        checkpoint_sources is not None
        and checkpoint_sources.recording is not None
        and not checkpoint_sources.recording.ended
    )
    begun = checkpoint_sources is None or bool(checkpoint_sources.checkpoints)
    follow = growing and st.toggle(
        "Follow",
        value=not begun,
        key="follow" if begun else "follow-first",
        help="New snapshots are imported while the run goes on and this app runs, for as long as "
        "the problem file stays what you agreed to.",
    )
    ready = agreed and wanted.complete and (begun or follow)
    pressed = st.button(
        "Import",
        type="primary",
        icon=":material/upload_file:",
        disabled=not ready,
        help="Needs a problem file, checkpoints, and your agreement to run the file.",
    )
    if pressed and ready:  # not so where the file has changed since the page was drawn
        order_import(wanted, name, part, follow)


def order_import(wanted: WantedImport, name: str, part: str, follow: bool) -> None:
    """Order what the fields say, also of what the run will bring."""
    code, checkpoint_sources = wanted.code, wanted.checkpoint_sources
    if code is None or checkpoint_sources is None or wanted.arguments is None:
        return
    try:
        agree(code)
    except ConsentError as error:
        complain(str(error))
        return
    if checkpoint_sources.checkpoints:
        try:
            job_id = sources.order(
                catalog, checkpoint_sources, code.problem, wanted.arguments, name, part
            )
        except ValueError as error:
            complain(str(error))
            return
        st.session_state["import"] = job_id
    if follow and checkpoint_sources.recording:
        folder = checkpoint_sources.recording.folder
        following.follow(catalog, folder, code.problem, code.hash, wanted.arguments, name)


def show_outcome(job_id: str) -> None:
    """The import as it goes on, then what it found; live until it and its run have ended."""
    unsettled = catalog.job(job_id).status in UNDER_WAY
    grows = is_followed(catalog.job(job_id))

    @parts.live_fragment(LIVE_SECONDS if unsettled else LIVE_FOLLOWED if grows else None)
    def live_outcome() -> None:
        job = catalog.job(job_id)
        if job.status in UNDER_WAY:
            show_progress(job)
            return
        if job.status == "failed":
            complain(f"{job.title} failed: {job.error}")
        elif job.status == "cancelled":
            st.info(f"{as_text(job.title, 120)} was stopped; nothing was stored.")
        else:
            show_import(job)
        if unsettled or (grows and not is_followed(job)):
            st.rerun()  # there is nothing left to wait for, or less often

    live_outcome()


def is_followed(job: records.Job) -> bool:
    """Whether later imports of the same run will add to what this one found."""
    model = storing.imported_model(catalog, job) if job.status == "done" else None
    return model is not None and following.is_followed(catalog, model)


def show_progress(job: records.Job) -> None:
    """How far the worker is, and the way to stop it."""
    folder = Spool(catalog.jobs_folder).job(job.id)
    progress = (folder.progress if folder else None) or WorkerProgress(
        stage="waiting for the worker"
    )
    done, total = progress.done or 0, progress.total or 0
    stage = as_text(progress.stage)
    job_text = f"**{as_text(job.title, 120)}** · {stage}"
    bar, button = st.columns([5, 1], vertical_alignment="center")
    share = f" · {done:,} of {total:,}" if total else ""
    bar.progress(done / total if total else 0.0, job_text + share)
    if button.button("Stop", key=f"stop-{job.id}", icon=":material/stop:", width="stretch"):
        requests.cancel(catalog, job.id)


def show_import(job: records.Job) -> None:
    """What the worker found."""
    model = storing.imported_model(catalog, job)
    if model is None:
        st.info(f"{as_text(job.title, 120)} is done; a later import has taken its place.")
        return
    label = next(name for name, m in label_models(catalog.models()).items() if m.id == model.id)
    st.subheader(as_text(label), anchor=False)
    count = f"{model.points:,} snapshot{'' if model.points == 1 else 's'}"
    st.caption(f"{parts.facts_line(model)} · {count}")
    for warning in storing.warnings(catalog, model):
        st.warning(parts.sentence(ValueError(warning)), icon=":material/warning:")
    parts.kind_links(label)
    st.markdown("**Measured at the final point**")
    st.dataframe(measurement_columns(model), hide_index=True, key="measured")
    st.caption(f"Fingerprint of the point: {model.point_id}")
    st.markdown("**Tensors**")
    st.dataframe(tensor_columns(model), hide_index=True, key="tensors")


def measurement_columns(model: records.Model) -> dict[str, list[object]]:
    """Loss, metrics, cost and fingerprint of each split, column by column."""
    facts = ProblemFacts.of(catalog.problem(model.problem_id).facts)
    final = PointFacts.of(point_of(catalog, model.id, model.point_id).facts)
    splits = facts.splits
    rows: dict[str, list[object]] = {"Split": list(splits)}
    rows["Examples"] = [split.count for split in splits.values()]
    if any(parts.part_of_data(split) for split in splits.values()):
        rows["Part"] = [parts.part_of_data(split) or "all" for split in splits.values()]
    for name in ("loss", *facts.metrics):
        rows[name.capitalize()] = [model.measurements.get(s, {}).get(name) for s in splits]
    rows["Seconds per evaluation"] = [final.seconds.get(split) for split in splits]
    rows["Values not finite"] = [final.not_finite] * len(splits)
    rows["Fingerprint of the data"] = [split.fingerprint for split in splits.values()]
    return rows


def tensor_columns(model: records.Model) -> dict[str, list[object]]:
    """Name, shape, type and role of each tensor, column by column."""
    table = ModelFacts.of(model.facts).tensors
    return {
        "Name": [tensor.name for tensor in table],
        "Shape": [" × ".join(map(str, tensor.shape)) or "scalar" for tensor in table],
        "Type": [tensor.dtype for tensor in table],
        "Role": [tensor.role for tensor in table],
    }


def show_followed_runs() -> None:
    """The runs that are followed, with the way to stop; live while one is."""
    unsettled = any(not entry.stopped for entry in following.followed_runs(catalog).values())

    @parts.live_fragment(LIVE_FOLLOWED if unsettled else None)
    def live_runs() -> None:
        entries = following.followed_runs(catalog)
        runs = [(ModelFacts.of(model.facts).run, model) for model in catalog.models()]
        counts = {run.folder: model.points for run, model in runs if run}
        if entries:
            st.subheader("Followed runs", anchor=False)
        for folder, entry in entries.items():
            text, button = st.columns([5, 1], vertical_alignment="center")
            text.markdown(f"{as_message(folder)} · {counts.get(folder, 0):,} snapshots")
            label = "Dismiss" if entry.stopped else "Unfollow"
            if button.button(label, key=f"unfollow-{folder}", width="stretch"):
                following.unfollow(catalog, Path(folder))
                st.rerun()
            if entry.stopped:
                complain(f"{folder} is followed no longer: {entry.stopped}")
        if unsettled and all(entry.stopped for entry in entries.values()):
            st.rerun()  # nothing is followed any more

    live_runs()


parts.name_tab("Import")
st.title("Import", anchor=False)
left, right = st.columns([2, 3], gap="large")
with left:
    choose_import()
with right:
    if "import" in st.session_state:
        show_outcome(st.session_state["import"])
    else:
        st.info("Name a problem file and checkpoints; what the worker finds in them appears here.")
    show_followed_runs()
