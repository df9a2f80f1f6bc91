"""Max-unpooling that gives the same numbers on every run."""

import torch
from torch import Tensor
from torch.nn import functional as F


def max_unpool(x: Tensor, indices: Tensor) -> Tensor:
    """Put values back to where a stride-2 max-pool took them from; zeros elsewhere.

    Pools with overlapping windows (ResNet-34's: 3 x 3, stride 2) take one place several times. Then the last value
    in row-major order of the pooled map wins, as in PyTorch's contiguous CPU kernel, which made the published
    numbers. PyTorch's channels_last and CUDA kernels let whichever thread comes last win.

    Args:
        x: float [N, C, H, W].
        indices: int64 [N, C, H, W], from ``max_pool2d(..., stride=2, return_indices=True)``.

    Returns:
        float [N, C, 2H, 2W], contiguous.
    """
    x, indices = x.contiguous(), indices.contiguous()
    if x.device.type == "cpu":
        return F.max_unpool2d(x, indices, 2, 2)
    n, c, h, w = x.shape
    flat, where = x.flatten(2), indices.flatten(2)
    # Two order-free reductions: the largest pooled position that claims a place, then the sum of one value and zeros.
    position = torch.arange(h * w, device=x.device).expand_as(where)
    last = position.new_full((n, c, 4 * h * w), -1).scatter_reduce_(2, where, position, "amax")
    winners = torch.where(last.gather(2, where) == position, flat, torch.zeros_like(flat))
    return flat.new_zeros((n, c, 4 * h * w)).scatter_add_(2, where, winners).view(n, c, 2 * h, 2 * w)
