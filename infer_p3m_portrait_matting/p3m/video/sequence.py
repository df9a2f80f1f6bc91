"""Write a video as numbered pictures."""

from pathlib import Path

import numpy as np

from ..files.encode import encode_png
from ..files.write import Unfinished, naming
from .numbered import number_in
from .reader import Frame
from .sound import Sound


class SequenceWriter:
    """A sequence of PNG files, counted from 1; it holds neither the source's times nor its sound.

    The files are written into a hidden folder beside the target. The first file is to move into place last: if it is
    there, all are.

    Args:
        path: a pattern such as ``frames/%05d.png``.
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

    def abandon(self) -> None:
        """Remove what was written and was not renamed."""
        self._unfinished.remove()

    def _unfinished_picture(self, number: int) -> Path:
        return number_in(self._unfinished.path / self.path.name, number)
