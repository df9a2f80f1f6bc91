"""Gaussian blur as a product of matrices: on a few channels far faster than a convolution, on any device."""

import torch
from torch import Tensor


def blur(x: Tensor, sigma: float | Tensor) -> Tensor:
    """Blur pictures; pixels beyond their edges have no weight.

    Args:
        x: float [N, C, H, W].
        sigma: standard deviation of the Gaussian in pixels; a float, or float [N] with one for each picture.

    Returns:
        float [N, C, H, W].
    """
    rows, columns = (blurring(side, sigma, x) for side in x.shape[2:])
    return rows @ x @ columns.mT


def blurring(side: int, sigma: float | Tensor, like: Tensor) -> Tensor:
    """Return the Gaussian over ``side`` pixels as matrices, [1, 1, side, side] or [N, 1, side, side]."""
    sigma = torch.as_tensor(sigma, dtype=like.dtype, device=like.device).view(-1, 1, 1, 1)
    places = torch.arange(side, device=like.device, dtype=like.dtype)
    offsets = places.unsqueeze(1) - places
    kernel = torch.exp(-(offsets / sigma.clamp(min=1e-3)).square() / 2)
    return kernel / kernel.sum(-1, keepdim=True)
