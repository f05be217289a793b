"""The pages of lines, interpolations and differences, by Streamlit's `AppTest`."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from explorer.ask import questions
from explorer.ask.estimate import estimate
from explorer.ask.subjects import Subject
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds import Kind
from explorer.kinds.difference import DIFFERENCE, DifferenceSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.pages._parts import each_once
from sample_models import samples
from store import Catalog
from tests import stored
from tests.filling import add_answer, add_model, add_tiny, new_catalog
from tests.screen import (
    CATALOG_PAGE,
    PAUSE,
    answered,
    asked_keys,
    badges,
    charts,
    computes,
    fine,
    opened,
    pressed,
    texts,
)
from tests.tiny import checkpoint, problem_file

STEPS = (0, 400, 800)
FILES = ((1, "early"), (2, "late"))
SHORT = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=11)


def subject(catalog: Catalog, text: str) -> Subject:
    """NAME or NAME@STEP."""
    name, _, step = text.partition("@")
    model = next(model for model in catalog.models() if model.name == name)
    points = {str(point.step): point.point_id for point in catalog.points(model.id)}
    return model, points[step] if step else model.point_id


def answer(catalog: Catalog, kind: Kind, settings: object, *names: str) -> None:
    """Have a question answered about these points."""
    add_answer(catalog, kind, settings, *(subject(catalog, name) for name in names))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two digits networks, one with snapshots; two tiny ones with BatchNorm; one of each answer."""
    folder = tmp_path_factory.mktemp("lines")
    samples_by_name = {sample.name: sample for sample in samples()}
    catalog = new_catalog(folder / "catalog")
    for name in ("mlp_a", "mlp_b"):
        sample = samples_by_name[name]
        kept = [c for c in sample.checkpoints if c.step in STEPS]
        files = [Checkpoint(file=c.path, step=c.step) for c in kept]
        add_model(catalog, sample.problem, files, name, sample.arguments)
    add_tiny(catalog, folder / "tiny", "tiny", [1], pause=PAUSE)
    add_tiny(catalog, folder / "tiny", "other tiny", [2], pause=PAUSE)
    answer(catalog, INTERPOLATION, InterpolationSettings(), "mlp_a@0", "mlp_a")
    answer(catalog, INTERPOLATION, InterpolationSettings(), "mlp_a", "mlp_b")
    answer(catalog, INTERPOLATION, SHORT, "tiny", "other tiny")
    answer(catalog, DIFFERENCE, DifferenceSettings(x_count=11, split="test"), "mlp_a", "mlp_b")
    answer(catalog, DIFFERENCE, DifferenceSettings(x_count=11), "mlp_a@0", "mlp_b")
    answer(catalog, LINE, LineSettings(x_count=21, directions=4), "mlp_b")
    answer(catalog, LINE, LineSettings(x_count=21, direction="gradient"), "mlp_a@400")
    catalog.close()
    return catalog.folder


def test_from_start_to_end_of_training_is_the_default(folder: Path) -> None:
    """A model with snapshots: first to last, its chart, heights, checks; nothing to compute."""
    app = fine(opened(INTERPOLATION.page, model="mlp_a"))
    assert [e.value for e in app.subheader] == ["Loss from mlp_a at step 0 to mlp_a"]
    assert charts(app) == 1
    assert computes(app) == []
    said = badges(app)
    for words in ("monotone", "ends = both models", "above the chord", "above the mean of the"):
        assert words in said
    assert "centre" not in said
    assert any("Distance " in text and "cosine" in text for text in texts(app, "caption"))


def test_between_two_models_there_is_a_barrier(folder: Path) -> None:
    """From one trained network to another: the loss climbs, and the badge tells how far."""
    app = fine(opened(INTERPOLATION.page, model="mlp_a", step="800", to="mlp_b"))
    assert [e.value for e in app.subheader] == ["Loss from mlp_a to mlp_b"]
    assert charts(app) == 1
    said = badges(app)
    assert "climbs by 0.9" in said
    assert "barrier 0.94" in said
    assert "monotone" not in said


def test_every_card_leads_to_its_analysis(folder: Path) -> None:
    """The address of each card opens a page that has nothing to compute and shows a chart."""
    links = [link.proto for link in fine(opened(CATALOG_PAGE)).get("page_link")]
    links = [link for link in links if link.label.startswith("**")]  # those of cards
    assert len(links) == 7
    names = {link.label for link in links}
    assert {"**mlp_a@0 to mlp_a**", "**mlp_a and mlp_b**", "**mlp_a@400**"} <= names
    for link in links:
        page = f"explorer/pages/{link.page.split('/')[-1] or 'line'}.py"
        app = fine(opened(page, **dict(parse_qsl(link.query_string))))
        assert (computes(app), charts(app)) == ([], 1), link.query_string


