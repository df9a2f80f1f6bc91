"""From a caller's image to what the network takes, and back to the image's size."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .imaging.images import as_rgb

#: ImageNet statistics, per RGB channel on [0, 1]; every variant is normalised with them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """Bring an image onto a device as RGB; 8-bit images travel as 8 bits.

    Args:
        image: as for :func:`~.images.check_image`, already checked; never written to.
        device: where to.

    Returns:
        float32 [1, 3, H, W] in [0, 1], channels_last.
    """
    rgb = as_rgb(image)
    scale = {"u1": 255.0, "u2": 65535.0}.get(rgb.dtype.str[1:], 1.0)
    if rgb.dtype != np.uint8:
        rgb = rgb.astype(np.float32)
    # Torch takes neither negative strides nor read-only memory; what it takes as it is, float() copies below.
    tensor = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).to(device)
    return tensor.float().div_(scale).permute(2, 0, 1).unsqueeze(0)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Resize bilinearly, anti-aliased where it shrinks.

    Args:
        x: float [N, C, H, W].
        height: wanted height in pixels.
        width: wanted width in pixels.

    Returns:
        float [N, C, height, width]; ``x`` itself when it has that size.
    """
    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)


def normalize(x: Tensor) -> Tensor:
    """Normalise RGB by the ImageNet statistics.

    Args:
        x: float [N, 3, H, W] in [0, 1].

    Returns:
        A new tensor of the same shape and dtype.
    """
    mean = x.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = x.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (x - mean) / std
