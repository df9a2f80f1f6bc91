"""Resize pictures and maps: bilinearly, and anti-aliased where they shrink, as PyTorch and Pillow do.

Each target pixel is a weighted mean of the source pixels that lie under a triangle around it. The triangle reaches one
source pixel to each side, or one target pixel if that is larger. A side is therefore resized by a product with a
matrix, a block of target pixels at a time, as the matrix has few values that are not 0.
"""

import numpy as np

#: A product of at most this many multiplications runs in one thread. OpenBLAS would start threads for a larger one, and
#: while they wait for more work, they take the time of the network's threads.
_PRODUCT = 2**18
#: Source pixels that a block of target pixels spans, about.
_SPAN = 32
#: Most target pixels of a block.
_BLOCK = 32


def resize(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a picture or a map.

    Args:
        x: uint8, uint16 or float [H, W] or [H, W, channels]; integers become [0, 1].
        height: wanted height in pixels.
        width: wanted width in pixels.

    Returns:
        float32 [height, width] or [height, width, channels]; ``x`` itself when it is floating point of that size.
    """
    return resized_columns(resized_rows(x, height), width)


def resized_rows(x: np.ndarray, height: int, part: slice | None = None) -> np.ndarray:
    """Resize the height of a picture or a map.

    Args:
        x: as for :func:`resize`. Floating-point copies of it are made in small parts.
        height: wanted height in pixels.
        part: the rows of the result to compute, with a start and a stop; None for all.

    Returns:
        float32 [rows, W] or [rows, W, channels]; a view of ``x`` when it is floating point of that height.
    """
    part = part or slice(0, height)
    if len(x) == height:
        return _to_float(x[part])
    width, channels = x.shape[1], x[0, :1].size
    out = np.empty((part.stop - part.start, width * channels), np.float32)
    for block in _blocks(part, len(x), height):
        source, weights = _triangles(block, len(x), height)
        target = out[block.start - part.start : block.stop - part.start]
        step = max(_PRODUCT // (weights.size * channels), 1)
        for left in range(0, width, step):
            values = _to_float(x[source, left : left + step])
            values = values.reshape(len(values), -1)
            np.matmul(weights, values, out=target[:, left * channels :][:, : values.shape[1]])
    return out.reshape(-1, *x.shape[1:])


def resized_columns(x: np.ndarray, width: int) -> np.ndarray:
    """Resize the width of a picture or a map.

    Args:
        x: float [H, W] or [H, W, channels].
        width: wanted width in pixels.

    Returns:
        float32 [H, width] or [H, width, channels]; ``x`` itself when it has that width.
    """
    if x.shape[1] == width:
        return x
    if x.ndim == 3:
        # Each channel on its own: channels that are neighbours would need a matrix of mostly zeros.
        planes = np.ascontiguousarray(x.transpose(2, 0, 1)).reshape(-1, x.shape[1])
        return resized_columns(planes, width).reshape(-1, len(x), width).transpose(1, 2, 0)
    height, length = x.shape
    out = np.empty((height, width), np.float32)
    for block in _blocks(slice(0, width), length, width):
        source, weights = _triangles(block, length, width)
        step = max(_PRODUCT // weights.size, 1)
        for top in range(0, height, step):
            rows = slice(top, top + step)
            np.matmul(x[rows, source], weights.T, out=out[rows, block])
    return out


def _blocks(part: slice, length: int, wanted: int) -> list[slice]:
    """Cut some pixels of a side of ``wanted`` pixels, made of ``length``, into blocks."""
    size = min(max(_SPAN * wanted // length, 2), _BLOCK)
    return [slice(start, min(start + size, part.stop)) for start in range(part.start, part.stop, size)]


def _triangles(block: slice, length: int, wanted: int) -> tuple[slice, np.ndarray]:
    """Return the source pixels of a block of target pixels, and their weights, float32 [targets, sources]."""
    scale = length / wanted
    reach = max(scale, 1)
    centres = (np.arange(block.start, block.stop) + 0.5) * scale
    first, last = max(int(centres[0] - reach), 0), min(int(centres[-1] + reach) + 1, length)
    distances = np.abs(np.arange(first, last) + 0.5 - centres[:, None])
    weights = np.maximum(1 - distances / reach, 0)
    return slice(first, last), (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _to_float(x: np.ndarray) -> np.ndarray:
    """Return pixels as float32; uint8 and uint16 become [0, 1]."""
    if x.dtype.kind != "u":
        return x.astype(np.float32, copy=False)
    out = x.astype(np.float32)
    out /= np.float32(np.iinfo(x.dtype).max)
    return out
