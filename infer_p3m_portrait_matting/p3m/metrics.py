"""Errors of a matte: the metrics of the matting literature, as the P3M papers report them.

SAD, MSE, GRAD and CONN follow Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting" (CVPR
2009), section 3. MAD, and the figures inside the unknown area of a trimap, are those of Li et al. 2021, section 5.1.
"""

from typing import NamedTuple

import cv2
import numpy as np

from .arrays import check_alpha

#: Values of a trimap.
TRIMAP_BACKGROUND, TRIMAP_UNKNOWN, TRIMAP_FOREGROUND = 0, 128, 255

#: Diameter in pixels of the ellipse by which :func:`trimap_of` widens the edge of a matte.
BAND = 21

_GRADIENT_SIGMA = 1.4
_CONNECTIVITY_STEPS = 10
_CONNECTIVITY_TOLERANCE = 0.15


class Scores(NamedTuple):
    """All metrics of one pair of mattes; 0 is perfect.

    Attributes:
        sad: sum of absolute differences / 1000.
        mse: mean squared difference.
        mad: mean absolute difference.
        sad_t: ``sad`` inside the trimap's unknown area.
        mse_t: ``mse`` inside the unknown area.
        mad_t: ``mad`` inside the unknown area.
        sad_fg: ``sad`` in the trimap's foreground.
        sad_bg: ``sad`` in the trimap's background.
        grad: gradient error.
        conn: connectivity error.
    """

    sad: float
    mse: float
    mad: float
    sad_t: float
    mse_t: float
    mad_t: float
    sad_fg: float
    sad_bg: float
    grad: float
    conn: float


