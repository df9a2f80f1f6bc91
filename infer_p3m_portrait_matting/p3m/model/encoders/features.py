"""The features that every encoder passes to the decoders."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Features(NamedTuple):
    """Encoder features, from full resolution down to 1/32.

    Attributes:
        e0: at the input's height and width H x W; like all maps float [N, channels, height, width]. None where an
            encoder computes strip by strip what is needed of it, ``e0_pooled``.
        e0p: at H/2 x W/2.
        e1: at H/4 x W/4.
        e2: at H/8 x W/8.
        e3: at H/16 x W/16.
        e4: at H/32 x W/32.
        indices: for levels 0 to 4 the max-pooling indices (:func:`~..kernels.pooling.pool`) that lead from that level
            to the next, or None where a level was left by a strided convolution.
        overlapping: whether the pools' windows were 3 x 3 (and may take one place several times) rather than 2 x 2.
        e0_pooled: e0 pooled by windows of 2 x 2 at a stride of 2, where an encoder has it at hand.
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
        """Pool e0 by windows of 2 x 2 at a stride, as sBFI takes it."""
        if self.e0_pooled is not None:
            # The windows at a larger stride are some of those at a stride of 2.
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
        """Compute all features."""

    @abstractmethod
    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4, which is all that the segmentation needs."""


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Lay tokens [N, height * width, C] out as a map [N, C, height, width] without copying (channels_last strides)."""
    n, _, c = tokens.shape
    return tokens.view(n, height, width, c).permute(0, 3, 1, 2)


def as_tokens(x: Tensor) -> Tensor:
    """Turn a map [N, C, H, W] into tokens [N, H * W, C]; free of copies when the map is channels_last."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w, c)
