"""Choose the files that the command line writes: names, formats, and what each can hold."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from ..p3m.files.formats import PHOTO_FORMATS, SUFFIXES
from ..p3m.video.container import VIDEO_SUFFIXES
from ..p3m.video.formats import FORMATS as VIDEO_FORMATS
from ..p3m.video.numbered import is_sequence, numbered_files
from ..pipeline.outputs import COMPOSITE, CUTOUT
from .guides import GuideFiles

# Reversed, so that each format gets the first of its suffixes.
_FIRST_SUFFIXES = {form.name: suffix for suffix, form in reversed(PHOTO_FORMATS.items())}
#: The formats of results, by the names of the option ``--format``; png is also that of a video's frames.
PHOTO_NAMES = tuple(suffix[1:] for suffix in reversed(_FIRST_SUFFIXES.values()))
VIDEO_NAMES = (*(suffix[1:] for suffix in VIDEO_FORMATS), "png")

#: The name that stands for a standard stream instead of a file.
STANDARD = "-"

#: Endings, before the picture's name, of results whose names include the suffix of their photo or video.
_ENDS = tuple(f"_{suffix[1:]}" for suffix in (*SUFFIXES, *VIDEO_SUFFIXES))


class UsageError(ValueError):
    """The command line asks for something impossible; the message says what to do."""


class Encoding(NamedTuple):
    """How results are written, besides their format.

    Attributes:
        quality: of JPEG and WebP, 1 to 100; None for the default in :data:`~..p3m.files.encode.PHOTO_FORMATS`.
        keep_metadata: whether the photo's EXIF and XMP are kept, without the place.
        keep_place: whether the place is kept with them.
        is_deep: whether mattes and cut-outs of photos have 16 bits per value.
    """

    quality: int | None = None
    keep_metadata: bool = False
    keep_place: bool = False
    is_deep: bool = False

    def to_strings(self) -> dict[str, str]:
        """Return what differs from the defaults."""
        return {name: str(value) for name, value in self._asdict().items() if value}


class Item(NamedTuple):
    """One photo or video, and the files to make from it.

    Attributes:
        source: its file, or None for standard input.
        targets: output to file; "-" stands for standard output.
        is_video: whether it is a video.
        encoding: how the files are written.
        guides: the files that guide the matte, or the folders of those for the frames of a video.
        origin: name, size and time of the source when it was looked at, None if it is no file.
        replaceable: results of an earlier run that lie in these places, each with its size and time.
    """

    source: Path | None
    targets: dict[str, Path]
    is_video: bool = False
    encoding: Encoding = Encoding()
    guides: GuideFiles = GuideFiles()
    origin: tuple[str, int, int] | None = None
    replaceable: tuple[tuple[Path, tuple[int, int]], ...] = ()

    @property
    def name(self) -> str:
        """Return the source's name for messages."""
        return "standard input" if self.source is None else str(self.source)

    def files(self) -> list[Path]:
        """List the targets that are files or patterns of files."""
        return [path for path in self.targets.values() if str(path) != STANDARD]

    def existing(self, target: Path) -> list[Path]:
        """List the files of a target that are there already: one, or those of a sequence."""
        # A photo's name may hold %20d, as addresses on the web do.
        if self.is_video and is_sequence(target):
            return numbered_files(target)
        return [target] if os.path.lexists(target) else []


class Wanted(NamedTuple):
    """The pictures that are asked for.

    Attributes:
        outputs: which of :data:`~..pipeline.outputs.OUTPUTS`; () leaves the choice to :meth:`chosen`.
        has_background: whether the user chose a background, so that () means the composite.
        is_opaque: whether the composite has no alpha.
        photo: suffix of photos' results where no file is named, "" for .png.
        video: suffix of videos' results where no file is named, .png for frames; "" for .mov, or .mp4 without alpha.
    """

    outputs: tuple[str, ...]
    has_background: bool
    is_opaque: bool
    photo: str = ""
    video: str = ""

    def chosen(self, holds_alpha: bool = True) -> tuple[str, ...]:
        """Return the pictures to write in a format that holds alpha or not."""
        return self.outputs or (COMPOSITE if self.has_background or not holds_alpha else CUTOUT,)


def single(source: Path | None, output: str, wanted: Wanted, is_video: bool) -> Item:
    """Name the files for one photo or video.

    Args:
        source: the file, or None for standard input.
        output: as the user wrote it: a file, a folder, "-", or "" for beside the source.
        wanted: which pictures.
        is_video: whether the source is a video.

    Raises:
        UsageError: the format is unknown or cannot hold the pictures.
    """
    stem = "stdin" if source is None else source.stem
    if output == STANDARD or (not output and source is None):
        return _to_standard_output(source, wanted, is_video)
    target = Path(output)
    as_folder = not output or output.endswith(("/", "\\")) or not target.suffix or target.is_dir()
    if not as_folder and (wanted.photo or wanted.video):
        raise UsageError(f"--format has no effect beside {output}, whose suffix says the format")
    if as_folder and is_video and output and wanted.video in ("", ".png"):
        chosen = wanted.chosen()
        if len(chosen) == 1:
            return Item(source, {chosen[0]: target / "%05d.png"}, True)
        return Item(source, {name: target / name / "%05d.png" for name in chosen}, True)
    if as_folder:
        folder = target if output or source is None else source.parent
        return Item(source, _named(folder, stem, wanted, is_video), is_video)
    chosen = _chosen(wanted, target, is_video)
    if len(chosen) == 1:
        return Item(source, {chosen[0]: target}, is_video)
    stem = target.stem
    if is_video and is_sequence(target):
        return Item(source, {name: target.with_name(f"{name}_{target.name}") for name in chosen}, is_video)
    return Item(source, {name: target.with_name(f"{stem}_{name}{target.suffix}") for name in chosen}, is_video)


