"""The ResNet-34 encoder of P3M-Net (Li et al. 2021, section 4): torchvision's blocks, five max-pools, no strides."""

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from ..kernels.pooling import pool
from .features import Encoder, Features


def _layer(inplanes: int, planes: int, blocks: int) -> nn.Sequential:
    # The strides of the original ResNet are replaced by max-pools, so every block keeps the resolution.
    shortcut = None
    if inplanes != planes:
        shortcut = nn.Sequential(nn.Conv2d(inplanes, planes, 1, bias=False), nn.BatchNorm2d(planes))
    first = BasicBlock(inplanes, planes, downsample=shortcut)
    return nn.Sequential(first, *(BasicBlock(planes, planes) for _ in range(blocks - 1)))


class ResNet34Encoder(Encoder):
    """ResNet-34 whose every downsampling is a 3 x 3 max-pool with indices.

    Channels: e0 64, e0p 64, e1 64, e2 128, e3 256, e4 512. The first convolution has stride 1, so that e0 keeps the
    full resolution.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _layer(64, 64, 3)
        self.layer2 = _layer(64, 128, 4)
        self.layer3 = _layer(128, 256, 6)
        self.layer4 = _layer(256, 512, 3)

    def forward(self, x: Tensor) -> Features:
        """Compute all features of float [N, 3, H, W] (see :class:`Encoder`)."""
        e0 = self.first(x)
        return self.below(e0, *pool(e0, 3, 1))

    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4: float [N, 3, H, W] to [N, 512, H/32, W/32]."""
        return self.deepest_below(F.max_pool2d(self.first(x), 3, 2, 1))

    def first(self, x: Tensor) -> Tensor:
        """Compute e0: float [N, 3, H, W] to [N, 64, H, W]."""
        return self.relu(self.bn1(self.conv1(x)))

    def below(self, e0: Tensor | None, e0p: Tensor, i0: Tensor, e0_pooled: Tensor | None = None) -> Features:
        """Compute the features below e0p.

        Args:
            e0: float [N, 64, H, W] or None, passed on.
            e0p: float [N, 64, H/2, W/2].
            i0: indices of e0's pool, the shape of e0p, passed on.
            e0_pooled: float [N, 64, H/2, W/2] or None, passed on.
        """
        x, i1 = pool(e0p, 3, 1)
        e1 = self.layer1(x)
        x, i2 = pool(e1, 3, 1)
        e2 = self.layer2(x)
        x, i3 = pool(e2, 3, 1)
        e3 = self.layer3(x)
        x, i4 = pool(e3, 3, 1)
        e4 = self.layer4(x)
        return Features(e0, e0p, e1, e2, e3, e4, (i0, i1, i2, i3, i4), True, e0_pooled)

    def deepest_below(self, e0p: Tensor) -> Tensor:
        """Compute e4 from e0p: float [N, 64, H/2, W/2] to [N, 512, H/32, W/32]."""
        x = e0p
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(F.max_pool2d(x, 3, 2, 1))
        return x
