"""The report of a study: one file that fetches nothing and is the same whenever it is made."""

import dataclasses
import json
import math
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.ask.study import (
    Study,
    StudyQuestion,
    add_study,
    settings_to_keep,
    study_model,
    study_named,
)
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.report import contents
from explorer.report.page import report_page
from store import Catalog
from tests.filling import add_answer, add_model, add_tiny, new_catalog
from tests.tiny import agreed, checkpoint, problem_file

HOSTILE = "</script><img src=x onerror=alert(1)>"
LINES = LineSettings(x_count=5)
PLANE = SurfaceSettings(x_count=5, y_count=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two models, one with a hostile name: lines of both, a surface of one, a riddle."""
    place = tmp_path_factory.mktemp("report")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(("one", HOSTILE))]
    questions = (
        StudyQuestion(kind=LINE.name, settings=settings_to_keep(LINE, LINES)),
        StudyQuestion(kind=SURFACE.name, settings=settings_to_keep(SURFACE, PLANE)),
        StudyQuestion(kind="horoscope"),
    )
    study = Study(models=tuple(map(study_model, models)), questions=questions)
    add_study(catalog, "sweep", study)
    for model in models:
        add_answer(catalog, LINE, LINES, (model, ""))
    add_answer(catalog, SURFACE, PLANE, (models[0], ""))
    catalog.close()
    return catalog.folder


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    """The catalog of that study."""
    catalog = Catalog(folder)
    yield catalog
    catalog.close()


def page(folder: Path) -> str:
    """The report as text."""
    catalog = Catalog(folder)
    try:
        _, study = study_named(catalog, "sweep")
        return report_page(contents.read_report(catalog, "sweep", study)).decode()
    finally:
        catalog.close()


class Addresses(HTMLParser):
    """What the elements of a page point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep where an element leads."""
        self.targets |= {value or "" for name, value in attributes if name in ("src", "href")}


def test_it_says_what_there_is_and_what_is_missing(catalog: Catalog) -> None:
    """Both lines in one picture and alone, the one surface in 3-D too, and two sentences."""
    name, study = study_named(catalog, "sweep")
    report = contents.read_report(catalog, name, study)
    lines, surface, unknown = report.sections
    assert [figure.label for figure in lines.figures] == ["All in one picture", "one", HOSTILE]
    assert all(figure.chart for figure in lines.figures)
    first, second = surface.figures
    assert first.chart and first.scene and first.origin
    assert "5×5" in surface.words and "points along x 5" in first.sentence
    assert (second.chart, second.note) == (None, "Not computed yet.")
    assert all("horoscope" in figure.note for figure in unknown.figures)
    numbers = {row.name: row.texts for row in lines.numbers}
    assert all(numbers["lowest loss"]) and numbers["lowest loss"][0] != numbers["lowest loss"][1]
    assert "Visualizing the Loss Landscape" in report.sources


def test_it_is_the_same_file_whenever_it_is_made(folder: Path) -> None:
    """Nothing in it is of the moment."""
    assert page(folder) == page(folder)


def test_names_in_it_are_text_and_nothing_is_fetched(folder: Path) -> None:
    """A name with tags ends no script and makes no element; no address leads out of the file."""
    text = page(folder)
    assert "<img src=x" not in text and "&lt;/script&gt;" in text
    assert all(target.startswith("#") for target in Addresses(text).targets)
    assert "url(" not in text.split("<body>")[0]
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_the_command_writes_it_and_never_over_a_file(folder: Path, tmp_path: Path, capsys) -> None:
    """The same bytes as in the app; a second time, and another ending, are one sentence."""
    file = tmp_path / "sweep.html"
    command = ["--catalog", str(folder), "study", "report", "sweep"]
    assert main([*command, str(file)]) == 0
    assert file.read_text(encoding="utf-8") == page(folder)
    assert main([*command, str(file)]) == 1
    assert main([*command, str(tmp_path / "sweep.pdf")]) == 1
    assert main([*command[:-1], "no such study", str(file)]) == 1  # refused before the work
    said = capsys.readouterr().err
    assert said.count(f"{file} exists already") == 2 and "must end in .html" in said


def test_a_study_that_is_too_large_is_refused(folder: Path, monkeypatch) -> None:
    """No browser would open the file; the sentence says how many analyses are too many."""
    monkeypatch.setattr(contents, "MOST_FIGURES", 5)
    with pytest.raises(ValueError, match="at most 5 analyses, the study has 6"):
        page(folder)


def test_only_comparable_answers_share_a_picture(tmp_path: Path) -> None:
    """A loss of another problem file is no curve among others: their picture says whose it is."""
    catalog = new_catalog(tmp_path / "catalog")
    models = [add_tiny(catalog, tmp_path, name, [seed]) for seed, name in enumerate("ab")]
    changed = problem_file(tmp_path / "changed")
    changed.write_text(f"{changed.read_text()}\n# changed\n")
    weights = Checkpoint(file=checkpoint(tmp_path / "c.safetensors", seed=2))
    models.append(add_model(catalog, agreed(changed), [weights], "c"))
    for model in models:
        add_answer(catalog, LINE, LINES, (model, ""))
    lines = StudyQuestion(kind=LINE.name, settings=settings_to_keep(LINE, LINES))
    study = Study(models=tuple(map(study_model, models)), questions=(lines,))
    (section,) = contents.read_report(catalog, "files", study).sections
    assert [figure.label for figure in section.figures] == ["In one picture: a, b", "a", "b", "c"]
    assert section.figures[0].sentence == f"{LINE.title} of a, b."
    catalog.close()


def test_a_snapshot_has_its_own_losses(tmp_path: Path) -> None:
    """The row of a point other than the final one says what was measured there."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "run", range(2))
    start = catalog.points(model.id)[0]
    row = study_model(model)
    study = Study(models=(row, dataclasses.replace(row, point=start.point_id)))
    end_row, start_row = contents.read_report(catalog, "run", study).models
    assert end_row.facts[0] == start_row.facts[0] and all(end_row.facts)
    losses = catalog.measurements_by_point(model.id)
    for facts, point in ((end_row.facts, model.point_id), (start_row.facts, start.point_id)):
        assert float(facts[1]) == pytest.approx(
            losses[point]["train"]["loss"], rel=1e-4
        )  # 5 digits
    assert end_row.facts[1:] != start_row.facts[1:]
    catalog.close()


def test_values_that_are_not_finite_are_gaps(catalog: Catalog) -> None:
    """NaN and the infinities are null in the file, and hinder nothing else in it."""
    name, study = study_named(catalog, "sweep")
    report = contents.read_report(catalog, name, study)
    values = [1.0, math.nan, -math.inf]
    gaps = dataclasses.replace(report.sections[0].figures[0], chart={"values": values})
    section = dataclasses.replace(report.sections[0], figures=(gaps,))
    text = report_page(dataclasses.replace(report, sections=(section,))).decode()
    content = text.split('id="chart-0">')[1].split("</script>")[0]
    assert json.loads(content) == {"values": [1.0, None, None]}
