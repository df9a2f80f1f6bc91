"""Write videos, with alpha or without, frame by frame, under a hidden name until they are complete."""

import logging
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from ..files.write import Unfinished, naming
from .formats import FORMATS, Format
from .numbered import is_sequence
from .pyav import ACCURATE_RND, BICUBIC, FULL_CHR_H_INP, import_av
from .reader import Frame, VideoReader
from .sequence import SequenceWriter
from .sound import Sound, converted, copied_frame, copied_packet, keep_names, kind_of, layout_for, silence

if TYPE_CHECKING:
    import av


logger = logging.getLogger(__name__)

#: A longer pause in the sound, in seconds, is a damaged time.
_LONGEST_GAP = 60

# Values of FFmpeg's AVColorSpace and its kin (ISO/IEC 23091-2): BT.709, limited range.
_BT709, _LIMITED_RANGE = 1, 1


class Writer(Protocol):
    """Takes the pictures of a video. Nothing lies under the requested name; who calls :meth:`complete` renames."""

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture, at the time of a frame."""

    def write_sound(self, sound: Sound) -> None:
        """Add a piece of the source's sound."""

    def complete(self) -> dict[Path, Path]:
        """Complete what was written; return each file by the name that it is to get, in the order of renaming."""

    def abandon(self) -> None:
        """Remove what was written and was not renamed."""


def open_writer(path: Path, source: VideoReader) -> Writer:
    """Choose the writer for a path.

    Args:
        path: a file with one of the suffixes of :data:`FORMATS`, or a sequence (:func:`is_sequence`). Its folder
            exists.
        source: the source video; it gives the rate, the times and the sound.

    Raises:
        ValueError: the format is unknown.
        OSError: the folder cannot be written to.
    """
    if is_sequence(path):
        return SequenceWriter(path)
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ValueError(f"{path}: a video can be written as {', '.join(FORMATS)} or as a sequence like %05d.png")
    return VideoWriter(path, form, source)


