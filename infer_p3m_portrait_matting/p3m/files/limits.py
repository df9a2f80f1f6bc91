"""Limit the memory and time that a picture may cost, before either is spent: the one place for these limits."""

import os

from ..arrays import MAX_PIXELS

#: The environment variable that says how many megapixels a picture file may have, and the limit without it.
MEGAPIXELS_VARIABLE, _MEGAPIXELS = "P3M_MAX_MEGAPIXELS", 100
#: Bytes that a file may have for each pixel that a picture may have: 16-bit RGBA, and a quarter more for its metadata.
_BYTES_OF_A_PIXEL = 10
#: Scans that a JPEG may have: usual ones have 1 to 12, and each of them costs the time of the whole picture.
MAX_SCANS = 100
#: Bytes that a colour profile may have when it is unpacked.
MAX_PROFILE = 2**24


class RefusedError(ValueError):
    """A picture is refused; the message is complete, unlike those of Pillow and OpenCV."""


class TooLargeError(RefusedError):
    """A picture has too many pixels, or its file too many bytes; the message says how to raise the limit."""


def max_pixels() -> int:
    """Return how many pixels the picture in a file may have: 100 million, or what ``P3M_MAX_MEGAPIXELS`` says.

    Raises:
        RefusedError: the variable is not a number above 0.
    """
    text = os.environ.get(MEGAPIXELS_VARIABLE, "").strip()
    if not text:
        return _MEGAPIXELS * 10**6
    try:
        pixels = float(text) * 10**6
    except ValueError:
        pixels = 0.0
    # Neither comparison is true of NaN.
    if not 0 < pixels < float("inf"):
        raise RefusedError(f"{MEGAPIXELS_VARIABLE} must be a number above 0, got {text!r}")
    return min(int(pixels), MAX_PIXELS)


def max_bytes() -> int:
    """Return how many bytes an image file may have: ten for each pixel that its picture may have."""
    return max_pixels() * _BYTES_OF_A_PIXEL


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture that has more pixels than :func:`max_pixels`, before it is decoded.

    Raises:
        TooLargeError: the message says how to raise the limit.
    """
    if width * height > max_pixels():
        raise TooLargeError(too_large(name, f"is {width} x {height} px,"))


def check_bytes(count: int, name: str) -> None:
    """Refuse a file of more bytes than :func:`max_bytes`, before it is read or decoded.

    Raises:
        TooLargeError: the message says how to raise the limit.
    """
    if count > max_bytes():
        raise TooLargeError(f"{name} has more than the {max_bytes() // 10**6} megabytes that are read: {_remedy()}")


def too_large(name: str, has: str = "has") -> str:
    """Say that a picture has more pixels than :func:`max_pixels`.

    Args:
        name: the picture's name.
        has: the verb, with the picture's size if that is known.
    """
    return f"{name} {has} more than the {max_pixels() / 10**6:g} megapixels that are read: {_remedy()}"


def _remedy() -> str:
    if max_pixels() == MAX_PIXELS:
        return "make it smaller first"
    return (
        f"make it smaller first, or set the environment variable {MEGAPIXELS_VARIABLE}, to at most "
        f"{MAX_PIXELS // 10**6}"
    )
