"""Encoders and a matting decoder that compute the largest maps strip by strip on a CPU, to save memory and time.

Each class takes and returns the same tensors as its base class and has the same weights; :func:`compute_in_strips`
puts it in the base class's place in a prepared network.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import CONVOLVED, strips
from .decoders import MattingDecoder, Pyramid
from .encoders.features import Features
from .encoders.mobile import CHANNELS, MobileEncoder
from .encoders.resnet34 import ResNet34Encoder
from .encoders.vitae_s import ViTAESEncoder
from .integration import upsample
from .kernels.pooling import convolve_and_pool, convolve_and_pool_only, pool_pairs
from .kernels.unpool import unpool_window
from .kernels.windows import Window, cut, widen, widen_both, windows, within, within_both

#: Pixels of a strip that is cut into windows, at full resolution; half as many at H/2, where maps have more channels.
#: Taller windows repeat fewer borders, but hold more pixels that are not wanted.
_CUT = 2**16


class ResNet34EncoderInStrips(ResNet34Encoder):
    """The ResNet-34 encoder, which returns e0 only as pooled for sBFI (``e0_pooled``)."""

    def forward(self, x: Tensor) -> Features:
        """Encode float [N, 3, H, W]; ``e0`` of the result is None."""
        dtype = next(self.layer1.parameters()).dtype
        e0p, i0, e0_pooled = convolve_and_pool(self.conv1, x, 3, 1, dtype)  # type: ignore[arg-type]
        return self.below(None, e0p, i0, e0_pooled)

    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4: float [N, 3, H, W] to [N, 512, H/32, W/32]."""
        e0p = convolve_and_pool_only(self.conv1, x, 3, 1)  # type: ignore[arg-type]
        return self.deepest_below(e0p)


