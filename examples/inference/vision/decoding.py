"""Bytes from a stranger become a picture, or an error that the stranger can read; nothing large is made on the way."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["MAX_PIXELS", "NotUsable", "Pixels", "as_webp", "decoded", "fitted", "pixels_of"]

Pixels = NDArray[np.float64]
"""Rows of colours: height x width x (red, green, blue), each 0 to 1, in sRGB."""

MAX_PIXELS: Final = 40_000_000
"""Of a picture in memory: 120 MB. A few kilobytes of PNG can claim any number, so it is looked at before decoding."""
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""Pillow knows forty more; each decoder is code that strangers may feed."""


class NotUsable(ValueError):
    """It is no picture, or none that is worked on; the text is for whoever sent it."""


def decoded(content: bytes, side: int) -> Image.Image:
    """Return the picture upright and without transparency, at most `side` pixels wide and high.

    Raises:
        NotUsable: not a picture, of another format, broken, or of too many pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of metadata: the pixels are all that is taken
        try:
            with Image.open(BytesIO(content), formats=_FORMATS) as image:
                return _small(image, side)
        except NotUsable:
            raise
        except Image.DecompressionBombError:
            raise NotUsable(_too_many_pixels()) from None
        except (OSError, SyntaxError, ValueError, TypeError, OverflowError):  # what Pillow's decoders raise
            raise NotUsable(
                "This file is not a picture, or it is damaged. JPEG, PNG, WebP, GIF or BMP will do."
            ) from None


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Return a copy that is at most `side` pixels wide and high."""
    copy = image.copy()
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    return copy


def pixels_of(image: Image.Image) -> Pixels:
    """Return the colours of a picture as numbers."""
    return np.asarray(image, dtype=np.float64) / 255


def as_webp(image: Image.Image) -> bytes:
    """Return the file of a picture, small and without any metadata."""
    file = BytesIO()
    image.save(file, "WEBP", quality=82)
    return file.getvalue()


def _small(image: Image.Image, side: int) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise NotUsable(_too_many_pixels())
    image.draft("RGB", (side, side))  # JPEG can be decoded at a half, a quarter, an eighth
    upright = ImageOps.exif_transpose(image)
    whole = Image.new("RGB", upright.size, "white")
    with_alpha = upright.convert("RGBA")
    whole.paste(with_alpha, mask=with_alpha)
    return fitted(whole, side)


def _too_many_pixels() -> str:
    return f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Send a smaller one."
