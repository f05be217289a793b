"""Functions of n numbers as problems: their derivatives, and what the real worker makes of them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.func import functional_call, grad, vmap

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.facts import ProblemFacts
from explorer.function_problem import function_problem
from explorer.kinds.critical import CRITICAL
from explorer.kinds.critical_result import Critical
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.spectrum import SPECTRUM, Spectrum, SpectrumSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.playground.functions import EXAMPLES
from explorer.problem import Problem
from sample_models import functions
from store import Catalog, records
from tests.filling import add_answer, add_model, new_catalog
from tests.tiny import agreed

START = (-1.2, 1.0)
FORMULA = "(1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2"


def rosenbrock(x: np.ndarray) -> float:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def slope(x: np.ndarray) -> np.ndarray:
    first = -2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2)
    return np.array([first, 200 * (x[1] - x[0] ** 2)])


def curvature(x: np.ndarray) -> np.ndarray:
    mixed = -400 * x[0]
    return np.array([[2 - 400 * x[1] + 1200 * x[0] ** 2, mixed], [mixed, 200.0]])


WAYS = {  # arguments -> how far the gradient may be off, and the Hessian in parts of its largest
    "differences": ({}, 3e-8, 1e-6),
    "gradient": ({"gradient": slope}, 0.0, 1e-9),
    "both": ({"gradient": slope, "hessian": curvature}, 0.0, 0.0),
    "torch": ({"of_tensors": True}, 1e-12, 1e-14),
}


@pytest.mark.parametrize("way", WAYS)
def test_derivatives(way: str) -> None:
    """Value, gradient and Hessian by torch's own means are those of the closed form; twice too.

    Differences with step h err by h^2 / 6 times the third derivative, here 2,880: 2.6e-8 with
    h = 7e-6, and 7e-4 with 1.2e-3.
    """
    arguments, first, second = WAYS[way]
    problem = function_problem(rosenbrock, START, **arguments)
    for point in (START, (0.5, -0.3), (1.0, 1.0)):
        theta = torch.tensor(point, dtype=torch.float64)
        exact, by_hand = slope(np.array(point)), curvature(np.array(point))
        function = problem.model.function
        assert function(theta).item() == pytest.approx(rosenbrock(np.array(point)), abs=1e-15)
        gradient = torch.autograd.functional.jacobian(function, theta)
        np.testing.assert_allclose(gradient, exact, rtol=0, atol=first + 1e-12)
        hessian = torch.autograd.functional.hessian(function, theta)
        np.testing.assert_allclose(hessian, by_hand, atol=second * np.abs(by_hand).max() + 1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_many_points_at_once(way: str) -> None:
    """Torch's vmap, which the evaluator and per-example gradients use, gives each point its own."""
    problem = function_problem(rosenbrock, START, **WAYS[way][0])
    points = torch.randn(5, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(theta: torch.Tensor) -> torch.Tensor:
        return functional_call(problem.model, {"point": theta}, ())

    rows = points[:, 0].numpy()
    np.testing.assert_allclose(vmap(value)(points), [rosenbrock(row) for row in rows], rtol=1e-14)
    slopes = vmap(grad(value))(points)[:, 0]
    np.testing.assert_allclose(slopes, [slope(row) for row in rows], atol=1e-6)


def test_how_derivatives_are_made_is_printed() -> None:
    """The model's printed form, which an import keeps, says where its derivatives come from."""
    texts = {way: str(function_problem(rosenbrock, START, **WAYS[way][0]).model) for way in WAYS}
    assert "gradient by central differences, Hessian by central differences" in texts["differences"]
    assert "gradient as given, Hessian by central differences" in texts["gradient"]
    assert "gradient as given, Hessian as given" in texts["both"]
    assert "gradient by torch, Hessian by torch" in texts["torch"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: function_problem(rosenbrock, []), "start must be one row"),
        (lambda: function_problem(rosenbrock, [[1.0, 2.0]]), "start must be one row"),
        (lambda: function_problem(rosenbrock, [1.0, np.nan]), "start must be one row"),
        (lambda: function_problem(rosenbrock, [1.0], slope, of_tensors=True), "give no gradient"),
        (
            lambda: function_problem(lambda x: 0.0, np.zeros(10_001)).model().backward(),
            "at most 10,000 parameters for slopes by differences",
        ),
        (lambda: function_problem(3, START), "f must be a function, got int"),
        (lambda: function_problem(rosenbrock, START, slope, 2.0), "hessian must be a function"),
        (lambda: function_problem(rosenbrock, ["a"]), "start must be real numbers"),
        (lambda: function_problem(rosenbrock, 1j), "start must be real numbers, got complex"),
        (lambda: function_problem(lambda x: None, START).model(), "f returns .* got NoneType"),
        (lambda: function_problem(lambda x: "high", START).model(), "f returns .* got str"),
        (
            lambda: function_problem(lambda x: np.sqrt(x[0] + 0j), START).model(),
            "what f returns must be real numbers, got complex128",
        ),
        (lambda: function_problem(lambda x: x, START).model(), "f must return one number"),
        (
            lambda: function_problem(rosenbrock, START, lambda x: x[:1]).model().backward(),
            "gradient must return shape",
        ),
        (
            lambda: function_problem(lambda x: x, START, of_tensors=True).model(),
            "tensor of no dimension",
        ),
    ],
)
def test_what_is_no_function_is_refused(make: Callable[[], object], words: str) -> None:
    """A start that is none, a value or derivative of the wrong shape: one sentence each."""
    with pytest.raises(ValueError, match=words):
        make()


