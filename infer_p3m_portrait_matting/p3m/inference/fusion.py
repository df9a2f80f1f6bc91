"""Fuse the two passes of HYBRID: the global pass's classes decide, and the local alpha fills the unknown area."""

import cv2
import numpy as np

from ..arrays import strips
from ..model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from .scaling import resized_columns, resized_rows

#: Slack for the rounding of the interpolation's weights.
_EXACT = 1e-5


def classify(logits: np.ndarray, unknown_above: float | None = None) -> np.ndarray:
    """Choose one class per pixel.

    Args:
        logits: float [3, h, w] of the global pass.
        unknown_above: a threshold in [0, 1). A pixel whose probability of "unknown" exceeds it is unknown; any other
            takes the likelier of background and foreground. None takes the likeliest class, as published.

    Returns:
        uint8 [h, w]: :data:`~..model.channels.BACKGROUND`, UNKNOWN or FOREGROUND.
    """
    if unknown_above is None:
        return logits.argmax(0).astype(np.uint8)
    known = np.where(logits[FOREGROUND] > logits[BACKGROUND], FOREGROUND, BACKGROUND)
    return np.where(probabilities(logits)[UNKNOWN] > unknown_above, UNKNOWN, known).astype(np.uint8)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the probability of each class: float [3, h, w] in and out."""
    shares = np.exp(logits - logits.max(0))
    return shares / shares.sum(0)


def fuse_passes(classes: np.ndarray, local: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fuse both passes at a photo's size, as the published code does.

    Args:
        classes: uint8 [h, w] of the global pass; 0 background, 1 unknown, 2 foreground.
        local: float32 [h', w'] of the local pass, in [0, 1].
        height, width: the photo's size.

    Returns:
        float32 [height, width] in [0, 1].
    """
    trimap, local = (resized_columns(x, width) for x in (classes.astype(np.float32), local))
    alpha = np.empty((height, width), np.float32)
    for rows in strips(height, width):
        strip, target = resized_rows(trimap, height, rows), alpha[rows]
        np.greater(strip, 1, out=target)
        # After scaling, a class is exactly 0 or 2 only where no other class is near: there the class decides.
        unknown = (strip >= _EXACT) & (strip <= 2 - _EXACT)
        if unknown.any():
            np.copyto(target, resized_rows(local, height, rows).clip(0, 1), where=unknown)
    return alpha


def enlarge_classes(classes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarge classes so that :func:`fuse_passes` makes the same matte of them: uint8 [height, width], a new array."""
    wide = resized_columns(classes.astype(np.float32), width)
    enlarged = np.empty((height, width), np.uint8)
    for rows in strips(height, width):
        strip = resized_rows(wide, height, rows)
        known = (strip < _EXACT) | (strip > 2 - _EXACT)
        enlarged[rows] = np.where(known, np.where(strip > 1, FOREGROUND, BACKGROUND), UNKNOWN)
    return enlarged


def shrink_area(area: np.ndarray, height: int, width: int) -> np.ndarray:
    """Shrink an area of a photo to where its local alpha is needed: bool [H, W] to bool [height, width].

    The local alpha reaches one more of its own pixels, which are no larger than those of the result.
    """
    shrunk = cv2.resize(area.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    return cv2.dilate(shrunk.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def undecided(classes: np.ndarray) -> np.ndarray:
    """Tell where :func:`fuse_passes` needs the local alpha, if neither map is larger than the photo.

    That is near an unknown pixel and where background meets foreground. Bilinear enlargement carries a class one pixel
    further. The local alpha reaches one more of its own pixels, which are no larger.

    Args:
        classes: uint8 [h, w], as for :func:`fuse_passes`.

    Returns:
        bool [h, w].
    """
    near = np.ones((5, 5), np.uint8)
    return (cv2.dilate(classes, near) != cv2.erode(classes, near)) | (classes == UNKNOWN)
