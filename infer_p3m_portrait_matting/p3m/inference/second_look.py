"""Let the local alpha correct small mistakes of the global pass: lost parts of the person, and gaps that it closed.

This step is not in the paper. The global pass sees the whole photo, but coarsely. If it calls an elbow background, the
elbow is missing from the matte, however well the local pass sees it. A gap between arm and body, or in hair, that the
global pass calls foreground stays closed in the same way. The local alpha alone cannot decide: it takes things and
other people for the person. So a mistake is corrected only if it is doubtful, small, and adjoins the person's outline.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from ..model.network import BACKGROUND, FOREGROUND, UNKNOWN

#: From these probabilities on, background and foreground are beyond doubt.
_CERTAIN = {BACKGROUND: 0.9, FOREGROUND: 0.8}
#: Doubt that is thinner surrounds every person.
_THICK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_ADJOINING = np.ones((3, 3), np.uint8)


class SecondLook(NamedTuple):
    """How large a mistake may be to be corrected, as shares of the person's area; 0 corrects none.

    The person's area is the foreground and half of the unknown area.

    Attributes:
        lost: area of the largest lost part, in [0, 1]. Larger ones are more often another person.
        closed: area of the largest closed gap, in [0, 1].
    """

    lost: float
    closed: float


def doubtful(logits: Tensor, classes: Tensor) -> Tensor:
    """Tell where :func:`reconsider` needs the local alpha.

    That is where background is less probable than 0.9, or foreground less than 0.8, in areas at least 7 pixels thick:
    thinner ones surround every person, and computing the local alpha takes time.

    Args:
        logits: float [N, 3, h, w] of the global pass.
        classes: int64 [N, 1, h, w], its classes.

    Returns:
        bool [N, 1, h, w].
    """
    certainty = logits.float().softmax(1).gather(1, classes)
    found = torch.zeros_like(classes, dtype=torch.bool)
    for known, certain in _CERTAIN.items():
        doubt = (classes == known).logical_and_(certainty < certain)[:, 0].to(torch.uint8).cpu().numpy()
        thick = np.stack([cv2.morphologyEx(picture, cv2.MORPH_OPEN, _THICK) for picture in doubt])
        found |= torch.from_numpy(thick).to(found.device, torch.bool)[:, None]
    return found


def without_islands(classes: Tensor) -> Tensor:
    """Call unknown areas that touch no foreground background: they are things, or people whom the pass does not see.

    Where a picture has no foreground at all, its unknown areas stay.

    Args:
        classes: int64 [N, 1, h, w] of the global pass.

    Returns:
        int64 [N, 1, h, w]; ``classes`` itself where there is no such area.
    """
    dropped = np.zeros(classes.shape, bool)
    for found, islands in zip(classes[:, 0].to(torch.uint8).cpu().numpy(), dropped[:, 0], strict=True):
        count, areas = cv2.connectedComponents((found != BACKGROUND).astype(np.uint8), connectivity=8)
        touched = np.zeros(count, bool)
        touched[areas[found == FOREGROUND]] = True
        if touched.any():
            islands[...] = (found == UNKNOWN) & ~touched[areas]
    return classes.masked_fill(torch.from_numpy(dropped).to(classes.device), BACKGROUND) if dropped.any() else classes


def reconsider(classes: Tensor, doubt: Tensor, local: Tensor, limits: SecondLook) -> Tensor:
    """Call small mistakes of the global pass unknown, so that the local alpha fills them.

    A mistake is a connected piece of doubtful background where the local alpha is above 0.5, or of doubtful foreground
    where it is below, if it adjoins another class and is no larger than its limit.

    Args:
        classes: int64 [1, 1, h, w] of the global pass.
        doubt: bool [1, 1, h, w] of :func:`doubtful`.
        local: float32 [1, 1, H, W] of the local pass, in [0, 1]; only values in doubtful places count.
        limits: how large mistakes may be.

    Returns:
        int64 [1, 1, h, w]; ``classes`` itself where nothing is doubtful.
    """
    h, w = classes.shape[2:]
    found, doubted = classes[0, 0].cpu().numpy(), doubt[0, 0].cpu().numpy()
    if not doubted.any():
        return classes
    coarse = cv2.resize(local[0, 0].cpu().numpy(), (w, h), interpolation=cv2.INTER_AREA)
    person = np.count_nonzero(found == FOREGROUND) + np.count_nonzero(found == UNKNOWN) / 2
    background, foreground = found == BACKGROUND, found == FOREGROUND
    lost = _small_parts(background & doubted & (coarse > 0.5), ~background, limits.lost * person)
    closed = _small_parts(foreground & doubted & (coarse < 0.5), ~foreground, limits.closed * person)
    return classes.masked_fill(torch.from_numpy(lost | closed).to(classes.device), UNKNOWN)


def _small_parts(area: np.ndarray, beside: np.ndarray, largest: float) -> np.ndarray:
    """The connected parts of an area that adjoin another one and have at most so many pixels; all bool [h, w]."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8), connectivity=8)
    chosen = np.zeros(count, bool)
    chosen[parts[area & (cv2.dilate(beside.astype(np.uint8), _ADJOINING) > 0)]] = True
    chosen &= stats[:, cv2.CC_STAT_AREA] <= largest
    return chosen[parts]
