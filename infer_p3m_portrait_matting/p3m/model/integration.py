"""The three integration modules of P3M-Net (Li et al. 2021, section 4.2): TFI, sBFI and dBFI."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge a map bilinearly (align_corners=False): float [N, C, H, W] to [N, C, factor * H, factor * W]."""
    y = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    if y.requires_grad and y.is_contiguous(memory_format=torch.channels_last):
        # The gradient of a concatenation is a slice, on which PyTorch's backward is far slower on a CPU.
        y.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
    return y


def _add(x: Tensor, fresh: Tensor) -> Tensor:
    """Compute x + fresh in the memory of ``fresh``, unless a gradient needs that memory."""
    return x + fresh if torch.is_grad_enabled() else fresh.add_(x)


class TFI(nn.Module):
    """Tripartite-feature integration (TFI): join segmentation decoder, matting decoder and encoder.

    Args:
        channels: channels of each of the three inputs and of the output; even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # One transform for all three inputs, as published.
        self.transform = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.conv1 = nn.Conv2d(3 * channels // 2, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, segmentation: Tensor, matting: Tensor, encoder: Tensor) -> Tensor:
        """Join three float [N, channels, h, w] into one of the same shape."""
        x = torch.cat([self.transform(segmentation), self.transform(matting), self.transform(encoder)], 1)
        return self.relu(self.bn1(self.conv1(x)))


class SBFI(nn.Module):
    """Shallow bipartite-feature integration (sBFI): sharpen the matting decoder with the encoder's finest feature, e0.

    Args:
        channels: channels of the decoder feature; even.
        e0_channels: channels of e0.
        stride: factor by which the decoder feature is smaller than e0.
    """

    def __init__(self, channels: int, e0_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.transform1 = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.transform2 = nn.Conv2d(e0_channels, channels // 2, 1, bias=False)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, decoder: Tensor, e0: Tensor) -> Tensor:
        """Refine float [N, channels, h, w] by float [N, e0_channels, stride * h, stride * w]; same shape out."""
        return self.refine(decoder, F.max_pool2d(e0, 2, self.stride))

    def refine(self, decoder: Tensor, pooled: Tensor) -> Tensor:
        """Refine float [N, channels, h, w] by the pooled e0, float [N, e0_channels, h, w]; same shape out."""
        x = torch.cat([self.transform1(decoder), self.transform2(pooled)], 1)
        return _add(decoder, self.relu(self.bn1(self.conv1(x))))


class DBFI(nn.Module):
    """Deep bipartite-feature integration (dBFI): guide the segmentation decoder by the encoder's deepest feature, e4.

    Args:
        channels: channels of the decoder feature; even.
        e4_channels: channels of e4.
        scale: factor by which the decoder feature is larger than e4.
    """

    def __init__(self, channels: int, e4_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.transform1 = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.transform2 = nn.Conv2d(e4_channels, channels // 2, 1, bias=False)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, 3, 3, padding=1, bias=False)

    def forward(self, decoder: Tensor, e4: Tensor) -> Tensor:
        """Guide float [N, channels, h, w] by float [N, e4_channels, h / scale, w / scale]; same shape out."""
        deep = upsample(self.transform2(e4), self.scale)
        x = torch.cat([self.transform1(decoder), deep], 1)
        return _add(decoder, self.relu(self.bn1(self.conv1(x))))

    def side(self, x: Tensor) -> Tensor:
        """Compute side logits from the result of ``forward``, at the input size: float [N, 3, H, W] (for training)."""
        return upsample(self.conv2(x), 32 // self.scale)
