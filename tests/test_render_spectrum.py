"""Charts of spectra: valid whatever is known, and showing the numbers that are there."""

import json
from typing import Any

import numpy as np
import pytest
import vl_convert

from explorer.kinds import Piece
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.random_matrices import REFERENCE_NAMES
from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.render.export.figure import save_figure
from explorer.render.export.views import whole_spec
from tests.drawing import drawn_spectrum, small_picture

SETTINGS = SpectrumSettings(top=3, bottom=2, probes=3, batches=2)
FACTS = {
    "size": 5000,
    "layers": ["a.weight", "b"],
    "epsilon": 1e-7,
    "gradient_norm": 0.1,
    "theta_norm": 10.0,
    "escape_slope": -0.5,
    "loss": 2.0,
    "examples": 100,
}
PAIRS = [(9.0, 1e-4), (4.0, 1e-3), (3.5, 1.5), (-1.0, 1e-3), (-2.0, 1e-3)]


def a_spectrum(*units: int, pairs: Any = PAIRS, spread: float = 1.0) -> Spectrum:
    """A spectrum with these units done: pairs, probes 1 to 3, mini-batches 4 and 5."""
    rows: list[tuple[int, int, int, float, float]] = []
    for unit in units:
        if unit == 0:
            rows += [
                (0, MatrixRole.PAIR, n, value, error) for n, (value, error) in enumerate(pairs)
            ]
            steps = np.linspace(-1, 1, 5)
            rows += [(0, MatrixRole.ESCAPE, n, t, 2 - t / 2 - t**2) for n, t in enumerate(steps)]
        elif unit <= 3:
            nodes = spread * np.array([-2.0, 0.0, 0.1 * unit, 4.0, 9.0])
            weights = (0.01, 0.5, 0.4, 0.05, 0.04)
            rows += [
                (unit, MatrixRole.NODE, n, x, w)
                for n, (x, w) in enumerate(zip(nodes, weights, strict=True))
            ]
            rows += [(unit, MatrixRole.LAYER, n, 5.0 * n + unit, 10.0) for n in range(2)]
        else:
            rows.append((unit, MatrixRole.BATCH, unit - 4, 10.0 + unit, 1e-3))
    if not rows:
        return Spectrum.from_pieces(SETTINGS, [])
    names = ("unit", "role", "i", "value", "weight")
    columns = {n: np.array(c) for n, c in zip(names, zip(*rows, strict=True), strict=True)}
    return Spectrum.from_pieces(SETTINGS, [Piece(columns, FACTS)])


def rows(chart: Any, style: str) -> list[dict[str, Any]]:
    """Rows behind the layers of that style."""
    spec = whole_spec(chart)
    layers = [v for v in spec["layer"] if v["mark"].get("style") == style]
    names = [v.get("data", spec.get("data"))["name"] for v in layers]
    return [row for name in names for row in spec["datasets"][name]]


CASES = {
    "nothing": a_spectrum(),
    "pairs alone": a_spectrum(0),
    "one probe": a_spectrum(1),
    "probes alone": a_spectrum(1, 2, 3),
    "a batch alone": a_spectrum(4),
    "whole": a_spectrum(*range(6)),
    "zeros": a_spectrum(0, 1, 2, pairs=[(0.0, 0.0)] * 5, spread=0.0),
    "huge": a_spectrum(0, 1, 2, pairs=[(1e30, 1e20)] * 5, spread=1e30),
}


@pytest.mark.parametrize("name", CASES)
def test_every_chart_is_valid_whatever_is_known(name: str) -> None:
    """Vega-Lite draws each chart of empty, partial, zero and huge spectra, log and linear."""
    spectrum = CASES[name]
    charts = [
        drawn_spectrum(spectrum, picture="pairs", log=False),
        drawn_spectrum(spectrum, picture="pairs", log=True),
        drawn_spectrum(spectrum, picture="layers", log=False),
    ]
    charts += [
        drawn_spectrum(spectrum, picture="escape", log=False),
        drawn_spectrum(spectrum, picture="batches", log=False),
    ]
    for log in (False, True):
        look: dict[str, Any] = {"log": log, "overlays": REFERENCE_NAMES, "ratio": 0.5}
        charts += [
            drawn_spectrum(spectrum, **look),
            drawn_spectrum({"one": spectrum, "other": spectrum}, **look),
        ]
    for chart in charts:
        assert vl_convert.vegalite_to_svg(whole_spec(chart)).startswith("<svg")
    assert small_picture("spectrum", spectrum).startswith(b"\x89PNG")


def test_the_density_is_the_mean_of_the_probes_with_its_band() -> None:
    """The curve integrates to 1, the band is one standard deviation over the probes."""
    spectrum = a_spectrum(0, 1, 2, 3)
    chart = drawn_spectrum(spectrum, log=False)
    drawn = rows(chart, "density")
    x, y = (np.array([row[name] for row in drawn]) for name in ("x", "density"))
    assert np.trapezoid(y, x) == pytest.approx(1, rel=1e-3)
    width = 0.005 * 11
    assert (x[0], x[-1]) == pytest.approx((-2 - 5 * width, 9 + 5 * width))
    mean, below, above = spectrum.quadrature.density(x, width)
    assert y == pytest.approx(mean)
    band = rows(chart, "band")
    assert [row["density"] for row in band] == pytest.approx(above)
    assert [row["low"] for row in band] == pytest.approx(below)
    assert rows(drawn_spectrum(a_spectrum(1)), "band") == []  # a single probe has no spread


