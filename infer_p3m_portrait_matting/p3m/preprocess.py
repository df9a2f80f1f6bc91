"""From a caller's image to what the network takes."""

from torch import Tensor

from .network import IMAGENET_MEAN, IMAGENET_STD


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