def test_statistics_are_recomputed_unless_one_says_otherwise(folder: Path) -> None:
    """With BatchNorm the page starts at recalibrated; frozen, in the address, is another answer."""
    address = {"model": "tiny", "to": "other tiny", "x_min": "0", "x_max": "1", "x_count": "11"}
    app = fine(opened(INTERPOLATION.page, **address))
    assert computes(app) == ["Compute 11 points"]
    assert charts(app) == 0
    app = fine(opened(INTERPOLATION.page, **address, batchnorm="frozen"))
    assert computes(app) == []
    assert any("interpolated between the two points" in text for text in texts(app, "caption"))
    assert "ends = both models" in badges(app)


def test_compute_asks_once_and_ends_with_the_answer(folder: Path) -> None:
    """The button with its time; the progress; the chart; ends with their own statistics."""
    before = asked_keys(folder)
    address = {"model": "tiny", "to": "other tiny", "x_count": "25"}
    app = fine(opened(INTERPOLATION.page, **address))
    assert any(text.startswith("About ") for text in texts(app, "caption"))
    assert asked_keys(folder) == before
    fine(pressed(app, "Compute 25 points"))
    assert len(asked_keys(folder) - before) == 1
    answered(folder)
    assert charts(fine(app.run())) == 1 and not app.get("progress")
    assert "ends = both models" in badges(app)
    (stored_question,) = Catalog(folder).questions("recalibrated")[0]
    assert stored_question.title == "Interpolation of tiny to other tiny"
    assert stored_question.model_names == ("tiny", "other tiny")
    assert len(Catalog(folder).directions(stored_question.key)) == 0


def test_the_other_split_beside_it(folder: Path) -> None:
    """Ticked, the page offers what the other split lacks, and draws what there is."""
    app = opened(INTERPOLATION.page, model="mlp_a", beside="true")
    assert computes(fine(app)) == ["Compute 61 points"]
    assert any("Not computed yet on test" in text for text in texts(app, "info"))
    assert charts(app) == 1


def test_the_same_point_twice(folder: Path) -> None:
    """It is said that nothing can change; it may be computed all the same."""
    for page, second in ((INTERPOLATION.page, "to"), (DIFFERENCE.page, "second")):
        address = {"model": "mlp_b", second: "mlp_b", f"{second}_step": "800"}
        app = fine(opened(page, **address))
        assert any("Both are the same point" in text for text in texts(app, "info"))
        assert len(computes(app)) == 1


def test_a_difference_in_words(folder: Path) -> None:
    """Two trained networks cannot be told apart on the test data; one that is untrained can."""
    address = {"model": "mlp_a", "second": "mlp_b", "x_count": "11"}
    app = fine(opened(DIFFERENCE.page, **address, split="test"))
    assert charts(app) == 1
    (said,) = [text for text in texts(app, "markdown") if "lower than" in text]
    assert said.startswith(
        "No difference can be told: **mlp_b** is lower than **mlp_a** by 0.00105"
    )
    assert "(95 % interval, paired on 360 examples)" in said
    assert any("Not paired example by example" in text for text in texts(app, "caption"))
    app = fine(opened(DIFFERENCE.page, **address, step="0"))
    (said,) = [text for text in texts(app, "markdown") if "lower than" in text]
    assert said.startswith("**mlp_b** is lower than **mlp_a at step 0** by 2.3")
    assert "paired on 1,437 examples" in said


def test_many_directions(folder: Path) -> None:
    """Four lines, one chart; three of four more would be computed for seven."""
    app = fine(opened(LINE.page, model="mlp_b", x_count="21", directions="4"))
    assert [e.value for e in app.subheader] == ["Loss along 4 random directions of mlp_b"]
    assert charts(app) == 1
    assert "centre = stand-alone loss" in badges(app)
    app = fine(opened(LINE.page, model="mlp_b", x_count="21", directions="7"))
    assert computes(app) == ["Compute 147 points"]
    app = fine(opened(LINE.page, model="mlp_b", x_count="21"))  # the first of the four
    fine(pressed(app, "Compute 21 points"))
    assert charts(app) == 1
    assert computes(app) == []


def test_the_gradient_of_a_snapshot(folder: Path) -> None:
    """Its norm and slope are told; there is nothing to draw from a seed.

    The interval of a single line is named below the chart, with its number of examples.
    """
    address = {"model": "mlp_a", "step": "400", "x_count": "21", "direction": "gradient"}
    app = fine(opened(LINE.page, **address))
    assert [e.value for e in app.subheader] == ["Loss along the negative gradient of mlp_a"]
    assert charts(app) == 1
    captions = texts(app, "caption")
    assert any(text.startswith("Norm of the gradient ") for text in captions)
    assert any(
        text.startswith("Band: 95 % interval for the loss on unseen data") for text in captions
    )
    assert "seed" not in {element.key for element in app.number_input}


