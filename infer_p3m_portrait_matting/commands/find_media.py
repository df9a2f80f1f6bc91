"""Find the photos and videos below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..p3m.files.decode import is_raw
from ..p3m.files.read import SUFFIXES
from ..p3m.video.reader import VIDEO_SUFFIXES

#: Formats to accept in a file with no known suffix, by Pillow's names.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF")


class Found(NamedTuple):
    """What lies below a folder.

    Attributes:
        media: each photo and video, and whether it is a video.
        others: files that are neither.
        failures: unreadable folder -> reason.
    """

    media: list[tuple[Path, bool]]
    others: list[Path]
    failures: dict[str, str]


def find(folder: Path, leave_out: Path) -> Found:
    """Look for photos and videos, in subfolders too; follow links to folders, but read each folder once.

    Args:
        folder: where to look.
        leave_out: a folder to skip: that of the results.
    """
    found = Found([], [], {})
    for path in _files(folder, leave_out.resolve(), found.failures):
        # macOS writes "._" files beside others on foreign disks; reading a pipe would wait for whoever writes to it.
        if path.name.startswith("._") or (os.path.exists(path) and not os.path.isfile(path)):
            found.others.append(path)
        elif is_video(path):
            found.media.append((path, True))
        elif _is_photo(path):
            found.media.append((path, False))
        else:
            found.others.append(path)
    return found


def is_video(path: Path) -> bool:
    """Tell whether a file's suffix is that of a video."""
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
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(10)
            with Image.open(file, formats=_FORMATS) as image:
                return not is_raw(image, head)
    except Image.DecompressionBombError:
        return True  # what reads it has another limit, and says so
    except (OSError, ValueError, SyntaxError):
        return False
