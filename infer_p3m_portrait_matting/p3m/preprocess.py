"""From a caller's image to what the network takes, and back to the image's size."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .network import IMAGENET_MEAN, IMAGENET_STD

#: How many times smaller :func:`resize` makes an image in one step on a GPU.
_MOST_AT_ONCE = 32


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
    """Bring an image onto a device as it is: 8-bit images travel as 8 bits, grey as one channel.

    Args:
        image: as for :func:`check_image`, already checked; never written to.
        device: where to.

    Returns:
        uint8, uint16 or float32 [H, W, channels]; may share the image's memory: not to be written to.
    """
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32, copy=False)
    # Torch takes neither negative strides, nor foreign byte orders, nor read-only memory.
    pixels = np.require(pixels, pixels.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(pixels).to(device)


def to_rgb(pixels: Tensor) -> Tensor:
    """Turn pixels as :func:`to_tensor` gives them into RGB.

    Args:
        pixels: uint8, uint16 or float32 [H, W, channels].

    Returns:
        float32 [1, 3, H, W] in [0, 1], channels_last, in memory of its own.
    """
    scale = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(pixels.dtype, 1.0)
    rgb = pixels[..., :3].to(torch.float32, copy=True).div_(scale)
    return rgb.expand(-1, -1, 3).permute(2, 0, 1).unsqueeze(0).contiguous(memory_format=torch.channels_last)


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
    if x.is_cuda and max(x.shape[2] / height, x.shape[3] / width) > _MOST_AT_ONCE:
        # PyTorch's CUDA kernel keeps its weights in shared memory, which does not hold those of more at once.
        x = resize(x, max(-(-x.shape[2] // _MOST_AT_ONCE), height), max(-(-x.shape[3] // _MOST_AT_ONCE), width))
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)


def normalize(x: Tensor) -> Tensor:
    """Normalise RGB by the ImageNet statistics.

    Args:
        x: float [N, 3, H, W] in [0, 1].

    Returns:
        A new tensor of the same shape and dtype.
    """
    mean, std = _statistics(x.device, x.dtype)
    return (x - mean) / std


@cache
def _statistics(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Kept, because each upload would wait for the GPU. Made outside of inference mode, so that training may use them.
    with torch.inference_mode(False):
        mean, std = (torch.tensor(values, device=device, dtype=dtype) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return mean.view(1, 3, 1, 1), std.view(1, 3, 1, 1)
