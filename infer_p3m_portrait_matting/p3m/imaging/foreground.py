"""Foreground colours, F in I = alpha F + (1 - alpha) B, so that no old background bleeds into a new picture.

Blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation", section 2): colours spread from where they are
certain by box blurs weighted with alpha, then are corrected so that the equation above holds; again and again, with
smaller blurs. The wide blurs run on a small copy, where they cost little and lose nothing.
"""

import cv2
import numpy as np

from .bands import Enlarged, bands, shrink
from .images import as_rgb, check_matte, to_uint8

#: How much smaller the copy for the wide blurs is.
_SHRINK = 4
#: Radii of the blurs in pixels, on the small copy and at full size. Chosen by benchmarks/foreground.py.
_WIDE, _NARROW = (22, 8), (10, 3)
_EPSILON = 1e-5


def estimate_foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate the person's own colours: what to cut out and to composite instead of the photo's colours.

    Args:
        image: as for :meth:`~.inference.PortraitMatting.matte`.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 3] RGB. The image's colours where alpha is 1; where it is 0, the nearest of the person's colours,
        as scaling a cut-out wants them.

    Raises:
        ValueError: the image is no image, or the sizes differ.
        TypeError: the matte is not floating point.
    """
    check_matte(image, alpha)
    rgb = as_rgb(image)
    alpha = np.asarray(alpha, np.float32)
    height, width = alpha.shape
    small = (max(width // _SHRINK, 1), max(height // _SHRINK, 1))
    small_pixels = shrink(lambda band: to_uint8(rgb[band]).astype(np.float32), height, width, small)
    small_alpha = shrink(lambda band: np.ascontiguousarray(alpha[band]), height, width, small)
    foreground, background = (_known(small_pixels, weight) for weight in (small_alpha, 1 - small_alpha))
    for radius in _WIDE:
        foreground, background = _fuse(small_pixels, small_alpha, foreground, background, radius)
    large = [Enlarged(x, height, width) for x in (foreground, background)]
    found = np.empty((height, width, 3), np.uint8)
    for band in bands(height, width):
        # With as many rows around it as the blurs reach.
        around = slice(max(band.start - sum(_NARROW), 0), min(band.stop + sum(_NARROW), height))
        pixels, weight = to_uint8(rgb[around]).astype(np.float32), np.ascontiguousarray(alpha[around])
        foreground, background = (x[around] for x in large)
        for radius in _NARROW:
            foreground, background = _fuse(pixels, weight, foreground, background, radius)
        inside = foreground[band.start - around.start :][: band.stop - band.start]
        inside += 0.5
        found[band] = inside.astype(np.uint8)
    return found


def _known(pixels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The pixels that have any weight, and the weighted mean of all in place of the others."""
    mean = (pixels * weight[..., None]).sum((0, 1), dtype=np.float64) / max(weight.sum(dtype=np.float64), _EPSILON)
    return np.where(weight[..., None] > 0, pixels, mean.astype(np.float32))


def _fuse(
    pixels: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """One round: float32 [H, W, 3] in [0, 255] each, alpha [H, W]."""
    size = (2 * radius + 1, 2 * radius + 1)
    weight = cv2.blur(alpha, size)[..., None]
    alpha = alpha[..., None]
    rest = 1 - alpha
    # What no weight reaches keeps the colour that a wider blur has found.
    foreground = (cv2.blur(foreground * alpha, size) + _EPSILON * foreground) / (weight + _EPSILON)
    background = (cv2.blur(background * rest, size) + _EPSILON * background) / (1 - weight + _EPSILON)
    correction = pixels - alpha * foreground
    correction -= rest * background
    correction *= alpha
    foreground += correction
    return np.clip(foreground, 0, 255, out=foreground), background
