"""The panels of a recipe: stored answers, how each is drawn in the figure, or why it cannot be."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from explorer.ask import questions
from explorer.ask.overlays import lies_over, overlay_words
from explorer.ask.subject_names import subject_names
from explorer.figures.recipe import OWN_COLOURS, FigurePanel, FigureStyle, Recipe
from explorer.kinds import Kind, kind_named, look_from_json, unreadable
from explorer.kinds.kind import named_code
from explorer.kinds.look import (
    LAST,
    CurvesLook,
    Look,
    PlaneLook,
    look_over,
    looks_on_one_scale,
)
from explorer.kinds.result import Result
from explorer.render.drawing import Drawing, drawing_of
from explorer.render.trajectories import moments_of
from store import Catalog, records


@dataclass(frozen=True)
class StoredPanel:
    """A panel with the answers that it shows, and how it is drawn."""

    panel: FigurePanel
    question: records.Question
    result: Result
    look: Look
    over: tuple[records.Question, ...] = ()
    results_over: tuple[Result, ...] = ()  # of these: a film draws them again and again

    @property
    def kind(self) -> Kind:
        """The kind of analysis."""
        return kind_named(self.question.kind)

    def draw(self, catalog: Catalog, until: int = LAST) -> Drawing:
        """Its picture, with what is drawn over it.

        Args:
            catalog: that has the names and what is drawn over it.
            until: number of the moment up to which paths are drawn, where the look has moments.

        Raises:
            ValueError: the look asks for what the answer has not, or it has nothing to be drawn.
        """
        names = subject_names(catalog, self.question)
        drawing = drawing_of(self.kind, self.result, look_until(self.look, until), names)
        for question, result in zip(self.over, self.results_over, strict=True):
            kind = kind_named(question.kind)
            draw_over = named_code(kind.over)
            assert callable(draw_over)
            words = overlay_words(question, self.question)
            look = look_until(look_over(kind.look.usual(result), self.look, words), until)
            drawing = draw_over(drawing, result, look, subject_names(catalog, question))
        return drawing

    def moment_count(self, catalog: Catalog) -> int:
        """How many moments its paths are followed along; 0 where it shows none."""
        counts = [0]
        for question in (self.question, *self.over):
            if hasattr(kind_named(question.kind).look(), "until"):
                names = subject_names(catalog, question)
                counts.append(len(moments_of([name.steps for name in names if name.steps])))
        return max(counts)


def look_until(look: Look, until: int) -> Look:
    """The look at a moment, where it has moments; at its own one for LAST."""
    if until == LAST or not hasattr(look, "until"):
        return look
    return replace(look, until=until)  # type: ignore[call-arg]


def stored_panels(catalog: Catalog, recipe: Recipe) -> list[StoredPanel]:
    """The recipe's panels as the figure shows them.

    Raises:
        ValueError: an answer is not there, in the trash, unreadable, or not begun; or a look is
            none of its kind. The sentence names the panel.
    """
    panels = []
    for place, panel in enumerate(recipe.panels):
        try:
            panels.append(stored_panel(catalog, panel, recipe.style))
        except ValueError as error:
            raise ValueError(f"panel {place + 1}: {error}") from error
    if recipe.style.scale != "own":
        return on_one_scale(panels, recipe.style)
    return panels


def stored_panel(catalog: Catalog, panel: FigurePanel, style: FigureStyle) -> StoredPanel:
    """A panel as the figure shows it, with a scale of its own.

    Raises:
        ValueError: as for `stored_panels`.
    """
    question = readable_question(catalog, panel.key)
    if not question.units_done:
        raise ValueError(f"nothing of {question.title} is computed yet; wait, or take it out")
    kind = kind_named(question.kind)
    result = questions.result_of(catalog, question)
    look = look_from_json(kind, {**asdict(kind.look.usual(result)), **panel.look})
    if isinstance(look, PlaneLook) and style.colours != OWN_COLOURS:
        look = replace(look, colour_map=style.colours)
    over = tuple(readable_question(catalog, key) for key in panel.over)
    for other in over:
        if not kind_named(other.kind).over:
            raise ValueError(f"{other.title} cannot be drawn over another picture; take it out")
        if not lies_over(other, question):
            raise ValueError(
                f"{other.title} is of another plane and cannot be drawn over {question.title}; "
                "take it out"
            )
    results_over = tuple(questions.result_of(catalog, other) for other in over)
    return StoredPanel(panel, question, result, look, over, results_over)


def readable_question(catalog: Catalog, key: str) -> records.Question:
    """The question of that key.

    Raises:
        ValueError: it is not there, in the trash, or of a newer version.
    """
    question = catalog.question(key)
    if question is None or question.deleted:
        where = "in the trash; restore it" if question else "not in this catalog; compute it again"
        raise ValueError(f"the analysis {key[:12]} is {where}, or take it out of the figure")
    if why := unreadable(question.kind, question.settings):
        raise ValueError(f"{question.title} is {why}; update this program to draw it")
    return question


def on_one_scale(panels: Sequence[StoredPanel], style: FigureStyle) -> list[StoredPanel]:
    """The panels with planes of the same value on the limits of all of them together."""
    by_value: dict[str, list[StoredPanel]] = {}
    for panel in panels:
        if isinstance(panel.look, PlaneLook):
            by_value.setdefault(panel.look.value, []).append(panel)
    changed: dict[int, StoredPanel] = {}
    for value, group in by_value.items():
        looks = _shared_looks(group, value)
        for place, (panel, look) in enumerate(zip(group, looks, strict=True)):
            bar = look.bar and (style.scale == "shared" or _last_in_row(place, len(group), style))
            changed[id(panel)] = replace(panel, look=replace(look, bar=bar))
    return [changed.get(id(panel), panel) for panel in panels]


def _last_in_row(place: int, count: int, style: FigureStyle) -> bool:
    return (place + 1) % style.columns == 0 or place == count - 1


def _shared_looks(panels: Sequence[StoredPanel], value: str) -> list[PlaneLook]:
    """The looks of planes of one value; a scale that the recipe names for one is that of all."""
    looks = [panel.look for panel in panels if isinstance(panel.look, PlaneLook)]
    chosen = [bool(panel.panel.look["log"]) for panel in panels if "log" in panel.panel.look]
    arrays = [panel.result.values.get(value) for panel in panels]
    return looks_on_one_scale(looks, arrays, any(chosen) if chosen else None)


def as_high(panel: StoredPanel, share: float) -> StoredPanel:
    """The panel with its plots so much higher, where its look says how high they are."""
    look = panel.look
    if not isinstance(look, CurvesLook):
        return panel
    return replace(panel, look=replace(look, height=max(50, round(look.height * share))))
