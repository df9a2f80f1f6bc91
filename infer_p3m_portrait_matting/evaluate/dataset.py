"""Photos with true mattes on disk: the layout of P3M-10k's test sets, and any two folders."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..p3m import trimap_of

_IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Pair:
    """One photo and what belongs to it.

    Attributes:
        name: the photo's file name without its suffix.
        photo: its file.
        matte: file of the true matte.
        trimap: file of the trimap, or None: then it is drawn from the matte.
    """

    name: str
    photo: Path
    matte: Path
    trimap: Path | None = None

    def read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the photo (uint8 [H, W, 3] RGB), the matte (float32 [H, W] in [0, 1]) and the trimap (uint8 [H, W]).

        Raises:
            ValueError: a file is no image, or the sizes differ.
        """
        photo = _read(self.photo, cv2.IMREAD_COLOR)[..., ::-1].copy()
        matte = _read(self.matte, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
        trimap = trimap_of(matte) if self.trimap is None else _read(self.trimap, cv2.IMREAD_GRAYSCALE)
        if not photo.shape[:2] == matte.shape == trimap.shape:
            raise ValueError(
                f"{self.photo} is {photo.shape[1]} x {photo.shape[0]} px, its matte {matte.shape[1]} x "
                f"{matte.shape[0]} and its trimap {trimap.shape[1]} x {trimap.shape[0]}: they must have one size"
            )
        return photo, matte, trimap


def p3m_10k(folder: Path) -> list[Pair]:
    """The pairs of a test set of P3M-10k, for example ``P3M-10k/validation/P3M-500-P``.

    Its photos lie in ``blurred_image/`` (P3M-500-P) or ``original_image/`` (P3M-500-NP), the mattes in ``mask/``, the
    trimaps in ``trimap/``.

    Raises:
        FileNotFoundError: a folder or the matte of a photo is missing.
    """
    photos = next((folder / name for name in ("blurred_image", "original_image") if (folder / name).is_dir()), None)
    if photos is None:
        raise FileNotFoundError(
            f"{folder} has neither blurred_image/ nor original_image/: is it a test set of P3M-10k?"
        )
    trimaps = folder / "trimap"
    return two_folders(photos, folder / "mask", trimaps if trimaps.is_dir() else None)


def two_folders(photos: Path, mattes: Path, trimaps: Path | None = None, suffix: str = "") -> list[Pair]:
    """Every photo of one folder with the matte of the same name in another, sorted by name.

    Args:
        photos: folder of the photos; may be that of the mattes when there is a suffix.
        mattes: folder of the true mattes, PNG.
        trimaps: folder of the trimaps, PNG, or None.
        suffix: what mattes and trimaps have after the photo's name, for example ".resnet34".

    Raises:
        FileNotFoundError: a folder is missing or empty, or a photo has no matte or trimap.
        ValueError: two photos have one name.
    """
    for folder in filter(None, (photos, mattes, trimaps)):
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
    files = [path for path in sorted(photos.iterdir()) if path.suffix.lower() in _IMAGES]
    if suffix:
        files = [path for path in files if not path.stem.endswith(suffix) and _partner(mattes, path, suffix).is_file()]
    if not files:
        raise FileNotFoundError(f"{photos} holds no photos" + (f" with a matte NAME{suffix}.png" if suffix else ""))
    if len({path.stem for path in files}) < len(files):
        raise ValueError(f"{photos} holds photos of one name and different formats: keep one of each")
    pairs = [
        Pair(path.stem, path, _partner(mattes, path, suffix), trimaps and _partner(trimaps, path, suffix))
        for path in files
    ]
    for pair in pairs:
        for path in filter(None, (pair.matte, pair.trimap)):
            if not path.is_file():
                raise FileNotFoundError(f"{pair.photo} has no {path}")
    return pairs


def _partner(folder: Path, photo: Path, suffix: str) -> Path:
    return folder / f"{photo.stem}{suffix}.png"


def _read(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image")
    return image
