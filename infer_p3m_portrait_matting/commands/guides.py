"""Files that guide a photo: a trimap or a mask, and strokes; or folders of them, with a picture for each frame."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..p3m.errors import printable
from ..p3m.files.formats import SUFFIXES

if TYPE_CHECKING:
    from ..p3m import Guide


class GuideFiles(NamedTuple):
    """The files that guide one photo, or the folders that hold them for several photos or for the frames of a video.

    Attributes:
        trimap, mask: a picture, or a folder; None for none.
        corrections: a picture whose green strokes keep, red ones remove and blue ones let the network decide; or a
            folder; None for none.
    """

    trimap: Path | None = None
    mask: Path | None = None
    corrections: Path | None = None

    def given(self) -> dict[str, Path]:
        """Return what there is, by the names of the options."""
        return {name: path for name, path in self._asdict().items() if path is not None}

    def to_strings(self) -> dict[str, str]:
        """Return what there is, each with the name, time and size that tell whether it was changed."""
        strings = {}
        for name, path in self.given().items():
            stats = [file.stat() for file in (path.iterdir() if path.is_dir() else [path])]
            latest = max((stat.st_mtime_ns for stat in stats), default=0)
            strings[name] = f"{path.name} {latest} {sum(stat.st_size for stat in stats)}"
        return strings

    def partners(self, source: Path, is_video: bool) -> "GuideFiles":
        """Choose the files for one of several photos or videos.

        Args:
            source: the photo or video, relative to its folder. A photo's partner has the same name, or the same but for
                the suffix; a video's partner is a folder of the video's name without its suffix.
            is_video: which of both.

        Raises:
            FileNotFoundError: a folder has no such file or folder.
        """
        return GuideFiles(**{name: _partner(name, place, source, is_video) for name, place in self.given().items()})

    def frames(self) -> "list[GuideFiles] | None":
        """List the files for the frames of a video, in the order of their names; None if nothing guides it.

        Raises:
            NotADirectoryError: a path is not a folder.
        """
        from ..p3m.files.read import list_images

        if not self.given():
            return None
        for name, place in self.given().items():
            if not place.is_dir():
                raise NotADirectoryError(
                    f"{place} is no folder: for a video, --{name} takes a folder with a picture for each frame"
                )
        columns = [list_images(place) for place in self.given().values()]
        return [GuideFiles(**dict(zip(self.given(), row, strict=True))) for row in zip(*columns, strict=False)]

    def read(self, band: float | None = None) -> "Guide | None":
        """Read the files of one photo or frame.

        Args:
            band: of the mask; see :class:`~..p3m.imaging.guide.Guide`.

        Returns:
            The guide; None if there is no file.

        Raises:
            OSError: a file cannot be read.
            ValueError: a file is not an image, or holds no strokes.
        """
        from ..p3m import Guide
        from ..p3m.files.read import read_data, read_matte
        from ..p3m.imaging.guide import corrections_of

        if not self.given():
            return None
        trimap, mask = (None if path is None else read_matte(path) for path in (self.trimap, self.mask))
        strokes = self.corrections
        corrections = None if strokes is None else corrections_of(read_data(strokes), printable(strokes))
        return Guide(trimap, mask, None if mask is None else band, corrections)


def _partner(name: str, folder: Path, source: Path, is_video: bool) -> Path:
    place = folder / source
    if is_video:
        candidates = [place.with_suffix("")]
    else:
        candidates = [place, *(place.with_suffix(suffix) for suffix in (".png", *SUFFIXES))]
    for path in candidates:
        if path.is_dir() if is_video else path.is_file():
            return path
    wanted = f"a folder {place.stem}" if is_video else f"{place.stem}.png"
    raise FileNotFoundError(f"--{name} has nothing for it: put {wanted} into {place.parent}")
