"""Write a video as numbered pictures, and find these pictures by their pattern."""

import os
import re
from pathlib import Path

import numpy as np

from ..files.encode import encode_png
from ..files.write import Unfinished, naming
from .reader import Frame
from .sound import Sound

_SEQUENCE = re.compile(r"%0?(\d*)d")


def is_sequence(path: Path) -> bool:
    """Tell whether a path stands for a sequence of pictures, such as ``frames/%05d.png``."""
    return path.suffix.lower() == ".png" and _SEQUENCE.search(path.name) is not None


def number_in(pattern: Path, number: int) -> Path:
    """Return the file with a given number in a sequence."""
    name = _SEQUENCE.sub(lambda found: f"{number:0{int(found[1] or 0)}d}", pattern.name, count=1)
    return pattern.with_name(name)


def numbered_files(pattern: Path) -> list[Path]:
    """List the files of a sequence by their numbers, from 1 up; some numbers may be missing."""
    place = _SEQUENCE.search(pattern.name)
    assert place is not None, "a sequence has a number in its name"
    before, after = pattern.name[: place.start()], pattern.name[place.end() :]
    form = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    beside = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
    numbers = sorted(int(found[1]) for file in beside if (found := form.fullmatch(file.name)))
    # 7.png does not match %05d.png.
    files = (number_in(pattern, number) for number in dict.fromkeys(numbers) if number)
    return [file for file in files if file.is_file()]


class SequenceWriter:
    """A sequence of PNG files, counted from 1; it holds neither the source's times nor its sound.

    The files are written into a hidden folder beside the target and moved into place once the last is written. The
    first file moves last: if it is there, all are.

    Args:
        path: a pattern such as ``frames/%05d.png``. Files of an older sequence of that name are replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unfinished = Unfinished(path, is_folder=True)
        self._count = 0

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA.

        Raises:
            OSError: the disk is full.
        """
        self._count += 1
        with naming(self.path):
            self._unfinished_picture(self._count).write_bytes(encode_png(picture))

    def write_sound(self, sound: Sound) -> None:
        """Leave the sound out."""

    def complete(self) -> dict[Path, Path]:
        """Return the pictures by the names that they are to get, the first one last."""
        return {number_in(self.path, i): self._unfinished_picture(i) for i in range(self._count, 0, -1)}

    def finish(self) -> None:
        """Move all files into place."""
        # Remove the first file first: without it, the others do not pass for a whole sequence.
        for old in numbered_files(self.path):
            old.unlink()
        for name, picture in self.complete().items():
            os.replace(picture, name)
        self.abandon()

    def abandon(self) -> None:
        """Remove what was written."""
        self._unfinished.remove()

    def _unfinished_picture(self, number: int) -> Path:
        return number_in(self._unfinished.path / self.path.name, number)
