"""Turn images into network inputs, and resize tensors."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..arrays import CONVOLVED, strips

#: ImageNet statistics, per RGB channel on [0, 1]; every variant is normalised with them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: The largest factor by which :func:`resize` shrinks an image in one step on a GPU.
_MOST_AT_ONCE = 32


def to_tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """Copy an image to a device in its own number format, grey as one channel.

    Args:
        image: an array that :func:`~..arrays.check_image` accepts; it is not checked again and never written to.
        device: target device.

    Returns:
        uint8, uint16 or float32 [H, W, channels]; it may share the image's memory, so do not write to it.
    """
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32, copy=False)
    # Torch takes neither negative strides, nor foreign byte orders, nor read-only memory.
    pixels = np.require(pixels, pixels.dtype.newbyteorder("="), ["C", "W"])
    return torch.from_numpy(pixels).to(device)


def to_rgb(pixels: Tensor) -> Tensor:
    """Convert the result of :func:`to_tensor` to RGB.

    Args:
        pixels: uint8, uint16 or float32 [H, W, channels].

    Returns:
        float32 [1, 3, H, W] in [0, 1], channels_last, in memory of its own.
    """
    scale = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(pixels.dtype, 1.0)
    rgb = pixels[..., :3].to(torch.float32, copy=True)
    # Divide by a tensor: a GPU would multiply by the reciprocal of a plain number, which rounds differently.
    rgb.div_(torch.full((), scale, dtype=torch.float32, device=pixels.device))
    return rgb.expand(-1, -1, 3).permute(2, 0, 1).unsqueeze(0).contiguous(memory_format=torch.channels_last)


def shrink(pixels: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Convert the result of :func:`to_tensor` to RGB of other sizes.

    On a CPU the rows shrink first, some columns at a time: a photo of 24 MP takes 288 MB in floating point,
    which are never allocated at once.

    Args:
        pixels: as :func:`to_tensor` gives them.
        sizes: wanted heights and widths in pixels.

    Returns:
        For each size float32 [1, 3, height, width] in [0, 1], channels_last.
    """
    rows, columns = pixels.shape[:2]
    if pixels.device.type != "cpu" or any(height >= rows for height, _ in sizes):
        rgb = to_rgb(pixels)
        return [resize(rgb, *size) for size in sizes]
    shortened = [
        torch.empty((1, 3, height, columns), dtype=torch.float32, memory_format=torch.channels_last)
        for height, _ in sizes
    ]
    for some in strips(columns, 3 * rows, CONVOLVED):
        rgb = to_rgb(pixels[:, some])
        for x in shortened:
            x[..., some] = resize(rgb, x.shape[2], rgb.shape[3])
    return [resize(x, *size) for x, size in zip(shortened, sizes, strict=True)]


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
        # PyTorch's CUDA kernel keeps its weights in shared memory, which is too small for a larger factor.
        steps = (
            max(-(-now // _MOST_AT_ONCE), wanted) for now, wanted in zip(x.shape[2:], (height, width), strict=True)
        )
        return resize(resize(x, *steps), height, width)
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)


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
