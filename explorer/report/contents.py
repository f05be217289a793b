"""What a report of a study says: models, pictures, numbers, where each comes from."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.ask.comparability import hindrances
from explorer.ask.provenance import provenance_of
from explorer.ask.study import Study
from explorer.ask.study_cells import Cell, cells
from explorer.ask.study_words import question_words, row_labels
from explorer.codec import JsonValue
from explorer.contracts.facts import ModelFacts
from explorer.figures.bibliography import bibliography
from explorer.figures.caption import panel_sentence, source_keys
from explorer.figures.panels import StoredPanel, on_one_scale, stored_panel
from explorer.figures.recipe import FigurePanel, FigureStyle
from explorer.kinds.look import CurvesLook, PlaneLook
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.provenance import PROGRAM, VERSION
from explorer.render.drawing import as_chart, as_relief, drawing_of
from explorer.render.marks.ticks import number_text
from explorer.render.relief3d.client import RenderError, renderer
from explorer.wording import printable
from store import Catalog

PLANE_WIDTH, CURVE_WIDTH, TOGETHER_WIDTH = 360, 430, 860  # px of plots
ONE_SCALE = FigureStyle(scale="shared")
DIGITS = 5
MOST_FIGURES = 400  # more make a file that no browser opens with pleasure


@dataclass(frozen=True)
class ReportFigure:
    """A picture, or why there is none, with what belongs to it."""

    label: str  # of its model, or of several that are in one picture
    sentence: str = ""  # what it shows, exactly
    note: str = ""  # how far it is, or why there is none
    key: str = ""  # of the analysis
    chart: dict[str, object] | None = None  # of Vega-Lite
    scene: dict[str, JsonValue] | None = None  # of the 3-D view, of planes
    origin: Mapping[str, JsonValue] | None = None  # what it was computed from, and where


@dataclass(frozen=True)
class NumberRow:
    """A number of all models."""

    name: str
    texts: tuple[str, ...]  # of each model: value and interval; "" where there is none


@dataclass(frozen=True)
class ReportSection:
    """A question of the study with its answers."""

    title: str
    words: str  # its settings
    figures: tuple[ReportFigure, ...]
    numbers: tuple[NumberRow, ...]


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
    sections = [_section(catalog, study, labels, all_cells, n) for n in range(len(study.questions))]
    stored = [cell.stored for cell in all_cells if cell.stored and cell.stored.units_done]
    keys = [key for question in stored for key in source_keys(question)]
    program = f"{PROGRAM} {VERSION}"
    return Report(
        name=printable(name),
        program=program,
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
    known = [by_id.get(model.id) for model in study.models]
    measured = dict.fromkeys(
        (split, metric)
        for model in known
        if model
        for split, values in sorted(model.measurements.items(), reverse=True)
        for metric in sorted(values, reverse=True)
    )
    columns = ("Parameters", *(f"{metric}, {split}" for split, metric in measured))
    rows = []
    for label, model in zip(labels, known, strict=True):
        facts = [""] * len(columns)
        if model:
            parameters = ModelFacts.of(model.facts).parameters
            values = [model.measurements.get(s, {}).get(m) for s, m in measured]
            texts = ["" if v is None else number_text(v, DIGITS) for v in values]
            facts = ["" if parameters is None else f"{parameters:,}", *texts]
        rows.append(ReportModel(label, tuple(facts)))
    return columns, tuple(rows)


def _section(
    catalog: Catalog, study: Study, labels: Sequence[str], all_cells: Sequence[Cell], column: int
) -> ReportSection:
    """One question with all its answers."""
    title, words = question_words(study.questions[column])
    own = [cell for cell in all_cells if cell.wish.column == column]
    panels = _panels(catalog, own)
    figures = list(_together(panels, labels))
    for label, cell in zip(labels, own, strict=True):
        figures.append(_figure(catalog, label, cell, panels.get(cell.wish.row)))
    return ReportSection(title, words, tuple(figures), _numbers(panels, len(own)))


def _panels(catalog: Catalog, own: Sequence[Cell]) -> dict[int, StoredPanel | str]:
    """By row: the answers as they are drawn, comparable planes on one scale; or why not."""
    panels: dict[int, StoredPanel | str] = {}
    for cell in own:
        if cell.stored is None or not cell.stored.units_done:
            continue
        try:
            panel = stored_panel(catalog, FigurePanel(key=cell.wish.key), FigureStyle())
        except ValueError as error:
            panels[cell.wish.row] = str(error)
            continue
        width = PLANE_WIDTH if isinstance(panel.look, PlaneLook) else CURVE_WIDTH
        panels[cell.wish.row] = replace(panel, look=replace(panel.look, width=width))
    for rows in _comparable_rows(catalog, panels):
        drawn = [one for row in rows if isinstance(one := panels[row], StoredPanel)]
        panels |= dict(zip(rows, on_one_scale(drawn, ONE_SCALE), strict=True))
    return panels


def _comparable_rows(catalog: Catalog, panels: dict[int, StoredPanel | str]) -> list[list[int]]:
    """Rows whose numbers mean the same, together."""
    groups: list[list[tuple[int, StoredPanel]]] = []
    for row, panel in panels.items():
        if isinstance(panel, str):
            continue
        for group in groups:
            if not hindrances(catalog, group[0][1].question, panel.question).of_numbers:
                group.append((row, panel))
                break
        else:
            groups.append([(row, panel)])
    return [[row for row, _ in group] for group in groups]


def _together(
    panels: dict[int, StoredPanel | str], labels: Sequence[str]
) -> Iterator[ReportFigure]:
    """All answers in one picture, where their kind has such."""
    drawn = {labels[row]: p for row, p in panels.items() if isinstance(p, StoredPanel)}
    if len(drawn) < 2:
        return
    first = next(iter(drawn.values()))
    if not first.kind.overlaid:
        return
    look = replace(first.look, width=TOGETHER_WIDTH)
    if isinstance(look, CurvesLook):
        logs = [p.look.log for p in drawn.values() if isinstance(p.look, CurvesLook)]
        look = replace(look, log=any(logs), height=340)
    results = {label: panel.result for label, panel in drawn.items()}
    try:
        chart = as_chart(drawing_of(first.kind, results, look)).to_dict(validate=False)
    except ValueError as error:
        yield ReportFigure("All in one picture", note=f"They cannot be drawn together: {error}.")
        return
    sentence = f"{first.kind.title} of {', '.join(drawn)}."
    yield ReportFigure("All in one picture", sentence=sentence, chart=chart)


def _figure(
    catalog: Catalog, label: str, cell: Cell, panel: StoredPanel | str | None
) -> ReportFigure:
    """One answer, as far as there is one."""
    if panel is None:
        reason = cell.sentence or "not computed yet"
        return ReportFigure(label, note=f"{reason[:1].upper()}{reason[1:].removesuffix('.')}.")
    if isinstance(panel, str):
        return ReportFigure(label, note=f"{panel[:1].upper()}{panel[1:]}.")
    question = panel.question
    note = ""
    if question.status != "complete":
        note = f"Not complete: {panel.kind.count_text(question.units_done, question.units)}."
    try:
        chart = as_chart(panel.draw(catalog)).to_dict(validate=False)
    except ValueError as error:
        return ReportFigure(label, note=f"It cannot be drawn: {error}.")
    return ReportFigure(
        label,
        sentence=panel_sentence(catalog, "", panel),
        note=note,
        key=question.key,
        chart=chart,
        scene=_scene(catalog, panel),
        origin=provenance_of(catalog, question).to_json(),
    )


def _scene(catalog: Catalog, panel: StoredPanel) -> dict[str, JsonValue] | None:
    """The plane in relief; None where there is none, or where this machine makes none."""
    if not isinstance(panel.look, PlaneLook):
        return None
    try:
        relief = as_relief(replace(panel, look=replace(panel.look, view="relief")).draw(catalog))
        return dict(renderer().scene(relief.field))
    except (ValueError, TypeError, RenderError):
        return None


def _numbers(panels: Mapping[int, StoredPanel | str], models: int) -> tuple[NumberRow, ...]:
    """All numbers that the answers of so many models come down to, a row each."""
    by_model: list[ResultNumbers] = []
    for row in range(models):
        panel = panels.get(row)
        by_model.append(panel.result.numbers if isinstance(panel, StoredPanel) else {})
    names = dict.fromkeys(name for numbers in by_model for name in numbers)
    return tuple(
        NumberRow(name.replace("_", " "), tuple(_number_text(n.get(name)) for n in by_model))
        for name in names
    )


def _number_text(number: ResultNumber | None) -> str:
    if number is None:
        return ""
    text = number_text(number.value, DIGITS)
    if math.isnan(number.low) or math.isnan(number.high):
        return text
    return f"{text} ({number_text(number.low, DIGITS)} to {number_text(number.high, DIGITS)})"
