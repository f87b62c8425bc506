"""A number that stays nearly the same when a picture is scaled, compressed or slightly edited."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["fingerprint_of"]

_SIDE = 32
_KEPT = 8


def fingerprint_of(image: Image.Image) -> str:
    """Return the perceptual hash: 64 bits in hexadecimal; similar pictures differ in few of them.

    Each bit says whether one of the 64 slowest waves of the picture (discrete cosine transform) is above their median.
    """
    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    places = np.arange(_SIDE)
    waves = np.cos(np.pi * (2 * places + 1) * places[:_KEPT, None] / (2 * _SIDE))
    slow = (waves @ grey @ waves.T).ravel()
    bits = slow > np.median(slow[1:])  # the first is the brightness of the whole
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"