def many(sources: Iterable[tuple[Path, bool, Path]], wanted: Wanted) -> list[Item]:
    """Name the files for many photos and videos.

    If names in one folder differ only in their suffix (a.jpg, a.png), every result's name includes the suffix
    (a_jpg_cutout.png), and so does that of a name which looks like such a result's (a_jpg.webp), so that adding a photo
    never gives a name to another photo.

    Args:
        sources: each photo or video, whether it is a video, and the folder for its results.
        wanted: which pictures.

    Raises:
        UsageError: the format cannot hold the pictures.
    """
    sources = sorted(sources)
    stems = Counter(_key(place / path.stem) for path, _, place in sources)
    taken: set[str] = set()
    items = []
    for path, is_video, place in sources:
        is_plain = stems[_key(place / path.stem)] == 1 and not path.stem.casefold().endswith(_ENDS)
        stem = path.stem if is_plain else f"{path.stem}_{path.suffix[1:]}"
        number = 2
        unique = stem
        while _key(place / unique) in taken:
            unique = f"{stem}_{number}"
            number += 1
        taken.add(_key(place / unique))
        items.append(Item(path, _named(place, unique, wanted, is_video), is_video))
    return items


def refuse_overwriting(items: Iterable[Item], others: Iterable[Path | None]) -> None:
    """Refuse results that would replace a file that is read.

    Args:
        items: all photos and videos of a run.
        others: further files that are read, such as the background.

    Raises:
        UsageError: a result would replace an input: it has the same name, is a link to it, or is the same file.
    """
    items = list(items)
    read = {key: path for path in (*(item.source for item in items), *others) if path and (key := _file_key(path))}
    for item in items:
        for target in item.files():
            for path in item.existing(target):
                key = _file_key(path)
                if key and (source := read.get(key)) is not None:
                    role = "the input itself" if source == item.source else f"read, as {source}"
                    raise UsageError(f"{path} is {role}: name another file or folder for the results")


def _file_key(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None  # its reader reports the error
    return stat.st_dev, stat.st_ino


def _to_standard_output(source: Path | None, wanted: Wanted, is_video: bool) -> Item:
    if is_video:
        raise UsageError("a video cannot go to standard output: name a file such as out.mov")
    chosen = wanted.chosen()
    if len(chosen) > 1:
        raise UsageError("standard output holds one picture: choose one with --write")
    return Item(source, {chosen[0]: Path(STANDARD)})


def _named(folder: Path, stem: str, wanted: Wanted, is_video: bool) -> dict[str, Path]:
    def default(name: str) -> str:
        if not is_video:
            return ".png"
        return ".mov" if name == CUTOUT or (name == COMPOSITE and not wanted.is_opaque) else ".mp4"

    asked = wanted.video if is_video else wanted.photo
    if is_video and asked == ".png":
        return {name: folder / f"{stem}_{name}" / "%05d.png" for name in wanted.chosen()}
    chosen = _chosen(wanted, Path(f"{stem}{asked}"), is_video) if asked else wanted.chosen()
    return {name: folder / f"{stem}_{name}{asked or default(name)}" for name in chosen}


def _chosen(wanted: Wanted, target: Path, is_video: bool) -> tuple[str, ...]:
    """Return the pictures to write in a file's format.

    Raises:
        UsageError: the format cannot hold them, or is unknown.
    """
    has_alpha = holds_alpha(target, is_video)
    chosen = wanted.chosen(has_alpha)
    if CUTOUT in chosen and not has_alpha:
        *others, last = _suffixes_with_alpha(is_video)
        better = f"{', '.join(others)} or {last}"
        raise UsageError(f"{target}: {target.suffix} holds no alpha; choose {better}, or --write composite")
    return chosen


def holds_alpha(target: Path, is_video: bool) -> bool:
    """Tell whether a file's format holds alpha.

    Raises:
        UsageError: the format is unknown.
    """
    suffix = target.suffix.lower()
    if is_video:
        if is_sequence(target):
            return True
        if suffix not in VIDEO_FORMATS:
            known = ", ".join(VIDEO_FORMATS)
            raise UsageError(
                f"{target}: a video can be written as {known}, as a sequence like %05d.png, or to a folder"
            )
        return bool(VIDEO_FORMATS[suffix].alpha)
    if suffix not in PHOTO_FORMATS:
        raise UsageError(f"{target}: a picture can be written as {', '.join(PHOTO_FORMATS)}")
    return PHOTO_FORMATS[suffix].alpha


def _suffixes_with_alpha(is_video: bool) -> list[str]:
    """List the formats that hold alpha, each by the first of its suffixes."""
    if is_video:
        return [suffix for suffix, form in VIDEO_FORMATS.items() if form.alpha]
    return [f".{name}" for name in PHOTO_NAMES if PHOTO_FORMATS[f".{name}"].alpha]


def _key(path: PurePath) -> str:
    # Some file systems do not distinguish A.jpg from a.jpg.
    return str(path).casefold()
