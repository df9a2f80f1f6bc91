"""The two decoders of P3M-Net (Li et al. 2021, section 4): segmentation and matting, one design for all variants."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .channels import Channels
from .encoders.features import Features
from .integration import DBFI, SBFI, TFI, upsample
from .kernels.convolution import conv_relu
from .kernels.unpool import max_unpool


def _block(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(widths):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _bare_convolutions(widths: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in pairwise(widths))


#: d4, d3, d2, d1 of the segmentation decoder, for the matting decoder: float [N, C, h, w] at H/16, H/8, H/4 and H/4. d1
#: is not yet enlarged to H/2: there it is large, and the matting decoder may need only parts of it.
Pyramid = tuple[Tensor, Tensor, Tensor, Tensor]


class Segmentation(NamedTuple):
    """Output of the segmentation decoder for an input of H x W.

    Attributes:
        pyramid: four float [N, C, h, w], see :data:`Pyramid`.
        logits: float [N, 3, H, W] (background, unknown, foreground).
        side_logits: three float [N, 3, H, W], from dBFI 2, 1 and 0; empty unless requested.
    """

    pyramid: Pyramid
    logits: Tensor
    side_logits: tuple[Tensor, ...]


class SegmentationDecoder(nn.Module):
    """Predicts background, unknown and foreground from e4, guided by dBFI at three levels.

    Args:
        channels: the variant's channel table.
    """

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        _, e0p, e1, e2, _, e4 = channels.encoder
        self.d4, self.d3, self.d2, self.d1, self.d0 = (_block(widths) for widths in channels.segmentation)
        self.dbfi_2 = DBFI(e2, e4, 4)
        self.dbfi_1 = DBFI(e1, e4, 8)
        self.dbfi_0 = DBFI(e0p, e4, 16)
        widths = (channels.segmentation[-1][-1], *channels.segmentation_head)
        self.head = _bare_convolutions(widths)

    def forward(self, e4: Tensor, sides: bool = False) -> Segmentation:
        """Predict the class of each pixel.

        Args:
            e4: float [N, C, H/32, W/32].
            sides: whether to compute the side logits, too (for training).
        """
        pyramid, side_logits = self.pyramid(e4, sides)
        x = self.dbfi_0(upsample(pyramid[-1], 2), e4)
        if sides:
            side_logits += (self.dbfi_0.side(x),)
        x = upsample(self.head[0](self.d0(x)), 2)
        for conv in self.head[1:]:
            x = conv(x)
        return Segmentation(pyramid, x, side_logits)

    def pyramid(self, e4: Tensor, sides: bool = False) -> tuple[Pyramid, tuple[Tensor, ...]]:
        """Decode down to level 1.

        Args:
            e4: float [N, C, H/32, W/32].
            sides: whether to compute the side logits, too.

        Returns:
            The pyramid, and the side logits of levels 2 and 1, float [N, 3, H, W] each; none unless requested.
        """
        side_logits: tuple[Tensor, ...] = ()
        d4 = upsample(self.d4(e4), 2)
        d3 = upsample(self.d3(d4), 2)
        x = self.dbfi_2(d3, e4)
        if sides:
            side_logits += (self.dbfi_2.side(x),)
        d2 = upsample(self.d2(x), 2)
        x = self.dbfi_1(d2, e4)
        if sides:
            side_logits += (self.dbfi_1.side(x),)
        return (d4, d3, d2, self.d1(x)), side_logits


class MattingDecoder(nn.Module):
    """Predicts the local alpha, fed by TFI at four levels and by sBFI at three.

    Args:
        channels: the variant's channel table.
    """

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        e0, e0p, e1, e2, e3, _ = channels.encoder
        self.channels = channels
        self.d4, self.d3, self.d2, self.d1, self.d0 = (_block(widths) for widths in channels.matting)
        self.tfi_3, self.tfi_2, self.tfi_1, self.tfi_0 = TFI(e3), TFI(e2), TFI(e1), TFI(e0p)
        self.sbfi_2 = SBFI(e2, e0, 8)
        self.sbfi_1 = SBFI(e1, e0, 4)
        self.sbfi_0 = SBFI(e0p, e0, 2)
        widths = (channels.matting[-1][-1] + (e0 if channels.head_sees_e0 else 0), *channels.matting_head)
        self.head = _bare_convolutions(widths)

    def forward(self, features: Features, pyramid: Pyramid, wanted: Tensor | None = None) -> Tensor:
        """Predict the local alpha.

        Args:
            features: all of the encoder's features.
            pyramid: d4 to d1 of the segmentation decoder.
            wanted: bool [N, 1, h, w] of any size: where the local alpha is wanted; None for everywhere. This class
                ignores it; :class:`~.in_strips.MattingDecoderInWindows` computes only the wanted parts.

        Returns:
            float [N, 1, H, W] in [0, 1].
        """
        x = self.down_to_level_1(features, pyramid)
        x = self.level_0(upsample(pyramid[3], 2), enlarge(x, features, 1), features.e0p, features.pool_e0(2))
        logits = self.logits(enlarge(x, features, 0), features.e0).float()
        # The sigmoid would hide logits beyond the range of float16, so they become NaN.
        return torch.sigmoid(torch.where(logits.isfinite(), logits, float("nan")))

    def down_to_level_1(self, features: Features, pyramid: Pyramid) -> Tensor:
        """Decode from H/32 to H/4: all levels that are small enough to be computed as a whole.

        Args:
            features: all of the encoder's features.
            pyramid: d4 to d1 of the segmentation decoder.

        Returns:
            float [N, C, H/4, W/4].
        """
        f, (d4, d3, d2, _) = features, pyramid
        x = enlarge(self.d4(f.e4), f, 4)
        x = enlarge(self.d3(self.tfi_3(d4, x, f.e3)), f, 3)
        x = enlarge(self.d2(self.sbfi_2.refine(self.tfi_2(d3, x, f.e2), f.pool_e0(8))), f, 2)
        return self.d1(self.sbfi_1.refine(self.tfi_1(d2, x, f.e1), f.pool_e0(4)))

    def level_0(self, d1: Tensor, x: Tensor, e0p: Tensor, e0_pooled: Tensor) -> Tensor:
        """Decode at H/2; every argument may be the same window of its map.

        Args:
            d1: the segmentation decoder's d1, enlarged: float [N, C, H/2, W/2].
            x: the result of :meth:`down_to_level_1`, enlarged: the same shape.
            e0p: the encoder's feature: the same shape.
            e0_pooled: e0, pooled at a stride of 2: float [N, channels of e0, H/2, W/2].

        Returns:
            float [N, C', H/2, W/2].
        """
        return self.d0(self.sbfi_0.refine(self.tfi_0(d1, x, e0p), e0_pooled))

    def logits(self, x: Tensor, e0: Tensor | None) -> Tensor:
        """Compute the local alpha before its sigmoid.

        Args:
            x: the result of :meth:`level_0`, enlarged: float [N, C, H, W].
            e0: float [N, C, H, W]; only a head that sees e0 needs it.

        Returns:
            float [N, 1, H, W].
        """
        if self.channels.head_sees_e0:
            assert e0 is not None
            x = torch.cat([x, e0], 1)
        for conv in self.head[:-1]:
            x = conv_relu(conv, x)
        return self.head[-1](x)


def enlarge(x: Tensor, features: Features, level: int) -> Tensor:
    """Enlarge a map by 2, as the encoder halved it: by max-unpooling, or bilinearly after a strided convolution.

    Args:
        x: float [N, C, h, w].
        features: the encoder's features.
        level: the halving to undo, 0 (of H to H/2) to 4 (of H/16 to H/32).

    Returns:
        float [N, C, 2h, 2w].
    """
    indices = features.indices[level]
    return upsample(x, 2) if indices is None else max_unpool(x, indices, features.overlapping)
