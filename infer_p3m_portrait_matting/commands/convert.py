"""Make the files of one photo or video."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..p3m.errors import MissingPackageError, words_of
from ..p3m.files.decode import decode, photo_of
from ..p3m.files.deep import deep_cutout, deep_matte, deep_photo, has_16_bits
from ..p3m.files.encode import encode_picture
from ..p3m.files.limits import max_bytes
from ..p3m.files.notes import Notes, read_notes
from ..p3m.files.read import read_content
from ..p3m.files.write import Unfinished, write_beside
from ..p3m.video.numbered import is_sequence
from ..p3m.video.reader import Frame, VideoReader
from ..p3m.video.sound import Sound
from ..p3m.video.writers import Writer, open_writer
from ..pipeline.outputs import COMPOSITE, MATTE
from ..pipeline.pictures import Result
from ..pipeline.pipeline import Pipeline, Prepared
from ..pipeline.settings import Settings
from ..pipeline.video import Video
from .destinations import STANDARD, Item
from .locks import only_one_run
from .record import publish
from .stage import Stage

#: The parent of the core's loggers.
_CORE = logging.getLogger("infer_p3m_portrait_matting")
#: The report on what this thread makes; the stages of a video share it.
_REPORT: ContextVar["Report | None"] = ContextVar("report", default=None)
#: A batch is complete with the photo that brings it above this number of pixels.
_PIXELS = 50_000_000
#: Number of frames that wait between two stages of a video.
_BETWEEN = 2
#: Largest number of pieces of sound that are handed on without a frame.
_HEARD = 1000

#: Called with the number of finished frames and their total, or 0 if that is unknown.
Progress = Callable[[int, int], None]


@dataclass
class Report:
    """The outcome for one photo or video.

    Attributes:
        warnings: what the user should check.
        error: why there is no result, or "".
        has_person: whether anybody was found; of a video, in any frame.
    """

    warnings: list[str] = field(default_factory=list)
    error: str = ""
    has_person: bool = True

    def add(self, result: Result) -> None:
        """Take over the warnings about a photo's pictures, and whether it shows anybody."""
        self.warnings += result.warnings
        self.has_person = result.has_person


def convert(item: Item, pipeline: Pipeline, progress: Progress = lambda done, total: None) -> Report:
    """Make the files of one photo or video; none ever lies half-written under its name.

    Args:
        item: the source and its files.
        pipeline: the model and the parameters.
        progress: called after each frame of a video.
    """
    report = Report()
    with _reported(report):
        _make_folders(item)
        if item.is_video:
            with ExitStack() as locks:
                # A second run on the same files would work in vain.
                for path in item.targets.values():
                    locks.enter_context(only_one_run(path.parent, path.name))
                _video(item, pipeline, progress, report)
        else:
            read = _read(item, report)
            guide = item.guides.read(pipeline.settings.mask_band())
            result = pipeline.run(read.image, item.name, guide=guide, wanted=item.targets)
            report.add(result)
            _write(item, result, read, pipeline.settings)
    return report


def convert_photos(items: Iterable[Item], pipeline: Pipeline) -> Iterator[tuple[Item, Report]]:
    """Make the files of many photos, several in the network at once; report each as it is done.

    Args:
        items: the photos.
        pipeline: its ``batch_size`` says how many photos are read ahead, if they are not too large.
    """
    waiting: list[_Waiting] = []
    for item in items:
        report = Report()
        with _reported(report):
            _make_folders(item)
            read = _read(item, report)
            guide = item.guides.read(pipeline.settings.mask_band())
            waiting.append(_Waiting(item, pipeline.prepare(read.image, item.name, guide=guide), read, report))
        if report.error:
            yield item, report
        elif len(waiting) == pipeline.batch_size or sum(each.photo.image[..., 0].size for each in waiting) > _PIXELS:
            yield from _finish(waiting, pipeline)
            waiting = []
    yield from _finish(waiting, pipeline)


