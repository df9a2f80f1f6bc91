"""The unknown area of training samples, from their mattes."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: A matte below the first counts as background, above the second as foreground: pseudo labels have a faint veil.
LOW, HIGH = 8 / 255, 247 / 255
#: A share of partial pixels around a pixel from which on the place counts as hair.
DENSE = 0.35
#: How far the wide band reaches from hair, in pixels.
HAIR_REACH = 14
#: What :func:`predicted_unknown` takes for doubt: probabilities below these.
SURE_BACKGROUND, SURE_FOREGROUND = 0.99, 0.8


def dilate(mask: Tensor, radius: int | Tensor) -> Tensor:
    """Grow masks by an octagon, each sample by its own radius, to two pixels.

    Args:
        mask: float [N, 1, H, W], 0 or 1; H and W even.
        radius: in pixels, one for all samples, or int [N].

    Returns:
        float [N, 1, H, W], at least the mask.
    """
    # Half the size needs an eighth of the work, and training needs no finer band.
    result, radius = F.max_pool2d(mask, 2), (torch.as_tensor(radius, device=mask.device) // 2).view(-1, 1, 1, 1)
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


def narrow_at_bodies(wide: Tensor, alpha: Tensor, hair: Tensor, radius: Tensor) -> Tensor:
    """Narrow the unknown area where alpha is 0 or 1 on both sides of the outline, as at clothes and limbs.

    Hair keeps its width: places of the hair, and places where partial alpha is dense, such as strands.

    Args:
        wide: int64 [N, H, W], from :func:`trimap`.
        alpha: float [N, 1, H, W] in [0, 1].
        hair: float [N, 1, H, W] in [0, 1], how likely a pixel is hair.
        radius: int [N], in pixels: of the band at bodies.

    Returns:
        int64 [N, H, W].
    """
    partial = ((alpha > LOW) & (alpha < HIGH)).float()
    # An outline of two pixels fills less than a quarter of this window, a lock of strands half of it.
    dense = F.avg_pool2d(partial, 9, 1, 4, count_include_pad=False) > DENSE
    soft = dilate((dense | ((hair > 0.25) & (alpha > LOW))).float(), HAIR_REACH)[:, 0] > 0
    return torch.where(soft, wide, trimap(alpha, radius))


def near_outline(alpha: Tensor, radius: int) -> Tensor:
    """Mark what lies within a radius of partial alpha.

    Args:
        alpha: float [N, 1, H, W] in [0, 1].
        radius: in pixels.

    Returns:
        float [N, 1, H, W], 0 or 1.
    """
    # A hard outline has no partial pixel: both sides of it are partial once they are averaged.
    soft = F.avg_pool2d(alpha, 3, 1, 1, count_include_pad=False)
    return dilate(((soft > LOW) & (soft < HIGH)).float(), radius)


def predicted_unknown(logits: Tensor, height: int, width: int) -> Tensor:
    """Mark as unknown what a global pass calls so, and what it doubts: the second look may ask for that, too.

    Args:
        logits: float [N, 3, h, w] of the global pass.
        height, width: of the result, in pixels.

    Returns:
        int64 [N, height, width]: the classes, 1 where background is less probable than :data:`SURE_BACKGROUND` or
        foreground than :data:`SURE_FOREGROUND`.
    """
    background, _, foreground = logits.softmax(1).unbind(1)
    classes = logits.argmax(1)
    doubt = ((classes == 0) & (background < SURE_BACKGROUND)) | ((classes == 2) & (foreground < SURE_FOREGROUND))
    classes = torch.where(doubt, 1, classes)
    return F.interpolate(classes[:, None].float(), (height, width), mode="nearest")[:, 0].long()


def thin_parts(alpha: Tensor, radius: int) -> Tensor:
    """Mark limbs and gaps: what an opening and a closing of the outline by a radius would remove.

    Args:
        alpha: float [N, 1, H, W] in [0, 1].
        radius: in pixels.

    Returns:
        float [N, 1, H, W], 0 or 1.
    """
    person = (alpha > 0.5).float()
    opened = dilate(1 - dilate(1 - person, radius), radius)
    closed = 1 - dilate(1 - dilate(person, radius), radius)
    return ((person - opened).clamp(0, 1) + (closed - person).clamp(0, 1)).clamp(0, 1)


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
