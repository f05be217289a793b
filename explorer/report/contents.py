"""What a report of a study says: its models with their losses, its questions with their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.ask.study import Study, StudyModel
from explorer.ask.study_cells import cells
from explorer.ask.study_words import row_labels
from explorer.contracts.facts import ModelFacts
from explorer.figures.bibliography import bibliography
from explorer.figures.caption import source_keys
from explorer.kinds.provenance import PROGRAM, VERSION
from explorer.render.marks.ticks import number_text
from explorer.report.section import DIGITS, ReportSection, report_section
from explorer.wording import printable
from store import Catalog, records

MOST_FIGURES = 400  # more make a file that no browser opens with pleasure


@dataclass(frozen=True)
class ReportModel:
    """A model of the study."""

    label: str
    facts: tuple[str, ...]  # in the order of the columns


@dataclass(frozen=True)
class Report:
    """All that the file says."""

    name: str
    program: str
    model_columns: tuple[str, ...]
    models: tuple[ReportModel, ...]
    sections: tuple[ReportSection, ...]
    sources: str  # BibTeX


def read_report(catalog: Catalog, name: str, study: Study) -> Report:
    """The report of a study as far as it is answered; the same answers give the same report.

    Raises:
        ValueError: the study asks for more than a report can hold.
    """
    count = len(study.models) * len(study.questions)
    if count > MOST_FIGURES:
        raise ValueError(
            f"a report holds at most {MOST_FIGURES} analyses, the study has {count:,}; "
            "make a study of fewer models or questions"
        )
    labels = row_labels(catalog, study)
    all_cells = cells(catalog, study)
    columns, models = _models(catalog, study, labels)
    sections = []
    for column, question in enumerate(study.questions):
        own_cells = [cell for cell in all_cells if cell.wish.column == column]
        sections.append(report_section(catalog, question, labels, own_cells))
    stored = [cell.stored for cell in all_cells if cell.stored and cell.stored.units_done]
    keys = [key for question in stored for key in source_keys(question)]
    return Report(
        name=printable(name),
        program=f"{PROGRAM} {VERSION}",
        model_columns=columns,
        models=models,
        sections=tuple(sections),
        sources=bibliography(keys) if keys else "",
    )


def _models(
    catalog: Catalog, study: Study, labels: Sequence[str]
) -> tuple[tuple[str, ...], tuple[ReportModel, ...]]:
    """The columns of the table of models, and its rows."""
    by_id = {model.id: model for model in catalog.models()}
    stored_models = [by_id.get(model.id) for model in study.models]
    losses = [
        _losses(catalog, row, model) if model else {}
        for row, model in zip(study.models, stored_models, strict=True)
    ]
    measured = dict.fromkeys(
        (split, metric)
        for by_split in losses
        for split, values in sorted(by_split.items(), reverse=True)
        for metric in sorted(values, reverse=True)
    )
    columns = ("Parameters", *(f"{metric}, {split}" for split, metric in measured))
    rows = []
    for label, model, by_split in zip(labels, stored_models, losses, strict=True):
        parameters = ModelFacts.of(model.facts).parameters if model else None
        numbers = [by_split.get(split, {}).get(metric) for split, metric in measured]
        texts = ["" if number is None else number_text(number, DIGITS) for number in numbers]
        size = "" if parameters is None else f"{parameters:,}"
        rows.append(ReportModel(label, (size, *texts)))
    return columns, tuple(rows)


def _losses(
    catalog: Catalog, row: StudyModel, model: records.Model
) -> Mapping[str, Mapping[str, float]]:
    """Loss and metrics by split at the point that the row is about."""
    if row.point in ("", model.point_id):
        return model.measurements
    return catalog.measurements_by_point(model.id).get(row.point, {})
