"""Pictures out of nothing, each different from the others: hills under a sun. For bursts, tests, and who has none at hand."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["sample"]

Floats = NDArray[np.float64]


def sample(number: int, width: int = 320, height: int = 200) -> bytes:
    """Return the file of picture `number`, a JPEG; the same for the same number and size."""
    random = np.random.default_rng(number)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    top, bottom = _hue(random.random()), _hue(random.random())
    picture = top * (1 - down[..., None]) + bottom * down[..., None]
    x, y, radius = random.uniform(0.15, 0.85), random.uniform(0.15, 0.45), random.uniform(0.05, 0.12)
    glow = np.exp(-(((across - x) * width / height) ** 2 + (down - y) ** 2) / (2 * radius**2))
    picture += glow[..., None] * (np.array([1.0, 0.93, 0.7]) - picture)
    shade = _hue(random.random()) * 0.75
    for layer in range(4):
        ridge = 0.5 + 0.13 * layer + _waves(across, random) * (0.09 - 0.012 * layer)
        picture = np.where((down > ridge)[..., None], shade * (1 - 0.22 * layer), picture)
    picture += random.normal(0, 0.012, picture.shape)  # a grain, as of film
    file = BytesIO()
    Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def _waves(across: Floats, random: np.random.Generator) -> Floats:
    total = np.zeros(across.shape)
    for octave in range(1, 5):
        total += np.sin(across * random.uniform(3, 7) * octave + random.uniform(0, 6.3)) / octave
    return total / 2


def _hue(turn: float) -> Floats:
    return 0.55 + 0.4 * np.cos(6.283 * (turn + np.array([0.0, 0.33, 0.67])))
