"""The small encoder of the bundled model: EfficientNet-Lite0 (Tan and Le 2019) and a full-resolution stem."""

import timm
from torch import Tensor, nn

from .features import Features

#: Name of the backbone in timm's registry. Lite0 has no squeeze-and-excitation and clips at 6: fast on any CPU.
BACKBONE = "tf_efficientnet_lite0"


class MobileEncoder(nn.Module):
    """EfficientNet-Lite0 beside two small convolutions that keep the full resolution.

    Channels: e0 16, e0p 16, e1 24, e2 40, e3 112, e4 320. Its downsamplings are strided convolutions, so that there
    are no pooling indices: every level of ``indices`` is None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
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
        return Features(self.stem(x), e0p, e1, e2, e3, e4, (None,) * 5)
