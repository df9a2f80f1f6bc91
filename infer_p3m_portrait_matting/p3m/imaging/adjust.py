"""Adjust a matte: invert it, soften its edges, grow or shrink it, and remove small islands."""

import math

import cv2
import numpy as np

from ..arrays import check_alpha

#: Alpha above which a pixel counts as part of an area.
SEEN = 10 / 255

#: How far around an island, in pixels, the pixels fainter than SEEN are removed with it.
_FRINGE = 6

#: Radius in pixels of the largest disc in one step of growing or shrinking; a larger shift takes more steps.
_STEP = 5

#: Standard deviation in pixels of the widest blur computed at full size; wider ones run on a smaller copy.
_WIDE = 8


def adjust(
    alpha: np.ndarray, invert: bool = False, feather: float = 0.0, shift: int = 0, despeckle: float = 0.0
) -> np.ndarray:
    """Adjust a matte; in this order: invert, feather, shift, despeckle.

    >>> smaller = adjust(alpha, shift=-2, feather=1.5)
    >>> bool(smaller.sum() < alpha.sum())
    True

    Args:
        alpha: float [H, W] in [0, 1].
        invert: whether to keep the background instead of the person.
        feather: how far to soften edges, in pixels; 0 leaves them unchanged.
        shift: by how many pixels to grow the matte, or to shrink it if below 0.
        despeckle: remove islands smaller than this share of the largest area, in [0, 1]; 0 keeps all.

    Returns:
        float32 [H, W] in [0, 1]; ``alpha`` itself if it is float32 and nothing is to be adjusted, else a new array.

    Raises:
        ValueError: a number is out of range or not finite, or alpha is not [H, W] or not in [0, 1].
        TypeError: alpha is not floating point.
    """
    alpha = _checked(alpha)
    if invert:
        alpha = 1 - alpha
    if feather:
        alpha = _feathered(alpha, feather)
    if shift:
        alpha = _shifted(alpha, shift)
    if despeckle:
        alpha = _despeckled(alpha, despeckle)
    return alpha


def invert_matte(alpha: np.ndarray) -> np.ndarray:
    """Swap person and background: 1 - alpha. Arguments, result and errors as for :func:`adjust`."""
    return 1 - _checked(alpha)


def feather_matte(alpha: np.ndarray, feather: float) -> np.ndarray:
    """Soften edges by a Gaussian blur whose standard deviation is half of ``feather``.

    A hard edge turns into a transition that reaches about ``feather`` pixels to either side. At the picture's border
    the matte is continued, so that a person cut off there stays opaque. Arguments, result and errors as for
    :func:`adjust`.
    """
    return _feathered(_checked(alpha), feather)


def _feathered(alpha: np.ndarray, feather: float) -> np.ndarray:
    if not 0 <= feather < math.inf:
        raise ValueError(f"feather must be finite and at least 0 px, got {feather}")
    if feather == 0:
        return alpha
    return _blur(alpha, feather / 2).clip(0, 1)


def shift_matte(alpha: np.ndarray, shift: int) -> np.ndarray:
    """Grow a matte by ``shift`` pixels, or shrink it if ``shift`` is below 0; edges keep their softness.

    This is grey dilation or erosion by a disc. A person does not shrink away from the picture's border that cuts them
    off. Arguments, result and errors as for :func:`adjust`.
    """
    return _shifted(_checked(alpha), shift)


def _shifted(alpha: np.ndarray, shift: int) -> np.ndarray:
    if not -math.inf < shift < math.inf:
        raise ValueError(f"shift must be a finite number of px, got {shift}")
    move, left = (cv2.dilate if shift > 0 else cv2.erode), abs(int(shift))
    # Repeated small discs make a larger one in time that grows with the radius, not with its square. Once
    # the matte has one value everywhere, no step changes it: that bounds the steps of a shift beyond the picture.
    while left and alpha.min() < alpha.max():
        radius = min(left, _STEP)
        alpha = move(alpha, _disc(radius))
        left -= radius
    return alpha


def despeckle_matte(alpha: np.ndarray, despeckle: float) -> np.ndarray:
    """Remove islands: connected areas whose sum of alpha is less than a share of the largest one's.

    Strands connected to the person, however faintly (alpha above 10 / 255), are not islands. Arguments,
    result and errors as for :func:`adjust`.
    """
    return _despeckled(_checked(alpha), despeckle)


def _despeckled(alpha: np.ndarray, despeckle: float) -> np.ndarray:
    if not 0 <= despeckle <= 1:
        raise ValueError(f"despeckle must lie between 0 and 1 (a share of the person), got {despeckle}")
    count, labels = cv2.connectedComponents((alpha > SEEN).astype(np.uint8), connectivity=8)
    # Pixels fainter than SEEN belong to no area; they are removed only around a removed island.
    sums = np.bincount(labels.ravel(), weights=alpha.ravel(), minlength=count)
    sums[0] = 0
    doomed = (sums < despeckle * sums.max()) & (np.arange(count) > 0)
    if doomed.any():
        gone, kept = doomed[labels], ~doomed[labels] & (labels > 0)
        fringe = cv2.dilate(gone.astype(np.uint8), _disc(_FRINGE)).astype(bool)
        alpha = np.where(fringe & ~kept, np.float32(0), alpha)
    return alpha


def _blur(alpha: np.ndarray, sigma: float) -> np.ndarray:
    height, width = alpha.shape
    shrink = min(int(sigma / _WIDE), height, width)
    if shrink < 2:
        return cv2.GaussianBlur(alpha, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    # Shrinking and enlarging also blur, by a box and a triangle; these are their variances.
    rest = np.sqrt(sigma**2 - shrink**2 / 12 - shrink**2 / 6) / shrink
    small = cv2.resize(alpha, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), rest, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _checked(alpha: np.ndarray) -> np.ndarray:
    """Check a matte and return it as float32: the matte itself if it is float32, so never write to the result."""
    check_alpha(alpha)
    return alpha.astype(np.float32, copy=False)


def _disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    # These are the roundest small discs on a grid.
    return (x * x + y * y <= radius * radius + 2).astype(np.uint8)