def test_spikes_are_numbered_and_say_whether_they_converged() -> None:
    """One line a pair with residual bar and number; the third one's residual is too large."""
    chart = drawn_spectrum(a_spectrum(0, 1, 2))
    lines = rows(chart, "spike")
    assert [row["x"] for row in lines] == [value for value, _ in PAIRS]
    minus = "\N{MINUS SIGN}"
    assert [row["rank"] for row in lines] == ["1", "2", "3", f"{minus}2", f"{minus}1"]
    assert [row["converged"] for row in lines] == ["yes", "yes", "no", "yes", "yes"]
    bars = rows(chart, "residual")
    assert (bars[2]["low"], bars[2]["high"]) == (2.0, 5.0)
    assert rows(drawn_spectrum(a_spectrum(0, 1), spikes=False), "spike") == []


def test_numbers_of_near_spikes_do_not_overlap() -> None:
    """Of pairs a thousandth of the range apart one number is written, all lines are drawn."""
    near = [(9.0, 0.0), (8.999, 0.0), (8.998, 0.0), (-1.0, 0.0), (-2.0, 0.0)]
    chart = drawn_spectrum(a_spectrum(0, 1, 2, pairs=near))
    assert len(rows(chart, "spike")) == 5
    assert "1" in {row["rank"] for row in rows(chart, "rank")}
    assert not {"2", "3"} & {row["rank"] for row in rows(chart, "rank")}


def test_references_are_drawn_with_their_names() -> None:
    """The three overlays, each in the legend; above the floor only."""
    chart = drawn_spectrum(a_spectrum(1, 2, 3), overlays=REFERENCE_NAMES, ratio=0.1)
    assert {row["line"] for row in rows(chart, "reference")} == set(REFERENCE_NAMES)
    assert all(name in json.dumps(whole_spec(chart)) for name in REFERENCE_NAMES)


def test_pairs_on_a_log_axis_keep_their_sign_as_colour() -> None:
    """Absolute values are drawn, negative ones are told; a zero has no place."""
    spectrum = a_spectrum(0, pairs=[(9, 1), (4, 0), (0, 0), (-1, 0), (-2, 3)])
    chart = drawn_spectrum(spectrum, picture="pairs", log=True)
    dots = rows(chart, "pair")
    assert [(row["value"], row["sign"]) for row in dots] == [
        (9, "positive"),
        (4, "positive"),
        (1, "negative"),
        (2, "negative"),
    ]
    assert min(row["low"] for row in rows(chart, "residual")) > 0


def test_layers_have_their_intervals() -> None:
    """Mean over three probes +- t sd / sqrt(3) for each tensor, in the model's order."""
    layer_rows = rows(drawn_spectrum(a_spectrum(1, 2, 3), picture="layers"), "layer")
    assert [(row["tensor"], row["trace"]) for row in layer_rows] == [("a.weight", 2), ("b", 7)]
    reach = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom, standard deviation 1
    assert layer_rows[0]["high"] - 2 == pytest.approx(reach, rel=1e-5)


def test_the_prediction_beside_the_loss() -> None:
    """Loss + slope t + lambda t^2 / 2 with the smallest eigenvalue."""
    chart = drawn_spectrum(a_spectrum(0), picture="escape")
    drawn = rows(chart, "profile")
    told = {row["x"]: row["y"] for row in drawn if row["line"] == "predicted"}
    assert told == pytest.approx({t: 2 - t / 2 - t**2 for t in np.linspace(-1, 1, 5)})


def test_mini_batches_beside_the_whole() -> None:
    """Counts sum to the number of mini-batches; the full batch's value is marked."""
    chart = drawn_spectrum(a_spectrum(0, 4, 5), picture="batches")
    assert sum(row["count"] for row in rows(chart, "bin")) == 2
    assert [row["from"] for row in rows(chart, "whole")] == [9.0]
    assert rows(drawn_spectrum(a_spectrum(4), picture="batches"), "whole") == []


def test_charts_fit_a_column_of_a_paper() -> None:
    """As figures 3.25 inches wide: the density with all its references, and each other chart."""
    spectrum = CASES["whole"]
    charts = [
        drawn_spectrum(spectrum, overlays=REFERENCE_NAMES, ratio=0.1),
        drawn_spectrum(spectrum, picture="layers", log=False),
    ]
    charts += [
        drawn_spectrum(spectrum, picture="pairs", log=False),
        drawn_spectrum(spectrum, picture="escape", log=False),
        drawn_spectrum(spectrum, picture="batches", log=False),
    ]
    charts.append(
        drawn_spectrum(
            {"Hessian": spectrum, "Gauss-Newton": spectrum, "empirical Fisher": spectrum}
        )
    )
    for chart in charts:
        assert save_figure(chart, "svg", 3.25).startswith(b"<svg")


def test_refusals() -> None:
    """A kernel, a ratio and a size that make no picture."""
    for values in ({"kernel": 0.0}, {"ratio": np.inf}, {"width": 10}):
        with pytest.raises(ValueError, match="must be"):
            SpectrumLook(**values)
