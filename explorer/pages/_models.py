"""The models as a table; one that is chosen can be analysed, renamed or deleted."""

from collections.abc import Mapping

import streamlit as st

from explorer.ask.subject_names import label_models
from explorer.codec import JsonValue
from explorer.contracts.facts import ModelFacts
from explorer.pages import _parts as parts
from explorer.pages._address import keep_in_address
from explorer.pages._annotations import FULL_STAR, notes_button
from explorer.pages._session import remember_models
from explorer.pages._undo import delete
from store import Catalog, records
from store.annotations import Annotation

ID_LETTERS = 12  # of an id: enough to tell it from others
CHOSEN = "chosen"  # in the address: the beginning of its id
SPLITS = ("train", "test")  # of the measurements that are listed


def measurement(model: records.Model, split: str, name: str) -> float | None:
    """A measurement of the model, if there is one."""
    return model.measurements.get(split, {}).get(name)


def seed_of(facts: ModelFacts) -> JsonValue:
    """The seed of a model's training, as far as it is noted."""
    return facts.seed if facts.seed is not None else facts.run.seed if facts.run else None


def model_rows(
    labels: Mapping[str, records.Model], noted: Mapping[str, Annotation]
) -> dict[str, list[object]]:
    """The table of models, column by column; `noted` is what is noted of each, by its id."""
    models = list(labels.values())
    all_facts = [ModelFacts.of(model.facts) for model in models]
    rows: dict[str, list[object]] = {
        "Model": [
            (f"{FULL_STAR} " if noted[m.id].favourite else "") + label
            for label, m in labels.items()
        ],
        **({"From": [m.origin for m in models]} if any(m.origin for m in models) else {}),
        "Parameters": [facts.parameters for facts in all_facts],
        "Snapshots": [m.points for m in models],
        "Analyses": [m.analyses for m in models],
    }
    for split in SPLITS:
        rows[f"Loss, {split}"] = [measurement(m, split, "loss") for m in models]
        rows[f"Accuracy, {split}"] = [measurement(m, split, "accuracy") for m in models]
    rows["Optimiser"] = [str(facts.optimiser or "") for facts in all_facts]
    rows["Seed"] = [seed_of(facts) for facts in all_facts]
    rows["What it shows"] = [facts.about or "" for facts in all_facts]
    if any(noted[model.id].tags for model in models):
        rows["Tags"] = [list(noted[model.id].tags) for model in models]
    return rows


def listed_models(catalog: Catalog) -> tuple[dict[str, records.Model], dict[str, Annotation]]:
    """The models that are listed, by label, and what is noted of all; archived ones if wished."""
    labels = label_models(catalog.models())
    noted = catalog.annotations("model", [model.id for model in labels.values()])
    archived = [model.id for model in labels.values() if noted[model.id].archived]
    if archived and not st.toggle(
        f"{len(archived)} archived too", key="archived", bind="query-params"
    ):
        labels = {label: m for label, m in labels.items() if m.id not in archived}
    return labels, noted


def select_model(
    labels: Mapping[str, records.Model], noted: Mapping[str, Annotation]
) -> tuple[str, records.Model] | None:
    """The model that is chosen in the table, with its label; None where none is."""
    models = list(labels.values())
    ids = [model.id for model in models]
    named = st.query_params.get(CHOSEN, "")
    chosen_rows = [row for row, id in enumerate(ids) if named and id.startswith(named)][:1]
    loss = st.column_config.NumberColumn(format="%.4f")
    percent = st.column_config.NumberColumn(format="percent")
    table_state = st.dataframe(
        model_rows(labels, noted),
        hide_index=True,
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        # A selection is a row's number: with other rows it would be another model's.
        key=f"models-{hash(tuple(ids))}",
        selection_default={"selection": {"rows": chosen_rows}},
        column_config={
            "Model": st.column_config.TextColumn(width=130),
            "What it shows": st.column_config.TextColumn(width="large"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            **{f"Loss, {split}": loss for split in SPLITS},
            **{f"Accuracy, {split}": percent for split in SPLITS},
        },
    )
    rows = table_state["selection"]["rows"]
    keep_in_address(CHOSEN, [ids[row][:ID_LETTERS] for row in rows])
    if not rows:
        return None
    remember_models([models[rows[0]]])
    return list(labels)[rows[0]], models[rows[0]]


def show_actions(
    catalog: Catalog, label: str, model: records.Model, annotation: Annotation
) -> None:
    """The ways to rename a model, to note something, to move it to the trash whole."""
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
        notes_button(annotation, label, "Notes")
        if st.button("Delete", icon=":material/delete:", help="With its analyses, to the trash"):
            delete(catalog, "model", [model.id], label)
            st.rerun()
