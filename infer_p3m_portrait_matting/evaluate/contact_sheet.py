"""Draw the worst cases of an evaluation."""

import cv2
import numpy as np

_CELL = 360
_GAP = 8
_TEXT = 28


def contact_sheet(rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Draw one row per case: the photo, the true matte, the predicted matte, and their difference (white is 1).

    Args:
        rows: for each case a caption, the photo (uint8 [H, W, 3] RGB), the true and the predicted matte (uint8 [H, W]).

    Returns:
        uint8 [h, w, 3] RGB; white if there are no rows.
    """
    width = 4 * (_CELL + _GAP) + _GAP
    parts = [_row(*row, width) for row in rows]
    return np.vstack(parts) if parts else np.full((_TEXT, width, 3), 255, np.uint8)


def _row(caption: str, photo: np.ndarray, true: np.ndarray, predicted: np.ndarray, width: int) -> np.ndarray:
    scale = _CELL / max(photo.shape[:2])
    size = (max(round(photo.shape[1] * scale), 1), max(round(photo.shape[0] * scale), 1))
    strip = np.full((size[1] + _TEXT + _GAP, width, 3), 255, np.uint8)
    cv2.putText(strip, caption, (_GAP, _TEXT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    for column, picture in enumerate((photo, true, predicted, cv2.absdiff(true, predicted))):
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        if small.ndim == 2:
            small = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
        left = _GAP + column * (_CELL + _GAP)
        strip[_TEXT : _TEXT + size[1], left : left + size[0]] = small
    return strip
