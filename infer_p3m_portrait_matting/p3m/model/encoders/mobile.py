"""The small encoder of the bundled model: EfficientNet-Lite0 (Tan and Le 2019) and a full-resolution stem."""

import timm
import torch
from torch import Tensor, nn

from ..kernels.convolution import FusedConv2d, match
from ..kernels.windows import widen, windows, within
from .features import Encoder, Features, pool_pairs

#: Name of the backbone in timm's registry. Lite0 has no squeeze-and-excitation and clips at 6: fast on any CPU.
BACKBONE = "tf_efficientnet_lite0"

#: Channels of e0.
_CHANNELS = 16
#: Rows of e0 in a strip when they are 1024 px long.
_ROWS = 64


class MobileEncoder(Encoder):
    """EfficientNet-Lite0 beside two small convolutions that keep the full resolution.

    Channels: e0 16, e0p 16, e1 24, e2 40, e3 112, e4 320. Its downsamplings are strided convolutions, so that there
    are no pooling indices: every level of ``indices`` is None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(_CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(_CHANNELS),
            nn.ReLU(inplace=True),
        )
        self.backbone = timm.create_model(BACKBONE, features_only=True, pretrained=False)

    def forward(self, x: Tensor, skips: bool = True) -> Features:
        """Encode normalised RGB.

        Args:
            x: float [N, 3, H, W], H and W multiples of 32.
            skips: False to compute only e4.

        Returns:
            The features (see :class:`Features`).
        """
        e0p, e1, e2, e3, e4 = self.backbone(x)
        if not skips:
            return Features.deepest(e4)
        first = self.stem[0]
        if isinstance(first, FusedConv2d) and first.on_cpu:
            e0, e0_pooled = self._stem_in_strips(x)
            return Features(e0, e0p, e1, e2, e3, e4, (None,) * 5, e0_pooled=e0_pooled)
        return Features(self._stem(x), e0p, e1, e2, e3, e4, (None,) * 5)

    def _stem(self, x: Tensor) -> Tensor:
        y = self.stem[:3](x)
        return self.stem[3:](y if self.dtype is None else match(y, self.stem[3]))

    def _stem_in_strips(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """e0, and what sBFI takes of it, strip by strip: maps as large as e0 are slow to write and to read again."""
        n, _, height, width = x.shape
        dtype, layout = self.dtype or x.dtype, torch.channels_last
        e0 = torch.empty((n, _CHANNELS, height, width), dtype=dtype, memory_format=layout)
        pooled = torch.empty((n, _CHANNELS, height // 2, width // 2), dtype=dtype, memory_format=layout)
        for rows, _ in windows(height, width, max(_ROWS * 1024 // width // 2, 1) * 2):
            # Each of the two convolutions sees one row more above and below.
            seen = widen(rows, 2, height)
            strip = e0[:, :, rows].copy_(self._stem(x[:, :, seen])[:, :, within(rows, seen)])
            pool_pairs(strip, pooled[:, :, rows.start // 2 : rows.stop // 2])
        return e0, pooled
