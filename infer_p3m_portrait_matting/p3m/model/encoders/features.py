"""The features that every encoder passes to the decoders."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..kernels.convolution import FusedConv2d
from ..kernels.unpool import layout_of, strips, to_steps


class Encoder(nn.Module):
    """What all encoders have in common: they turn normalised RGB into :class:`Features`."""

    def __init__(self) -> None:
        super().__init__()
        #: The number format of the maps that the decoders take at full and at half resolution. None, as in training,
        #: leaves them as they come.
        self.dtype: torch.dtype | None = None


class Features(NamedTuple):
    """Encoder features, from full resolution down to 1/32.

    ``e0`` has the input's height and width H x W, ``e0p`` has H/2 x W/2, and ``e1`` to ``e4`` have H/4 to H/32;
    all are float [N, channels, height, width]. ``indices`` holds, for levels 0 to 4, the max-pooling indices
    (:func:`pool`) that lead from that level to the next, or None where a level was left by a strided convolution;
    ``overlapping`` says whether the pools' windows were 3 x 3 (and may take one place several times) rather than 2 x 2.
    ``e0_pooled`` is e0 pooled by windows of 2 x 2 at a stride of 2, where an encoder has it at hand; ``e0`` may then be
    None.

    With ``skips=False`` an encoder returns only ``e4``; every other field is None.
    """

    e0: Tensor | None
    e0p: Tensor | None
    e1: Tensor | None
    e2: Tensor | None
    e3: Tensor | None
    e4: Tensor
    indices: tuple[Tensor | None, ...] | None
    overlapping: bool = False
    e0_pooled: Tensor | None = None

    @classmethod
    def deepest(cls, e4: Tensor) -> "Features":
        """Make the features of an encoder that was called with ``skips=False``."""
        return cls(None, None, None, None, None, e4, None)

    def to(self, dtype: torch.dtype) -> "Features":
        """Cast the maps but e4 to another dtype; indices stay."""
        maps = (*self[:5], self.e0_pooled)
        e0, e0p, e1, e2, e3, pooled = (None if x is None else x.to(dtype) for x in maps)
        return Features(e0, e0p, e1, e2, e3, self.e4, self.indices, self.overlapping, pooled)

    def pool_e0(self, stride: int) -> Tensor:
        """Pool e0 by windows of 2 x 2 at a stride, as sBFI takes it."""
        if self.e0_pooled is not None:
            # The windows at a larger stride are some of those at a stride of 2.
            step = stride // 2
            return self.e0_pooled[:, :, ::step, ::step].contiguous(memory_format=torch.channels_last)
        assert self.e0 is not None
        return F.max_pool2d(self.e0, 2, stride)


def pool(x: Tensor, kernel: int, padding: int, with_indices: bool) -> tuple[Tensor, Tensor | None]:
    """Apply max-pooling with stride 2; return its indices only if they will be used for unpooling.

    Args:
        x: float [N, C, H, W], H and W even.
        kernel: window size in pixels: 3 with padding 1, or 2 without.
        padding: border in pixels.
        with_indices: whether to return the indices too; pooling without them is faster.

    Returns:
        float [N, C, H/2, W/2], and indices of the same shape or None: int64 where a gradient is wanted, else int16
        (:func:`~..kernels.unpool.to_steps`).
    """
    if not with_indices:
        return F.max_pool2d(x, kernel, 2, padding), None
    if torch.is_grad_enabled() and x.requires_grad:
        return F.max_pool2d(x, kernel, 2, padding, return_indices=True)
    n, c, h, w = x.shape
    pooled = torch.empty((n, c, h // 2, w // 2), dtype=x.dtype, device=x.device, memory_format=layout_of(x))
    steps = torch.empty_like(pooled, dtype=torch.int16)
    for first, last in strips(pooled):
        top = max(2 * first - padding, 0)
        rows = slice(first, last)
        pool_rows(x[:, :, top : 2 * last], kernel, padding, first == 0, pooled[:, :, rows], steps[:, :, rows])
    return pooled, steps


def pool_rows(x: Tensor, kernel: int, padding: int, at_top: bool, pooled: Tensor, steps: Tensor | None) -> None:
    """Max-pool some rows: ``x`` begins ``padding`` rows above the first window's centre, except at the top of the map.

    Args:
        x: as for :func:`pool`, with the rows that the windows reach.
        kernel: as for :func:`pool`.
        padding: as for :func:`pool`.
        at_top: whether the first row of ``x`` is the map's.
        pooled: where to write the maxima.
        steps: where to write the place of each in its window, int16; or None.
    """
    indices = torch.empty_like(pooled, dtype=torch.int64)
    sides = (padding if at_top else 0, padding)
    # F.max_pool2d cannot write into a part of a map.
    torch.ops.aten.max_pool2d_with_indices(x, (kernel, kernel), (2, 2), sides, out=pooled, indices=indices)
    if steps is not None:
        to_steps(indices, 0 if at_top else padding, steps)


def pool_pairs(x: Tensor, out: Tensor) -> None:
    """Max-pool by windows of 2 x 2 at a stride of 2, without looking for the places of the maxima, which takes longer.

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
        e0: float [N, C, H, W], or None if it is not needed as a whole.
        e0_pooled: as in :class:`Features`.
        pooled: float [N, C, H/2, W/2].
        indices: as :func:`pool` gives them.
    """

    e0: Tensor | None
    e0_pooled: Tensor | None
    pooled: Tensor
    indices: Tensor | None


def stem_in_strips(
    convolution: FusedConv2d, x: Tensor, kernel: int, padding: int, skips: bool, dtype: torch.dtype
) -> PooledConvolution:
    """Convolve, apply ReLU and pool, strip by strip, so that the largest map is never complete in memory.

    Args:
        convolution: stride 1, odd kernel, padded to keep the size; on the CPU.
        x: float [N, 3, H, W], H and W multiples of 32.
        kernel: as for :func:`pool`.
        padding: as for :func:`pool`.
        skips: whether e0 is pooled for sBFI and indices are kept.
        dtype: dtype of the map for sBFI.
    """
    n, _, height, width = x.shape
    border = convolution.weight.shape[2] // 2
    x = F.pad(x, (0, 0, border, border)).contiguous(memory_format=torch.channels_last)
    channels = convolution.weight.shape[0]

    def empty(dtype: torch.dtype) -> Tensor:
        return torch.empty((n, channels, height // 2, width // 2), dtype=dtype, memory_format=torch.channels_last)

    pooled, steps, fine = empty(x.dtype), empty(torch.int16) if skips else None, empty(dtype) if skips else None
    rows = max(_ROWS * 1024 // width // 2, 1) * 2
    for first in range(0, height, rows):
        last = min(first + rows, height)
        above = padding if first else 0
        e0 = convolution(x[:, :, first - above : last + 2 * border], relu=True, padding=(0, border))
        half = slice(first // 2, last // 2)
        pool_rows(e0, kernel, padding, not first, pooled[:, :, half], None if steps is None else steps[:, :, half])
        if fine is not None:
            pool_pairs(e0[:, :, above:], fine[:, :, half])
    return PooledConvolution(None, fine, pooled, steps)


#: Rows of e0 in a strip when they are 1024 px long.
_ROWS = 16


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Lay tokens [N, height * width, C] out as a map [N, C, height, width] without copying (channels_last strides)."""
    n, _, c = tokens.shape
    return tokens.view(n, height, width, c).permute(0, 3, 1, 2)


def as_tokens(x: Tensor) -> Tensor:
    """Turn a map [N, C, H, W] into tokens [N, H * W, C]; free of copies when the map is channels_last."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w, c)
