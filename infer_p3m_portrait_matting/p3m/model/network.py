"""P3M-Net: one encoder, two decoders, and the fusion of their predictions."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .channels import FOREGROUND, IMAGENET_MEAN, IMAGENET_STD, STRIDE, UNKNOWN, Channels
from .decoders import MattingDecoder, SegmentationDecoder
from .encoders.features import Encoder


class P3MOutput(NamedTuple):
    """Everything that the network predicts for float [N, 3, H, W].

    Attributes:
        logits: [N, 3, H, W], segmentation logits (background, unknown, foreground).
        local_alpha: [N, 1, H, W] in [0, 1], the matting decoder's alpha, valid in the unknown area.
        alpha: [N, 1, H, W] in [0, 1], fused from the classes and the local alpha.
        side_logits: three [N, 3, H, W], from dBFI 2, 1 and 0 (deep supervision in training).
    """

    logits: Tensor
    local_alpha: Tensor
    alpha: Tensor
    side_logits: tuple[Tensor, ...]


def normalize(x: Tensor) -> Tensor:
    """Normalise RGB by the ImageNet statistics.

    Args:
        x: float [N, 3, H, W] in [0, 1].

    Returns:
        A new tensor of the same shape and dtype.
    """
    mean, std = _statistics(x.device, x.dtype)
    return (x - mean).div_(std)


@cache
def _statistics(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Cached, because each upload would wait for the GPU. Made outside inference mode, so that training may use them.
    with torch.inference_mode(False):
        mean, std = (torch.tensor(values, device=device, dtype=dtype) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return mean.view(1, 3, 1, 1), std.view(1, 3, 1, 1)


def fuse(logits: Tensor, local_alpha: Tensor) -> Tensor:
    """Fuse both decoders (collaborative matting, Li et al. 2021, section 4.1).

    Alpha is 0 in the background, 1 in the foreground and the local alpha in the unknown area.

    Args:
        logits: float [N, 3, H, W].
        local_alpha: float [N, 1, H, W] in [0, 1].

    Returns:
        float [N, 1, H, W] in [0, 1], with the dtype of ``local_alpha``; NaN where a logit is not finite.
    """
    classes = logits.argmax(1, keepdim=True)
    alpha = torch.where(classes == UNKNOWN, local_alpha, (classes == FOREGROUND).to(local_alpha.dtype))
    # Where a logit is not finite, the largest one means nothing.
    return torch.where(logits.isfinite().all(1, keepdim=True), alpha, float("nan"))


class P3MNet(nn.Module):
    """Privacy-preserving portrait matting network (Li et al. 2021; Ma et al. 2023).

    Every method takes RGB normalised by the ImageNet statistics, float [N, 3, H, W] with H and W multiples of 32, and
    raises ValueError for any other shape. On a CPU, ``segment`` and ``local_alpha`` equal the fields of ``forward``
    bit for bit.

    Args:
        encoder: computes the :class:`~.encoders.features.Features`.
        channels: the variant's channel table.
    """

    def __init__(self, encoder: Encoder, channels: Channels) -> None:
        super().__init__()
        self.encoder = encoder
        self.segmentation = SegmentationDecoder(channels)
        self.matting = MattingDecoder(channels)
        #: The number format of the network, except for the parts that stay in float32 (see :mod:`.prepare`).
        self.dtype = torch.float32

    def forward(self, x: Tensor) -> P3MOutput:
        """Predict everything (see :class:`P3MOutput`), as training needs it."""
        _check(x)
        features = self.encoder(x)
        segmentation = self.segmentation(features.e4, sides=True)
        local_alpha = self.matting(features, segmentation.pyramid)
        logits = segmentation.logits
        return P3MOutput(logits, local_alpha, fuse(logits, local_alpha), segmentation.side_logits)

    def segment(self, x: Tensor) -> Tensor:
        """Predict only the segmentation logits, float [N, 3, H, W]: the global pass of HYBRID."""
        _check(x)
        return self.segmentation(self.encoder.deepest(x)).logits

    def segment_with_sides(self, x: Tensor) -> tuple[Tensor, ...]:
        """Predict the segmentation logits and the three side logits, float [N, 3, H, W] each, as ``forward`` does."""
        _check(x)
        _, logits, side_logits = self.segmentation(self.encoder.deepest(x), sides=True)
        return logits, *side_logits

    def local_alpha(self, x: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Predict only the local alpha, float [N, 1, H, W] in [0, 1]: the local pass of HYBRID.

        Args:
            x: as for every method.
            wanted: bool [N, 1, h, w] of any size: where the local alpha is wanted; elsewhere it may be 0. None for
                everywhere.
        """
        _check(x)
        features = self.encoder(x)
        pyramid, _ = self.segmentation.pyramid(features.e4)
        return self.matting(features, pyramid, wanted)

    def fused_alpha(self, x: Tensor) -> Tensor:
        """Predict only the fused alpha, float [N, 1, H, W] in [0, 1]: the single pass of RESIZE."""
        _check(x)
        features = self.encoder(x)
        pyramid, logits, _ = self.segmentation(features.e4)
        return fuse(logits, self.matting(features, pyramid, logits.argmax(1, keepdim=True) == UNKNOWN))


def _check(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] != 3 or not x.shape[2] or not x.shape[3] or x.shape[2] % STRIDE or x.shape[3] % STRIDE:
        raise ValueError(
            f"P3M-Net takes [N, 3, H, W] with H and W positive multiples of {STRIDE}, got {list(x.shape)}: "
            "resize or pad the image first"
        )
    if not x.is_floating_point():
        raise ValueError(f"P3M-Net takes normalised floating-point RGB, got {x.dtype}")
