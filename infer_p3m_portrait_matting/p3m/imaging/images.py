"""Validate and convert images and mattes (numpy arrays)."""

import numpy as np

#: Pixels that a picture may have; benchmarks/memory.py says what a run takes for each.
MAX_PIXELS = 2**28

#: How far floating-point values may leave [0, 1]: no more than what rounding makes of 0 and 1.
_SLACK = 1e-3
#: Values that are converted at once.
_CHUNK = 2**17


def check_image(image: np.ndarray) -> None:
    """Validate an image.

    Args:
        image: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA).

    Raises:
        TypeError: not an array, or of another dtype.
        ValueError: another shape, an empty image, more than :data:`MAX_PIXELS`, NaN or infinite values, or floats
            outside [0, 1] by more than rounding.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"the image must be a numpy array, got {type(image).__name__}")
    if image.ndim not in (2, 3):
        raise ValueError(f"the image must be [H, W] or [H, W, channels], got shape {image.shape}")
    if 0 in image.shape[:2]:
        raise ValueError(f"the image is empty: shape {image.shape}")
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4):
        raise ValueError(f"the image must have 1, 3 (RGB) or 4 (RGBA) channels, got {image.shape[2]}")
    if image.dtype in (np.uint8, np.uint16):
        check_pixels(*image.shape[:2])
        return
    if image.dtype.kind != "f":
        raise TypeError(f"the image must be uint8, uint16 or floating point, got {image.dtype}: convert it first")
    check_pixels(*image.shape[:2])
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("the image holds NaN or infinite values: clean it first")
    if low < -_SLACK or high > 1 + _SLACK:
        raise ValueError(f"floating-point images must lie in [0, 1], got [{low:g}, {high:g}]: divide by the maximum")


def check_pixels(height: int, width: int, name: str = "the image") -> None:
    """Refuse a picture that is too large, before memory is taken for it.

    Raises:
        ValueError: it has more than :data:`MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"{name} is {width} x {height} px, more than the {MAX_PIXELS // 10**6} megapixels that are possible: "
            "make it smaller first"
        )


def as_rgb(image: np.ndarray) -> np.ndarray:
    """View an image as RGB: grey is repeated, the alpha of RGBA is left out. Nothing is copied.

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


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Round an image or a matte to 8 bits.

    Args:
        x: uint8, uint16 or float in [0, 1], of any shape.

    Returns:
        A new uint8 array of the same shape.
    """
    if x.dtype == np.uint8:
        return x.copy()
    if x.dtype == np.uint16:
        return ((x.astype(np.uint32) + 128) // 257).astype(np.uint8)
    out = np.empty(x.shape, np.uint8)
    # Some at a time, whose floating-point copies stay in the cache.
    flat, rounded = x.reshape(-1), out.reshape(-1)
    for first in range(0, flat.size, _CHUNK):
        part = slice(first, first + _CHUNK)
        scaled = flat[part].astype(np.float32) * 255 + 0.5
        # Values that rounding has put outside [0, 1] come back.
        rounded[part] = np.clip(scaled, 0, 255, out=scaled)
    return out


def check_matte(image: np.ndarray, alpha: np.ndarray) -> None:
    """Validate an image and its matte: sizes must agree (see :func:`~.compositing.cutout`)."""
    check_image(image)
    if alpha.shape != image.shape[:2]:
        raise ValueError(f"the matte is {alpha.shape}, the image {image.shape[:2]}: they must have one size")
    if alpha.dtype.kind != "f":
        raise TypeError(f"the matte must be floating point in [0, 1], got {alpha.dtype}: divide 8 bits by 255")
