"""The losses of P3M-Net (Li et al. 2021, section 4.3), and two of our own.

Parts and weights are those of the paper. The published code differs in its details: it weighs the levels of the
Laplacian alike, keeps the last low-pass as a sixth, and adds the composition's error over the colours, where ours is
their mean.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m.model.channels import UNKNOWN
from infer_p3m_portrait_matting.p3m.model.network import P3MOutput

from .trimaps import near_outline, thin_parts

LEVELS = 5

#: The mean error of the local alpha in the unknown area: some 0.02 where the truth is 0 or 1, more between.
LOCAL_ERROR = 0.04
#: Half of the width up to which parts are thin, as a share of the picture's longer side.
THIN = 0.035
#: From this distance to the outline, in pixels, a wrong alpha is a hole or a rag, not a wrong strand.
FAR = 20


class Losses(NamedTuple):
    """The parts of the loss, scalars; ``total`` is what training minimises."""

    total: Tensor
    segmentation: Tensor
    local: Tensor
    fused: Tensor
    composition: Tensor


def p3m_loss(
    output: P3MOutput, alpha: Tensor, trimap: Tensor, contrast: Tensor, segmentation_weight: float = 1.0
) -> Losses:
    """Weigh segmentation, local alpha, fused alpha and composition as in the paper.

    Args:
        output: the network's output for [N, 3, H, W].
        alpha: float [N, 1, H, W] in [0, 1], the true matte.
        trimap: int64 [N, H, W]; 0 background, 1 unknown, 2 foreground.
        contrast: float [N, 1, H, W] in [0, 1], mean over RGB of abs(F - B); the error of a composite is the alpha's
            error times this.
        segmentation_weight: weight of the segmentation loss; 1 in the paper. Close-ups do not show what is a person,
            and HYBRID never segments them.
    """
    segmentation = segmentation_loss(output.logits, output.side_logits, trimap)
    unknown = (trimap == UNKNOWN).unsqueeze(1).to(alpha.dtype)
    local_error = (output.local_alpha - alpha) * unknown
    local = local_error.abs().sum() / unknown.sum().clamp(min=1) + laplacian(local_error)
    fused_error = output.alpha - alpha
    fused = fused_error.abs().mean() + laplacian(fused_error)
    composition = (fused_error.abs() * contrast).mean()
    total = segmentation_weight * segmentation + 2 * local + 3 * fused + composition
    return Losses(total, segmentation, local, fused, composition)


def local_loss(local_alpha: Tensor, alpha: Tensor, trimap: Tensor, contrast: Tensor, inside: float = 0.0) -> Tensor:
    """Weigh the local alpha only inside the unknown area: L1, Laplacian and composition, a scalar.

    Use it in stages that keep the segmentation. L1 and composition are means over the unknown area, whatever its size.
    So is the Laplacian down to a tenth of the batch; below, it fades, so that a few pixels do not dominate. L1 weighs
    twice the Laplacian, unlike in :func:`p3m_loss`.

    Args:
        local_alpha: float [N, 1, H, W] in [0, 1], predicted.
        alpha, trimap, contrast: as for :func:`p3m_loss`.
        inside: additional weight in L1 and composition of what lies :data:`FAR` pixels and more from the outline.
    """
    unknown = (trimap == UNKNOWN).unsqueeze(1).to(alpha.dtype)
    error = (local_alpha - alpha) * unknown
    area = unknown.sum().clamp(min=1)
    share = unknown.mean().clamp(min=0.1)
    weight = 1 + inside * (1 - near_outline(alpha, FAR)) if inside else 1.0
    weighted = weight * error.abs()
    return 2 * weighted.sum() / area + laplacian(error) / share + (weighted * contrast).sum() / area


def segmentation_loss(logits: Tensor, side_logits: tuple[Tensor, ...], trimap: Tensor) -> Tensor:
    """Compute the cross-entropy with deep supervision, a scalar; arguments as in :func:`p3m_loss`."""

    def cross_entropy(level: Tensor) -> Tensor:
        # Contiguous: the CPU's softmax over three channels is slow when they lie last.
        return F.cross_entropy(level.contiguous(), trimap)

    return (sum(cross_entropy(level) for level in side_logits) + 3 * cross_entropy(logits)) / 6


def expected_error(logits: Tensor, alpha: Tensor, thin: float = 0.0) -> Tensor:
    """Compute the matte's expected error, were each class drawn with its probability; a scalar.

    Cross-entropy counts a lost hand and a wrong edge of the unknown area alike; this counts what they cost the matte.

    Args:
        logits: float [N, 3, H, W], of background, unknown and foreground.
        alpha: float [N, 1, H, W] in [0, 1], the true matte.
        thin: additional weight of limbs and gaps (:func:`~.trimaps.thin_parts`).

    Returns:
        Mean over the pixels: background costs alpha, foreground 1 - alpha, unknown :data:`LOCAL_ERROR`.
    """
    background, unknown, foreground = logits.contiguous().softmax(1).unbind(1)
    truth = alpha[:, 0]
    error = background * truth + foreground * (1 - truth) + unknown * LOCAL_ERROR
    if thin:
        error = error * (1 + thin * thin_parts(alpha, round(THIN * max(alpha.shape[2:])))[:, 0])
    return error.mean()


def laplacian(error: Tensor) -> Tensor:
    """Compute the Laplacian-pyramid loss of an error map; as the pyramid is linear, the difference needs only one.

    Args:
        error: float [N, 1, H, W], prediction minus truth; H and W at least 32.

    Returns:
        Scalar: sum over 5 levels of 2^level times the mean absolute value (Hou and Liu 2019, section 3.3).
    """
    total = error.new_zeros(())
    for level in range(LEVELS):
        rows, columns = (_blurring(side, error) for side in error.shape[2:])
        blurred = rows @ error @ columns.T
        total = total + 2**level * (error - blurred).abs().mean()
        error = F.avg_pool2d(blurred, 2)
    return total


def _blurring(side: int, like: Tensor) -> Tensor:
    """Return the Gaussian (5 taps, sigma 1, edges repeated) as a matrix: far faster on one channel than convolution."""
    offsets = torch.arange(-2, 3, device=like.device)
    kernel = torch.exp(-offsets.to(like.dtype).square() / 2)
    places = (torch.arange(side, device=like.device).unsqueeze(1) + offsets).clamp(0, side - 1)
    return like.new_zeros(side, side).scatter_add_(1, places, (kernel / kernel.sum()).expand(side, 5))
