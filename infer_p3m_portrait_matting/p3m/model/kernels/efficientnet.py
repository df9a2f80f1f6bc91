"""EfficientNet's blocks in strips of rows: their widest maps stay in a CPU's cache and never exist as a whole."""

from typing import Any, TypeGuard

import torch
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import Tensor, nn
from torch.nn import functional as F

from ...arrays import CONVOLVED, strips
from .windows import widen, within


class StripwiseBlock(nn.Module):
    """An InvertedResidual or a DepthwiseSeparableConv of timm, computed strip by strip.

    Args:
        block: a fused block, for a CPU.
    """

    #: Modules; the types of timm do not express that.
    widen: Any
    depthwise: Any
    narrow: Any

    def __init__(self, block: InvertedResidual | DepthwiseSeparableConv) -> None:
        super().__init__()
        separable = isinstance(block, DepthwiseSeparableConv)
        self.widen = nn.Identity() if separable else block.conv_pw
        self.depthwise = block.conv_dw
        self.narrow = block.conv_pw if separable else block.conv_pwl
        self.has_skip = block.has_skip

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[InvertedResidual | DepthwiseSeparableConv]:
        """Tell whether a module is such a block and each strip of its result depends on few rows of its input."""
        if type(module) not in (InvertedResidual, DepthwiseSeparableConv):
            return False
        # Squeeze-and-excitation sees the whole map.
        plain = isinstance(module.se, nn.Identity) and getattr(module, "conv_s2d", None) is None
        return plain and module.conv_dw.stride in ((1, 1), (2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Transform float [N, C, H, W] into [N, C', H, W], or into [N, C', H/2, W/2] with a stride of 2.

        H and W must be even for the latter.
        """
        stride = self.depthwise.stride[0]
        widened = x.shape[0] * self.depthwise.weight.shape[0] * x.shape[3] * stride
        compute = self._strip if stride == 1 else self._strip_of_half
        parts = [compute(x, rows) for rows in strips(x.shape[2] // stride, widened, CONVOLVED)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def _strip(self, x: Tensor, rows: slice) -> Tensor:
        # The convolution pads each strip; inside the map, the rows that the padding reached are cut off.
        seen = widen(rows, self.depthwise.weight.shape[2] // 2, x.shape[2])
        y = self.narrow(self.depthwise(self.widen(x[:, :, seen]))[:, :, within(rows, seen)])
        return y.add_(x[:, :, rows]) if self.has_skip else y

    def _strip_of_half(self, x: Tensor, rows: slice) -> Tensor:
        height, kernel = x.shape[2], self.depthwise.weight.shape[2]
        # "Same" padding adds the kernel's size minus 2 in all, the smaller half first.
        left = (kernel - 2) // 2
        right = kernel - 2 - left
        top, bottom = 2 * rows.start - left, 2 * rows.stop + right
        border = left, right, max(-top, 0), max(bottom - height, 0)
        # Pad before the map is widened, while it is small. The border must be zero after the widening, though.
        y = self.widen(F.pad(x[:, :, max(top, 0) : bottom], border))
        for side, (before, after) in ((3, border[:2]), (2, border[2:])):
            y.narrow(side, 0, before).zero_()
            y.narrow(side, y.shape[side] - after, after).zero_()
        return self.narrow(self.depthwise(y, padding=(0, 0)))


def cut_into_strips(module: nn.Module) -> None:
    """Replace every block that :class:`StripwiseBlock` can compute."""
    for name, child in list(module.named_children()):
        if StripwiseBlock.fits(child):
            setattr(module, name, StripwiseBlock(child))
        else:
            cut_into_strips(child)
