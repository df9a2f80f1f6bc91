"""The unknown area of training samples, from their mattes."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: A matte below the first counts as background, above the second as foreground: pseudo labels have a faint veil.
LOW, HIGH = 8 / 255, 247 / 255


def dilate(mask: Tensor, radius: Tensor) -> Tensor:
    """Grow masks by an octagon, each sample by its own radius, to two pixels.

    Args:
        mask: float [N, 1, H, W], 0 or 1; H and W even.
        radius: int [N], in pixels.

    Returns:
        float [N, 1, H, W], at least the mask.
    """
    # Half the size needs an eighth of the work, and training needs no finer band.
    result, radius = F.max_pool2d(mask, 2), (radius // 2).view(-1, 1, 1, 1)
    # Alternating squares and crosses approximate a disc.
    for step in range(1, int(radius.max()) + 1):
        if step % 3 == 1:
            grown = F.max_pool2d(result, 3, 1, 1)
        else:
            grown = torch.maximum(F.max_pool2d(result, (3, 1), 1, (1, 0)), F.max_pool2d(result, (1, 3), 1, (0, 1)))
        result = torch.where(radius >= step, grown, result)
    return F.interpolate(result, scale_factor=2, mode="nearest")


def trimap(alpha: Tensor, radius: Tensor) -> Tensor:
    """Mark as unknown what is partial, thin or near either (Li et al. 2021, section 4.1).

    Background and foreground both shrink by the radius, so gaps and strands narrower than twice the radius are
    entirely unknown.

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
    """Extend the unknown area into body and background, in blobs, as a predicted one does.

    Args:
        classes: int64 [N, H, W], from :func:`trimap`.
        share: share of the samples to change.
        generator: on the same device.

    Returns:
        int64 [N, H, W].
    """
    n, height, width = classes.shape
    coarse = torch.randn(n, 1, 4 + height // 64, 4 + width // 64, generator=generator, device=classes.device)
    blobs = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[:, 0]
    chosen = torch.rand(n, 1, 1, generator=generator, device=classes.device) < share
    return torch.where(chosen & (blobs > 0.9), 1, classes)
