"""A question of a study in a report: pictures and numbers of its answers, where they come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from explorer.ask.comparability import comparable_groups
from explorer.ask.provenance import provenance_of
from explorer.ask.study import StudyQuestion
from explorer.ask.study_cells import Cell
from explorer.ask.study_words import question_words
from explorer.codec import JsonValue
from explorer.figures.caption import panel_sentence
from explorer.figures.panels import StoredPanel, on_one_scale, stored_panel
from explorer.figures.recipe import FigurePanel, FigureStyle
from explorer.kinds.look import PlaneLook, overlaid_look
from explorer.kinds.numbers import ResultNumbers
from explorer.render.drawing import as_chart, as_relief, drawing_of
from explorer.render.marks.number_words import number_with_interval
from explorer.render.relief3d.client import RenderError, renderer
from store import Catalog

PLANE_WIDTH, CURVE_WIDTH = 360, 430  # px of plots
OVERLAY_WIDTH, OVERLAY_HEIGHT = 860, 340  # px of the plot of several answers
ONE_SCALE = FigureStyle(scale="shared")
DIGITS = 5


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
class _Answers:
    """The answers to a question, each by the row of its model."""

    panels: dict[int, StoredPanel] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)  # why an answer is not drawn

    def comparable_rows(self, catalog: Catalog) -> list[list[int]]:
        """Rows whose numbers mean the same, together."""
        rows = list(self.panels)
        groups = comparable_groups(catalog, [panel.question for panel in self.panels.values()])
        return [[rows[place] for place in group] for group in groups]


def report_section(
    catalog: Catalog, question: StudyQuestion, labels: Sequence[str], cells: Sequence[Cell]
) -> ReportSection:
    """What a report says of a question.

    Args:
        catalog: where the answers are.
        question: of the study.
        labels: of its models, in their order.
        cells: of the question, one for each model.
    """
    title, words = question_words(question)
    answers = _read_answers(catalog, cells)
    groups = answers.comparable_rows(catalog)
    for rows in groups:
        panels = on_one_scale([answers.panels[row] for row in rows], ONE_SCALE)
        answers.panels.update(zip(rows, panels, strict=True))
    figures = [*_overlays(answers.panels, groups, labels)]
    figures += [
        _figure(catalog, label, cell, answers) for label, cell in zip(labels, cells, strict=True)
    ]
    return ReportSection(title, words, tuple(figures), _numbers(answers.panels, len(cells)))


def _read_answers(catalog: Catalog, cells: Sequence[Cell]) -> _Answers:
    """The answers as they are drawn, each on a scale of its own."""
    answers = _Answers()
    for cell in cells:
        if cell.stored is None or not cell.stored.units_done:
            continue
        try:
            panel = stored_panel(catalog, FigurePanel(key=cell.wish.key), FigureStyle())
        except ValueError as error:
            answers.refusals[cell.wish.row] = str(error)
            continue
        width = PLANE_WIDTH if isinstance(panel.look, PlaneLook) else CURVE_WIDTH
        answers.panels[cell.wish.row] = replace(panel, look=replace(panel.look, width=width))
    return answers


def _overlays(
    panels: Mapping[int, StoredPanel], groups: Sequence[Sequence[int]], labels: Sequence[str]
) -> Iterator[ReportFigure]:
    """The answers of each comparable group in one picture, where their kind has such."""
    for rows in groups:
        drawn = {labels[row]: panels[row] for row in rows}
        kind = panels[rows[0]].kind
        if len(drawn) < 2 or not kind.overlaid:
            continue
        label = "All in one picture" if len(groups) == 1 else f"In one picture: {', '.join(drawn)}"
        looks = [panel.look for panel in drawn.values()]
        look = overlaid_look(looks, width=OVERLAY_WIDTH, height=OVERLAY_HEIGHT)
        results = {name: panel.result for name, panel in drawn.items()}
        try:
            chart = as_chart(drawing_of(kind, results, look)).to_dict(validate=False)
        except ValueError as error:
            yield ReportFigure(label, note=f"They cannot be drawn together: {error}.")
            continue
        sentence = f"{kind.title} of {', '.join(drawn)}."
        yield ReportFigure(label, sentence=sentence, chart=chart)


def _figure(catalog: Catalog, label: str, cell: Cell, answers: _Answers) -> ReportFigure:
    """One answer, as far as there is one."""
    panel = answers.panels.get(cell.wish.row)
    if panel is None:
        refusal = answers.refusals.get(cell.wish.row)
        reason = refusal or cell.sentence or "not computed yet"
        return ReportFigure(label, note=f"{reason[:1].upper()}{reason[1:].removesuffix('.')}.")
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


def _numbers(panels: Mapping[int, StoredPanel], models: int) -> tuple[NumberRow, ...]:
    """All numbers that the answers of so many models come down to, a row each."""
    by_model: list[ResultNumbers] = [
        panels[row].result.numbers if row in panels else {} for row in range(models)
    ]
    names = dict.fromkeys(name for numbers in by_model for name in numbers)
    rows = []
    for name in names:
        own = [numbers.get(name) for numbers in by_model]
        texts = ["" if number is None else number_with_interval(number, DIGITS) for number in own]
        rows.append(NumberRow(name.replace("_", " "), tuple(texts)))
    return tuple(rows)
