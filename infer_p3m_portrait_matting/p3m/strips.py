"""Very long pictures, matted piece by piece: as a whole they would have no short side left in what a network sees."""

from collections.abc import Callable

import numpy as np

#: Longest picture, as long side / short side, that goes through the network as a whole.
LONGEST = 3.0
#: Length of a piece, in short sides. Neighbouring pieces share half of theirs.
_PIECE = 2
#: A picture is cut into no more pieces than this; then pieces are longer.
_MOST = 32


def is_long(height: int, width: int) -> bool:
    """Whether a picture is longer than :data:`LONGEST`."""
    return max(height, width) > LONGEST * min(height, width)


def matte_in_pieces(image: np.ndarray, matte: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Matte a picture, one that is longer than :data:`LONGEST` in overlapping pieces.

    Each pixel of a long picture is seen by two pieces (near the ends by one), and their mattes are mixed by how far the
    pixel is from the end of each.

    Args:
        image: [H, W] or [H, W, channels].
        matte: gives a picture's matte, float32 [h, w].

    Returns:
        float32 [H, W].
    """
    height, width = image.shape[:2]
    long, short = max(height, width), min(height, width)
    if not is_long(height, width):
        return matte(image)
    lying = width > height
    total, weights = np.zeros((height, width), np.float32), np.zeros(long, np.float32)
    for start, end in pieces(long, short):
        piece = (slice(None), slice(start, end)) if lying else (slice(start, end), slice(None))
        weight = _weight(start, end, long)
        total[piece] += matte(image[piece]) * (weight if lying else weight[:, None])
        weights[start:end] += weight
    total /= weights if lying else weights[:, None]
    # Where both pieces say 1, their weighted mean may be off by a rounding.
    return np.clip(total, 0, 1, out=total)


def pieces(long: int, short: int) -> list[tuple[int, int]]:
    """Cut a length into overlapping pieces of equal length: their starts and ends, in pixels."""
    length = max(_PIECE * short, -(-2 * long // (_MOST + 1)))
    count = max(-(-2 * (long - length) // length) + 1, 2)
    return [(start, start + length) for start in ((long - length) * i // (count - 1) for i in range(count))]


def _weight(start: int, end: int, long: int) -> np.ndarray:
    """A tent over a piece; flat towards an end of the picture, where no other piece is. float32 [end - start]."""
    rising = np.arange(1, end - start + 1, dtype=np.float32)
    left = np.full_like(rising, end - start) if start == 0 else rising
    right = np.full_like(rising, end - start) if end == long else rising[::-1]
    return np.minimum(left, right)
