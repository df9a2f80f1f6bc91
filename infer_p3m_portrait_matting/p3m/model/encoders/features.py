"""The features that every encoder passes to the decoders."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class Features(NamedTuple):
    """Encoder features, from full resolution down to 1/32.

    ``e0`` has the input's height and width H x W, ``e0p`` has H/2 x W/2, and ``e1`` to ``e4`` have H/4 to H/32;
    all are float [N, channels, height, width]. ``indices`` holds, for levels 0 to 4, the int64 max-pooling indices
    that lead from that level to the next, or None if a strided convolution leads there; ``overlapping`` says
    whether the pools' windows were 3 x 3 (and may take one place several times) rather than 2 x 2.

    With ``skips=False`` an encoder returns only ``e4``; every other field is None.
    """

    e0: Tensor | None
    e0p: Tensor | None
    e1: Tensor | None
    e2: Tensor | None
    e3: Tensor | None
    e4: Tensor
    indices: tuple[Tensor | None, ...] | None
    overlapping: bool = False

    @classmethod
    def deepest(cls, e4: Tensor) -> "Features":
        """Make the features of an encoder that was called with ``skips=False``."""
        return cls(None, None, None, None, None, e4, None)


def pool(x: Tensor, kernel: int, padding: int, with_indices: bool) -> tuple[Tensor, Tensor | None]:
    """Apply max-pooling with stride 2; return its indices only if they will be used for unpooling.

    Args:
        x: float [N, C, H, W].
        kernel: window size in pixels.
        padding: border in pixels.
        with_indices: whether to return the int64 indices too; pooling without them is faster.

    Returns:
        float [N, C, H/2, W/2], and int64 indices of the same shape or None.
    """
    if with_indices:
        return F.max_pool2d(x, kernel, 2, padding, return_indices=True)
    return F.max_pool2d(x, kernel, 2, padding), None


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Lay tokens [N, height * width, C] out as a map [N, C, height, width] without copying (channels_last strides)."""
    n, _, c = tokens.shape
    return tokens.view(n, height, width, c).permute(0, 3, 1, 2)


def as_tokens(x: Tensor) -> Tensor:
    """Turn a map [N, C, H, W] into tokens [N, H * W, C]; free of copies when the map is channels_last."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w, c)
