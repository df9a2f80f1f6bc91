"""Estimate foreground colours: F in I = alpha F + (1 - alpha) B, without the old background.

Blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation", section 2): box blurs weighted with alpha
spread colours from the pixels where they are certain; then the colours are corrected so that the equation above holds.
Both steps repeat with smaller blurs. The wide blurs run on a small copy, where they cost little and lose nothing. The
narrow blurs run in tiles, along the outline.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ..arrays import check_matte, on_white, to_uint8

#: How much smaller the copy for the wide blurs is.
_SHRINK = 4
#: Radii of the blurs in pixels, on the small copy and at full size. Chosen by benchmarks/foreground.py.
_WIDE, _NARROW = (22, 8), (10, 3)
_EPSILON = 1e-5
#: Side in pixels of the tiles in which the narrow blurs run.
_TILE = 128
#: Pixels of the small maps around the area of a tile, for interpolation.
_ROOM = 4


def estimate_foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate the person's own colours, to be used in a cut-out or a composite instead of the photo's colours.

    >>> colors = estimate_foreground(photo, alpha)
    >>> colors.shape, colors.dtype.name
    ((512, 512, 3), 'uint8')

    Args:
        image: an array that :func:`~..arrays.check_image` accepts.
        alpha: float [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 3] RGB. Where alpha is 1, the image's colours; where alpha is 0, the nearest of the person's
        colours, so that a cut-out can be scaled.

    Raises:
        ValueError: the image is invalid, or the sizes differ.
        TypeError: the image is not an array of such a dtype, or the matte is not floating point.
    """
    check_matte(image, alpha)
    rgb = on_white(image)
    pixels = np.ascontiguousarray(rgb) if rgb.dtype == np.uint8 else to_uint8(rgb)
    alpha = np.ascontiguousarray(alpha, np.float32)
    height, width = alpha.shape
    small = (max(width // _SHRINK, 1), max(height // _SHRINK, 1))
    small_pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    small_alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    foreground, background = (_known(small_pixels, weight) for weight in (small_alpha, 1 - small_alpha))
    for radius in _WIDE:
        foreground, background = _fuse(small_pixels, small_alpha, foreground, background, radius)
    out = np.empty((height, width, 3), np.uint8)

    def finish(corner: tuple[int, int]) -> None:
        top, left = corner
        tile = slice(top, min(top + _TILE, height)), slice(left, min(left + _TILE, width))
        out[tile] = _finish(pixels, alpha, foreground, background, tile)

    corners = [(top, left) for top in range(0, height, _TILE) for left in range(0, width, _TILE)]
    with ThreadPoolExecutor(max(cv2.getNumThreads(), 1)) as threads:
        list(threads.map(finish, corners))
    return out


def _finish(
    pixels: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray, tile: tuple[slice, slice]
) -> np.ndarray:
    """Run the narrow blurs on one tile, from the small foreground and background: uint8 [h, w, 3].

    Only tiles that the outline crosses need them. Where alpha is 1, the photo's colours are the person's; where alpha
    is 0, the wide blurs have spread the person's colours smoothly.
    """
    rows, columns = tile
    border = sum(_NARROW)
    around = (
        slice(max(rows.start - border, 0), rows.stop + border),
        slice(max(columns.start - border, 0), columns.stop + border),
    )
    weight = alpha[around]
    if (weight == 1).all():
        return pixels[tile]
    if not weight.any():
        return (_enlarge(foreground, alpha.shape, tile) + 0.5).astype(np.uint8)
    photo = pixels[around].astype(np.float32)
    whole = tuple(slice(part.start, part.start + side) for part, side in zip(around, weight.shape, strict=True))
    foreground, background = (_enlarge(x, alpha.shape, whole) for x in (foreground, background))
    for radius in _NARROW:
        foreground, background = _fuse(photo, weight, foreground, background, radius)
    top, left = rows.start - around[0].start, columns.start - around[1].start
    inner = foreground[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]
    return (inner + 0.5).astype(np.uint8)


def _enlarge(small: np.ndarray, size: tuple[int, ...], tile: tuple[slice, ...]) -> np.ndarray:
    """Cut one tile out of a small float32 [h, w, 3] map enlarged bilinearly to ``size``."""
    (rows, columns), (height, width) = tile, size
    down, right = small.shape[0] / height, small.shape[1] / width
    upper, left = _first(rows.start, down), _first(columns.start, right)
    # Take only the part that the tile needs: OpenCV cannot warp a map longer than 32767 px. _first leaves a border.
    near = small[upper : _first(rows.stop, down) + 2 * _ROOM, left : _first(columns.stop, right) + 2 * _ROOM]
    place = np.array(
        [[right, 0, (columns.start + 0.5) * right - 0.5 - left], [0, down, (rows.start + 0.5) * down - 0.5 - upper]],
        np.float64,
    )
    return cv2.warpAffine(
        near,
        place,
        (columns.stop - columns.start, rows.stop - rows.start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _first(start: int, scale: float) -> int:
    """Return the start, in a small map, of the part that begins at ``start`` in the large one; includes a border."""
    return max(int(start * scale) - _ROOM, 0)


def _known(pixels: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Keep the pixels that have a weight and replace the others by the weighted mean of all."""
    total = (pixels * _for_each_channel(weight)).sum((0, 1), dtype=np.float64)
    known = pixels.copy()
    known[weight <= 0] = total / max(weight.sum(dtype=np.float64), _EPSILON)
    return known


def _fuse(
    pixels: np.ndarray, alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Run one round of blur fusion: float32 [H, W, 3] in [0, 255] each, alpha [H, W]."""
    size = (2 * radius + 1, 2 * radius + 1)
    # numpy multiplies arrays of one shape several times faster than it repeats a value for each channel.
    weight, alpha = _for_each_channel(cv2.blur(alpha, size)), _for_each_channel(alpha)
    rest = 1 - alpha

    def spread(colors: np.ndarray, share: np.ndarray, mean: np.ndarray) -> np.ndarray:
        wide = cv2.blur(colors * share, size)
        # Pixels that no weight reaches keep the colour from a wider blur.
        wide += _EPSILON * colors
        wide /= mean + _EPSILON
        return wide

    foreground, background = spread(foreground, alpha, weight), spread(background, rest, 1 - weight)
    correction = pixels - alpha * foreground
    correction -= rest * background
    correction *= alpha
    foreground += correction
    return np.clip(foreground, 0, 255, out=foreground), background


def _for_each_channel(weight: np.ndarray) -> np.ndarray:
    return cv2.merge((weight, weight, weight))
