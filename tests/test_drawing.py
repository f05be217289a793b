"""Drawing is a function of result, look and names: for every kind, alone and beside any other."""

import dataclasses
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest
import vl_convert

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.commands.app import main
from explorer.kinds import KINDS, Kind, kind_named, look_from_json
from explorer.kinds.look import PlaneLook, SubjectName
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.render import surface as surface_drawing
from explorer.render.drawing import Chart, drawing_of
from explorer.render.export.composed import save_drawing
from explorer.render.export.figure import save_figure
from explorer.render.export.figure_width import fit_width
from explorer.render.export.fonts import SANS
from explorer.render.export.paper_style import paper_spec
from explorer.render.export.svg import POINTS, convert_svg, drawing_size, with_raised_digits
from explorer.render.export.thumbnail import small_chart, thumbnail
from explorer.render.export.views import whole_spec
from explorer.render.linked import LinkedChart, LinkedCharts
from explorer.render.relief3d.relief import Relief
from explorer.render.theme import theme_config
from store import Catalog
from tests.drawing import side_by_side
from tests.filling import work
from tests.small_answers import ask, two_runs

NAMES = [kind.name for kind in KINDS]
WIDTHS = (3.25, 5.5, 7.0)  # inches: of one column, of a page of text, of two columns
# Pictures of what the usual question does not ask for: their own tests draw them.
OF_MORE = {("spectrum", "covariance"), ("stability", "phase")}
PICTURES = [  # every picture of every kind
    (kind.name, picture)
    for kind in KINDS
    for picture in next(
        (
            hint.__metadata__[0].choices
            for name, hint in kind.look.__annotations__.items()
            if name == "picture"
        ),
        ("",),
    )
]


