"""Let the local alpha correct small mistakes of the global pass: lost parts of the person, and gaps that it closed.

This step is not in the paper. The global pass sees the whole photo, but coarsely. If it calls an elbow background, the
elbow is missing from the matte, however well the local pass sees it. A gap between arm and body, or in hair, that the
global pass calls foreground stays closed in the same way. The local alpha alone cannot decide: it takes things and
other people for the person. So a mistake is corrected only if it is doubtful, small, and adjoins the person's outline.
"""

from typing import NamedTuple

import cv2
import numpy as np

from ..model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from .fusion import probabilities

#: From these probabilities on, background and foreground are beyond doubt.
_CERTAIN = {BACKGROUND: 0.9, FOREGROUND: 0.8}
#: Doubt that is thinner surrounds every person.
_THICK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_ADJOINING = np.ones((3, 3), np.uint8)
#: Share of foreground in an area of unknown and foreground, above which the area is a person.
_CORE = 0.05


class SecondLook(NamedTuple):
    """How large a mistake may be to be corrected, as shares of the person's area; 0 corrects none.

    The person's area is the foreground and half of the unknown area.

    Attributes:
        lost: area of the largest lost part, in [0, 1]. Larger ones are more often another person.
        closed: area of the largest closed gap, in [0, 1].
    """

    lost: float
    closed: float


def doubtful(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Tell where :func:`reconsider` needs the local alpha.

    That is where background is less probable than 0.9, or foreground less than 0.8, in areas at least 7 pixels thick:
    thinner ones surround every person, and computing the local alpha takes time.

    Args:
        logits: float [3, h, w] of the global pass.
        classes: uint8 [h, w], its classes.

    Returns:
        bool [h, w].
    """
    found = np.zeros(classes.shape, bool)
    for known, probable in enumerate(probabilities(logits)):
        if known in _CERTAIN:
            doubt = (classes == known) & (probable < _CERTAIN[known])
            found |= cv2.morphologyEx(doubt.astype(np.uint8), cv2.MORPH_OPEN, _THICK) > 0
    return found


def without_islands(classes: np.ndarray) -> np.ndarray:
    """Call areas of unknown and foreground background if at most 5 % of them is foreground.

    They are things, or people whom the pass does not see. Where every area is like that, all stay.

    Args:
        classes: uint8 [h, w] of the global pass.

    Returns:
        uint8 [h, w]; ``classes`` itself where there is no such area.
    """
    count, areas = cv2.connectedComponents((classes != BACKGROUND).astype(np.uint8), connectivity=8)
    foreground = np.bincount(areas[classes == FOREGROUND], minlength=count)
    is_person = foreground > _CORE * np.bincount(areas.ravel(), minlength=count)
    islands = (classes != BACKGROUND) & ~is_person[areas]
    return np.where(islands, np.uint8(BACKGROUND), classes) if is_person.any() and islands.any() else classes


def reconsider(classes: np.ndarray, doubt: np.ndarray, local: np.ndarray, limits: SecondLook) -> np.ndarray:
    """Call small mistakes of the global pass unknown, so that the local alpha fills them.

    A mistake is a connected piece of doubtful background where the local alpha is above 0.5, or of doubtful foreground
    where it is below, if it adjoins another class and is no larger than its limit.

    Args:
        classes: uint8 [h, w] of the global pass.
        doubt: bool [h, w] of :func:`doubtful`.
        local: float32 [H, W] of the local pass, in [0, 1]; only values in doubtful places count.
        limits: how large mistakes may be.

    Returns:
        uint8 [h, w]; ``classes`` itself where nothing is doubtful.
    """
    if not doubt.any():
        return classes
    coarse = cv2.resize(local, classes.shape[::-1], interpolation=cv2.INTER_AREA)
    background, foreground = classes == BACKGROUND, classes == FOREGROUND
    person = np.count_nonzero(foreground) + np.count_nonzero(classes == UNKNOWN) / 2
    lost = _small_parts(background & doubt & (coarse > 0.5), ~background, limits.lost * person)
    closed = _small_parts(foreground & doubt & (coarse < 0.5), ~foreground, limits.closed * person)
    return np.where(lost | closed, np.uint8(UNKNOWN), classes)


def _small_parts(area: np.ndarray, beside: np.ndarray, largest: float) -> np.ndarray:
    """The connected parts of an area that adjoin another one and have at most so many pixels; all bool [h, w]."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8), connectivity=8)
    chosen = np.zeros(count, bool)
    chosen[parts[area & (cv2.dilate(beside.astype(np.uint8), _ADJOINING) > 0)]] = True
    chosen &= stats[:, cv2.CC_STAT_AREA] <= largest
    return chosen[parts]
