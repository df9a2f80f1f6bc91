"""Alpha bleeding: replace the hidden colours, those under an alpha of 0, in a picture with straight alpha.

A viewer ignores hidden colours, but a file keeps them: it would hold the photo's whole background, including other
people. Near the person, where a resizer may mix hidden colours in, they become the person's colours. Farther away they
become zero, which also compresses best.
"""

import cv2
import numpy as np

from ..arrays import strips

#: How far the person's colours extend beyond the matte, in pixels.
REACH = 16
#: Largest alpha, 0 to 255, at which the person does not show, while the colour would still hold the background.
FAINT = 3

_SHRINK = 4
#: Pixels less opaque than this hold too much of the background.
_OPAQUE = 240
#: Standard deviations of the blurs on the small copy; the narrowest blur that reaches the person gives the colour.
_BLURS = (2.0, 6.0, 18.0)
_EPSILON = 1e-3


def replace_hidden_colors(rgba: np.ndarray) -> None:
    """Replace the colours where alpha is 0 (or nearly 0), in place; alpha and all other colours stay.

    Up to :data:`REACH` pixels from the person, they smoothly continue the nearby colours of the person's nearly opaque
    pixels. Beyond, and in a picture without a person, they become zero.

    Args:
        rgba: uint8 [H, W, 4], straight alpha; changed.
    """
    alpha = rgba[..., 3]
    height, width = alpha.shape
    seen = cv2.inRange(alpha, FAINT + 1, 255)
    near = _within_reach(seen)
    cv2.bitwise_and(near, cv2.bitwise_not(seen), dst=near)
    if near.any():
        small = _continuation(rgba)
    for rows in strips(height, width, step=_SHRINK):
        if seen[rows].all():
            continue
        shown = cv2.bitwise_and(rgba[rows], rgba[rows], mask=seen[rows])
        if near[rows].any():
            # Add one small row on both sides, so that strips join without a seam.
            first, last = max(rows.start // _SHRINK - 1, 0), min(-(-rows.stop // _SHRINK) + 1, small.shape[0])
            size = (small.shape[1] * _SHRINK, (last - first) * _SHRINK)
            strip = cv2.resize(small[first:last], size, interpolation=cv2.INTER_LINEAR)
            skip = rows.start - first * _SHRINK
            strip = cv2.cvtColor(strip[skip : skip + rows.stop - rows.start, :width], cv2.COLOR_RGB2RGBA)
            cv2.copyTo(strip, near[rows], shown)
        rgba[rows] = cv2.merge((*cv2.split(shown)[:3], alpha[rows]))


def _within_reach(seen: np.ndarray) -> np.ndarray:
    """Mark where a seen pixel (not 0) is at most REACH pixels away in each direction: uint8 [H, W], 0 or 255."""
    # Two thin passes cost less than one square.
    for shape in ((1, 2 * REACH + 1), (2 * REACH + 1, 1)):
        seen = cv2.dilate(seen, np.ones(shape, np.uint8))
    return seen


def _continuation(rgba: np.ndarray) -> np.ndarray:
    """Spread the person's colours over a small copy: uint8 [ceil(H / 4), ceil(W / 4), 3]."""
    height, width = rgba.shape[:2]
    small = np.empty((-(-height // _SHRINK), -(-width // _SHRINK), 4), np.float32)
    for rows in strips(height, width, step=_SHRINK):
        strip = rgba[rows]
        below, right = (-n % _SHRINK for n in strip.shape[:2])
        if below or right:
            strip = cv2.copyMakeBorder(strip, 0, below, 0, right, cv2.BORDER_REPLICATE)
        opaque = cv2.inRange(strip[..., 3], _OPAQUE, 255)
        weighted = cv2.bitwise_and(strip, strip, mask=opaque)
        weighted[..., 3] = opaque
        size = (weighted.shape[1] // _SHRINK, weighted.shape[0] // _SHRINK)
        small[rows.start // _SHRINK :][: size[1]] = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    small[..., 3] /= 255
    total = small.sum((0, 1), dtype=np.float64)
    colors = np.broadcast_to((total[:3] / max(total[3], _EPSILON)).astype(np.float32), (*small.shape[:2], 3))
    for sigma in reversed(_BLURS):
        spread = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
        colors = (spread[..., :3] + _EPSILON * colors) / (spread[..., 3:] + _EPSILON)
    return np.clip(colors + 0.5, 0, 255).astype(np.uint8)
