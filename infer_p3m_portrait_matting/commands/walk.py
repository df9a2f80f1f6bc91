"""Finding the photos and videos below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..p3m.imaging.files import SUFFIXES
from ..p3m.imaging.photos import PILLOW_SUFFIXES
from ..p3m.video.reader import VIDEO_SUFFIXES

#: What a file of no known suffix may turn out to be, in Pillow's words.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")


class Found(NamedTuple):
    """What lies below a folder.

    Attributes:
        media: each photo and video, and whether it is a video.
        others: files that are neither.
        failures: folder that cannot be read -> why.
    """

    media: list[tuple[Path, bool]]
    others: list[Path]
    failures: dict[str, str]


def find(folder: Path, leave_out: Path) -> Found:
    """Look for photos and videos, in subfolders too; links to folders are followed, each folder is read once.

    Args:
        folder: where to look.
        leave_out: a folder that is not looked into: that of the results.
    """
    found = Found([], [], {})
    for path in _files(folder, leave_out.resolve(), found.failures):
        if is_video(path):
            found.media.append((path, True))
        elif _is_photo(path):
            found.media.append((path, False))
        else:
            found.others.append(path)
    return found


def is_video(path: Path) -> bool:
    """Whether a file's suffix is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def _files(folder: Path, leave_out: Path, failures: dict[str, str]) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        failures[str(error.filename)] = error.strerror or str(error)

    seen = set()
    for place, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        real = Path(place).resolve()
        if real in seen or real == leave_out:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(place, name) for name in sorted(files))


def _is_photo(path: Path) -> bool:
    if path.name.startswith("._"):
        return False  # what macOS writes beside a file on foreign disks
    if path.suffix.lower() in (*SUFFIXES, *PILLOW_SUFFIXES):
        return True
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
