"""Layers of one plot, as plain values: altair copies all that it holds many times over."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt
from altair.utils.schemapi import disable_debug_mode

# Altair would check every part as it is made, and again the whole as it is shown. Its switch is one
# for the process and altair itself turns it off and on around each copy, whatever other threads do:
# off from the start it stays off.
disable_debug_mode()


def layered_chart(
    layers: Sequence[alt.Chart], width: int, height: int, title: str = "", description: str = ""
) -> alt.LayerChart:
    """A chart of the layers, the first one lowest, whose plot has that size."""
    return alt.LayerChart(
        layer=[plain_layer(layer) for layer in layers],
        width=width,
        height=height,
        title=title or alt.Undefined,
        description=description or alt.Undefined,
    )


def plain_layer(layer: alt.Chart) -> alt.Chart:
    """The same layer, its mark, channels and transforms as the values that Vega-Lite reads.

    An object of altair holds a value for everything that could be said of it, a hundred of an axis.
    Each chart of charts, and each look at it as Vega-Lite, copies the layers within three times.
    """
    plain = layer.copy(deep=False)
    if isinstance(plain.mark, alt.SchemaBase):
        plain.mark = plain.mark.to_dict(validate=False)
    if isinstance(plain.encoding, alt.SchemaBase):
        plain.encoding = alt.FacetedEncoding(**plain.encoding.to_dict(validate=False))
    if isinstance(plain.transform, list):
        plain.transform = [
            step.to_dict(validate=False) if isinstance(step, alt.SchemaBase) else step
            for step in plain.transform
        ]
    return plain
