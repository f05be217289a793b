"""What a kind of analysis is: its settings, its result, where it is answered, drawn and shown."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.look import Look
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.result import Result


@dataclass(frozen=True, eq=False)  # there is one of each
class Kind:
    """One kind of analysis. Text entries name code that is imported only where it is needed."""

    name: str  # stored with every answer: never renamed
    title: str
    subjects: tuple[str, ...]  # what the question is about, in order: "point"
    settings: type[ObjectiveSettings]
    result: type[Result]
    facts: type[AnswerFacts]  # what an answer says of itself
    version: int  # raise it when the same question gets another answer; see `version_of`
    numbers: tuple[str, ...]  # that its answers come down to; `terms.TERMS` says what each is
    columns: tuple[str, ...]  # that each row has beside its unit, whoever has computed it
    answer: str  # "module:function", torch
    look: type[Look]  # how the result is drawn
    draw: str  # "module:function": result or several by name, look, subjects' names -> drawing
    page: str  # path of the page's script
    icon: str  # Material symbol of the page
    axes: tuple[str, ...] = ()  # the settings that only say where the points lie
    taken_over: str = ""  # "module:function", numpy: settings, old columns -> rows at equal points
    over: str = ""  # "module:function": draws it over the picture of another kind, its plane
    overlaid: bool = False  # whether `draw` takes several results by name, for one picture
    profiles: str = ""  # "module:function", numpy: results by name, look -> their `Profiles`
    joined: str = "and"  # the word between the names of two subjects
    own_second: bool = False  # the second subject may be the first again, which is then said once
    runs_from: int | None = None  # from this subject on each stands for all snapshots of its model
    fewest: int = 1  # snapshots that each run must have
    later: tuple[str, ...] = ()  # settings that came later: at their default they are in no key
    own_pace: bool = False  # its evaluations are guesses: they time questions of its kind alone
    of_samples: Mapping[str, int] = field(default_factory=dict)
    # settings with which it is asked of each shipped model at the first start; none: it is not
    sources: tuple[str, ...] = ()  # keys of explorer/figures/bibliography.py: whom a figure cites
    in_order: bool = False  # whether a unit goes on from the one before: no two workers share it
    unit: str = "points"  # the word for units of work
    point_words: str = ""  # of the point that each unit brings, with its number: "end of search {}"
    point_text: str = ""  # "module:function", numpy: result, unit -> what its point is, in words
    brings_path: bool = False  # its points are the bends of a path between its two subjects
    best_copy: str = ""  # "module:function", numpy: result -> unit of its best point or None; all
    # its points compute the same as its second subject and are made to be like its first
    first_facts: tuple[str, ...] = ()  # facts that unit 0 brings: they go with its rows

    def version_of(self, settings: ObjectiveSettings) -> int:
        """The version of answers to questions with these settings."""
        return self.version + settings.revision

    def count_text(self, count: int, of: int | None = None) -> str:
        """Units of work in words, as in "1 search", "3 of 2,601 points"."""
        last = count if of is None else of
        one = self.unit.removesuffix("es" if self.unit.endswith("ches") else "s")
        numbers = f"{count:,}" if of is None else f"{count:,} of {of:,}"
        return f"{numbers} {one if last == 1 else self.unit}"

    def unit_point(self, unit: int) -> tuple[str, str]:
        """Name and label of the point that a unit of work brings."""
        return str(unit + 1), self.point_words.format(unit + 1)

    def joined_names(self, names: Sequence[str], settings: ObjectiveSettings) -> str:
        """The subjects' names in one; names tell different subjects apart.

        Args:
            names: of all subjects in order.
            settings: of the question: some ask for further subjects, which stand in brackets.
        """
        own = len(self.subjects[: self.runs_from])
        further = settings.further_subjects
        named = dict(zip(further, names[own : own + len(further)], strict=True))
        main = [*names[:own], *names[own + len(further) :]]
        text = f" {self.joined} ".join(dict.fromkeys(main) if self.own_second else main)
        return f"{text} ({settings.further_words(named, names[0])})" if named else text

    def single_subjects(self, settings: ObjectiveSettings) -> tuple[str, ...]:
        """The names of the subjects that are one point each: the kind's, then the settings'."""
        return (*self.subjects[: self.runs_from], *settings.further_subjects)

    def all_subjects(self, settings: ObjectiveSettings) -> tuple[str, ...]:
        """The names of all subjects in order; the last may stand for several runs."""
        runs = () if self.runs_from is None else self.subjects[self.runs_from :]
        return (*self.single_subjects(settings), *runs)

    @property
    def whole_run(self) -> bool:
        """Whether subjects are whole runs: all snapshots in order, the final one last."""
        return self.runs_from is not None

    @property
    def own_page(self) -> bool:
        """Whether its page is not that of another kind, over whose picture it is drawn."""
        return self.page.endswith(f"/{self.name}.py")

    @property
    def table(self) -> str:
        """The catalog's table that holds this kind's rows."""
        return f"{self.name}_values"


def named_code(entry: str) -> object:
    """The function that an entry "module:function" of a kind names, imported now."""
    module, _, name = entry.partition(":")
    function: object = getattr(importlib.import_module(module), name)
    return function
