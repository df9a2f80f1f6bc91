"""Find the photos and videos below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..p3m.files.formats import SUFFIXES
from ..p3m.video.container import is_animation, is_video_file
from ..p3m.video.formats import FORMATS
from ..pipeline.outputs import OUTPUTS
from .record import OWN_FILES, Record

#: Folders of thumbnails and of deleted files, and files of file managers, whose names do not mark them as hidden.
_NOT_FOR_PEOPLE = ("@eadir", "__macosx", "#recycle", "$recycle.bin", "thumbs.db", "desktop.ini")


class Found(NamedTuple):
    """What lies below a folder.

    Attributes:
        media: each photo and video, and whether it is a video.
        others: files that are neither.
        failures: unreadable folder -> reason.
        results: how many results of earlier runs there are; they are not among the others.
        hidden: how many hidden files, and folders of thumbnails, were not looked into.
    """

    media: list[tuple[Path, bool]]
    others: list[Path]
    failures: dict[str, str]
    results: int = 0
    hidden: int = 0


def find(folder: Path, leave_out: Path) -> Found:
    """Look for photos and videos, in subfolders too; follow links to folders, but read each folder once.

    Args:
        folder: where to look.
        leave_out: a folder to skip: that of the results.
    """
    found = Found([], [], {})
    results = hidden = 0
    record = Record(folder)
    for path in _paths(folder, leave_out.resolve(), found.failures):
        if path.parent != record.folder:
            record = Record(path.parent)
        if path.name.startswith(OWN_FILES):
            continue
        if record.made(path) or _looks_like_a_result(path):
            results += 1
        # macOS writes "._" files beside others on foreign disks; reading a pipe would wait for whoever writes to it.
        elif path.name.startswith("._"):
            found.others.append(path)
        elif _is_hidden(path.name):
            hidden += 1
        elif not _may_be_read(path):
            found.others.append(path)
        elif is_video(path):
            found.media.append((path, True))
        elif is_photo(path):
            found.media.append((path, False))
        else:
            found.others.append(path)
    return found._replace(results=results, hidden=hidden)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_FOR_PEOPLE


def _looks_like_a_result(path: Path) -> bool:
    """Tell whether a file is named as a result of a file beside it, whoever made it."""
    stem, _, output = path.stem.rpartition("_")
    return bool(stem) and output in OUTPUTS and any(path.with_name(stem + suffix).exists() for suffix in SUFFIXES)


def _may_be_read(path: Path) -> bool:
    """Tell whether a path is a file; a missing or inaccessible one counts, too, and its reader reports the error."""
    if path.is_symlink() and _is_of_the_system(path):
        return False
    return os.path.isfile(path) or not os.path.exists(path)


def _is_of_the_system(path: Path) -> bool:
    """Tell whether a path leads into /proc or /sys, where reading a file may never end."""
    return os.path.realpath(path).startswith(("/proc/", "/sys/"))


def is_video(path: Path, output: str = "") -> bool:
    """Tell whether a file is a video, by its content where its suffix says nothing.

    Args:
        path: the file.
        output: the one file that is to be made of it, if that is known: an animation becomes a video by this name.
    """
    if Path(output).suffix.lower() in FORMATS and is_animation(path):
        return True
    return path.suffix.lower() not in SUFFIXES and is_video_file(path)


def _paths(folder: Path, leave_out: Path, failures: dict[str, str]) -> Iterator[Path]:
    """List the files below a folder, and the hidden folders without their content."""

    def failed(error: OSError) -> None:
        failures[str(error.filename)] = error.strerror or str(error)

    seen = set()
    for place, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        real = Path(place).resolve()
        if real in seen or real == leave_out or (place != str(folder) and _is_of_the_system(real)):
            folders.clear()
            continue
        seen.add(real)
        hidden = [name for name in folders if _is_hidden(name)]
        folders[:] = sorted(set(folders) - set(hidden))
        yield from (Path(place, name) for name in sorted(files + hidden))


def is_photo(path: Path) -> bool:
    """Tell whether a file is a photo, by its content where its suffix says nothing."""
    if path.suffix.lower() in SUFFIXES:
        return True
    # It loads OpenCV.
    from ..p3m.files.read import is_image_file

    return is_image_file(path)