def test_a_point_of_a_difference_takes_two_evaluations(folder: Path) -> None:
    """Told so in the time estimate, whichever kind the rate is from."""
    catalog = Catalog(folder)
    model, point = subject(catalog, "mlp_a")
    other = subject(catalog, "mlp_b")
    seconds_per_unit = []
    for kind, settings in (
        (INTERPOLATION, InterpolationSettings(x_count=100)),
        (DIFFERENCE, DifferenceSettings(x_count=100)),
    ):
        identity = questions.question_about(
            catalog, kind, model, settings, point=point, others=[other]
        )
        seconds_per_unit.append(estimate(catalog, identity, model, True).per_unit)
    assert seconds_per_unit[1] == pytest.approx(2 * seconds_per_unit[0])
    assert seconds_per_unit[0] > 0


BAD_PAIRS = [
    ({"to": "nobody"}, "to in the address must be one of mlp_"),
    ({"to": "tiny"}, "only models of one problem have the same tensors"),
    ({"step": "7"}, "step in the address must be one of 0, 400, 800, got '7'"),
    ({"to": "mlp_a", "to_step": "early"}, "to_step in the address must be one of 0, 400, 800"),
    ({"x_min": "3"}, "must increase, got 3.0 to 1.0"),
]
BAD = [
    *BAD_PAIRS,
    ({"model": "nobody"}, "nobody"),
    ({"x_count": "1"}, "from 2 to 2,001, got '1'"),
    ({"x_max": "inf"}, "finite number"),
    ({"split": "nothing"}, "split"),
    ({"precision": "float16"}, "precision"),
]


@pytest.mark.parametrize(
    ("page", "address", "words"),
    [
        *((INTERPOLATION.page, *pair) for pair in BAD),
        *((DIFFERENCE.page, *pair) for pair in BAD_PAIRS),  # the others are read by the same code
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(folder: Path, page: str, address: dict, words: str) -> None:
    """What makes no question is refused in one sentence, never replaced; nothing is stored."""
    if page == DIFFERENCE.page:
        address = {name.replace("to", "second"): value for name, value in address.items()}
        words = words.replace("to_step", "second_step").replace("to in", "second in")
    elif "x_min" in address:
        words = words.replace("1.0", "1.25")
    before = asked_keys(folder)
    app = opened(page, **({"model": "mlp_a"} | address))
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said
    assert computes(app) == []
    assert asked_keys(folder) == before


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            {"directions": "0"},
            "directions in the address must be a whole number from 1 to 64, got '0'",
        ),
        ({"directions": "65"}, "from 1 to 64, got '65'"),
        ({"directions": "2.5"}, "whole number"),
        ({"direction": "up"}, "one of random, gradient"),
        ({"step": "7"}, "one of 0, 400, 800"),
    ],
    ids=str,
)
def test_bad_lines_are_one_sentence(folder: Path, address: dict, words: str) -> None:
    """The same of directions."""
    app = opened(LINE.page, **({"model": "mlp_a"} | address))
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert words in said
    assert said.endswith(".")
    assert computes(app) == []


def test_snapshots_without_a_step_go_by_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints that were imported without steps: the slider and the address have their names."""
    catalog = new_catalog(tmp_path / "catalog")
    files = [checkpoint(tmp_path / f"{name}.safetensors", seed) for seed, name in FILES]
    listed = [Checkpoint(file=file) for file in files]
    model = add_model(catalog, problem_file(tmp_path / "problem"), listed, "mine")
    early = next(p.point_id for p in catalog.points(model.id) if p.label == "early")
    stored_question = add_answer(catalog, INTERPOLATION, SHORT, (model, early), (model, ""))
    assert stored_question.title == "Interpolation of mine at early to mine"
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    links = [link.proto for link in fine(opened(CATALOG_PAGE)).get("page_link")]
    (link,) = [link for link in links if "x_count=11" in link.query_string]
    assert link.label == "**mine@early to mine**"
    app = fine(opened(INTERPOLATION.page, **dict(parse_qsl(link.query_string))))
    assert (computes(app), charts(app)) == ([], 1)
    assert [e.value for e in app.subheader] == ["Loss from mine at early to mine"]


def test_one_question_of_two_models_is_told_once() -> None:
    """A recorded run and its last checkpoint imported alone are asked the same: by the first."""
    one, other = stored.question("q1"), stored.question("q2")
    assert each_once({"run": one, "alone": one, "next": other}) == {"run": one, "next": other}
