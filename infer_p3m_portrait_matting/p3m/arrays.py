"""Validate and convert images and mattes (numpy arrays)."""

from collections.abc import Iterator

import numpy as np

#: The largest number of pixels of a picture; benchmarks/memory.py measures the memory that a run takes per pixel.
MAX_PIXELS = 2**28

#: How far floating-point values may lie outside [0, 1]: as far as rounding may move 0 and 1.
_SLACK = 1e-3
#: What to do with floating-point values outside [0, 1].
_SCALE = "scale to [0, 1], for example divide 8-bit values by 255"
#: Values of a strip for operations on single pixels: its copies in floating point, 512 kB each, stay in a core's cache.
_STRIP = 2**17
#: Values of a strip for convolutions. Each strip repeats the border that the kernel reaches, so fewer and larger strips
#: cost less, although they fit only into the cache that the cores share.
CONVOLVED = 2**21


def check_image(image: np.ndarray) -> None:
    """Validate an image.

    Args:
        image: uint8, uint16 or float in [0, 1], of either byte order; [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4]
            (RGBA).

    Raises:
        TypeError: the image is not an array, or has another dtype.
        ValueError: the image has another shape, is empty, has more than :data:`MAX_PIXELS`, holds NaN or infinite
            values, or holds floats that lie outside [0, 1] by more than rounding.
    """
    check_array(image, "the image")
    if image.ndim not in (2, 3):
        raise ValueError(f"the image must be [H, W] or [H, W, channels], got shape {image.shape}")
    if 0 in image.shape[:2]:
        raise ValueError(f"the image is empty: shape {image.shape}")
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4):
        raise ValueError(f"the image must have 1, 3 (RGB) or 4 (RGBA) channels, got {image.shape[2]}")
    if _is_8_or_16_bits(image.dtype):
        check_pixels(*image.shape[:2])
        return
    if image.dtype.kind != "f":
        raise TypeError(f"the image must be uint8, uint16 or floating point, got {image.dtype}: convert it first")
    check_pixels(*image.shape[:2])
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("the image holds NaN or infinite values: clean it first")
    if low < -_SLACK or high > 1 + _SLACK:
        raise ValueError(f"floating-point images must lie in [0, 1], got [{low:g}, {high:g}]: {_SCALE}")


def check_array(array: np.ndarray, name: str) -> None:
    """Raise a TypeError if something is not a numpy array, or a numpy matrix."""
    if not isinstance(array, np.ndarray):
        files = ": load_photo(path) reads files" if name == "the image" else ""
        raise TypeError(f"{name} must be a numpy array, got {type(array).__name__}{files}")
    # Products and slices of a matrix differ from those of an array.
    if isinstance(array, np.matrix):
        raise TypeError(f"{name} must be a numpy array, got a numpy matrix: np.asarray makes an array of it")


def check_pixels(height: int, width: int, name: str = "the image") -> None:
    """Refuse a picture that is too large, before memory is allocated for it.

    Raises:
        ValueError: the picture has more than :data:`MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise ValueError(too_many_pixels(name, f"is {width} x {height} px,"))


def too_many_pixels(name: str, has: str = "has") -> str:
    """Return the message that a picture has more than :data:`MAX_PIXELS`."""
    return f"{name} {has} more than the {MAX_PIXELS // 10**6} megapixels that are possible: make it smaller first"


def as_rgb(image: np.ndarray) -> np.ndarray:
    """View an image as RGB: grey is repeated, the alpha of RGBA is left out. Nothing is copied.

    Use it for a foreground, whose colours are valid under its alpha, too; use :func:`on_white` for a photo.

    Args:
        image: as for :func:`check_image`, already checked.

    Returns:
        A read-only or shared view [H, W, 3] of the same dtype.
    """
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == 1:
        return np.broadcast_to(image, (*image.shape[:2], 3))
    return image[..., :3]


def opacity(image: np.ndarray) -> np.ndarray | None:
    """Return the alpha of an image that has one, unless it is opaque everywhere.

    Args:
        image: as for :func:`check_image`, already checked.

    Returns:
        float32 [H, W] in [0, 1], or None.
    """
    if image.ndim == 2 or image.shape[2] != 4:
        return None
    most = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    alpha = image[..., 3]
    if alpha.min() >= most:
        return None
    return np.clip(alpha.astype(np.float32) / np.float32(most), 0, 1)


def on_white(image: np.ndarray) -> np.ndarray:
    """Composite an image on white and return it as RGB; colours under an alpha of 0 become white.

    Args:
        image: as for :func:`check_image`, already checked.

    Returns:
        [H, W, 3] of the same dtype: a view as of :func:`as_rgb`, or a new array if a pixel is not opaque.
    """
    alpha, rgb = opacity(image), as_rgb(image)
    if alpha is None:
        return rgb
    most = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    out = np.empty(rgb.shape, image.dtype.newbyteorder("="))
    for strip in strips(len(rgb), 3 * rgb.shape[1]):
        share = alpha[strip, :, None]
        mixed = rgb[strip].astype(np.float32) * share + most * (1 - share)
        out[strip] = np.rint(mixed) if image.dtype.kind == "u" else mixed
    return out


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Round an image or a matte to 8 bits.

    >>> to_uint8(np.array([0, 0.5, 1]))
    array([  0, 128, 255], dtype=uint8)

    Args:
        x: uint8, uint16 or float in [0, 1], of either byte order and of any shape and strides.

    Returns:
        A new uint8 array of the same shape.

    Raises:
        TypeError: the array has another dtype.
    """
    if x.dtype == np.uint8:
        return x.copy()
    if not (_is_8_or_16_bits(x.dtype) or x.dtype.kind == "f"):
        raise TypeError(f"8 bits can be made of uint8, uint16 or floating point, got {x.dtype}: convert it first")
    out = np.empty(x.shape, np.uint8)
    for part, rounded in _parts(x, out):
        if x.dtype.kind == "u":
            rounded[...] = (part.astype(np.uint32) + 128) // 257
        else:
            scaled = part.astype(np.float32) * 255 + 0.5
            # Clip values that rounding has moved outside [0, 1].
            rounded[...] = np.clip(scaled, 0, 255, out=scaled)
    return out


