"""How colours look to all eyes and to those that lack one of the three cones.

Source: Machado, Oliveira & Fernandes 2009, IEEE TVCG 15(6), severity 1; CIE 1976 L*a*b*, D65.
"""

from collections.abc import Sequence

import numpy as np

EYES = {
    "all": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def linear_light(colours: np.ndarray) -> np.ndarray:
    """The light (..., 3) of colours (..., 3) of 0 to 255 in sRGB."""
    share = np.asarray(colours) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def seen_lab(colours: np.ndarray, eyes: str) -> np.ndarray:
    """L*, a* and b* (..., 3) of colours (..., 3) of 0 to 255, as these eyes see them."""
    light = np.clip(linear_light(colours) @ EYES[eyes].T, 0, 1)
    xyz = light @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb(colour: str) -> np.ndarray:
    """The three numbers, 0 to 255, of a colour "#rrggbb"."""
    return np.array(list(bytes.fromhex(colour.removeprefix("#"))))


def least_gap(colours: Sequence[str], eyes: str) -> float:
    """The least distance in L*a*b* (deltaE 1976) of any two of the colours to these eyes."""
    lab = seen_lab(np.array([rgb(colour) for colour in colours]), eyes)
    gaps = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return float(gaps[np.triu_indices(len(lab), 1)].min())