class ViTAESEncoderInStrips(ViTAESEncoder):
    """The ViTAE-S encoder, which returns e0 only as pooled for sBFI (``e0_pooled``)."""

    def forward(self, x: Tensor) -> Features:
        """Encode float [N, 3, H, W]; ``e0`` of the result is None."""
        dtype = next(self.stages[1].cells.parameters()).dtype
        halved, i0, e0_pooled = convolve_and_pool(self.stages[0].reduction.proj1, x, 2, 0, dtype)
        return self.below(None, halved, i0, e0_pooled)

    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4: float [N, 3, H, W] to [N, 512, H/32, W/32]."""
        return self.deepest_below(convolve_and_pool_only(self.stages[0].reduction.proj1, x, 2, 0))


class MobileEncoderInStrips(MobileEncoder):
    """The mobile encoder, which pools each strip of e0 at once: reading all of e0 again would be slow."""

    def forward(self, x: Tensor) -> Features:
        """Encode float [N, 3, H, W]; the result has both ``e0`` and ``e0_pooled``."""
        e0p, e1, e2, e3, e4 = self.backbone(x)
        n, _, height, width = x.shape
        dtype = next(self.stem[3].parameters()).dtype
        e0 = torch.empty((n, CHANNELS, height, width), dtype=dtype, memory_format=torch.channels_last)
        pooled = torch.empty((n, CHANNELS, height // 2, width // 2), dtype=dtype, memory_format=torch.channels_last)
        for rows in strips(height, CHANNELS * width, CONVOLVED, step=2):
            # Each of the two convolutions needs one more row above and below.
            seen = widen(rows, 2, height)
            strip = e0[:, :, rows].copy_(self.stem(x[:, :, seen])[:, :, within(rows, seen)])
            pool_pairs(strip, pooled[:, :, rows.start // 2 : rows.stop // 2])
        return Features(e0, e0p, e1, e2, e3, e4, (None,) * 5, e0_pooled=pooled)


class MattingDecoderInWindows(MattingDecoder):
    """The matting decoder, whose two finest levels are computed only where the local alpha is wanted."""

    def forward(self, features: Features, pyramid: Pyramid, wanted: Tensor | None = None) -> Tensor:
        """Predict the local alpha, float32 [N, 1, H, W]; outside ``wanted`` it may be 0 instead."""
        places = None if wanted is None else wanted[:, 0].numpy()
        x = self.down_to_level_1(features, pyramid)
        x = self._level_0_in_windows(pyramid[3], x, features, places)
        return self._finish_in_windows(x, features, places)

    def _level_0_in_windows(self, d1: Tensor, x: Tensor, f: Features, wanted: np.ndarray | None) -> Tensor:
        """Compute :meth:`level_0`, at H/2, where the wanted parts need it; elsewhere the values are undefined."""
        encoder = f.e0p, f.pool_e0(2)
        n, _, height, width = f.e0p.shape
        channels = self.channels.matting[-1]
        out = torch.empty((n, channels[-1], height, width), dtype=x.dtype, memory_format=torch.channels_last)
        for window in windows(strips(height, 2 * width, _CUT), width, wanted):
            # Each convolution of the head needs one more pixel at full resolution, and enlarging needs one.
            needed = widen_both(window, len(self.head) // 2 + 2, height, width)
            # TFI, sBFI and each convolution of d0 need one more pixel on every side.
            seen = widen_both(needed, 1 + len(channels), height, width)
            decoders = _upsample_window(d1, seen), _enlarge_window(x, f, 1, seen)
            y = self.level_0(*decoders, *(cut(each, seen) for each in encoder))
            cut(out, needed).copy_(cut(y, within_both(needed, seen)))
        return out

    def _finish_in_windows(self, x: Tensor, f: Features, wanted: np.ndarray | None) -> Tensor:
        """Compute the wanted parts of the local alpha at full resolution."""
        n, _, h, w = x.shape
        height, width = 2 * h, 2 * w
        alpha = torch.zeros((n, 1, height, width), dtype=torch.float32)
        # Each convolution of the head needs one more pixel on every side.
        border = len(self.head)
        for window in windows(strips(height, width, _CUT), width, wanted):
            seen = widen_both(window, border, height, width)
            e0 = None if f.e0 is None else cut(f.e0, seen)
            logits = cut(self.logits(_enlarge_window(x, f, 0, seen), e0), within_both(window, seen))
            cut(alpha, window).copy_(torch.sigmoid(logits.float()))
        return alpha


def _enlarge_window(x: Tensor, features: Features, level: int, window: Window) -> Tensor:
    """Return a window of the result of :func:`~.decoders.enlarge`."""
    indices = features.indices[level]
    if indices is None:
        return _upsample_window(x, window)
    halved = _halved(window)
    return cut(unpool_window(x, indices, features.overlapping, *halved), within_both(window, _doubled(halved)))


def _upsample_window(x: Tensor, window: Window) -> Tensor:
    """Return a window of ``upsample(x, 2)``."""
    # Enlarging needs one more pixel on every side.
    seen = widen_both(_halved(window), 1, *x.shape[2:])
    return cut(upsample(cut(x, seen), 2), within_both(window, _doubled(seen)))


def _halved(window: Window) -> Window:
    """Return the smallest window of the map at half the size that covers a window."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in window)
    return rows, columns


def _doubled(window: Window) -> Window:
    """Return the same window in a map of twice the size."""
    rows, columns = (slice(2 * part.start, 2 * part.stop) for part in window)
    return rows, columns


_IN_STRIPS = {
    ResNet34Encoder: ResNet34EncoderInStrips,
    ViTAESEncoder: ViTAESEncoderInStrips,
    MobileEncoder: MobileEncoderInStrips,
    MattingDecoder: MattingDecoderInWindows,
}


def compute_in_strips(network: nn.Module) -> None:
    """Make a network compute its largest maps in strips; its layers must be fused and packed for a CPU."""
    for module in network.modules():
        # The same parameters under the same names: only the methods change.
        module.__class__ = _IN_STRIPS.get(type(module), type(module))
