"""The colours that a picture is made of: k-means in a space where distances are what eyes see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.vision.decoding import Pixels

__all__ = ["Colour", "palette_of"]

Floats = NDArray[np.float64]

_COLOURS: Final = 7
_TRIES: Final = 3
"""k-means finds the best colours near where it begins, so it begins in several places."""
_ROUNDS: Final = 24
_POINTS: Final = 80_000
"""So many pixels, evenly spread, have the palette of them all."""
_SAME: Final = 0.055
"""Colours nearer to each other than this are one to the eye."""
_NAMES: Final = {
    "black": "#0b0b0d", "charcoal": "#36393f", "grey": "#85888c", "silver": "#c3c6c9", "white": "#fafafa",
    "cream": "#f3e6c8", "sand": "#d6b98c", "brown": "#7a4e2d", "rust": "#b5502a", "orange": "#f28a1e",
    "gold": "#e0b020", "yellow": "#f7e03c", "lime": "#a5d83a", "olive": "#76793a", "sage": "#86a88a", "green": "#2f9e44",
    "forest": "#1d4d2f", "teal": "#16827d", "turquoise": "#3fc9c0", "sky blue": "#86c5ee", "blue": "#2768d8",
    "steel": "#245782", "navy": "#17264f", "indigo": "#4b3fae", "violet": "#8e4fcf", "plum": "#6d2f63", "magenta": "#d0309a",
    "pink": "#f3a3bd", "coral": "#f4735e", "red": "#d12b2b", "maroon": "#6e1a22",
}  # fmt: skip


@dataclass(frozen=True)
class Colour:
    """A colour of a picture, and how much of it there is: `share` is 0 to 1."""

    hex: str
    name: str
    share: float


def palette_of(pixels: Pixels, progress: Callable[[float], None]) -> list[Colour]:
    """Return the dominant colours, the most frequent first; tells `progress` the share of the work that is done."""
    colours = pixels.reshape(-1, 3)
    points = _oklab(colours[:: 1 + len(colours) // _POINTS])
    random = np.random.default_rng(7)  # the same picture has the same palette
    best, least = points[:1], np.inf
    for number in range(_TRIES):

        def tell(part: float, before: int = number) -> None:
            progress((before + part) / _TRIES)

        centres, spread = _clustered(points, _begun(points, random), tell)
        if spread < least:
            best, least = centres, spread
    return _named(best, points)


def _begun(points: Floats, random: np.random.Generator) -> Floats:
    """Return centres far from each other (k-means++: Arthur and Vassilvitskii, 2007)."""
    centres = points[random.integers(len(points), size=1)]
    while len(centres) < _COLOURS:
        distances = _distances(points, centres).min(axis=1)
        if not distances.sum():
            break  # there are no more colours than these
        centres = np.vstack([centres, points[random.choice(len(points), p=distances / distances.sum())]])
    return centres


def _clustered(points: Floats, centres: Floats, progress: Callable[[float], None]) -> tuple[Floats, float]:
    """Return centres that points gather around (Lloyd's algorithm), and the sum of what is left between them."""
    for number in range(_ROUNDS):
        nearest = _distances(points, centres).argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, points[:, axis], len(centres)) for axis in range(3)], axis=1)
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        still = np.abs(moved - centres).max() < 1e-4
        centres = moved
        progress((number + 1) / _ROUNDS)
        if still:
            break
    return centres, float(_distances(points, centres).min(axis=1).sum())


def _distances(points: Floats, centres: Floats) -> Floats:
    """Return the squared distance of each point to each centre."""
    squared: Floats = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return squared.clip(0)


def _named(centres: Floats, points: Floats) -> list[Colour]:
    counts = np.bincount(_distances(points, centres).argmin(axis=1), minlength=len(centres))
    kept: list[tuple[Floats, int]] = []
    for index in np.argsort(-counts):
        near = next((n for n, (centre, _) in enumerate(kept) if np.linalg.norm(centre - centres[index]) < _SAME), None)
        if near is None:
            kept.append((centres[index], int(counts[index])))
        else:
            kept[near] = (kept[near][0], kept[near][1] + int(counts[index]))
    shown = [Colour(_hex(centre), _name(centre), round(count / len(points), 4)) for centre, count in kept if count]
    return sorted(shown, key=lambda colour: -colour.share)


def _name(centre: Floats) -> str:
    names = list(_NAMES)
    known = _oklab(np.array([[int(_NAMES[name][i : i + 2], 16) / 255 for i in (1, 3, 5)] for name in names]))
    return names[int(_distances(centre[None, :], known).argmin())]


def _oklab(colours: Floats) -> Floats:
    """Return sRGB colours in Oklab (Ottosson, 2020)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lab: Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def _hex(centre: Floats) -> str:
    linear = np.linalg.solve(_TO_CONES, np.linalg.solve(_TO_LAB, centre) ** 3).clip(0, 1)
    colour = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(part) * 255) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


_TO_CONES: Final[Floats] = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB: Final[Floats] = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
