"""The spectrum of a matrix of second derivatives at a point: extreme pairs, density, traces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.groups import Profile, Profiles
from explorer.kinds.kind import Kind
from explorer.kinds.look import CurvesLook, LogScale, PlotHeight, PlotWidth
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.quadrature import density_grid
from explorer.kinds.random_matrices import REFERENCE_NAMES
from explorer.kinds.setting import Setting
from explorer.kinds.spectrum_result import PAIR_FACTS, Spectrum, SpectrumFacts

KERNEL_WIDTH = 0.005  # of the range: the usual width of the kernel that smooths a density
FLOOR_SHARE = 1e-2  # of the height of a single eigenvalue: no density below says anything
SPECTRUM_PICTURES = ("density", "pairs", "layers", "escape", "batches", "covariance")


@dataclass(frozen=True, kw_only=True)
class SpectrumLook(CurvesLook):
    """Which picture of a spectrum is drawn, and how."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "density: of all eigenvalues; pairs: the extreme ones; layers: traces of tensors; "
            "escape: the loss along the last vector; batches: mini-batches' largest ones; "
            "covariance: eigenvalues of the gradients' covariance beside the largest.",
            choices=SPECTRUM_PICTURES,
        ),
    ] = SPECTRUM_PICTURES[0]
    log: LogScale = True
    kernel: Annotated[
        float,
        Setting(
            "Kernel width", "A share of the range of the eigenvalues.", above=0, most=1, step=0.001
        ),
    ] = KERNEL_WIDTH
    overlays: Annotated[
        tuple[str, ...], Setting("Overlays", "Random-matrix laws.", choices=REFERENCE_NAMES)
    ] = ()
    ratio: Annotated[
        float,
        Setting(
            "φ",
            "Of the overlays: parameters over examples times outputs.",
            above=0,
            open_ended=True,
        ),
    ] = 1.0
    spikes: Annotated[
        bool, Setting("Spikes", "The extreme pairs, on the density of a single matrix.")
    ] = True
    width: PlotWidth = 500
    height: PlotHeight = 320


def taken_over(settings: SpectrumSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another answer with fewer or more probes, trace products or mini-batches."""
    probe = np.isin(old["role"], (MatrixRole.NODE, MatrixRole.PROBE, MatrixRole.LAYER))
    batch = old["role"] == MatrixRole.BATCH
    number = np.where(batch, old["i"], old["unit"] - 1)
    kept_rows = (old["unit"] == 0) | (probe & (number < settings.probes))
    kept_rows |= batch & (number < settings.batches)
    unit = np.where(batch, settings.unit_of(MatrixRole.BATCH) + number, old["unit"])
    covariance = np.isin(old["role"], (MatrixRole.COVARIANCE, MatrixRole.OVERLAP))
    compared = {MatrixRole.GAP: old["role"] == MatrixRole.GAP, MatrixRole.COVARIANCE: covariance}
    for role, rows in compared.items():
        unit, kept_rows = np.where(rows, settings.unit_of(role), unit), kept_rows | rows
    return {name: values[kept_rows] for name, values in {**old, "unit": unit}.items()}


def density_axis(spectra: Iterable[Spectrum], kernel: float) -> tuple[np.ndarray, float]:
    """Where the densities of spectra are drawn together (G,), and the width of their kernel."""
    ends = [end for spectrum in spectra for end in spectrum.ends or ()]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    width = kernel * ((high - low) or abs(high) or 1.0)
    return density_grid(low, high, width), width


def density_floor(spectra: Iterable[Spectrum], width: float) -> float:
    """Below it a density that kernels of that width have smoothed says nothing."""
    return min((FLOOR_SHARE / (s.size or 1) for s in spectra), default=FLOOR_SHARE) / width


def profiles(spectra: Mapping[str, Spectrum], look: SpectrumLook) -> Profiles:
    """The density of each, by one kernel."""
    grid, width = density_axis(spectra.values(), look.kernel)
    by_name = {}
    for name, spectrum in spectra.items():
        density = spectrum.quadrature.density(grid, width)
        y = np.full(len(grid), np.nan) if density is None else density[0]
        by_name[name] = Profile(grid, y, np.full(len(grid), density is not None))
    floor = density_floor(spectra.values(), width) if look.log else 0.0
    return Profiles(by_name, "density", "Eigenvalue", floor)


SPECTRUM = Kind(
    name="spectrum",
    title="Spectrum",
    subjects=("point",),
    settings=SpectrumSettings,
    result=Spectrum,
    facts=SpectrumFacts,
    version=1,
    numbers=(
        *("lambda_max", "lambda_min", "trace", "negative", "zero", "positive", "gradient_norm"),
        *("fisher_gap", "covariance_overlap"),
    ),
    columns=("role", "i", "value", "weight"),
    answer="explorer.analysis.spectrum:answer",
    look=SpectrumLook,
    draw="explorer.render.spectrum:draw",
    overlaid=True,
    profiles="explorer.kinds.spectrum:profiles",
    page="explorer/pages/spectrum.py",
    icon=":material/bar_chart:",
    sources=("ghorbani2019", "ubaru2017"),
    axes=("probes", "batches", "trace_products"),
    taken_over="explorer.kinds.spectrum:taken_over",
    later=("labels", "fisher_gap", "covariance"),
    unit="parts",
    first_facts=PAIR_FACTS,
    own_pace=True,
)
