"""Pictures of several people whose mattes are known: one person, cut out, stands beside themself."""

import cv2
import numpy as np

from infer_p3m_portrait_matting.p3m import Box, PortraitMatting, cutout, estimate_foreground


def cut_out(matting: PortraitMatting, photo: np.ndarray) -> np.ndarray:
    """A person to compose with: uint8 [H, W, 4] RGBA, no larger than needed."""
    alpha = matting.matte(photo)
    alpha[alpha < 0.03] = 0
    person = cutout(estimate_foreground(photo, alpha), alpha)
    rows, columns = (np.flatnonzero(alpha.any(axis)) for axis in (1, 0))
    return person[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def group(person: np.ndarray, count: int, gap: int, height: int = 300) -> tuple[np.ndarray, list[np.ndarray]]:
    """A person so many times side by side, each of another size, every second one mirrored.

    Args:
        person: uint8 [H, W, 4] RGBA.
        count: how many.
        gap: pixels between two of them; below 0 they overlap, and the right one stands in front.
        height: of the picture in pixels.

    Returns:
        The picture, uint8 [height, W, 3], and what of it each person covers, float32 [height, W] in [0, 1].
    """
    people = []
    for index in range(count):
        scale = height * (0.85, 0.75, 0.8)[index % 3] / person.shape[0]
        one = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        people.append(one[:, ::-1] if index % 2 else one)
    width = sum(one.shape[1] for one in people) + gap * (count - 1) + 40
    y, x = np.mgrid[:height, :width] / height
    picture = np.stack([90 + 60 * y, 110 + 30 * np.sin(3 * x), 150 - 70 * y], -1)
    mattes: list[np.ndarray] = []
    left = 20
    for one in people:
        h, w = one.shape[:2]
        alpha = np.zeros((height, width))
        colors = np.zeros((height, width, 3))
        alpha[height - h :, left : left + w] = one[..., 3] / 255
        colors[height - h :, left : left + w] = one[..., :3]
        picture = picture * (1 - alpha[..., None]) + colors * alpha[..., None]
        mattes = [matte * (1 - alpha) for matte in mattes] + [alpha]
        left += w + gap
    return np.rint(picture).astype(np.uint8), [matte.astype(np.float32) for matte in mattes]


def box_of(matte: np.ndarray) -> Box:
    """The box around a person, as one would draw it."""
    rows, columns = (np.flatnonzero((matte > 0.1).any(axis)) for axis in (1, 0))
    return Box(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)


def sad(one: np.ndarray, other: np.ndarray) -> float:
    """Sum of absolute differences / 1000."""
    return float(np.abs(one - other).sum() / 1000)
