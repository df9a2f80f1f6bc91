"""Lay pictures out in a grid, each below its caption."""

import cv2
import numpy as np

_GAP, _TEXT = 8, 30


def labelled_sheet(pictures: dict[str, np.ndarray], columns: int) -> np.ndarray:
    """Draw the sheet, row by row.

    Args:
        pictures: caption -> uint8 [H, W, 3], all of one size; at least one.
        columns: pictures in a row.

    Returns:
        uint8 [h, w, 3] on white.
    """
    height, width = next(iter(pictures.values())).shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + _TEXT + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for index, (caption, picture) in enumerate(pictures.items()):
        top, left = index // columns * (height + _TEXT + _GAP), index % columns * (width + _GAP)
        sheet[top + _TEXT : top + _TEXT + height, left : left + width] = picture
        cv2.putText(sheet, caption, (left, top + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (40, 40, 40), 1, cv2.LINE_AA)
    return sheet
