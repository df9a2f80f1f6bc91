"""Fold batch normalisation into the convolutions before it: the same function with fewer passes over memory."""

from typing import TypeGuard

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every BatchNorm2d that directly follows a Conv2d among its parent's children.

    Our networks, like the blocks of torchvision and timm, register a normalisation right after the convolution whose
    output it takes. Results change by rounding only.

    Args:
        module: a network in evaluation mode; it is changed in place.

    Returns:
        The same network.
    """
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and _fits(previous[1], child):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            # timm's BatchNormAct2d contains its activation.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norms(child)
        previous = name, child
    return module


def _fits(convolution: nn.Module, norm: nn.BatchNorm2d) -> TypeGuard[nn.Conv2d]:
    return isinstance(convolution, nn.Conv2d) and convolution.out_channels == norm.num_features
