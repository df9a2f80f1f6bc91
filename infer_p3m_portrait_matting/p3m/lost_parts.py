"""Regain small parts that the global pass lost: called background, though the local alpha sees the person there.

Not of the paper. The global pass sees the whole photo, but coarsely: where it doubts a hand or an elbow and decides for
background, the part is gone from the matte, however well the local pass sees it. The local alpha alone is no judge
either, as it takes things and other people for the person. So a part must be small and touch the person.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from .model.network import BACKGROUND, FOREGROUND, UNKNOWN

#: From this probability on, background is beyond doubt.
_CERTAIN = 0.9
#: The local alpha that shows the person.
_SEEN = 0.5
_TOUCHING = np.ones((3, 3), np.uint8)
#: Doubt that is thinner surrounds every person.
_THICK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))


def doubtful_background(logits: Tensor, classes: Tensor) -> Tensor:
    """Tell where :func:`regain` needs the local alpha: where a pixel is called background, but not beyond doubt.

    Doubt that is thinner than 7 pixels does not count: it surrounds every person, and the local alpha takes time.

    Args:
        logits: float [N, 3, h, w] of the global pass.
        classes: int64 [N, 1, h, w], its classes.

    Returns:
        bool [N, 1, h, w].
    """
    background = logits.float().softmax(1)[:, BACKGROUND : BACKGROUND + 1]
    doubt = (classes == BACKGROUND).logical_and_(background < _CERTAIN)
    thick = [cv2.morphologyEx(x, cv2.MORPH_OPEN, _THICK) for x in doubt[:, 0].to(torch.uint8).cpu().numpy()]
    return torch.from_numpy(np.stack(thick)).to(doubt.device, torch.bool)[:, None]


def regain(classes: Tensor, doubtful: Tensor, local: Tensor, largest: float) -> Tensor:
    """Call the lost parts of the person unknown, so that the local alpha fills them.

    A lost part is a connected piece of doubtful background where the local alpha is above 0.5, if it touches what is
    not called background and is no larger than ``largest``.

    Args:
        classes: int64 [1, 1, h, w] of the global pass.
        doubtful: bool [1, 1, h, w] of :func:`doubtful_background`.
        local: float32 [1, 1, H, W] of the local pass, in [0, 1]; only values in doubtful background count.
        largest: area of the largest part to regain, as a share of the person's: foreground and half of the unknown.

    Returns:
        int64 [1, 1, h, w]; ``classes`` itself where no part is lost.
    """
    h, w = classes.shape[2:]
    found = classes[0, 0].cpu().numpy()
    coarse = cv2.resize(local[0, 0].cpu().numpy(), (w, h), interpolation=cv2.INTER_AREA)
    seen = doubtful[0, 0].cpu().numpy() & (coarse > _SEEN)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(seen.astype(np.uint8), connectivity=8)
    touching = cv2.dilate((found != BACKGROUND).astype(np.uint8), _TOUCHING) > 0
    person = np.count_nonzero(found == FOREGROUND) + np.count_nonzero(found == UNKNOWN) / 2
    lost = np.zeros(count, bool)
    lost[parts[touching & seen]] = True
    lost &= stats[:, cv2.CC_STAT_AREA] <= largest * person
    if not lost.any():
        return classes
    return torch.where(torch.from_numpy(lost[parts]).to(classes.device), UNKNOWN, classes)