class _Waiting(NamedTuple):
    """A photo that waits for its matte, and the report on it so far."""

    item: Item
    photo: Prepared
    read: "_Read"
    report: Report


class _Read(NamedTuple):
    """A photo as it was read.

    Attributes:
        image: uint8 [H, W, 3] RGB or [H, W, 4] RGBA.
        notes: the metadata to write with its results.
        deep: uint16 [H, W, 3], its colours in 16 bits, if the user wants them and the file has them.
    """

    image: np.ndarray
    notes: Notes
    deep: np.ndarray | None


def _finish(photos: list[_Waiting], pipeline: Pipeline) -> Iterator[tuple[Item, Report]]:
    mattes: list[np.ndarray | None] = [None] * len(photos)
    # If the batch fails, each photo runs alone below: one reports what is wrong with it, and the others succeed.
    with suppress(Exception):
        mattes = list(pipeline.mattes([waiting.photo for waiting in photos]))
    for (item, photo, read, report), alpha in zip(photos, mattes, strict=True):
        with _reported(report):
            result = pipeline.make(photo, alpha, wanted=item.targets)
            report.add(result)
            _write(item, result, read, pipeline.settings)
        yield item, report


def _make_folders(item: Item) -> None:
    for path in item.targets.values():
        if str(path) != STANDARD:
            path.parent.mkdir(parents=True, exist_ok=True)


def _read(item: Item, report: Report) -> _Read:
    # Read one byte more than is allowed, so that decode refuses what is too long.
    content = sys.stdin.buffer.read(max_bytes() + 1) if item.source is None else read_content(item.source)
    image, warnings = decode(content, item.name)
    report.warnings += warnings
    photo = photo_of(image)
    notes = read_notes(content, item.encoding.keep_metadata, item.encoding.keep_place)
    if not item.encoding.is_deep:
        return _Read(photo, notes, None)
    deep = deep_photo(content, photo)
    if deep is None and has_16_bits(content):
        report.warnings.append(
            f"{item.name}: its profile or its orientation changes its colours, so those of the cut-out have the "
            "precision of 8 bits; alpha has 16"
        )
    return _Read(photo, notes, deep)


def _picture(name: str, item: Item, result: Result, read: _Read) -> np.ndarray:
    """Return one of the pictures to write."""
    picture: np.ndarray = getattr(result, name)
    if not item.encoding.is_deep or name == COMPOSITE or result.alpha is None:
        return picture
    if name == MATTE:
        return deep_matte(result.alpha)
    window = result.window or (slice(None), slice(None))
    deep = None if read.deep is None else read.deep[window]
    return deep_cutout(picture, result.alpha, read.image[window], deep)


def _write(item: Item, result: Result, read: _Read, settings: Settings) -> None:
    # Encode all before writing the first, so that a failure leaves no incomplete set.
    encoded = {}
    for name, path in item.targets.items():
        suffix = ".png" if str(path) == STANDARD else path.suffix
        encoded[path] = encode_picture(_picture(name, item, result, read), suffix, item.encoding.quality, read.notes)
    unfinished: list[Unfinished] = []
    try:
        for path, picture in encoded.items():
            if str(path) == STANDARD:
                _write_out(picture)
            else:
                unfinished.append(write_beside(path, picture))
        publish(item, {file.target: {file.target: file.path} for file in unfinished}, settings)
    finally:
        for file in unfinished:
            file.remove()


