"""How a page about answers ends: what can be taken away, and what they were computed from."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from explorer.pages._export import export_line
from explorer.pages._parts import each_once
from explorer.pages._provenance import show_provenance
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.export.table import Result


def show_ending(
    catalog: Catalog,
    questions_by_name: Mapping[str, records.Question],
    results: Mapping[str, "Result"],
    chart: Callable[[], "Drawing"],
) -> None:
    """The figure and the numbers of the answers, then the provenance of each.

    Args:
        catalog: where they are.
        questions_by_name: the questions.
        results: their answers, by the same names.
        chart: makes the drawing that the page shows.
    """
    export_line(questions_by_name, results, chart)
    show_provenances(catalog, questions_by_name, results)


def show_provenances(
    catalog: Catalog,
    questions_by_name: Mapping[str, records.Question],
    results: Mapping[str, "Result"],
) -> None:
    """What each answer was computed from; names tell several apart."""
    for name, question in each_once(questions_by_name).items():
        apart = name if len(questions_by_name) > 1 else ""
        show_provenance(catalog, question, results[name].facts, apart)
