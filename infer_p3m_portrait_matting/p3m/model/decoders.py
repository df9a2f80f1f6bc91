"""The two decoders of P3M-Net (Li et al. 2021, section 4): segmentation and matting, one design for all variants."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .channels import Channels
from .encoders.features import Features
from .integration import DBFI, SBFI, TFI, upsample
from .kernels.convolution import FusedConv2d, conv_relu, match
from .kernels.unpool import max_unpool, unpool_window
from .kernels.windows import Window, cut, widen_both, windows, within_both


def _block(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(widths):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _bare_convolutions(widths: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in pairwise(widths))


#: d4, d3, d2, d1 of the segmentation decoder, for the matting decoder: at H/16, H/8, H/4 and, since d1 is large and
#: may be wanted only in parts, before it is enlarged from H/4 to H/2.
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
        #: The number format of all but the head, whose classes small differences decide: it computes in float32. None,
        #: as in training, leaves maps as they come.
        self.dtype: torch.dtype | None = None

    def forward(self, e4: Tensor, sides: bool = False) -> Segmentation:
        """Segment.

        Args:
            e4: float [N, C, H/32, W/32].
            sides: whether to give the side logits too (training).
        """
        e4 = e4 if self.dtype is None else e4.to(self.dtype)
        pyramid, side_logits = self.pyramid(e4, sides)
        x = self.dbfi_0(upsample(pyramid[-1], 2), e4)
        if sides:
            side_logits += (self.dbfi_0.side(x),)
        x = self.d0(x)
        if self.dtype is not None:
            x = x.float()
        x = upsample(self.head[0](x), 2)
        for conv in self.head[1:]:
            x = conv(x)
        return Segmentation(pyramid, x, side_logits)

    def pyramid(self, e4: Tensor, sides: bool = False) -> tuple[Pyramid, tuple[Tensor, ...]]:
        """Decode down to level 1: the pyramid, and the side logits of levels 2 and 1 if they are asked for."""
        e4 = e4 if self.dtype is None else e4.to(self.dtype)
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
        self.head_sees_e0 = channels.head_sees_e0
        self.d4, self.d3, self.d2, self.d1, self.d0 = (_block(widths) for widths in channels.matting)
        self.tfi_3, self.tfi_2, self.tfi_1, self.tfi_0 = TFI(e3), TFI(e2), TFI(e1), TFI(e0p)
        self.sbfi_2 = SBFI(e2, e0, 8)
        self.sbfi_1 = SBFI(e1, e0, 4)
        self.sbfi_0 = SBFI(e0p, e0, 2)
        self.width_0 = channels.matting[-1][-1]
        # TFI, sBFI and each convolution of d0 see one pixel more on every side.
        self.border_0 = 1 + len(channels.matting[-1])
        widths = (channels.matting[-1][-1] + (e0 if channels.head_sees_e0 else 0), *channels.matting_head)
        self.head = _bare_convolutions(widths)

    def forward(self, features: Features, pyramid: Pyramid, wanted: Tensor | None = None) -> Tensor:
        """Predict the local alpha.

        Args:
            features: all of the encoder's features.
            pyramid: d4 to d1 of the segmentation decoder.
            wanted: bool [N, 1, h, w] of any size, where the local alpha is wanted; None wants all of it.

        Returns:
            float [N, 1, H, W] in [0, 1]; where it is not wanted it may be 0 instead.
        """
        f, (d4, d3, d2, d1) = features, pyramid
        x = _enlarge(match(self.d4(match(f.e4, self.d4)), self.d3), f, 4)
        x = _enlarge(self.d3(self.tfi_3(d4, x, f.e3)), f, 3)
        x = _enlarge(self.d2(self.sbfi_2.refine(self.tfi_2(d3, x, f.e2), f.pool_e0(8))), f, 2)
        x = self.d1(self.sbfi_1.refine(self.tfi_1(d2, x, f.e1), f.pool_e0(4)))
        if isinstance(self.head[-1], FusedConv2d) and self.head[-1].on_cpu:
            return self._finish_in_windows(self._level_0_in_windows(d1, x, f, wanted), f, wanted)
        assert f.e0p is not None
        x = self._level_0(upsample(d1, 2), _enlarge(x, f, 1), f.e0p, f.pool_e0(2))
        x = _enlarge(x, f, 0)
        logits = self._logits(x, f.e0).float()
        if x.dtype == torch.float16:
            # Beyond its range: the sigmoid would hide it.
            logits = torch.where(logits.isfinite(), logits, float("nan"))
        return torch.sigmoid(logits)

    def _logits(self, x: Tensor, e0: Tensor | None) -> Tensor:
        if self.head_sees_e0:
            assert e0 is not None
            x = torch.cat([x, e0], 1)
        for conv in self.head[:-1]:
            x = conv_relu(conv, match(x, conv))
        return self.head[-1](match(x, self.head[-1]))

    def _level_0(self, d1: Tensor, x: Tensor, e0p: Tensor, e0_pooled: Tensor) -> Tensor:
        return self.d0(self.sbfi_0.refine(self.tfi_0(d1, x, e0p), e0_pooled))

    def _level_0_in_windows(self, d1: Tensor, x: Tensor, f: Features, wanted: Tensor | None) -> Tensor:
        """:meth:`_level_0`, at half resolution, where what follows needs it; elsewhere the result holds anything."""
        assert f.e0p is not None
        encoder = f.e0p, f.pool_e0(2)
        n, _, height, width = f.e0p.shape
        out = torch.empty((n, self.width_0, height, width), dtype=x.dtype, memory_format=torch.channels_last)
        for window in windows(height, width, max(_HALF_ROWS * 512 // width, 8), wanted):
            # The head sees as many pixels more at full resolution as it has convolutions; enlarging sees one.
            needed = widen_both(window, len(self.head) // 2 + 2, height, width)
            seen = widen_both(needed, self.border_0, height, width)
            decoders = _upsample_window(d1, seen), _enlarge_window(x, f, 1, seen)
            y = self._level_0(*decoders, *(cut(each, seen) for each in encoder))
            cut(out, needed).copy_(cut(y, within_both(needed, seen)))
        return out

    def _finish_in_windows(self, x: Tensor, f: Features, wanted: Tensor | None) -> Tensor:
        """What is left at full resolution, where it is wanted: its maps, the largest of all, never exist as a whole."""
        n, _, h, w = x.shape
        height, width = 2 * h, 2 * w
        alpha = torch.zeros((n, 1, height, width), dtype=torch.float32)
        # Each convolution of the head sees one pixel more on every side.
        border = len(self.head)
        for window in windows(height, width, max(_ROWS * 1024 // width, 8), wanted):
            seen = widen_both(window, border, height, width)
            e0 = None if f.e0 is None else cut(f.e0, seen)
            logits = cut(self._logits(_enlarge_window(x, f, 0, seen), e0), within_both(window, seen))
            cut(alpha, window).copy_(torch.sigmoid(logits.float()))
        return alpha


#: Rows of a window at full resolution when the map is 1024 px wide, and at half resolution when it is 512 px wide.
_ROWS, _HALF_ROWS = 64, 64


def _enlarge_window(x: Tensor, features: Features, level: int, window: Window) -> Tensor:
    """A window of what :func:`_enlarge` gives."""
    assert features.indices is not None
    indices = features.indices[level]
    if indices is None:
        return _upsample_window(x, window)
    halved = _halved(window)
    return cut(unpool_window(x, indices, features.overlapping, *halved), within_both(window, _doubled(halved)))


def _upsample_window(x: Tensor, window: Window) -> Tensor:
    """A window of ``upsample(x, 2)``."""
    # Enlarging sees one pixel more on every side.
    seen = widen_both(_halved(window), 1, *x.shape[2:])
    return cut(upsample(cut(x, seen), 2), within_both(window, _doubled(seen)))


def _halved(window: Window) -> Window:
    """The smallest window of a map half as large that covers a window."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in window)
    return rows, columns


def _doubled(window: Window) -> Window:
    """The window in a map twice as large."""
    rows, columns = (slice(2 * part.start, 2 * part.stop) for part in window)
    return rows, columns


def _enlarge(x: Tensor, features: Features, level: int) -> Tensor:
    assert features.indices is not None
    indices = features.indices[level]
    return upsample(x, 2) if indices is None else max_unpool(x, indices, features.overlapping)