def test_exact_numbers_are_numbers() -> None:
    """A fraction and a whole number beyond 64 bits are read as floats."""
    for value, expected in ((Fraction(1, 4), 0.25), (10**30, 1e30)):
        problem = function_problem(lambda x, value=value: value, START)
        assert problem.model().item() == expected


def test_a_function_cannot_change_its_point() -> None:
    """What NumPy code does to its array does not reach the parameters."""

    def careless(x: np.ndarray) -> float:
        x *= 0
        return float(x.sum())

    problem = function_problem(careless, START)
    problem.model().backward()
    assert problem.model.point.tolist() == [list(START)]


def of_points(
    folder: Path, problem: Path, name: str, *points: tuple[float, ...]
) -> list[Checkpoint]:
    """A checkpoint for each point, by steps of 10."""
    agreed(problem)
    checkpoints = []
    for n, point in enumerate(points):
        file = folder / f"{name}-{n}.safetensors"
        safetensors.torch.save_file({"point": torch.tensor([point], dtype=torch.float64)}, file)
        checkpoints.append(Checkpoint(file=file, step=10 * n))
    return checkpoints


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Rosenbrock's function three times: NumPy alone, with its derivatives, and the sample's."""
    folder = tmp_path_factory.mktemp("functions")
    made = new_catalog(folder / "catalog")
    by_hand = (
        "import numpy as np\nfrom explorer.function_problem import function_problem\n\n"
        f"def f(x):\n    return {FORMULA}\n\n"
        "def problem():\n    return function_problem(f, [-1.2, 1.0])\n"
    )
    own = folder / "own" / "own.py"
    own.parent.mkdir()
    own.write_text(by_hand)
    sample = folder / "sample" / "functions.py"
    sample.parent.mkdir()
    sample.write_text(Path(functions.__file__).read_text())
    for name, problem in (("own", own), ("sample", sample)):
        points = of_points(folder, problem, name, START, (1.0, 1.0))
        add_model(made, problem, points, name)
    return made


def model_of(catalog: Catalog, name: str) -> records.Model:
    return next(model for model in catalog.models() if model.name == name)


def test_numpy_and_torch_make_one_surface(catalog: Catalog) -> None:
    """With the same point and seeds the surfaces are equal; the minimum is in the middle."""
    settings = SurfaceSettings(x_count=5, y_count=5, precision="float64")
    surfaces = []
    for name in ("own", "sample"):
        model = model_of(catalog, name)
        question = add_answer(catalog, SURFACE, settings, (model, model.point_id))
        surfaces.append(questions.result_as(catalog, question, Surface))
    own, sample = surfaces
    np.testing.assert_allclose(own.loss, sample.loss, rtol=1e-12)
    assert own.loss[2, 2] == pytest.approx(0.0, abs=1e-20)  # the minimum (1, 1)
    assert own.loss.min() >= 0.0
    facts = ProblemFacts.of(catalog.problem(model_of(catalog, "own").problem_id).facts)
    assert "gradient by central differences" in facts.architecture
    assert facts.loss == "function_value"


def test_lines_and_paths_of_a_function(catalog: Catalog) -> None:
    """A line along the gradient, and the way from the start to the minimum in closed form."""
    model = model_of(catalog, "own")
    start, end = (point.point_id for point in catalog.points(model.id))
    line = LineSettings(x_count=5, direction="gradient", precision="float64")
    question = add_answer(catalog, LINE, line, (model, start))
    values = questions.result_of(catalog, question).values["loss"]
    assert np.isfinite(values).all()
    settings = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=11, precision="float64")
    question = add_answer(catalog, INTERPOLATION, settings, (model, start), (model, end))
    between = np.linspace(START, (1.0, 1.0), 11)
    expected = [rosenbrock(point) for point in between]
    result = questions.result_of(catalog, question)
    np.testing.assert_allclose(result.values["loss"].ravel(), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["own", "sample"])
def test_the_spectrum_at_the_minimum(catalog: Catalog, name: str) -> None:
    """Eigenvalues 0.3994 and 1001.6, and their sum as trace, also where all is differences."""
    model = model_of(catalog, name)
    settings = SpectrumSettings(precision="float64")
    question = add_answer(catalog, SPECTRUM, settings, (model, model.point_id))
    spectrum = questions.result_as(catalog, question, Spectrum)
    exact = np.linalg.eigvalsh(curvature(np.array([1.0, 1.0])))
    # the smaller is 4e-4 of the larger, of which differences of differences err by 1e-6
    np.testing.assert_allclose(
        np.sort(spectrum.eigenvalues[0]), exact, atol=1e-3 if name == "own" else 1e-9
    )


def test_critical_points_are_searched_from_a_run(catalog: Catalog) -> None:
    """From the start and the end of a path the search comes to the minimum (1, 1)."""
    model = model_of(catalog, "sample")
    run = [point.point_id for point in catalog.points(model.id)]
    settings = CriticalSettings(lengths=(len(run),), starts=2, seed=1)
    question = add_answer(
        catalog, CRITICAL, settings, (model, run[0]), *((model, p) for p in run[1:])
    )
    ends = questions.result_as(catalog, question, Critical)
    critical = ends.is_critical
    assert critical.any()
    np.testing.assert_allclose(ends.loss[critical], 0.0, atol=1e-9)


@pytest.mark.parametrize("name", functions.FUNCTIONS)
def test_sample_functions_are_those_of_the_playground(name: str) -> None:
    """Values and gradients in torch are those of the playground's formula; so is the start."""
    example = EXAMPLES[name]
    problem: Problem = functions.problem(name)
    np.testing.assert_allclose(problem.model.point[0].detach(), example.start)
    points = example.grid(7)[1].reshape(-1, 2)
    theta = torch.tensor(points, requires_grad=True)
    values = torch.stack([functions.FUNCTIONS[name][0](row) for row in theta])
    np.testing.assert_allclose(
        values.detach(), example.expression.values(points), rtol=1e-12, atol=1e-12
    )
    (slopes,) = torch.autograd.grad(values.sum(), theta)
    exact = example.expression.gradients(points)
    np.testing.assert_allclose(slopes, exact, rtol=1e-10, atol=1e-12 * np.abs(exact).max())


def test_a_sample_function_is_named() -> None:
    """One that there is not is refused with the names of all."""
    with pytest.raises(ValueError, match=r"name must be one of quadratic, .* got 'cubic'"):
        functions.problem("cubic")
