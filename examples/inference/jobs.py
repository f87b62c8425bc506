"""The work: what a picture shows. The worker imports this module, and so does the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from inference.pictures import Pictures
from inference.vision.attention import attention_of, edges_of, heat_map
from inference.vision.decoding import NotUsable, as_webp, decoded, fitted, pixels_of
from inference.vision.fingerprint import fingerprint_of
from inference.vision.palette import Colour, palette_of
from inference.vision.scene import scene_of
from sqsjobs import App, Discard, Retry, current_job

app = App("inference")

_STEPS = 100
_LOOKED_AT = 640
"""Pixels of the longer side: enough for colours and composition."""
_THUMBNAIL = 480


@dataclass(frozen=True)
class Seen:
    """What has been found in a picture; its thumbnail and its map are beside it in the folder."""

    width: int
    height: int
    sentence: str
    measures: dict[str, float]
    palette: list[Colour]
    fingerprint: str


@app.task(queue="pictures", executor="process", timeout=60, retry=Retry(max_attempts=3))
def look_at(picture: UUID) -> Seen:
    """Describe a picture. It computes, so it has a process to itself, which a cancellation or the timeout can kill."""
    pictures = Pictures.configured()
    content = pictures.read(picture, "original")
    if content is None:
        raise Discard("This picture has been removed.")
    try:
        return _seen(content, lambda part, file: pictures.write(picture, part, file))
    except NotUsable as reason:
        raise Discard(str(reason)) from None  # the sender's affair: no attempt mends it, no operator needs to see it


def _seen(content: bytes, keep: Callable[..., None]) -> Seen:
    tell(2, "decoding")
    image = decoded(content, _LOOKED_AT)
    pixels = pixels_of(image)
    keep("thumbnail", as_webp(fitted(image, _THUMBNAIL)))
    tell(10, "finding its colours")
    palette = palette_of(pixels, lambda share: tell(10 + 60 * share, "finding its colours"))
    tell(70, "looking where the eye goes")
    attention, edges = attention_of(image), edges_of(pixels)
    keep("attention", as_webp(fitted(heat_map(attention.plane, edges, pixels), _THUMBNAIL)))
    tell(92, "describing it")
    scene = scene_of(pixels, palette, attention, edges)
    return Seen(image.width, image.height, scene.sentence, scene.measures, palette, fingerprint_of(image))


def tell(done: float, note: str) -> None:
    """Report progress; from the child process too, and as often as one likes."""
    current_job().progress(done, _STEPS, note)
