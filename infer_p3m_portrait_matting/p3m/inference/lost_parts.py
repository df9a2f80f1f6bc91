"""Take back parts of the person that the local alpha loses, from a second, coarser local pass.

This step is not in the paper. The local alpha of a body may fail inside: a dark sleeve or a skirt becomes background up
to the foreground of the global pass. No outline of a person looks so: around foreground, the alpha of the unknown area
falls from 1. Where much of the foreground's border meets a local alpha of background, the network sees the same photo
again at the size of the global pass. There it sees the whole body.
"""

import cv2
import numpy as np

from ..model.channels import FOREGROUND, UNKNOWN

#: The share of the foreground's border from which on a photo has lost parts.
SUSPICIOUS = 0.08
#: How much of its outline a part shares with the foreground, at least: it is body, not a thing beside it.
_ATTACHED = 0.25
#: Thinner differences surround every person.
_THICK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_ADJOINING = np.ones((3, 3), np.uint8)


def loses_parts(classes: np.ndarray, local: np.ndarray) -> bool:
    """Tell whether the local alpha calls much of what adjoins the foreground background.

    Args:
        classes: uint8 [h, w] of the global pass.
        local: float32 [H, W] of the local pass, in [0, 1].
    """
    border = _grown(classes == FOREGROUND) & (classes == UNKNOWN)
    count = np.count_nonzero(border)
    return count > 0 and np.count_nonzero(border & (_shrunk(local, classes) < 0.5)) > SUSPICIOUS * count


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
    foreground, seen = classes == FOREGROUND, _shrunk(coarse, classes)
    lost = (classes == UNKNOWN) & (_shrunk(local, classes) < 0.5) & (seen > 0.5)
    thick = cv2.morphologyEx(lost.astype(np.uint8), cv2.MORPH_OPEN, _THICK)
    count, parts = cv2.connectedComponents(thick, connectivity=8)
    chosen = np.zeros(classes.shape, bool)
    for part in range(1, count):
        outline = _grown(parts == part) & (parts != part)
        if np.count_nonzero(outline & foreground) >= _ATTACHED * np.count_nonzero(outline):
            chosen |= parts == part
    if not chosen.any():
        return local
    size = local.shape[::-1]
    # What the opening took from the rim of a part comes back.
    chosen = _grown(chosen, 3) & (classes == UNKNOWN)
    weight = cv2.resize(chosen.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    whole = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    return np.maximum(local, weight * whole)


def _grown(area: np.ndarray, pixels: int = 1) -> np.ndarray:
    return cv2.dilate(area.astype(np.uint8), _ADJOINING, iterations=pixels) > 0


def _shrunk(alpha: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Resize an alpha to the size of classes."""
    size = classes.shape[::-1]
    smaller = alpha.shape[0] >= classes.shape[0]
    return cv2.resize(alpha, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
