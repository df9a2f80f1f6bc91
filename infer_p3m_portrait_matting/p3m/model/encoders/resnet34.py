"""The ResNet-34 encoder of P3M-Net (Li et al. 2021, section 4): torchvision's blocks, five max-pools, no strides."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from ..kernels.convolution import FusedConv2d, match
from .features import Encoder, Features, PooledConvolution, pool, stem_in_strips


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

    def forward(self, x: Tensor, skips: bool = True) -> Features:
        """Encode normalised RGB.

        Args:
            x: float [N, 3, H, W], H and W multiples of 32.
            skips: False to compute only e4.

        Returns:
            The features (see :class:`Features`).
        """
        e0, e0_pooled, e0p, i0 = self._stem(x, skips)
        x, i1 = pool(e0p, 3, 1, skips)
        # The decoders take it so; the larger one need not stay.
        e0p = match(e0p, self.layer1)
        e1 = self.layer1(match(x, self.layer1))
        x, i2 = pool(e1, 3, 1, skips)
        e2 = self.layer2(x)
        x, i3 = pool(e2, 3, 1, skips)
        e3 = self.layer3(x)
        x, i4 = pool(e3, 3, 1, skips)
        e4 = self.layer4(x)
        if not skips:
            return Features.deepest(e4)
        return Features(e0, e0p, e1, e2, e3, e4, (i0, i1, i2, i3, i4), True, e0_pooled)

    def _stem(self, x: Tensor, skips: bool) -> PooledConvolution:
        if isinstance(self.conv1, FusedConv2d) and self.conv1.on_cpu:
            return stem_in_strips(self.conv1, x, 3, 1, skips, self.dtype or x.dtype)
        e0 = self.relu(self.bn1(self.conv1(x)))
        return PooledConvolution(e0 if skips else None, None, *pool(e0, 3, 1, skips))
