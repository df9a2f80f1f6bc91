"""The features that every encoder passes to the decoders."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Features(NamedTuple):
    """Encoder features, from full resolution down to 1/32.

    Attributes:
        e0: float [N, C, H, W], for an input of H x W; C differs from feature to feature and is in the variant's channel
            table. None if the encoder computes e0 strip by strip and keeps only ``e0_pooled``.
        e0p: float [N, C, H/2, W/2].
        e1: float [N, C, H/4, W/4].
        e2: float [N, C, H/8, W/8].
        e3: float [N, C, H/16, W/16].
        e4: float [N, C, H/32, W/32].
        indices: for levels 0 to 4 the max-pooling indices (:func:`~..kernels.pooling.pool`) that lead from that level
            to the next, or None where a strided convolution leads to the next level.
        overlapping: whether the pools' windows were 3 x 3 (and may take one place several times) rather than 2 x 2.
        e0_pooled: float [N, C, H/2, W/2], e0 after max-pooling by windows of 2 x 2 at a stride of 2; None if the
            encoder has not computed it.
    """

    e0: Tensor | None
    e0p: Tensor
    e1: Tensor
    e2: Tensor
    e3: Tensor
    e4: Tensor
    indices: tuple[Tensor | None, ...]
    overlapping: bool = False
    e0_pooled: Tensor | None = None

    def pool_e0(self, stride: int) -> Tensor:
        """Max-pool e0 by windows of 2 x 2 at a stride, as sBFI takes it: float [N, C, H / stride, W / stride]."""
        if self.e0_pooled is not None:
            # Every window of a larger stride is also a window of stride 2.
            step = stride // 2
            return self.e0_pooled[:, :, ::step, ::step].contiguous(memory_format=torch.channels_last)
        assert self.e0 is not None
        return F.max_pool2d(self.e0, 2, stride)


class Encoder(nn.Module, ABC):
    """What all encoders have in common: they encode RGB normalised by the ImageNet statistics.

    RGB is float [N, 3, H, W], H and W multiples of 32.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Features:
        """Compute all features of float [N, 3, H, W]."""

    @abstractmethod
    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4, the one feature that the segmentation decoder needs: float [N, C, H/32, W/32]."""


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Lay tokens [N, height * width, C] out as a map [N, C, height, width] without copying (channels_last strides)."""
    n, _, c = tokens.shape
    return tokens.view(n, height, width, c).permute(0, 3, 1, 2)


def as_tokens(x: Tensor) -> Tensor:
    """Turn a map [N, C, H, W] into tokens [N, H * W, C]; free of copies when the map is channels_last."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w, c)