class VideoWriter:
    """A video file with the times and the sound of another.

    Sound is copied as it is if the container can hold it, and re-encoded if not (AAC in WebM). PCM is written anew,
    sample by sample: files hold no times for PCM, so gaps are filled with silence.

    Args:
        path: the final file. Until the video is complete, it lies beside that under a hidden name.
        form: the format.
        source: the source video.
    """

    def __init__(self, path: Path, form: Format, source: VideoReader) -> None:
        self._av = import_av()
        self.path, self._form, self._source = path, form, source
        self._unfinished = Unfinished(path)
        self._container = self._av.open(
            str(self._unfinished.path.absolute()), "w", format=form.container, options=dict(form.container_options)
        )
        self._stream: av.VideoStream | None = None
        self._audio: dict[int, tuple[av.AudioStream, bool]] = {}
        self._first_heard: dict[int, av.AudioFrame] = {}
        #: By track: where its sound ends so far, in samples.
        self._heard_until: dict[int, int] = {}
        self._waiting: list[Sound] = []
        self._reformatter = self._av.video.reformatter.VideoReformatter()

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture.

        Args:
            picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA; all of one size and kind.
            frame: the source frame; only its times are read.

        Raises:
            ValueError: the picture has alpha and the format holds none.
            OSError: the disk is full.
        """
        if picture.ndim == 2:
            picture = np.dstack([picture] * 3)
        if self._form.only_square and frame.aspect != 1:
            picture = _with_square_pixels(picture, frame.aspect)
        stream = self._stream or self._start(picture, frame)
        video = self._to_yuv(picture, stream.pix_fmt)
        video.pts, video.time_base, video.duration = frame.pts, frame.time_base, frame.duration
        with naming(self.path):
            self._container.mux(stream.encode(video))

    def write_sound(self, sound: Sound) -> None:
        """Add a piece of the source's sound.

        Raises:
            OSError: the disk is full.
        """
        if self._stream is None:
            # All streams must be known before the first piece is written.
            self._waiting.append(sound)
            return
        with naming(self.path):
            self._write_sound(sound)

    def _write_sound(self, sound: Sound) -> None:
        target, copied = self._audio[sound.stream.index]
        if not copied:
            for heard in map(copied_frame, sound.frames):
                first = self._first_heard.setdefault(sound.stream.index, heard)
                for like in [heard] if kind_of(heard) == kind_of(first) else converted(heard, first):
                    if target.codec_context.name.startswith("pcm_"):
                        self._fill_gap(target, like)
                    self._container.mux(target.encode(like))
            if sound.packet is None:
                self._container.mux(target.encode(None))
        elif sound.packet is not None and sound.packet.pts is not None:
            self._container.mux([copied_packet(sound, target)])

    def complete(self) -> dict[Path, Path]:
        """Write the rest; return the file by the name that it is to get.

        Raises:
            OSError: the disk is full.
        """
        with naming(self.path):
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            with self._unfinished.path.open("r+b") as file:  # Windows flushes only what is open for writing
                os.fsync(file.fileno())
        self._unfinished.complete()
        return {self.path: self._unfinished.path}

    def abandon(self) -> None:
        """Remove what was written and was not renamed."""
        with suppress(self._av.error.FFmpegError, OSError):
            self._container.close()
        self._unfinished.remove()

    def _start(self, picture: np.ndarray, frame: Frame) -> "av.VideoStream":
        height, width, channels = picture.shape
        form = self._form
        if channels == 4 and not form.alpha:
            holders = " or ".join(suffix for suffix, other in FORMATS.items() if other.alpha)
            raise ValueError(f"{self.path}: {self.path.suffix} holds no alpha: choose {holders}")
        stream = self._container.add_stream(form.codec, rate=self._source.rate, options=dict(form.options))
        stream.width, stream.height = width, height
        opaque = form.odd if height % 2 or width % 2 else form.pixels
        stream.pix_fmt = form.alpha if channels == 4 else opaque
        context = stream.codec_context
        # Use the source's unit: only WebM rounds times, as its unit is a millisecond.
        context.time_base = frame.time_base
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        context.thread_count = 0
        # ProRes leaves threads by frames to FFmpeg, which can end in a deadlock: if the encoder is freed before its
        # frames are done, its threads wait for Python to release their pictures, and Python waits for the threads.
        context.thread_type = "SLICE" if context.name.startswith("prores") else "AUTO"
        if frame.aspect != 1 and not form.only_square:
            stream.sample_aspect_ratio = frame.aspect
        for heard in self._source.audio:
            target, _ = self._audio[heard.index] = self._add_audio(heard)
            keep_names(target, heard, form.container)
        self._stream = stream
        waiting, self._waiting = self._waiting, []
        for sound in waiting:
            self.write_sound(sound)
        return stream

    def _add_audio(self, heard: "av.AudioStream") -> tuple["av.AudioStream", bool]:
        context = heard.codec_context
        name = context.codec.canonical_name
        is_held = name in self._form.sound and (name != "mp3" or context.sample_rate >= self._form.lowest_mp3)
        if is_held and not name.startswith("pcm_"):
            return self._container.add_stream_from_template(heard), True
        codec = name if is_held else self._form.otherwise
        rates = self._av.Codec(codec, "w").audio_rates
        takes_it = codec != "libopus" and (not rates or context.sample_rate in rates)
        rate = context.sample_rate if takes_it else 48000
        return self._container.add_stream(codec, rate=rate, layout=layout_for(codec, context.layout)), False

    def _fill_gap(self, target: "av.AudioStream", heard: "av.AudioFrame") -> None:
        """Write silence up to the time of a frame."""
        index, rate = target.index, heard.sample_rate
        start = self._heard_until.get(index, 0)
        if heard.pts is not None and heard.time_base:
            start = round(heard.pts * heard.time_base * rate)
        until = self._heard_until.get(index, start)
        gap = start - until
        if gap > _LONGEST_GAP * rate:
            logger.warning("%s: a gap of %d s in its sound is left out", self._source.path, gap // rate)
        elif gap > rate // 50:
            # In pieces of equal length, of a second at most: the time of a short rest would round to the next.
            length = -(-gap // -(-gap // rate))
            for first in range(until, start, length):
                self._container.mux(target.encode(silence(heard, min(length, start - first), first)))
        # Times are rounded, in MKV to milliseconds: what is no gap goes on from the sample before.
        self._heard_until[index] = (start if gap > rate // 50 else until) + heard.samples

    def _to_yuv(self, picture: np.ndarray, pixels: str | None) -> "av.VideoFrame":
        rgb = self._av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
        video = self._reformatter.reformat(
            rgb,
            format=pixels,
            dst_colorspace=_BT709,
            src_color_range=2,
            dst_color_range=_LIMITED_RANGE,
            interpolation=BICUBIC | ACCURATE_RND | FULL_CHR_H_INP,
        )
        # ProRes stores these in the header of each frame.
        video.colorspace = video.color_primaries = video.color_trc = _BT709
        return video


def _with_square_pixels(picture: np.ndarray, aspect: Fraction) -> np.ndarray:
    """Stretch the side that is too short."""
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
