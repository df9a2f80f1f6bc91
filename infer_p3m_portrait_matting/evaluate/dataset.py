"""Read photos with mattes: RGBA images, two folders, or the layout of P3M-10k. Training uses this module too."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..p3m import trimap_of
from ..p3m.files.read import list_images, read_grey, read_matte, read_rgb, read_rgba

#: Folders of P3M-10k's layout: photos (the first folder that exists), mattes, trimaps.
PHOTOS, MATTES, TRIMAPS = ("blurred_image", "original_image"), "mask", "trimap"


@dataclass(frozen=True)
class Pair:
    """A photo with its matte.

    Attributes:
        name: the photo's file name without its suffix.
        photo: its file.
        matte: file of the true matte, or None if it is the photo's own alpha channel.
        trimap: file of the trimap, or None to draw it from the matte.
    """

    name: str
    photo: Path
    matte: Path | None = None
    trimap: Path | None = None

    def read_8bit(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the photo (uint8 [H, W, 3] RGB) and the matte (uint8 [H, W]).

        Raises:
            OSError: a file cannot be read.
            ValueError: a file is not an image, the sizes differ, or an alpha channel is missing.
        """
        if self.matte is None:
            image = read_rgba(self.photo)
            return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])
        photo, matte = read_rgb(self.photo), read_matte(self.matte)
        if photo.shape[:2] != matte.shape:
            raise ValueError(f"{self._size(photo)}, {self._size(matte, 'matte')}: they must have one size")
        return photo, matte

    def read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the photo (uint8 [H, W, 3] RGB), the matte (float32 [H, W] in [0, 1]) and the trimap (uint8 [H, W]).

        Raises:
            OSError, ValueError: as :meth:`read_8bit`.
        """
        photo, matte_8bit = self.read_8bit()
        matte = matte_8bit.astype(np.float32) / 255
        trimap = trimap_of(matte) if self.trimap is None else read_grey(self.trimap)
        if trimap.shape != matte.shape:
            raise ValueError(f"{self._size(photo)}, {self._size(trimap, 'trimap')}: they must have one size")
        return photo, matte, trimap

    def _size(self, image: np.ndarray, which: str = "") -> str:
        return f"{f'its {which}' if which else self.photo} is {image.shape[1]} x {image.shape[0]} px"


def p3m_10k(folder: Path) -> list[Pair]:
    """List the pairs of a test set of P3M-10k, for example ``P3M-10k/validation/P3M-500-P``.

    The photos are in ``blurred_image/`` (P3M-500-P) or ``original_image/`` (P3M-500-NP), the mattes in ``mask/`` and
    the trimaps in ``trimap/``.

    Raises:
        FileNotFoundError: a folder or the matte of a photo is missing.
    """
    photos = _p3m_photos(folder)
    if photos is None:
        raise FileNotFoundError(
            f"{folder} has neither blurred_image/ nor original_image/: is it a test set of P3M-10k?"
        )
    trimaps = folder / TRIMAPS
    return two_folders(photos, folder / MATTES, trimaps if trimaps.is_dir() else None)


def two_folders(photos: Path, mattes: Path, trimaps: Path | None = None, suffix: str = "") -> list[Pair]:
    """Pair every photo of one folder with the matte of the same name in another, sorted by name.

    Args:
        photos: folder of the photos; with a suffix, it may be the folder of the mattes.
        mattes: folder of the true mattes, PNG.
        trimaps: folder of the trimaps, PNG, or None.
        suffix: text after the photo's name in the file names of mattes and trimaps, for example ".resnet34".

    Raises:
        FileNotFoundError: a folder is missing or empty, or a photo has no matte or trimap.
        ValueError: two photos have the same name.
    """
    for folder in filter(None, (photos, mattes, trimaps)):
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
    files = list_images(photos)
    if suffix:
        files = [path for path in files if not path.stem.endswith(suffix) and _partner(mattes, path, suffix).is_file()]
    if not files:
        raise FileNotFoundError(f"{photos} holds no photos" + (f" with a matte NAME{suffix}.png" if suffix else ""))
    check_names(files)
    pairs = [
        Pair(path.stem, path, _partner(mattes, path, suffix), trimaps and _partner(trimaps, path, suffix))
        for path in files
    ]
    for pair in pairs:
        for path in filter(None, (pair.matte, pair.trimap)):
            if not path.is_file():
                raise FileNotFoundError(f"{pair.photo} has no {path}")
    return pairs


def check_names(files: Sequence[Path]) -> None:
    """Raise a ValueError if two photos have the same name, because their results would have one name, too."""
    twice = [stem for stem, count in Counter(path.stem for path in files).items() if count > 1]
    if twice:
        names = ", ".join(twice[:3])
        raise ValueError(
            f"{files[0].parent} holds photos of one name and different formats ({names}): keep one of each"
        )


def check_output(output: Path, folders: Iterable[Path]) -> None:
    """Raise a ValueError if the results would lie among the input files, or replace them.

    Args:
        output: the folder for the results.
        folders: the folders of the input files.
    """
    for folder in folders:
        if output.resolve() == folder.resolve():
            raise ValueError(
                f"{output} holds files that are read, which results could replace: choose another --output"
            )


def list_photos(folder: Path) -> list[Path]:
    """List the photos of a folder, sorted: RGBA images, or in P3M-10k's layout. :func:`pair_of` finds their mattes."""
    return list_images(_p3m_photos(folder) or folder)


def pair_of(photo: Path) -> Pair:
    """Return the pair of a file of :func:`list_photos`, without reading it."""
    if photo.parent.name in PHOTOS:
        return Pair(photo.stem, photo, _partner(photo.parent.parent / MATTES, photo))
    return Pair(photo.stem, photo)


def _p3m_photos(folder: Path) -> Path | None:
    return next((folder / name for name in PHOTOS if (folder / name).is_dir()), None)


def _partner(folder: Path, photo: Path, suffix: str = "") -> Path:
    return folder / f"{photo.stem}{suffix}.png"