def _video(item: Item, pipeline: Pipeline, progress: Progress, report: Report) -> None:
    assert item.source is not None, "a video comes from a file"
    writers: dict[str, Writer] = {}
    video, begun, done, with_person = Video(), 0, 0, 0
    guides = item.guides.frames()

    def write(
        photo: Prepared, alpha: np.ndarray, frame: Frame, following: tuple[Prepared, np.ndarray] | None = None
    ) -> Result:
        result = pipeline.make(photo, alpha, following=following, wanted=item.targets)
        for name, writer in writers.items():
            writer.write(getattr(result, name), frame)
        return result

    def note(result: Result | None) -> None:
        nonlocal done, with_person
        if result is not None:
            done += 1
            with_person += result.has_person
            report.warnings += result.warnings
            progress(done, reader.frame_count)

    try:
        # Decoding, the network, and pictures with their encoding work side by side.
        with VideoReader(item.source) as reader, Stage() as reading, Stage() as writing:
            for name, path in item.targets.items():
                writers[name] = open_writer(path, reader)
            progress(0, reader.frame_count)
            pieces = _with_sound(reader.read())
            # The last frame, which the one after it helps to steady.
            waiting: tuple[Prepared, np.ndarray, Frame] | None = None
            for _ in range(_BETWEEN):
                reading.begin(next, pieces, None)
            while (piece := reading.take()) is not None:
                reading.begin(next, pieces, None)
                heard, frame = piece
                if frame is not None:
                    begun += 1
                    if guides is not None and begun > len(guides):
                        words = f"the guide has pictures for {len(guides)} frames, but there are more: add them"
                        raise ValueError(words)
                    guide = None if guides is None else guides[begun - 1].read(pipeline.settings.mask_band())
                    photo = pipeline.prepare(frame.image, f"frame {begun} of {item.source}", video=video, guide=guide)
                    alpha = pipeline.matte(photo)
                    if waiting is not None:
                        writing.begin(write, *waiting, (photo, alpha))
                    waiting = photo, alpha, frame
                elif waiting is not None:
                    # The end, or a frame that is shown for long.
                    writing.begin(write, *waiting)
                    waiting = None
                writing.begin(_write_sound, heard, writers)
                while len(writing) > 2 * _BETWEEN:
                    note(writing.take())
            while len(writing):
                note(writing.take())
            if reader.audio and any(is_sequence(path) for path in item.targets.values()):
                report.warnings.append(f"{item.source}: its sound is left out, as pictures hold none")
        if not with_person:
            report.has_person = False
            report.warnings.append(f"nobody was found in any frame of {item.source}")
        publish(item, {item.targets[name]: writer.complete() for name, writer in writers.items()}, pipeline.settings)
    finally:
        for writer in writers.values():
            writer.abandon()


def _with_sound(pieces: Iterable[Frame | Sound]) -> Iterator[tuple[list[Sound], Frame | None]]:
    """Yield each frame with the sound before it; sound without a frame comes in groups."""
    heard: list[Sound] = []
    for piece in pieces:
        if isinstance(piece, Sound):
            heard.append(piece)
        if not isinstance(piece, Sound) or len(heard) == _HEARD:
            yield heard, None if isinstance(piece, Sound) else piece
            heard = []
    yield heard, None


def _write_sound(heard: list[Sound], writers: dict[str, Writer]) -> None:
    for sound in heard:
        for writer in writers.values():
            writer.write_sound(sound)


def _write_out(content: bytes) -> None:
    # sys.stdout may have been redirected, so that no print() gets into the picture.
    assert sys.__stdout__ is not None, "the process has no standard output"
    sys.__stdout__.buffer.write(content)
    sys.__stdout__.buffer.flush()


@contextmanager
def _reported(report: Report) -> Iterator[None]:
    """Collect what the core logs in this context instead of printing it, and the error instead of raising it."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if _REPORT.get() is report:
                report.warnings.append(record.getMessage())

    handler = Collector(logging.WARNING)
    _CORE.addHandler(handler)
    outer = _REPORT.set(report)
    try:
        yield
    except (ValueError, MissingPackageError) as failure:
        report.error = str(failure) or type(failure).__name__
    except OSError as failure:
        report.error = words_of(failure)
    except MemoryError:
        report.error = "there is too little memory for it: make it smaller, or lower --jobs"
    except Exception as failure:  # one photo must not end the run of thousands
        report.error = str(failure) if isinstance(failure, RuntimeError) else f"{type(failure).__name__}: {failure}"
    finally:
        _REPORT.reset(outer)
        _CORE.removeHandler(handler)
