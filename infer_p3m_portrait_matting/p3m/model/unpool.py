"""Max-unpooling with the same result on every run."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Where a pooled value is, and where a later one (in row-major order) is whose 3 x 3 window overlaps its own: to the
#: right, below left, below, below right. The last pair that applies names the last claimant.
_ALL, _FIRST, _LAST = slice(None), slice(None, -1), slice(1, None)
_LATER = (
    ((..., _ALL, _FIRST), (..., _ALL, _LAST)),
    ((..., _FIRST, _LAST), (..., _LAST, _FIRST)),
    ((..., _FIRST, _ALL), (..., _LAST, _ALL)),
    ((..., _FIRST, _FIRST), (..., _LAST, _LAST)),
)


def max_unpool(x: Tensor, indices: Tensor, overlapping: bool) -> Tensor:
    """Put values back where a stride-2 max-pool took them from; the rest is zero.

    Pools with overlapping windows (ResNet-34's: 3 x 3) take one place several times. Then the last value in row-major
    order of the pooled map wins, as in PyTorch's contiguous CPU kernel, which made the published numbers. In PyTorch's
    channels_last and CUDA kernels whichever thread comes last wins; here all who claim a place bring the same value.

    Args:
        x: float [N, C, H, W].
        indices: int64 [N, C, H, W], from ``max_pool2d(..., stride=2, return_indices=True)``.
        overlapping: whether the pool's windows were 3 x 3, with padding 1; otherwise they were 2 x 2.

    Returns:
        float [N, C, 2H, 2W], in the memory format of ``x``.
    """
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, indices = x.contiguous(memory_format=layout), indices.contiguous(memory_format=layout)
    return F.max_unpool2d(_settle(x, indices) if overlapping else x, indices, (2, 2), (2, 2))


def _settle(x: Tensor, indices: Tensor) -> Tensor:
    """Give every pooled value the value of the last one that claims its place; the gradient is the last one's alone."""
    settled = x.clone()
    for here, there in _LATER:
        same = indices[here] == indices[there]
        view = settled[here]
        view.copy_(torch.where(same, x[there].detach(), view))
    return settled
