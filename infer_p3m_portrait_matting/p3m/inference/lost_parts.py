"""Take back parts of the person that the local alpha loses, from a second, coarser local pass.

This step is not in the paper. The local alpha of a body may fail inside: a dark sleeve or a skirt becomes background up
to the foreground of the global pass. No outline of a person looks so: around foreground, the alpha of the unknown area
falls from 1. Where much of the foreground's border meets a local alpha of background, the network sees the same photo
again at the size of the global pass. There it sees the whole body.
"""

import cv2
import numpy as np

from ..model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from .scaling import resize

#: The share of the foreground's border from which on a photo has lost parts.
SUSPICIOUS = 0.08
#: How much of its outline a part shares with the foreground, at least: it is body, not a thing beside it.
_ATTACHED = 0.25
#: Thinner differences surround every person.
_THICK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_ADJOINING = np.ones((3, 3), np.uint8)
#: What the opening takes from the rim of a part.
_RIM = np.ones((7, 7), np.uint8)


def loses_parts(classes: np.ndarray, local: np.ndarray) -> bool:
    """Tell whether the local alpha calls much of what adjoins the foreground background.

    Args:
        classes: uint8 [h, w] of the global pass.
        local: float32 [H, W] of the local pass, in [0, 1].
    """
    border = _grown(classes == FOREGROUND, _ADJOINING) & (classes == UNKNOWN)
    count = np.count_nonzero(border)
    lost = np.count_nonzero(border & (resize(local, *classes.shape) < 0.5))
    return bool(lost > SUSPICIOUS * count)


def take_back(classes: np.ndarray, local: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Replace the local alpha by a coarser one in lost parts.

    A lost part is a connected and thick piece of the unknown area that only the coarser alpha calls person, if at least
    a quarter of its outline adjoins foreground.

    Args:
        classes: uint8 [h, w] of the global pass.
        local: float32 [H, W] of the local pass, in [0, 1].
        coarse: float32 [h', w'] of a local pass at about the size of the global pass, in [0, 1].

    Returns:
        float32 [H, W]; ``local`` itself where nothing is lost.
    """
    foreground, seen = classes == FOREGROUND, resize(coarse, *classes.shape)
    lost = (classes == UNKNOWN) & (resize(local, *classes.shape) < 0.5) & (seen > 0.5)
    thick = cv2.morphologyEx(lost.astype(np.uint8), cv2.MORPH_OPEN, _THICK)
    count, parts = cv2.connectedComponents(thick, connectivity=8)
    chosen = np.zeros(classes.shape, bool)
    for part in range(1, count):
        outline = _grown(parts == part, _ADJOINING) & (parts != part)
        if np.count_nonzero(outline & foreground) >= _ATTACHED * np.count_nonzero(outline):
            chosen |= parts == part
    if not chosen.any():
        return local
    chosen = _grown(chosen, _RIM) & (classes == UNKNOWN)
    # One pixel more, into the foreground: else enlarging leaves a dark seam where the part meets it.
    chosen = _grown(chosen, _ADJOINING) & (classes != BACKGROUND)
    return np.maximum(local, resize(chosen.astype(np.float32), *local.shape) * resize(coarse, *local.shape))


def _grown(area: np.ndarray, by: np.ndarray) -> np.ndarray:
    return cv2.dilate(area.astype(np.uint8), by) > 0
