"""A picture in a sentence: rules on what can be measured, no model to download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.vision.attention import Attention, Plane
from inference.vision.decoding import Pixels
from inference.vision.palette import Colour

__all__ = ["Scene", "scene_of"]


@dataclass(frozen=True)
class Scene:
    """What can be said of a picture: a sentence, and the measures behind it, each 0 to 1."""

    sentence: str
    measures: dict[str, float]


def scene_of(pixels: Pixels, palette: list[Colour], attention: Attention, edges: Plane) -> Scene:
    """Describe a picture by its light, its colours, its detail and its composition."""
    measures = {
        "brightness": float(pixels.mean()),
        "contrast": min(1.0, float(pixels.mean(axis=2).std()) * 3),
        "colourfulness": _colourfulness(pixels),
        "warmth": _warmth(pixels),
        "detail": min(1.0, float((edges > 0.15).mean()) * 2.5),
        "symmetry": _symmetry(pixels),
    }
    return Scene(_sentence(measures, palette, attention, pixels.shape), {k: round(v, 3) for k, v in measures.items()})


def _sentence(measures: dict[str, float], palette: list[Colour], attention: Attention, shape: tuple[int, ...]) -> str:
    format_ = _format(shape[1] / shape[0])
    light = _chosen(measures["brightness"], (0.25, "dark"), (0.45, "dim"), (0.68, "evenly lit"), (1.01, "bright"))
    colour = _chosen(
        measures["colourfulness"], (0.08, "almost colourless"), (0.35, "muted"), (0.65, "colourful"), (1.01, "vivid")
    )
    detail = _chosen(
        measures["detail"],
        (0.12, "Its surfaces are smooth"),
        (0.45, "It has some detail"),
        (1.01, "It is full of detail"),
    )
    balance = ", it is nearly symmetrical" if measures["symmetry"] > 0.93 else ""
    return (
        f"{_article(light)} {light}, {colour} {format_} in {_listed(palette)}. "
        f"{detail}{balance}, and the eye goes to the {_place(attention)}."
    )


def _colourfulness(pixels: Pixels) -> float:
    """Return the measure of Hasler and Süsstrunk (2003), where 1 is extremely colourful."""
    red, green, blue = (pixels[..., channel] * 255 for channel in range(3))
    first, second = red - green, (red + green) / 2 - blue
    measure = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
    return min(1.0, float(measure) / 110)


def _warmth(pixels: Pixels) -> float:
    return float((pixels[..., 0] - pixels[..., 2]).mean() / 2 + 0.5)


def _symmetry(pixels: Pixels) -> float:
    grey = pixels.mean(axis=2)
    return 1 - min(1.0, float(np.abs(grey - grey[:, ::-1]).mean()) * 2)


def _format(ratio: float) -> str:
    return _chosen(ratio, (0.87, "portrait"), (1.15, "square"), (1.95, "landscape"), (float("inf"), "panorama"))


def _place(attention: Attention) -> str:
    row = _chosen(attention.y, (0.38, "upper "), (0.62, ""), (1.01, "lower "))
    column = _chosen(attention.x, (0.38, "left"), (0.62, "middle"), (1.01, "right"))
    return f"{row}{column}"


def _listed(palette: list[Colour]) -> str:
    names = list(dict.fromkeys(colour.name for colour in palette if colour.share > 0.06))[:3] or [palette[0].name]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _article(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"


def _chosen(measure: float, *bounds: tuple[float, str]) -> str:
    return next((text for bound, text in bounds if measure < bound), bounds[-1][1])