@dataclass(frozen=True)
class Answer:
    """A stored answer, ready to be drawn."""

    kind: Kind
    result: Any
    names: tuple[SubjectName, ...]

    def drawn(self, **look: Any) -> Any:
        usual = self.kind.look.usual(self.result)
        changed = dataclasses.replace(usual, **look)
        return drawing_of(self.kind, self.result, changed, self.names)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog with two runs, and a small answer of each kind."""
    catalog = Catalog(two_runs(tmp_path_factory.mktemp("drawn")))
    catalog.check()
    for kind in KINDS:
        ask(catalog, kind)
    work(catalog)
    return catalog


@pytest.fixture(scope="module")
def answers(catalog: Catalog) -> dict[str, Answer]:
    """A whole answer of each kind."""
    answers_by_kind = {}
    for question in catalog.questions(status="complete", limit=100)[0]:
        names = subject_names(catalog, question)
        result = questions.result_of(catalog, question)
        answers_by_kind[question.kind] = Answer(kind_named(question.kind), result, names)
    assert set(answers_by_kind) == set(NAMES)
    return answers_by_kind


def as_text(drawing: Chart | Relief) -> str:
    """All of a drawing as text."""
    if isinstance(drawing, Relief):
        return drawing.field.key + json.dumps(drawing.camera)
    return json.dumps(whole_spec(drawing))


@pytest.mark.parametrize("name", NAMES)
def test_a_look_survives_json(name: str) -> None:
    """Written and read it is the same; a part of it leaves the others as usual."""
    kind = kind_named(name)
    changed = kind.look(width=333, title="A title")
    assert look_from_json(kind, json.loads(json.dumps(dataclasses.asdict(changed)))) == changed
    assert look_from_json(kind, {"width": 333}) == kind.look(width=333)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"colour": "red"}, "'colour'"), ({"width": 3}, "width must be"), ({"width": "x"}, "width")],
)
def test_what_no_look_has_is_refused(name: str, values: dict[str, Any], sentence: str) -> None:
    """An unknown name, a value out of range and one of another type: one sentence that names it."""
    with pytest.raises(ValueError, match=sentence) as refusal:
        look_from_json(kind_named(name), values)
    assert "\n" not in str(refusal.value)


def test_cameras_limits_and_clips_that_make_no_picture_are_refused() -> None:
    """What fits its range and still draws nothing."""
    bad: list[dict[str, Any]]
    bad = [{"camera": (1.0,)}, {"limits": (2.0, 1.0)}, {"clip": -1.0, "log": True}]
    for values in bad:
        with pytest.raises(ValueError, match="must be"):
            PlaneLook(**values)


@pytest.mark.parametrize(("name", "picture"), PICTURES)
def test_drawing_is_pure(answers: dict[str, Answer], name: str, picture: str) -> None:
    """The same result, look and names give the same drawing; another title another one.

    A picture of what was not asked for is refused in a sentence.
    """
    look = {"picture": picture} if picture else {}
    if (name, picture) in OF_MORE:
        with pytest.raises(ValueError, match="ask for"):
            answers[name].drawn(**look)
        return
    first = as_text(answers[name].drawn(**look))
    assert as_text(answers[name].drawn(**look)) == first
    assert as_text(answers[name].drawn(**look, title="Another")) != first


@pytest.mark.parametrize("name", NAMES)
def test_the_small_picture_is_of_the_same_drawing(answers: dict[str, Answer], name: str) -> None:
    """A thumbnail is the drawing of the small look made bare."""
    one = answers[name]
    small = one.kind.look.small(one.result)
    drawing = drawing_of(one.kind, one.result, small, one.names)
    picture = thumbnail(one.kind, one.result, one.names)
    assert picture.startswith(b"\x89PNG")
    if not isinstance(drawing, Relief):
        assert picture == small_chart(drawing)


def test_the_figure_is_of_the_same_drawing(answers: dict[str, Answer]) -> None:
    """What pages and command line save is the figure of the drawing, whichever kind it is of."""
    one = answers["line"]
    assert save_drawing(one.drawn(), "svg", 5.5) == save_figure(one.drawn(), "svg", 5.5)


def texts(svg: str) -> Counter[str]:
    """The words of a picture, each as often as it stands there."""
    return Counter(re.findall(r">([^<>]+)</text>", svg))


def drawn(chart: alt.TopLevelMixin) -> str:
    """The picture that a browser makes of it."""
    return vl_convert.vegalite_to_svg(whole_spec(chart), allowed_base_urls=[])


def charts_twice(answers: dict[str, Answer]) -> list[Chart]:
    """A chart of each kind, then one more of each; on the other scale where there is one."""
    looks = {name: answer.kind.look.usual(answer.result) for name, answer in answers.items()}
    others = {n: {"log": not look.log} if hasattr(look, "log") else {} for n, look in looks.items()}
    return [
        *(answers[name].drawn() for name in NAMES),
        *(answers[name].drawn(**others[name], title="The other one") for name in NAMES),
    ]


# The same answer twice; and workers of other tests, which outlive what started them.
@pytest.mark.filterwarnings("error", "ignore:Automatically deduplicated", "ignore::ResourceWarning")
def test_any_two_stand_side_by_side(answers: dict[str, Answer]) -> None:
    """Charts of all kinds, each twice, are one valid picture; each once, in a row and in dark, too.

    No name of a selection, a column or a data set of one means something else in another: the
    words of each chart by itself are all there, as panels as often as all have them together.
    """
    charts = charts_twice(answers)
    alone = [texts(drawn(chart)) for chart in charts]
    linked = [LinkedChart(chart) for chart in charts]
    panels = LinkedCharts(linked, 4, 900, theme_config(dark=False)).to_dict()
    in_panels = texts(vl_convert.vegalite_to_svg(panels, allowed_base_urls=[]))
    expected = sum(alone, Counter())
    in_panels["x"] = expected["x"]  # also an unseen word that makes room above a plot
    assert in_panels == expected
    row = LinkedCharts(linked[: len(NAMES)], len(NAMES), 900, theme_config(dark=True)).to_dict()
    in_row = texts(vl_convert.vegalite_to_svg(row, allowed_base_urls=[]))
    assert not any(words - in_row for words in alone[: len(NAMES)])


# Each number of panels at each width, and each kind at one of them.
PANELS = [(name, 2 + n % 3, WIDTHS[n // 3 % 3]) for n, name in enumerate(NAMES)]


@pytest.mark.parametrize(("name", "count", "width"), PANELS)
def test_figures_have_their_width(
    answers: dict[str, Answer], name: str, count: int, width: float
) -> None:
    """Two to four panels at each width: they fill it, or one sentence says there is no room."""
    spec = paper_spec(side_by_side([answers[name].drawn()] * count, columns=2))
    try:
        drawn_width, _ = drawing_size(fit_width(spec, width * POINTS))
    except ValueError as error:
        assert "no room" in str(error) and width == WIDTHS[0]
    else:
        assert 0.85 * width * POINTS <= drawn_width <= width * POINTS


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_alone_has_its_width(answers: dict[str, Answer], name: str) -> None:
    """A single chart has room at every width, and prints; each kind is tried at one of them."""
    width = WIDTHS[NAMES.index(name) % len(WIDTHS)]
    svg = fit_width(paper_spec(answers[name].drawn()), width * POINTS)
    assert 0.85 * width * POINTS <= drawing_size(svg)[0] <= width * POINTS
    assert convert_svg(with_raised_digits(svg, SANS), "pdf", width, 300).startswith(b"%PDF")


def test_ticks_of_contour_and_relief_are_the_same() -> None:
    """Colour bar and height, x and y: the same places and the same words, in all scales."""
    x, y = np.linspace(-1, 1, 9), np.linspace(-2, 3, 7)
    loss = 0.003 + np.add.outer(y**2, 40 * x**4)
    plane = Surface(x, y, {"loss": loss}, np.ones(loss.shape, dtype=bool))
    for look in (
        SurfaceLook(),
        SurfaceLook(log=True),
        SurfaceLook(clip=3.0),
        SurfaceLook(limits=(1.0, 2.0)),
    ):
        chart = surface_drawing.draw(plane, look)
        relief = surface_drawing.draw(plane, dataclasses.replace(look, view="relief"))
        assert isinstance(chart, alt.LayerChart) and isinstance(relief, Relief)
        layers = whole_spec(chart)["layer"]
        bar = layers[1]["encoding"]["color"]["legend"]
        axes = {axis: layers[0]["encoding"][axis]["axis"] for axis in "xy"}
        for said, ticks in (
            (bar, relief.field.ticks["z"]),
            (axes["x"], relief.field.ticks["x"]),
            (axes["y"], relief.field.ticks["y"]),
        ):
            words = ", ".join(f"'{text}'" for _, text in ticks)
            assert said["labelExpr"].startswith(f"[{words}]")
        scale = relief.field.scale
        assert relief.field.loss_at(relief.field.levels) == pytest.approx(scale.ticks(look.levels))


def test_the_command_line_draws_the_same(
    catalog: Catalog, answers: dict[str, Answer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figure is that of the same drawing; it overwrites nothing and refuses in a sentence."""
    key = next(q.key for q in catalog.questions(status="complete")[0] if q.kind == "spectrum")

    def draw(file: str, *more: str) -> int:
        command = ("--catalog", str(catalog.folder), "draw", key[:12], str(tmp_path / file))
        return main([*command, *more])

    assert draw("a.svg", "--width", "3.25", "--look", "picture=pairs", "--look", "log=false") == 0
    wanted = save_drawing(answers["spectrum"].drawn(picture="pairs", log=False), "svg", 3.25)
    written = (tmp_path / "a.svg").read_bytes()
    assert written.endswith(wanted[wanted.index(b"<rect") :]) and key.encode() in written
    refused = {
        ("a.svg",): "exists already",
        ("b.bmp",): "must end in .pdf, .svg, .png, .gif or .mp4",
        ("b.gif",): "nothing in this figure moves",
        ("b.pdf", "--look", "picture=all"): "picture must be one of density, pairs",
        ("b.pdf", "--look", "hue=3"): "there is no setting 'hue'",
    }
    for arguments, sentence in refused.items():
        assert draw(*arguments) == 1
        assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


@pytest.mark.parametrize("camera", [(1, 2, 3, 1, 2, 3, 0, 0, 1), (3, -4, 2, 0, 0, 0, 0, 0, 0)])
def test_a_camera_that_looks_nowhere_is_refused(camera: tuple[float, ...]) -> None:
    """Before the renderer, which could not draw from it."""
    with pytest.raises(ValueError, match="camera must look at another place"):
        SurfaceLook(view="relief", camera=camera)
