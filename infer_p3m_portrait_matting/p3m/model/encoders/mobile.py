"""The small encoder of the bundled model: EfficientNet-Lite0 (Tan and Le 2019) and a full-resolution stem."""

import timm
from torch import Tensor, nn

from .features import Encoder, Features

#: Name of the backbone in timm's registry. Lite0 has no squeeze-and-excitation and clips at 6: fast on any CPU.
BACKBONE = "tf_efficientnet_lite0"

#: Channels of e0.
CHANNELS = 16


class MobileEncoder(Encoder):
    """EfficientNet-Lite0 beside two small convolutions that keep the full resolution.

    Channels: e0 16, e0p 16, e1 24, e2 40, e3 112, e4 320. Strided convolutions halve the maps, so there are no pooling
    indices: every level of ``indices`` is None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(inplace=True),
        )
        self.backbone = timm.create_model(BACKBONE, features_only=True, pretrained=False)

    def forward(self, x: Tensor) -> Features:
        """Compute all features of float [N, 3, H, W] (see :class:`Encoder`)."""
        e0p, e1, e2, e3, e4 = self.backbone(x)
        return Features(self.stem(x), e0p, e1, e2, e3, e4, (None,) * 5)

    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4: float [N, 3, H, W] to [N, 320, H/32, W/32]."""
        return self.backbone(x)[-1]
