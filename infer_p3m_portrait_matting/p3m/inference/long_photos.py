"""Matte very long pictures piece by piece: the short side of a whole one would vanish in the network's input."""

from collections.abc import Callable

import numpy as np

#: Largest aspect, long side / short side, of a picture that goes through the network as a whole.
LONGEST = 3.0
#: Length of a piece, in short sides. Neighbouring pieces overlap by half.
_PIECE = 2
#: Largest number of pieces; a picture that would need more has longer pieces.
_MOST = 32


def is_long(height: int, width: int) -> bool:
    """Tell whether a picture is longer than :data:`LONGEST`."""
    return max(height, width) > LONGEST * min(height, width)


def matte_in_pieces(height: int, width: int, matte: Callable[[tuple[slice, slice]], np.ndarray]) -> np.ndarray:
    """Matte a picture; split one that is longer than :data:`LONGEST` into overlapping pieces.

    Two pieces (near the ends, one) cover each pixel of a long picture. Their mattes are blended with weights that grow
    with the pixel's distance from the end of each piece.

    Args:
        height, width: the picture's size.
        matte: returns the matte of a part of the picture, rows and columns: float32 [h, w].

    Returns:
        float32 [H, W].
    """
    long, short = max(height, width), min(height, width)
    if not is_long(height, width):
        return matte((slice(None), slice(None)))
    lying = width > height
    total, weights = np.zeros((height, width), np.float32), np.zeros(long, np.float32)
    for start, end in pieces(long, short):
        piece = (slice(None), slice(start, end)) if lying else (slice(start, end), slice(None))
        weight = _weight(start, end, long)
        total[piece] += matte(piece) * (weight if lying else weight[:, None])
        weights[start:end] += weight
    total /= weights if lying else weights[:, None]
    # Where both mattes are 1, rounding may put their weighted mean slightly above 1.
    return np.clip(total, 0, 1, out=total)


def pieces(long: int, short: int) -> list[tuple[int, int]]:
    """Cut a length into overlapping pieces of equal length; return their starts and ends, in pixels."""
    length = max(_PIECE * short, -(-2 * long // (_MOST + 1)))
    count = max(-(-2 * (long - length) // length) + 1, 2)
    return [(start, start + length) for start in ((long - length) * i // (count - 1) for i in range(count))]


def _weight(start: int, end: int, long: int) -> np.ndarray:
    """Return a tent of weights over a piece, float32 [end - start]; it is flat at an end of the picture."""
    rising = np.arange(1, end - start + 1, dtype=np.float32)
    left = np.full_like(rising, end - start) if start == 0 else rising
    right = np.full_like(rising, end - start) if end == long else rising[::-1]
    return np.minimum(left, right)
