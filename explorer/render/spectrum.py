"""A spectrum drawn: its density, extreme pairs, traces by layer, escape, batches, covariance."""

from collections.abc import Mapping, Sequence

from explorer.kinds.look import SubjectName
from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.render import spectrum_parts
from explorer.render.drawing import Chart
from explorer.render.spectrum_density import density_chart
from explorer.render.spectrum_fisher import covariance_chart

PART_CHARTS = {
    "pairs": spectrum_parts.pairs_chart,
    "layers": spectrum_parts.layers_chart,
    "escape": spectrum_parts.escape_chart,
    "batches": spectrum_parts.batches_chart,
    "covariance": covariance_chart,
}


def draw(
    spectra: Spectrum | Mapping[str, Spectrum],
    look: SpectrumLook,
    names: Sequence[SubjectName] = (),
) -> Chart:
    """The picture that the look names, as an Altair chart; densities of several by name.

    Raises:
        ValueError: no spectrum, or several where only densities are drawn together.
    """
    named = {"": spectra} if isinstance(spectra, Spectrum) else dict(spectra)
    if not named:
        raise ValueError("there must be at least one spectrum, got none")
    if look.picture == "density":
        return density_chart(named, look)
    if len(named) > 1:
        raise ValueError(f"{look.picture} must be those of one spectrum, got {len(named)}")
    return PART_CHARTS[look.picture](next(iter(named.values())), look)