def strips(height: int, row: int, values: int | None = None, step: int = 1) -> list[slice]:
    """Cut a picture or a map into strips: groups of neighbouring rows, from top to bottom, computed one at a time.

    Intermediate results then take little memory and stay in a CPU's cache.

    Args:
        height: number of rows.
        row: number of values in a row of the largest intermediate result.
        values: approximate number of values in a strip; None is the number for operations on single pixels.
        step: each strip begins at a multiple of this number of rows.

    Returns:
        The rows of each strip, with a start and a stop.
    """
    values = _STRIP if values is None else values
    rows = max(values // max(row, 1) // step, 1) * step
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _parts(x: np.ndarray, out: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut two arrays of one shape into the same strips, as views.

    Args:
        x: an array of any strides; it is never copied as a whole.
        out: a contiguous array.
    """
    if x.flags.c_contiguous:
        x, out = x.reshape(-1), out.reshape(-1)
    row = x[:1].size
    if row > _STRIP:
        for inner, inner_out in zip(x, out, strict=True):
            yield from _parts(inner, inner_out)
        return
    for strip in strips(len(x), row):
        yield x[strip], out[strip]


def _is_8_or_16_bits(dtype: np.dtype) -> bool:
    """Tell whether a dtype is uint8 or uint16, whatever its byte order."""
    return dtype.kind == "u" and dtype.itemsize <= 2


def check_alpha(alpha: np.ndarray, name: str = "the matte") -> None:
    """Validate a matte.

    Args:
        alpha: float [H, W] in [0, 1].
        name: its name in messages.

    Raises:
        TypeError: the matte is not an array, or not floating point.
        ValueError: the matte has another shape, is empty, or holds NaN or values that lie outside [0, 1] by more than
            rounding.
    """
    check_array(alpha, name)
    if alpha.ndim != 2 or alpha.size == 0:
        raise ValueError(f"{name} must be [H, W] and not empty, got shape {alpha.shape}")
    if alpha.dtype.kind != "f":
        raise TypeError(f"{name} must be floating point in [0, 1], got {alpha.dtype}: divide 8 bits by 255")
    low, high = alpha.min(), alpha.max()
    # Both comparisons are False for NaN.
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise ValueError(f"{name} must lie in [0, 1], got [{low:g}, {high:g}]: {_SCALE}")


def check_matte(image: np.ndarray, alpha: np.ndarray) -> None:
    """Validate an image and its matte.

    Raises:
        TypeError, ValueError: as :func:`check_image` and :func:`check_alpha`; and ValueError if the sizes differ.
    """
    check_image(image)
    if isinstance(alpha, np.ndarray) and alpha.shape != image.shape[:2]:
        raise ValueError(f"the matte is {alpha.shape}, the image {image.shape[:2]}: they must have one size")
    check_alpha(alpha)
