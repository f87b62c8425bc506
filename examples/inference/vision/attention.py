"""Where the eye goes first, and where the edges are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.vision.decoding import Pixels

__all__ = ["Attention", "attention_of", "edges_of", "heat_map"]

Plane = NDArray[np.float64]
"""Height x width numbers, 0 to 1."""

_SCALES: Final = (48, 64, 96)
"""Widths at which salience is looked for; what stands out is found at the scale of its size."""
_HEAT: Final = np.array([[4, 5, 20], [84, 18, 110], [190, 55, 84], [249, 140, 10], [252, 255, 200]]) / 255


@dataclass(frozen=True)
class Attention:
    """The salience of every pixel, and the middle of what is salient: `x` from the left, `y` from the top, 0 to 1."""

    plane: Plane
    x: float
    y: float


def attention_of(image: Image.Image) -> Attention:
    """Return what stands out, in brightness and two opponent colours.

    That is the spectral residual (Hou and Zhang, 2007) at three scales, and how far a colour is from the picture's mean
    (Achanta and others, 2009).
    """
    total = np.zeros((image.height, image.width))
    for width in _SCALES:
        height = max(8, round(width * image.height / image.width))
        small = np.asarray(image.resize((width, min(height, 4 * width))), dtype=np.float64) / 255
        for measure in (_residual, _strangeness):
            salient = sum((measure(channel) for channel in _opponents(small)), np.zeros(small.shape[:2]))
            total += _resized(salient / (salient.max() or 1), image.size)
    plane = total / (total.max() or 1)
    weights = np.where(plane > np.quantile(plane, 0.9), plane, 0)
    rows, columns = np.indices(plane.shape)
    mass = weights.sum() or 1
    return Attention(
        plane,
        float((columns * weights).sum() / mass / image.width),
        float((rows * weights).sum() / mass / image.height),
    )


def edges_of(pixels: Pixels) -> Plane:
    """Return how much brightness changes at each pixel (Sobel)."""
    grey = np.pad(pixels @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    down = grey[2:, :-2] + 2 * grey[2:, 1:-1] + grey[2:, 2:] - grey[:-2, :-2] - 2 * grey[:-2, 1:-1] - grey[:-2, 2:]
    across = grey[:-2, 2:] + 2 * grey[1:-1, 2:] + grey[2:, 2:] - grey[:-2, :-2] - 2 * grey[1:-1, :-2] - grey[2:, :-2]
    edges: Plane = np.minimum(np.hypot(down, across) / 2, 1)
    return edges


def heat_map(attention: Plane, edges: Plane, pixels: Pixels) -> Image.Image:
    """Return a picture of both: warm where the eye goes, with the edges drawn in light, over the picture in grey."""
    steps = np.linspace(0, 1, len(_HEAT))
    heat = np.stack([np.interp(attention, steps, _HEAT[:, channel]) for channel in range(3)], axis=-1)
    grey = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    shown = heat * (0.55 + 0.45 * grey) + 0.35 * edges[..., None]
    return Image.fromarray((shown.clip(0, 1) * 255).astype(np.uint8))


def _opponents(small: Pixels) -> Iterable[Plane]:
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    return (red + green + blue) / 3, red - green, blue - (red + green) / 2


def _residual(channel: Plane) -> Plane:
    height, width = channel.shape
    endless = np.pad(channel - channel.mean(), ((0, height), (0, width)), mode="symmetric")  # no step at the borders
    spectrum = np.fft.fft2(endless)
    amplitude = np.log(np.abs(spectrum) + 1e-6)
    residual = amplitude - _blurred(amplitude, 1)
    back = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    return _blurred(_blurred(back, 2), 2)[:height, :width] * float(channel.std())


def _strangeness(channel: Plane) -> Plane:
    strangeness: Plane = np.square(_blurred(np.pad(channel, 2, mode="edge"), 1)[2:-2, 2:-2] - channel.mean())
    return strangeness


def _blurred(plane: Plane, radius: int) -> Plane:
    """Return the mean of each pixel's square neighbourhood, in a plane that repeats itself."""
    for axis in (0, 1):
        plane = sum((np.roll(plane, shift, axis) for shift in range(-radius, radius + 1)), np.zeros(plane.shape))
    return plane / (2 * radius + 1) ** 2


def _resized(plane: Plane, size: tuple[int, int]) -> Plane:
    scaled = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.float64).clip(0, None)
