"""Max-pooling with indices, and a first convolution together with the pool after it."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...arrays import CONVOLVED, strips
from .convolution import FusedConv2d
from .unpool import layout_of, strips_of, to_steps


def pool(x: Tensor, kernel: int, padding: int) -> tuple[Tensor, Tensor]:
    """Apply max-pooling with stride 2 and return its indices, for unpooling.

    Args:
        x: float [N, C, H, W], H and W even.
        kernel: window size in pixels: 3 with padding 1, or 2 without.
        padding: border in pixels.

    Returns:
        float [N, C, H/2, W/2], and indices of the same shape: int64 if a gradient is required, else int16
        (:func:`~.unpool.to_steps`).
    """
    if torch.is_grad_enabled() and x.requires_grad:
        return F.max_pool2d(x, kernel, 2, padding, return_indices=True)
    n, c, h, w = x.shape
    pooled = torch.empty((n, c, h // 2, w // 2), dtype=x.dtype, device=x.device, memory_format=layout_of(x))
    steps = torch.empty_like(pooled, dtype=torch.int16)
    for rows in strips_of(pooled):
        seen = x[:, :, max(2 * rows.start - padding, 0) : 2 * rows.stop]
        pool_rows(seen, kernel, padding, rows.start == 0, pooled[:, :, rows], steps[:, :, rows])
    return pooled, steps


def pool_rows(x: Tensor, kernel: int, padding: int, at_top: bool, pooled: Tensor, steps: Tensor | None) -> None:
    """Max-pool some rows of a map.

    ``x`` begins ``padding`` rows above the first window's centre, except at the top of the map.

    Args:
        x: as for :func:`pool`, with the rows that the windows reach.
        kernel: as for :func:`pool`.
        padding: as for :func:`pool`.
        at_top: whether the first row of ``x`` is the first row of the map.
        pooled: where to write the maxima.
        steps: where to write the place of each maximum in its window, int16; or None.
    """
    indices = torch.empty_like(pooled, dtype=torch.int64)
    sides = (padding if at_top else 0, padding)
    # F.max_pool2d cannot write into a part of a map.
    torch.ops.aten.max_pool2d_with_indices(x, (kernel, kernel), (2, 2), sides, out=pooled, indices=indices)
    if steps is not None:
        to_steps(indices, 0 if at_top else padding, steps)


def pool_pairs(x: Tensor, out: Tensor) -> None:
    """Max-pool by windows of 2 x 2 at a stride of 2, without the places of the maxima, which take longer to find.

    Args:
        x: float [N, C, H, W], H and W even, channels_last.
        out: where to write the maxima, [N, C, H/2, W/2], channels_last, of any float dtype.
    """
    taller = torch.maximum(x[:, :, ::2], x[:, :, 1::2]).to(out.dtype).permute(0, 2, 3, 1)
    pairs = taller.unflatten(2, (-1, 2))
    torch.maximum(pairs[:, :, :, 0], pairs[:, :, :, 1], out=out.permute(0, 2, 3, 1))


class PooledConvolution(NamedTuple):
    """Results of a first convolution with ReLU and the pool after it.

    Attributes:
        pooled: float [N, C, H/2, W/2].
        indices: as :func:`pool` gives them.
        pairs: e0 pooled by windows of 2 x 2, as :class:`~..encoders.features.Features` holds it.
    """

    pooled: Tensor
    indices: Tensor
    pairs: Tensor


def convolve_and_pool(
    convolution: FusedConv2d, x: Tensor, kernel: int, padding: int, dtype: torch.dtype
) -> PooledConvolution:
    """Convolve, apply ReLU and pool, strip by strip, so that e0, the largest map, is never complete in memory.

    Args:
        convolution: stride 1, odd kernel, padded to keep the size; on the CPU.
        x: float [N, 3, H, W], H and W multiples of 32.
        kernel: as for :func:`pool`.
        padding: as for :func:`pool`.
        dtype: dtype of the pairs.
    """
    pooled = _half(convolution, x)
    pairs = torch.empty_like(pooled, dtype=dtype)
    steps = torch.empty_like(pooled, dtype=torch.int16)
    for e0, above, half in _e0_in_strips(convolution, x, padding):
        pool_rows(e0, kernel, padding, not half.start, pooled[:, :, half], steps[:, :, half])
        pool_pairs(e0[:, :, above:], pairs[:, :, half])
    return PooledConvolution(pooled, steps, pairs)


def convolve_and_pool_only(convolution: FusedConv2d, x: Tensor, kernel: int, padding: int) -> Tensor:
    """Compute only ``pooled`` of :func:`convolve_and_pool`, without what the matting decoder needs."""
    pooled = _half(convolution, x)
    for e0, _, half in _e0_in_strips(convolution, x, padding):
        pool_rows(e0, kernel, padding, not half.start, pooled[:, :, half], None)
    return pooled


def _half(convolution: FusedConv2d, x: Tensor) -> Tensor:
    n, _, height, width = x.shape
    size = n, convolution.weight.shape[0], height // 2, width // 2
    return torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)


def _e0_in_strips(convolution: FusedConv2d, x: Tensor, above: int) -> Iterator[tuple[Tensor, int, slice]]:
    """Yield strips of e0, each with the number of rows repeated from the strip before, and the strip's rows at H/2."""
    n, _, height, width = x.shape
    border = convolution.weight.shape[2] // 2
    x = F.pad(x, (0, 0, border, border)).contiguous(memory_format=torch.channels_last)
    for rows in strips(height, n * convolution.weight.shape[0] * width, CONVOLVED, step=2):
        seen = above if rows.start else 0
        e0 = convolution(x[:, :, rows.start - seen : rows.stop + 2 * border], relu=True, padding=(0, border))
        yield e0, seen, slice(rows.start // 2, rows.stop // 2)