def score(predicted: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> Scores:
    """Compare a predicted matte with the true one.

    >>> found = score(adjust(alpha, feather=2), alpha, trimap_of(alpha))
    >>> 0 < round(found.sad_t, 6) <= round(found.sad, 6)
    True

    Args:
        predicted: float [H, W] in [0, 1].
        true: float [H, W] in [0, 1].
        trimap: uint8 [H, W]; 0 background, 128 unknown, 255 foreground.

    Returns:
        All metrics. Those of the unknown area are 0 if the trimap has no unknown pixel.

    Raises:
        ValueError: the shapes differ, a value lies outside [0, 1] by more than rounding, or the trimap has other
            values.
        TypeError: a matte is not floating point, or one of the three is not an array.
    """
    _check(predicted, true)
    _check_trimap(trimap, true.shape)
    difference = np.abs(predicted.astype(np.float32) - true.astype(np.float32))
    square = difference * difference
    unknown = trimap == TRIMAP_UNKNOWN
    count = max(int(unknown.sum()), 1)
    sad_t, square_t = _sum(difference[unknown]), _sum(square[unknown])
    return Scores(
        sad=_sum(difference) / 1000,
        mse=_sum(square) / difference.size,
        mad=_sum(difference) / difference.size,
        sad_t=sad_t / 1000,
        mse_t=square_t / count,
        mad_t=sad_t / count,
        sad_fg=_sum(difference[trimap == TRIMAP_FOREGROUND]) / 1000,
        sad_bg=_sum(difference[trimap == TRIMAP_BACKGROUND]) / 1000,
        grad=gradient_error(predicted, true),
        conn=connectivity_error(predicted, true),
    )


def trimap_of(matte: np.ndarray, diameter: int = BAND) -> np.ndarray:
    """Draw a trimap from a matte: a pixel is unknown unless alpha is all 0 or all 1 in an ellipse around the pixel.

    The unknown area is thus every soft pixel, every hard edge, and a band around both.

    Args:
        matte: float [H, W] in [0, 1].
        diameter: diameter of the ellipse in pixels.

    Returns:
        uint8 [H, W]; 0 background, 128 unknown, 255 foreground.

    Raises:
        ValueError, TypeError: the matte is invalid; see :func:`~.arrays.check_alpha`.
    """
    check_alpha(matte)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    outer = cv2.dilate((matte > 0).astype(np.uint8), kernel)
    inner = cv2.erode((matte == 1).astype(np.uint8), kernel, borderValue=1)
    trimap = np.full(matte.shape, TRIMAP_UNKNOWN, np.uint8)
    trimap[outer == 0] = TRIMAP_BACKGROUND
    trimap[inner == 1] = TRIMAP_FOREGROUND
    return trimap


def gradient_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute GRAD: the sum of squared differences of gradient magnitudes, divided by 10.

    The gradients are Gaussian derivatives with sigma 1.4.

    Args:
        predicted: float [H, W] in [0, 1].
        true: float [H, W] in [0, 1].

    Raises:
        ValueError, TypeError: as for :func:`score`.
    """
    _check(predicted, true)
    difference = _gradient(predicted) - _gradient(true)
    return _sum(difference * difference) / 10


def connectivity_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute CONN: the sum of differences in connectedness, divided by 1000.

    The connectedness of a pixel is 1 minus the distance of its alpha from the highest level at which it belongs to the
    largest region that both mattes share; distances below 0.15 count as 0. If the mattes share no pixel at a level, all
    remaining pixels belong to the region only below that level, so that a lost person counts as an error; the published
    code counts them as connected.

    Args:
        predicted: float [H, W] in [0, 1].
        true: float [H, W] in [0, 1].

    Raises:
        ValueError, TypeError: as for :func:`score`.
    """
    _check(predicted, true)
    # The highest level at which a pixel still belongs to the largest region that both mattes share.
    level = np.ones(true.shape, np.float32)
    settled = np.zeros(true.shape, bool)
    for step in range(1, _CONNECTIVITY_STEPS + 1):
        threshold = step / _CONNECTIVITY_STEPS
        shared = ((predicted >= threshold) & (true >= threshold)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(shared, connectivity=4)
        largest = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else np.zeros(true.shape, bool)
        leaving = ~settled & ~largest
        level[leaving] = (step - 1) / _CONNECTIVITY_STEPS
        settled |= leaving
    return _sum(np.abs(_connectedness(predicted, level) - _connectedness(true, level))) / 1000


def _connectedness(matte: np.ndarray, level: np.ndarray) -> np.ndarray:
    distance = matte.astype(np.float32) - level
    return 1 - distance * (distance >= _CONNECTIVITY_TOLERANCE)


def _gradient(matte: np.ndarray) -> np.ndarray:
    sigma = _GRADIENT_SIGMA
    half = round(4 * sigma)
    x = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    slope = x / sigma**2 * smooth
    matte = matte.astype(np.float32)
    across = cv2.sepFilter2D(matte, cv2.CV_32F, slope, smooth, borderType=cv2.BORDER_REFLECT)
    down = cv2.sepFilter2D(matte, cv2.CV_32F, smooth, slope, borderType=cv2.BORDER_REFLECT)
    return cv2.magnitude(across, down)


def _sum(x: np.ndarray) -> float:
    return float(x.sum(dtype=np.float64))


def _check(predicted: np.ndarray, true: np.ndarray) -> None:
    """Raise a TypeError or a ValueError unless both are mattes of one size."""
    check_alpha(predicted, "the predicted matte")
    check_alpha(true, "the true matte")
    if predicted.shape != true.shape:
        raise ValueError(
            f"the predicted matte is {predicted.shape}, the true one {true.shape}: they must have one size"
        )


def _check_trimap(trimap: np.ndarray, size: tuple[int, ...]) -> None:
    if not isinstance(trimap, np.ndarray):
        raise TypeError(f"the trimap must be a numpy array, got {type(trimap).__name__}")
    if trimap.shape != size:
        raise ValueError(f"the trimap is {trimap.shape}, the mattes {size}: they must have one size")
    values = np.unique(trimap)
    if not np.isin(values, (TRIMAP_BACKGROUND, TRIMAP_UNKNOWN, TRIMAP_FOREGROUND)).all():
        raise ValueError(f"a trimap holds 0, 128 and 255 alone, got {values[:8].tolist()}")
