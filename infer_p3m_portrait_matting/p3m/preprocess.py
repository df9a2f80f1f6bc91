"""From a caller's image to what the network takes, and back to the image's size."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .network import IMAGENET_MEAN, IMAGENET_STD


def check_image(image: np.ndarray) -> None:
    """Refuse what is no image, with one message that says why.

    Args:
        image: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA).

    Raises:
        TypeError: not an array, or of another dtype.
        ValueError: another shape, an empty image, NaN or infinite values, or floats outside [0, 1].
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"the image must be a numpy array, got {type(image).__name__}")
    if image.ndim not in (2, 3):
        raise ValueError(f"the image must be [H, W] or [H, W, channels], got shape {image.shape}")
    if 0 in image.shape[:2]:
        raise ValueError(f"the image is empty: shape {image.shape}")
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4):
        raise ValueError(f"the image must have 1, 3 (RGB) or 4 (RGBA) channels, got {image.shape[2]}")
    if image.dtype in (np.uint8, np.uint16):
        return
    if image.dtype.kind != "f":
        raise TypeError(f"the image must be uint8, uint16 or floating point, got {image.dtype}: convert it first")
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("the image holds NaN or infinite values: clean it first")
    if low < 0 or high > 1:
        raise ValueError(f"floating-point images must lie in [0, 1], got [{low:g}, {high:g}]: divide by the maximum")


def as_rgb(image: np.ndarray) -> np.ndarray:
    """View an image as RGB: grey is repeated, the alpha of RGBA is left out. Nothing is copied.

    Args:
        image: as for :func:`check_image`, already checked.

    Returns:
        A read-only or shared view [H, W, 3] of the same dtype.
    """
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == 1:
        return np.broadcast_to(image, (*image.shape[:2], 3))
    return image[..., :3]


def to_tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """Bring an image onto a device as RGB; 8-bit images travel as 8 bits.

    Args:
        image: as for :func:`check_image`, already checked; never written to.
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
