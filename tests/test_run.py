"""A training run on the plane of its principal components."""

import io
import itertools
from pathlib import Path

import av
import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image, ImageSequence

from explorer.analysis import run as answered
from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.flat_model import FlatModel
from explorer.ask import questions
from explorer.kinds.progress import JobCancelled, Progress
from explorer.kinds.run import RUN, Run, RunLook, RunSettings, random_walk_shares, variance_shares
from explorer.pages import _running
from explorer.problem import Problem
from explorer.render.export.animation import MOST_FRAMES, animation, frame_indices
from explorer.render.run import growing
from sample_models import samples
from store import Catalog
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import flat, seeded
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)
from tests.tiny import end_workers

CPU = torch.device("cpu")
SMALL = RunSettings(x_count=7, y_count=5)


def answer(problem: Problem, points: list, settings: RunSettings, done: frozenset = frozenset()):
    return list(answered.answer(problem, points, settings, done, CPU))


@pytest.mark.parametrize("most", [answered.MOST_NUMBERS, 100])
def test_coordinates_are_those_of_a_principal_component_analysis(
    trained, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Axes, shares, coordinates and distances equal scikit-learn's on the whole matrix, to 1e-9.

    So they do where no tensor of all snapshots fits into memory.
    """
    monkeypatch.setattr(answered, "MOST_NUMBERS", most)
    problem, points = trained
    matrix = np.stack([flat(point) for point in points])
    blocks = FlatModel(problem.model, torch.float64, CPU).blocks
    gram = answered.gram_matrix(points, blocks)
    x, y, vectors = answered.principal_plane(points, blocks, gram)
    from sklearn.decomposition import PCA  # takes long to import

    components = PCA(n_components=2).fit(matrix)
    assert variance_shares(gram)[:2] == pytest.approx(
        components.explained_variance_ratio_, rel=1e-9
    )
    for mine, theirs in zip(vectors.numpy(), components.components_, strict=True):
        assert abs(mine @ theirs) == pytest.approx(1, abs=1e-9)
    assert (vectors @ vectors.t()).numpy() == pytest.approx(np.eye(2), abs=1e-10)
    moved = matrix - matrix[-1]
    assert np.stack([x, y], axis=1) == pytest.approx(moved @ vectors.numpy().T, abs=1e-9)
    facts = answer(problem, points, RunSettings(x_count=2, y_count=2))[0].facts
    rest = moved - np.outer(x, vectors[0]) - np.outer(y, vectors[1])
    assert facts["path"]["out"] == pytest.approx(np.linalg.norm(rest, axis=1), abs=1e-7)
    start = np.linalg.norm(matrix - matrix[0], axis=1)
    assert facts["path"]["moved"] == pytest.approx(start, abs=1e-7)
    assert facts["path"]["norm"] == pytest.approx(np.linalg.norm(matrix, axis=1), rel=1e-9)
    assert x[0] > 0 and y[np.abs(y).argmax()] > 0


def test_losses_are_true_ones(trained) -> None:
    """Markers have each snapshot's own loss; the plane that of the parameters put there by hand."""
    problem, points = trained
    settings = RunSettings(x_count=5, y_count=5, precision="float64")
    pieces = answer(problem, points, settings)
    run = Run.from_pieces(settings, pieces)
    inputs, labels = problem.data["train"]

    def loss_at(point: dict[str, torch.Tensor]) -> float:
        outputs = torch.func.functional_call(problem.model, point, (inputs,))
        return float(torch.nn.functional.cross_entropy(outputs, labels))

    assert run.path is not None
    assert run.path.values["loss"] == pytest.approx([loss_at(p) for p in points], rel=1e-12)
    blocks = FlatModel(problem.model, torch.float64, CPU).blocks
    _, _, vectors = answered.principal_plane(points, blocks, answered.gram_matrix(points, blocks))
    theta = torch.from_numpy(flat(points[-1])) + run.x[1] * vectors[0] + run.y[3] * vectors[1]
    by_hand = {b.name: theta[b.start : b.stop].view(b.shape) for b in blocks}
    assert run.loss[3, 1] == pytest.approx(loss_at(by_hand), rel=1e-12)
    low, high = run.path.x.min(), run.path.x.max()
    width = 0.25 * (high - low)
    assert (run.x[0], run.x[-1]) == pytest.approx((low - width, high + width))
    assert run.y[0] < run.path.y.min() and run.path.y.max() < run.y[-1]
    assert np.ptp(run.y) >= 0.6 * np.ptp(run.x) * (1 - 1e-12)
    assert run.computed.all()


def test_an_answer_goes_on_to_the_same_bits(trained) -> None:
    """What is left out after a stop is computed as in one go, at the same places."""
    problem, points = trained
    whole = Run.from_pieces(SMALL, answer(problem, points, SMALL))
    first = answer(problem, points, SMALL)[0]
    rest = answer(problem, points, SMALL, first.units)
    both = Run.from_pieces(SMALL, [first, *rest])
    assert np.array_equal(whole.loss, both.loss) and np.array_equal(whole.x, both.x)


@pytest.mark.parametrize(("change", "words"), [(0.0, "one point"), (1.0, "one line")])
def test_no_plane(trained, change: float, words: str) -> None:
    """Snapshots that are equal, or on one line, are refused in a sentence."""
    problem, points = trained
    same = [{n: v * (1 + change * k) for n, v in points[0].items()} for k in range(4)]
    with pytest.raises(ValueError, match=f"got all on {words}"):
        answer(problem, same, SMALL)


def test_a_random_walk_explains_as_theory_says() -> None:
    """The null of 81 snapshots: .608, .152, .068 of infinitely many; and a drawn one agrees."""
    assert random_walk_shares(400)[:3] == pytest.approx([0.608, 0.152, 0.0675], abs=5e-4)
    walk = torch.randn(81, 20_000, generator=seeded(3), dtype=torch.float64).cumsum(0)
    drawn = variance_shares((walk @ walk.t()).numpy())
    assert drawn[:3] == pytest.approx(random_walk_shares(81)[:3], abs=0.01)


def test_the_sample_run_explains_what_it_should() -> None:
    """Two components of mlp_a's 41 snapshots; of twice as many .90 and .075 were measured."""
    sample = next(s for s in samples() if s.name == "mlp_a")
    problem = load_problem(sample.problem, sample.arguments).problem
    points = [safetensors.torch.load_file(c.path) for c in sample.checkpoints]
    assert len(points) == 41
    gram = answered.gram_matrix(points, FlatModel(problem.model, torch.float32, CPU).blocks)
    assert variance_shares(gram)[:2] == pytest.approx([0.907, 0.070], abs=0.005)


class Told(Progress):
    """Keeps what is told, and stops the answer at a snapshot."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def report(self, words: str) -> None:
        """Stop at the third snapshot."""
        self.words.append(words)
        if words.startswith("loss of snapshot 3 of"):
            raise JobCancelled


def test_a_long_run_says_where_it_is_and_can_be_stopped_before_its_first_point(trained) -> None:
    """A run of thousands of snapshots takes minutes before its plane is known."""
    problem, points = trained
    told = Told()
    with pytest.raises(JobCancelled):
        list(answered.answer(problem, points, SMALL, frozenset(), CPU, progress=told))
    assert told.words[0].startswith("inner products of ")
    assert told.words[-1] == f"loss of snapshot 3 of {len(points)}"


@pytest.mark.parametrize(("format", "head"), [("GIF", b"GIF89a"), ("MP4", b"ftyp")])
def test_an_animation_shows_the_path_grow(trained, format: str, head: bytes) -> None:
    """Each chosen snapshot is a frame, in order, the last one held; sizes are even for H.264."""
    problem, points = trained
    run = Run.from_pieces(SMALL, answer(problem, points, SMALL))
    content = animation(growing(run, RunLook()), [0, 6, 12], format, width_inches=4)
    assert head in content[:16]
    frames = decoded(content, format)
    assert frames[0].shape[0] % 2 == 0 and frames[0].shape[1] % 2 == 0
    changed = [np.abs(a.astype(int) - b).max() > 60 for a, b in itertools.pairwise(frames)]
    assert sum(changed) == 2 and changed[:2] == [True, True]


def decoded(content: bytes, format: str) -> list[np.ndarray]:
    """The frames of an animation, (H, W, 3) each."""
    if format == "GIF":
        with Image.open(io.BytesIO(content)) as image:
            assert image.n_frames == 3
            return [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(image)]
    with av.open(io.BytesIO(content)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_frames_are_spread_over_a_long_run() -> None:
    """At most as many frames as allowed, both ends among them, none twice."""
    assert frame_indices(3) == [0, 1, 2]
    frames = frame_indices(1000)
    assert len(set(frames)) == len(frames) == MOST_FRAMES and (frames[0], frames[-1]) == (0, 999)


def test_a_run_is_asked_by_its_model_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk takes every snapshot of a model, refuses too few; worker and page do the rest."""
    catalog = new_catalog(tmp_path / "catalog")
    lone = add_tiny(catalog, tmp_path, "lone")
    with pytest.raises(ValueError, match="at least 3 different snapshots, lone has 1"):
        questions.question_about(catalog, RUN, lone, SMALL)
    model = add_tiny(catalog, tmp_path, "several", range(4))
    question = add_answer(catalog, RUN, SMALL, (model, ""))
    assert len(question.point_ids) == 4 and question.title == "Training run of several"
    run = questions.result_of(catalog, question)
    assert run.computed.all() and run.path is not None and len(run.path.x) == 4
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(RUN.page, model="several", x_count="7", y_count="5"))
    captions = " ".join(texts(app, "caption"))
    assert "The plane holds" in captions and "4 snapshots" in captions
    assert charts(app) == 4  # plane, course, shares, training curves
    assert app.select_slider(key="until").options == ["0", "10", "20", "30"]
    fine(app.select_slider(key="until").set_value(10).run())
    (said,) = opened(RUN.page, model="lone").error
    assert "at least 3 different snapshots, lone has 1" in said.value
    _running.stop_apps()
    end_workers(Catalog(tmp_path / "catalog"))
