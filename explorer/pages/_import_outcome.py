"""An import as it goes on, and what the worker found in the files."""

import streamlit as st

from explorer.ask.subject_names import all_labels, label_models
from explorer.ask.subjects import point_of
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts
from explorer.contracts.progress import WorkerProgress
from explorer.importing import following, storing
from explorer.jobs.spool import Spool
from explorer.kinds import KINDS
from explorer.kinds.given_axes import GIVEN
from explorer.pages import _parts as parts
from explorer.pages._facts import facts_line, part_of_data
from explorer.pages._import_form import complain
from explorer.pages._links import kind_links
from explorer.pages._progress import stop_button
from explorer.pages._text import as_text
from explorer.wording import counted
from store import Catalog, records

LIVE_SECONDS = 0.7


def show_outcome(catalog: Catalog, job_id: str) -> None:
    """The import as it goes on, then what it found; live until it and its run have ended."""
    unsettled = catalog.job(job_id).is_active
    grows = gains_snapshots(catalog, catalog.job(job_id))

    @parts.live_fragment(LIVE_SECONDS if unsettled else parts.FOLLOWED_SECONDS if grows else None)
    def live_outcome() -> None:
        job = catalog.job(job_id)
        if job.is_active:
            show_import_progress(catalog, job)
            return
        if job.status == "failed":
            complain(f"{job.title} failed: {job.error}")
        elif job.status == "cancelled":
            st.info(f"{as_text(job.title, 120)} was stopped; nothing was stored.")
        else:
            show_import(catalog, job)
        if unsettled or (grows and not gains_snapshots(catalog, job)):
            st.rerun()  # there is nothing left to wait for, or less often

    live_outcome()


def gains_snapshots(catalog: Catalog, job: records.Job) -> bool:
    """Whether later imports of the same run will add to what this one found."""
    model = storing.imported_model(catalog, job) if job.status == "done" else None
    return model is not None and following.is_followed(catalog, model)


def show_import_progress(catalog: Catalog, job: records.Job) -> None:
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
    with button:
        stop_button(catalog, [job.id], job.id, width="stretch")


def show_import(catalog: Catalog, job: records.Job) -> None:
    """What the worker found."""
    model = storing.imported_model(catalog, job)
    if model is None:
        st.info(f"{as_text(job.title, 120)} is done; a later import has taken its place.")
        return
    label = all_labels(catalog)[model.id]
    st.subheader(as_text(label), anchor=False)
    if ModelFacts.of(model.facts).direction:
        show_direction(catalog, job, model, label)
        return
    count = counted(model.points, "snapshot")
    st.caption(f"{facts_line(model)} · {count}")
    if kept := storing.kept_name(job, model):
        st.info(parts.sentence(ValueError(kept)))
    for warning in storing.warnings(catalog, model):
        st.warning(parts.sentence(ValueError(warning)), icon=":material/warning:")
    kind_links(label)
    st.markdown("**Measured at the final point**")
    st.dataframe(measurement_columns(catalog, model), hide_index=True, key="measured")
    st.caption(f"Fingerprint of the point: {model.point_id}")
    st.markdown("**Tensors**")
    st.dataframe(tensor_columns(model), hide_index=True, key="tensors")


def show_direction(
    catalog: Catalog, job: records.Job, direction: records.Model, label: str
) -> None:
    """What a file with a direction held, and where it can be used."""
    st.caption("A direction: choose it as a given axis of a line or a plane of this problem.")
    if kept := storing.kept_name(job, direction):
        st.info(parts.sentence(ValueError(kept)))
    for warning in storing.warnings(catalog, direction):
        st.warning(parts.sentence(ValueError(warning)), icon=":material/warning:")
    labels = label_models(catalog.models())
    models = [name for name, m in labels.items() if m.problem_id == direction.problem_id]
    if not models:  # a warning says so
        return
    axis = {"direction": GIVEN, "x_axis": "stored", "x_stored": label}
    with st.container(horizontal=True):
        for kind in KINDS:
            names = kind.settings.possible_subjects()
            if kind.own_page and any(name.endswith("_stored") for name in names):
                parameters = {"model": models[0], **axis}
                st.page_link(kind.page, label=kind.title, icon=kind.icon, query_params=parameters)


def measurement_columns(catalog: Catalog, model: records.Model) -> dict[str, list[object]]:
    """Loss, metrics, cost and fingerprint of each split, column by column."""
    facts = ProblemFacts.of(catalog.problem(model.problem_id).facts)
    final = PointFacts.of(point_of(catalog, model.id, model.point_id).facts)
    splits = facts.splits
    rows: dict[str, list[object]] = {"Split": list(splits)}
    rows["Examples"] = [split.count for split in splits.values()]
    if any(part_of_data(split) for split in splits.values()):
        rows["Part"] = [part_of_data(split) or "all" for split in splits.values()]
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
