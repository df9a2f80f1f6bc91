"""Encode pictures as the content of image files, by suffix."""

import io

import cv2
import numpy as np
from PIL import Image

from .formats import PHOTO_FORMATS
from .notes import Notes
from .png import chunk

_NO_NOTES = Notes()

#: How OpenCV turns RGB into what it encodes, by number of channels.
_CODES = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}

#: Where the header of a PNG ends: 8 bytes that say PNG, then length, name, 13 bytes and checksum.
_HEADER = 33
#: The chunk that says that colours are sRGB (PNG specification, 11.3.2.5), for perceptual rendering.
_SRGB_CHUNK = chunk(b"sRGB", b"\0")


def encode_picture(picture: np.ndarray, suffix: str, quality: int | None = None, notes: Notes = _NO_NOTES) -> bytes:
    """Encode a picture.

    Args:
        picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA; for ".png" also uint16.
        suffix: one of :data:`PHOTO_FORMATS`.
        quality: of JPEG and WebP, 1 to 100; without it, WebP is lossless. Other formats ignore it.
        notes: the resolution and notes to write with it.

    Raises:
        ValueError: the picture is not such an array, or the format is unknown or cannot hold the picture's alpha or
            size.
    """
    is_known = picture.dtype == np.uint8 or (picture.dtype == np.uint16 and suffix.lower() == ".png")
    if not is_known or 0 in picture.shape or picture.shape[2:] not in ((), (3,), (4,)) or picture.ndim < 2:
        raise ValueError(
            f"a picture must be uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA, got {picture.dtype} of shape "
            f"{picture.shape}"
        )
    suffix = suffix.lower()
    if suffix not in PHOTO_FORMATS:
        raise ValueError(f"a picture can be written as {', '.join(PHOTO_FORMATS)}, got {suffix!r}")
    form = PHOTO_FORMATS[suffix]
    if not form.alpha and picture.ndim == 3 and picture.shape[2] == 4:
        raise ValueError(f"{suffix} holds no alpha: choose .png, or a background that is not transparent")
    content = io.BytesIO()
    options = dict(form.options)
    if quality is not None and form.has_quality():
        options |= {"quality": quality} | ({"lossless": False} if "lossless" in options else {})
    options |= notes.options(form.name)
    try:
        if suffix == ".png":
            encoded = encode_png(picture)
            return encoded[:_HEADER] + notes.png_chunks() + encoded[_HEADER:]
        Image.fromarray(picture).save(content, form.name, **options)
    except (OSError, ValueError) as error:
        raise ValueError(f"the picture cannot be written as {form.name}: {error}") from error
    return content.getvalue()


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 or uint16 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA as PNG; the file says that colours are sRGB.

    Raises:
        OSError: the picture cannot be encoded.
    """
    code = _CODES[1 if image.ndim == 2 else image.shape[2]]
    try:
        done, data = cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))
    except cv2.error as error:
        # Some versions of OpenCV raise an error, others return False.
        raise OSError(f"the picture could not be encoded as PNG: {str(error).strip()[:200]}") from error
    if not done:
        raise OSError("the picture could not be encoded as PNG")
    content = data.tobytes()
    return content if code is None else content[:_HEADER] + _SRGB_CHUNK + content[_HEADER:]
