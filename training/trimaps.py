"""The unknown area of training samples, from their mattes."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Below and above these a matte counts as plain background and foreground: pseudo labels have a faint veil.
LOW, HIGH = 8 / 255, 247 / 255


def dilate(mask: Tensor, radius: Tensor) -> Tensor:
    """Grow masks by an octagon, each sample by its own radius, to two pixels.

    Args:
        mask: float [N, 1, H, W], 0 or 1; H and W even.
        radius: int [N], in pixels.

    Returns:
        float [N, 1, H, W], at least the mask.
    """
    # At half the size it takes an eighth of the work, and no training needs a finer band.
    result, radius = F.max_pool2d(mask, 2), (radius // 2).view(-1, 1, 1, 1)
    # Squares and crosses in turn come close to a disc.
    for step in range(1, int(radius.max()) + 1):
        if step % 3 == 1:
            grown = F.max_pool2d(result, 3, 1, 1)
        else:
            grown = torch.maximum(F.max_pool2d(result, (3, 1), 1, (1, 0)), F.max_pool2d(result, (1, 3), 1, (0, 1)))
        result = torch.where(radius >= step, grown, result)
    return F.interpolate(result, scale_factor=2, mode="nearest")


def trimap(alpha: Tensor, radius: Tensor) -> Tensor:
    """Call unknown what is partial, thin or near either (Li et al. 2021, section 4.1).

    Background and foreground both shrink by the radius, so that gaps and strands narrower than twice of it are unknown
    as a whole.

    Args:
        alpha: float [N, 1, H, W] in [0, 1].
        radius: int [N], in pixels.

    Returns:
        int64 [N, H, W]; 0 background, 1 unknown, 2 foreground.
    """
    foreground = 1 - dilate((alpha < HIGH).float(), radius)
    outside = dilate((alpha > LOW).float(), radius)
    return (foreground + outside)[:, 0].long()


def odd_unknown(classes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Let the unknown area reach into body and background, in blobs, as a predicted one does.

    Args:
        classes: int64 [N, H, W], from :func:`trimap`.
        share: of the samples that are changed.
        generator: on the same device.

    Returns:
        int64 [N, H, W].
    """
    n, height, width = classes.shape
    coarse = torch.randn(n, 1, 4 + height // 64, 4 + width // 64, generator=generator, device=classes.device)
    blobs = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[:, 0]
    chosen = torch.rand(n, 1, 1, generator=generator, device=classes.device) < share
    return torch.where(chosen & (blobs > 0.9), 1, classes)
