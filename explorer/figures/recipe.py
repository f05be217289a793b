"""What a figure shows and how: a recipe that gives the same file whenever it is followed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from explorer.codec import JsonValue, from_json, to_json
from explorer.kinds.look import COLOUR_MAPS
from explorer.kinds.setting import Setting, Settings
from explorer.render.export.composition import Note
from explorer.render.export.fonts import FONTS
from explorer.render.export.page_text import check_tex

FIGURE = "figure"  # the sort of its document in the catalog
MOST_PANELS = 12
LETTERINGS = ("(a)", "a", "A", "none")
OWN_COLOURS = "own"  # each panel keeps those of its look
SCALES = ("own", "shared", "shared, one bar")


@dataclass(frozen=True, kw_only=True)
class FigureStyle(Settings):
    """How a figure is laid out."""

    width: Annotated[
        float, Setting("Width", "Of the whole figure.", least=1, most=20, unit="in", step=0.25)
    ] = 6.75
    columns: Annotated[int, Setting("Columns", "Of panels.", least=1, most=6)] = 2
    gap: Annotated[
        float, Setting("Gap", "Between panels.", least=0, most=100, unit="pt", step=2)
    ] = 12.0
    letters: Annotated[str, Setting("Letters", "Of the panels.", choices=LETTERINGS)] = "(a)"
    font: Annotated[str, Setting("Font", choices=tuple(FONTS))] = "Sans-serif"
    text_size: Annotated[
        float, Setting("Text", "Headings; axes one less.", least=4, most=24, unit="pt", step=0.5)
    ] = 9.0
    tick_size: Annotated[
        float, Setting("Ticks", "Numbers and legends.", least=3, most=24, unit="pt", step=0.5)
    ] = 7.0
    colours: Annotated[
        str, Setting("Colours", "Of planes.", choices=(OWN_COLOURS, *COLOUR_MAPS))
    ] = OWN_COLOURS
    scale: Annotated[
        str,
        Setting(
            "Scale",
            "shared: a colour means one value in all planes; one bar: drawn once for each row.",
            choices=SCALES,
        ),
    ] = "own"
    level: Annotated[
        bool, Setting("Equal heights", "Curves are drawn as high as what is beside them.")
    ] = True
    dpi: Annotated[
        int, Setting("Resolution", "Of 3-D panels and PNG.", least=72, most=1200, unit="dpi")
    ] = 300


@dataclass(frozen=True, kw_only=True)
class FigurePanel:
    """A stored answer in a figure."""

    key: str  # of its question
    look: Mapping[str, JsonValue] = field(default_factory=dict)  # of its kind, where not as usual
    heading: str = ""
    over: tuple[str, ...] = ()  # keys of answers drawn over it, as paths over a plane
    span: int = 1  # columns
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: TeX that cannot be read, or no column.
        """
        if self.span < 1:
            raise ValueError(f"a panel must take at least one column, got {self.span}")
        check_tex(self.heading)
        for note in self.notes:
            check_tex(note.text)
            if len(note.tip) not in (0, 2):
                raise ValueError(f"a note's arrow must end at x and y, got {note.tip}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Panels in reading order, and how they are laid out."""

    panels: tuple[FigurePanel, ...] = ()
    style: FigureStyle = field(default_factory=FigureStyle)
    words: Mapping[str, str] = field(default_factory=dict)  # of axes and bars -> what is written

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: too many panels, or TeX that cannot be read.
        """
        if len(self.panels) > MOST_PANELS:
            raise ValueError(
                f"a figure must have at most {MOST_PANELS} panels, got {len(self.panels)}"
            )
        for written in self.words.values():
            check_tex(written)

    @classmethod
    def of(cls, content: object) -> Self:
        """The recipe as it is stored.

        Raises:
            ValueError: it is none; the sentence names the field.
        """
        return from_json(cls, content, ignore_unknown=True)

    def to_json(self) -> dict[str, JsonValue]:
        """Plain JSON values."""
        return to_json(self)

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all answers that it shows, each once."""
        every = (key for panel in self.panels for key in (panel.key, *panel.over))
        return tuple(dict.fromkeys(every))

    def with_panel(self, place: int, **changes: object) -> Self:
        """The recipe with a panel changed."""
        panels = list(self.panels)
        panels[place] = replace(panels[place], **changes)  # type: ignore[arg-type]
        return replace(self, panels=tuple(panels))

    def letter(self, place: int) -> str:
        """The letter of the panel at that place, as it is written; empty without letters."""
        if self.style.letters == "none" or len(self.panels) < 2:
            return ""
        letter = chr(ord("a") + place)
        return {"(a)": f"({letter})", "a": letter, "A": letter.upper()}[self.style.letters]
