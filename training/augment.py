"""From portraits and backgrounds to training samples: crops, composites, and what cameras and codecs do to photos."""

from typing import NamedTuple

import cv2
import numpy as np

from .portraits import Portrait


class Sample(NamedTuple):
    """One training sample, h x w pixels.

    Attributes:
        image: uint8 [h, w, 3] RGB.
        alpha: uint8 [h, w].
        trimap: uint8 [h, w]; 0 background, 1 unknown, 2 foreground.
        contrast: uint8 [h, w], mean over RGB of |F - B|: what a wrong alpha costs in the composite.
        detail: whether this is a close-up, which does not show the person as a whole.
    """

    image: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray
    contrast: np.ndarray
    detail: bool


class Augmenter:
    """Draws training samples.

    Args:
        portraits: what to draw from.
        backgrounds: uint8 [H, W, 3] RGB pictures without people, by their source: all sources are drawn from alike,
            so that a large one does not rule. Without any, other portraits' backgrounds serve.
        rng: source of all randomness.
        distractors: share of the samples that get objects behind the person which are no persons: pieces of other
            pictures, large and sharp against what may be a blurred background.
        composites: share of the samples whose person stands before another background than the photo's own.
        close_up: from where to where the side of a close-up lies, as a share of the largest that fits the photo.
    """

    COMPOSITES, SECOND_PERSON, DETAIL, CLOSE_UP = 0.6, 0.2, 0.4, (0.3, 0.7)
    #: A photo that its person fills more than so says little of what is not a person, so it is drawn less often.
    FULL = 0.6

    def __init__(
        self,
        portraits: list[Portrait],
        backgrounds: dict[str, list[np.ndarray]],
        rng: np.random.Generator,
        distractors: float = 0.0,
        composites: float = COMPOSITES,
        close_up: tuple[float, float] = CLOSE_UP,
    ) -> None:
        self.portraits = portraits
        self.backgrounds = list(backgrounds.values())
        self.rng = rng
        self.distractors = distractors
        self.composites = composites
        self.close_up = close_up

    def sample(self, height: int, width: int, close_ups: float = DETAIL, empty: float = 0.0) -> Sample:
        """Draw one sample of the given size.

        Args:
            height: in pixels.
            width: in pixels.
            close_ups: probability of a close-up.
            empty: probability of a background without any person.
        """
        rng = self.rng
        if empty and rng.random() < empty:
            return self._empty(height, width)
        composite = rng.random() < self.composites
        detail = bool(rng.random() < close_ups)
        portrait = self._portrait()
        if not detail and (portrait.alpha > 127).mean() > self.FULL and rng.random() < 0.7:
            portrait = self._portrait()
        foreground, alpha, background = self._view(portrait, height, width, composite, detail)
        if composite:
            background = self._background(height, width)
        if self.distractors and rng.random() < self.distractors:
            for _ in range(rng.integers(1, 4)):
                background = self._distract(background)
        if composite:
            foreground = self._recolour(foreground)
            if rng.random() < self.SECOND_PERSON:
                foreground, alpha = self._join(foreground, alpha, *self._other(height, width, detail))
        image = alpha * foreground + (1 - alpha) * background
        contrast = np.abs(foreground - background).mean(-1)
        image = self._degrade(self._recolour(image) if rng.random() < 0.7 else image)
        alpha = np.rint(alpha[..., 0] * 255).astype(np.uint8)
        maps = image, alpha, self._trimap(alpha), np.rint(contrast * 255).clip(0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            maps = tuple(np.ascontiguousarray(x[:, ::-1]) for x in maps)
        return Sample(*maps, detail)

    def _empty(self, height: int, width: int) -> Sample:
        background = self._background(height, width)
        if self.distractors and self.rng.random() < self.distractors:
            background = self._distract(background)
        nothing = np.zeros((height, width), np.uint8)
        return Sample(self._degrade(background), nothing, nothing, nothing, False)

    def _portrait(self) -> Portrait:
        return self.portraits[self.rng.integers(len(self.portraits))]

    def _view(self, portrait: Portrait, height: int, width: int, extend: bool, detail: bool) -> tuple[np.ndarray, ...]:
        """Crop foreground, alpha [h, w, 1] and background, as float32 in [0, 1], at the size wanted."""
        window = self._window(portrait, height / width, extend, detail)
        layers = np.dstack([portrait.foreground, portrait.alpha])
        layers = _crop(layers, window, height, width)
        background = layers[..., :3] if extend else _crop(portrait.background, window, height, width)
        return layers[..., :3], layers[..., 3:], background

    def _window(self, portrait: Portrait, aspect: float, extend: bool, detail: bool) -> tuple[int, int, int, int]:
        """Choose a window (top, left, height, width), in the portrait's pixels.

        A composite may reach beyond the frame, but only on sides that the person does not touch: a person cut off
        in the middle of a picture would teach nothing true.
        """
        rng, alpha = self.rng, portrait.alpha
        h, w = alpha.shape
        # Photos of one source were squeezed to squares, so their true aspect is unknown.
        squeezed = portrait.name.startswith("hum_")
        aspect *= float(np.exp(rng.uniform(-0.35, 0.35) if squeezed else rng.uniform(-0.12, 0.12)))
        top, left, bottom, right = 0, 0, h, w
        if extend:
            room = rng.uniform(0, 0.6, 4) * max(h, w)
            top -= int(room[0]) if alpha[:2].max() < 8 else 0
            bottom += int(room[1]) if alpha[-2:].max() < 8 else 0
            left -= int(room[2]) if alpha[:, :2].max() < 8 else 0
            right += int(room[3]) if alpha[:, -2:].max() < 8 else 0
        frame_h, frame_w = bottom - top, right - left
        largest = min(frame_h, frame_w * aspect)
        size = largest * (rng.uniform(*self.close_up) if detail else rng.uniform(0.75, 1))
        crop_h, crop_w = max(int(size), 32), max(int(size / aspect), 32)
        y = top + rng.integers(max(frame_h - crop_h, 0) + 1)
        x = left + rng.integers(max(frame_w - crop_w, 0) + 1)
        if detail and rng.random() < 0.75:
            ys, xs = np.nonzero((alpha > 8) & (alpha < 247))
            if len(ys):
                k = rng.integers(len(ys))
                y = int(np.clip(ys[k] - crop_h // 2, top, max(bottom - crop_h, top)))
                x = int(np.clip(xs[k] - crop_w // 2, left, max(right - crop_w, left)))
        return int(y), int(x), crop_h, crop_w

    def _background(self, height: int, width: int) -> np.ndarray:
        rng = self.rng
        source = self.backgrounds[rng.integers(len(self.backgrounds))] if self.backgrounds else [None]
        picture = source[rng.integers(len(source))]
        if picture is None or rng.random() < 0.3:
            # What other photos show behind their people is the background most like a portrait's.
            other = self._portrait()
            if picture is None or (other.alpha > 127).mean() < 0.35:
                picture = other.background
        h, w = picture.shape[:2]
        aspect = height / width * float(np.exp(rng.uniform(-0.25, 0.25)))
        size = min(h, w * aspect) * rng.uniform(0.4, 1)
        crop_h, crop_w = max(int(size), 16), max(int(size / aspect), 16)
        window = (rng.integers(max(h - crop_h, 0) + 1), rng.integers(max(w - crop_w, 0) + 1), crop_h, crop_w)
        picture = _crop(picture, window, height, width)
        if rng.random() < 0.5:
            picture = cv2.GaussianBlur(picture, (0, 0), float(np.exp(rng.uniform(np.log(0.5), np.log(height / 40)))))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return self._recolour(picture)

    def _distract(self, background: np.ndarray) -> np.ndarray:
        rng = self.rng
        height, width = background.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        center = rng.uniform(0, 1, 2) * (width, height)
        size = rng.uniform(0.15, 0.6, 2) * (width, height) * (1, rng.choice([1, 3]))
        if rng.random() < 0.5:
            corners = cv2.boxPoints((tuple(center), tuple(size), float(rng.normal(0, 12))))
            cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
        else:
            axes = tuple(int(side / 2) + 1 for side in size)
            cv2.ellipse(mask, tuple(int(c) for c in center), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.4, 1.5))).astype(np.float32)[..., None] / 255
        return mask * self._background(height, width) + (1 - mask) * background

    def _other(self, height: int, width: int, detail: bool) -> tuple[np.ndarray, np.ndarray]:
        foreground, alpha, _ = self._view(self._portrait(), height, width, True, detail)
        shift = int(self.rng.uniform(-0.5, 0.5) * width)
        alpha = _shift(alpha, shift)
        return self._recolour(_shift(foreground, shift)), alpha

    @staticmethod
    def _join(front: np.ndarray, alpha: np.ndarray, behind: np.ndarray, behind_alpha: np.ndarray) -> tuple:
        hidden = (1 - alpha) * behind_alpha
        both = alpha + hidden
        return (alpha * front + hidden * behind + 1e-6 * front) / (both + 1e-6), both

    def _recolour(self, image: np.ndarray) -> np.ndarray:
        rng = self.rng
        image = image.clip(0, 1) ** float(np.exp(rng.normal(0, 0.2)))
        image = image * np.exp(rng.normal(0, 0.06, 3)).astype(np.float32) * float(np.exp(rng.normal(0, 0.12)))
        grey = image.mean(-1, keepdims=True)
        saturation = 0.0 if rng.random() < 0.04 else float(np.exp(rng.normal(0, 0.2)))
        image = grey + (image - grey) * saturation
        middle = image.mean()
        return (middle + (image - middle) * float(np.exp(rng.normal(0, 0.12)))).clip(0, 1).astype(np.float32)

    def _degrade(self, image: np.ndarray) -> np.ndarray:
        rng = self.rng
        if rng.random() < 0.2:
            image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.3)))
        if rng.random() < 0.4:
            image = image + rng.normal(0, rng.uniform(0.003, 0.035), image.shape).astype(np.float32)
        image = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
        if rng.random() < 0.4:
            _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])
            image = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return image

    def _trimap(self, alpha: np.ndarray) -> np.ndarray:
        # The paper's kernel is 15 to 30 px at 512 px (section 5.1); the mattes' faint veil counts as background.
        low, high = (round(k * max(alpha.shape) / 512) for k in (15, 30))
        size = int(self.rng.integers(low, high + 1))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        inner = cv2.erode((alpha > 247).astype(np.uint8), kernel, borderValue=1)
        outer = cv2.dilate((alpha > 8).astype(np.uint8), kernel)
        return inner + outer


def _crop(image: np.ndarray, window: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    """Cut a window that may reach beyond the image (zeros there) and resize it: float32 in [0, 1]."""
    y, x, h, w = (int(v) for v in window)
    top, left = max(-y, 0), max(-x, 0)
    bottom, right = max(y + h - image.shape[0], 0), max(x + w - image.shape[1], 0)
    cut = image[max(y, 0) : y + h, max(x, 0) : x + w]
    if top or left or bottom or right:
        cut = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    shrink = h > height or w > width
    cut = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return cut.astype(np.float32) / 255


def _shift(image: np.ndarray, columns: int) -> np.ndarray:
    """Move an image sideways; what is uncovered becomes zero."""
    moved = np.zeros_like(image)
    if columns >= 0:
        moved[:, columns:] = image[:, : image.shape[1] - columns]
    else:
        moved[:, :columns] = image[:, -columns:]
    return moved
