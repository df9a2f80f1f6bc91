"""Write videos with alpha, composites and sequences of pictures frame by frame; they get their name when complete."""

import logging
import os
import re
import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from ..imaging.png import encode_png
from .reader import Frame, Sound, VideoReader, import_av

if TYPE_CHECKING:
    import av


logger = logging.getLogger(__name__)


class Format(NamedTuple):
    """How to encode one video file format.

    Attributes:
        container: FFmpeg's name for the container.
        codec: FFmpeg's name for the encoder.
        pixels: pixel format without alpha.
        odd: pixel format without alpha if a side is odd.
        alpha: pixel format with alpha, or "" if the format holds none.
        options: options of the encoder.
        sound: FFmpeg's names for the audio codecs that are copied as they are.
        otherwise: the audio codec for all other sound.
        container_options: options of the container.
        only_square: whether pixels that are not square cannot be told to players.
    """

    container: str
    codec: str
    pixels: str
    odd: str
    alpha: str
    options: dict[str, str]
    sound: frozenset[str]
    otherwise: str
    container_options: dict[str, str]
    only_square: bool = False


_SOUND_OF_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_SOUND_OF_MOV = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"})

#: The video formats that can be written, by suffix. VP9 keeps alpha only without alternate reference frames. H.264 in
#: 4:2:0, which every player shows, needs even sides; 4:4:4 does not.
FORMATS = {
    ".mov": Format(
        container="mov",
        codec="prores_ks",
        pixels="yuv444p10le",
        odd="yuv444p10le",
        alpha="yuva444p10le",
        options={"profile": "4444", "vendor": "apl0"},
        sound=_SOUND_OF_MOV,
        otherwise="pcm_s16le",
        container_options={},
    ),
    ".webm": Format(
        container="webm",
        codec="libvpx-vp9",
        pixels="yuv420p",
        odd="yuv420p",
        alpha="yuva420p",
        options={"crf": "18", "b": "0", "auto-alt-ref": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"},
        sound=frozenset({"opus", "vorbis"}),
        otherwise="libopus",
        container_options={},
        # PyAV does not reach the field from which FFmpeg writes a picture's shape into WebM.
        only_square=True,
    ),
    ".mp4": Format(
        container="mp4",
        codec="libx264",
        pixels="yuv420p",
        odd="yuv444p",
        alpha="",
        options={"crf": "17", "preset": "medium"},
        sound=_SOUND_OF_MP4,
        otherwise="aac",
        container_options={"movflags": "+faststart"},
    ),
}

#: FFmpeg's layouts for sound that names none, by the number of channels.
_UNNAMED = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
#: What AAC and Opus call the same channels.
_TO_THE_SIDE = {"5.0(side)": "5.0", "5.1(side)": "5.1"}
#: The layouts of Opus (RFC 7845, 5.1.1.2), by the number of channels.
_OPUS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

#: A longer pause in the sound, in seconds, is a damaged time.
_LONGEST_GAP = 60

_SEQUENCE = re.compile(r"%0?(\d*)d")

# Values of FFmpeg's AVColorSpace and its kin (ISO/IEC 23091-2): BT.709, limited range.
_BT709, _LIMITED_RANGE = 1, 1


class Writer(Protocol):
    """Takes the pictures of a video. Until :meth:`finish`, nothing lies under the requested name."""

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture, at the time of a frame."""

    def write_sound(self, sound: Sound) -> None:
        """Add a piece of the source's sound."""

    def finish(self) -> None:
        """Complete what was written, and give it its name."""

    def abandon(self) -> None:
        """Remove what was written."""


def is_sequence(path: Path) -> bool:
    """Tell whether a path stands for a sequence of pictures, such as ``frames/%05d.png``."""
    return path.suffix.lower() == ".png" and _SEQUENCE.search(path.name) is not None


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
    sample by sample: a file holds no times for it, so that gaps must be filled with silence.

    Args:
        path: the final file. Until it is complete, it is written beside that, under the same name and ``.part``.
        form: the format.
        source: the source video.
    """

    def __init__(self, path: Path, form: Format, source: VideoReader) -> None:
        self._av = import_av()
        self.path, self._form, self._source = path, form, source
        self._part = path.with_name(f"{path.name}.part")
        # Gives the operating system's message if the folder cannot be written to.
        self._part.open("wb").close()
        self._container = self._av.open(
            str(self._part.absolute()), "w", format=form.container, options=dict(form.container_options)
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
        target, copied = self._audio[sound.stream.index]
        if not copied:
            for heard in sound.frames:
                first = self._first_heard.setdefault(sound.stream.index, heard)
                for like in [heard] if _kind(heard) == _kind(first) else _converted(heard, first):
                    if target.codec_context.name.startswith("pcm_"):
                        self._fill_gap(target, like)
                    self._container.mux(target.encode(like))
            if sound.packet is None:
                self._container.mux(target.encode(None))
        elif sound.packet is not None and sound.packet.pts is not None:
            self._container.mux([_copy(sound, target)])

    def finish(self) -> None:
        """Write the rest and give the file its name.

        Raises:
            OSError: the disk is full.
        """
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        with self._part.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        os.replace(self._part, self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        with suppress(self._av.error.FFmpegError, OSError):
            self._container.close()
        self._part.unlink(missing_ok=True)

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
        # Not by frames where the codec leaves that to FFmpeg: when such an encoder goes before its frames are done, its
        # threads wait for Python to give up their pictures, and Python waits for the threads.
        context.thread_type = "SLICE" if context.name.startswith("prores") else "AUTO"
        if frame.aspect != 1 and not form.only_square:
            stream.sample_aspect_ratio = frame.aspect
        for heard in self._source.audio:
            self._audio[heard.index] = self._add_audio(heard)
        self._stream = stream
        waiting, self._waiting = self._waiting, []
        for sound in waiting:
            self.write_sound(sound)
        return stream

    def _add_audio(self, heard: "av.AudioStream") -> tuple["av.AudioStream", bool]:
        context = heard.codec_context
        name, is_held = context.codec.canonical_name, context.codec.canonical_name in self._form.sound
        if is_held and not name.startswith("pcm_"):
            return self._container.add_stream_from_template(heard), True
        codec = name if is_held else self._form.otherwise
        rate = 48000 if codec == "libopus" else context.sample_rate
        return self._container.add_stream(codec, rate=rate, layout=_layout_for(codec, context.layout)), False

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
                self._container.mux(target.encode(_silence(heard, min(length, start - first), first)))
        # Times are rounded, in MKV to milliseconds: what is no gap goes on from the sample before.
        self._heard_until[index] = (start if gap > rate // 50 else until) + heard.samples

    def _to_yuv(self, picture: np.ndarray, pixels: str | None) -> "av.VideoFrame":
        flags = self._av.video.reformatter.Interpolation
        rgb = self._av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
        return self._reformatter.reformat(
            rgb,
            format=pixels,
            dst_colorspace=_BT709,
            src_color_range=2,
            dst_color_range=_LIMITED_RANGE,
            interpolation=flags.BICUBIC | flags.ACCURATE_RND | flags.FULL_CHR_H_INP,
        )


class SequenceWriter:
    """A sequence of PNG files, counted from 1; it holds neither the source's times nor its sound.

    The files are written into a folder beside, and moved into place once the last is written. The first file moves
    last: if it is there, all are.

    Args:
        path: a pattern such as ``frames/%05d.png``. Files of an older sequence of that name are replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name.replace('%', '')}.part")
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir()
        self._count = 0

    def write(self, picture: np.ndarray, frame: Frame) -> None:
        """Add a picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA.

        Raises:
            OSError: the disk is full.
        """
        self._count += 1
        number_in(self._part / self.path.name, self._count).write_bytes(encode_png(picture))

    def write_sound(self, sound: Sound) -> None:
        """Leave the sound out."""

    def finish(self) -> None:
        """Move all files into place."""
        # In their order: without a first file, what is there does not pass for a whole sequence.
        for old in numbered_files(self.path):
            old.unlink()
        for number in range(self._count, 0, -1):
            os.replace(number_in(self._part / self.path.name, number), number_in(self.path, number))
        self.abandon()

    def abandon(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._part, ignore_errors=True)


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
    # 7.png is no file of %05d.png.
    files = (number_in(pattern, number) for number in dict.fromkeys(numbers) if number)
    return [file for file in files if file.is_file()]


def _with_square_pixels(picture: np.ndarray, aspect: Fraction) -> np.ndarray:
    """Stretch the side that is too short."""
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def _kind(heard: "av.AudioFrame") -> tuple[str, str, int]:
    return heard.format.name, heard.layout.name, heard.sample_rate


def _converted(heard: "av.AudioFrame", first: "av.AudioFrame") -> list["av.AudioFrame"]:
    """Convert sound to the kind of the stream's first one, as an encoder takes only one kind.

    A broadcast changes its rate or channels, and so does a damaged piece that can be decoded nevertheless.
    """
    resampler = import_av().AudioResampler(first.format, first.layout, first.sample_rate)
    frames = [*resampler.resample(heard), *resampler.resample(None)]
    for frame in frames:
        if frame.pts is not None and frame.time_base and first.time_base:
            frame.pts = round(frame.pts * frame.time_base / first.time_base)
            frame.time_base = first.time_base
    return frames


def _layout_for(codec: str, layout: "av.AudioLayout") -> str:
    """Return the layout of channels in which an encoder takes sound: the same, by its name for it, where it has one."""
    count = layout.nb_channels
    name = _UNNAMED.get(count, layout.name) if layout.name.endswith(" channels") else layout.name
    if codec.startswith("pcm_"):
        return name
    name = _TO_THE_SIDE.get(name, name)
    if codec == "libopus" and name not in _OPUS.values():
        return _OPUS.get(count, name)
    return name


def _silence(like: "av.AudioFrame", samples: int, start: int) -> "av.AudioFrame":
    """Make a silent frame of the kind of another, which begins after so many samples."""
    frame = import_av().AudioFrame(like.format.name, like.layout.name, samples)
    # The middle of unsigned values, of which there are only those of 8 bits.
    level = b"\x80" if like.format.name.startswith("u8") else b"\x00"
    for plane in frame.planes:
        plane.update(level * plane.buffer_size)
    frame.sample_rate, frame.time_base = like.sample_rate, like.time_base
    frame.pts = round(start / like.sample_rate / (like.time_base or 1))
    return frame


def _copy(sound: Sound, target: "av.AudioStream") -> "av.Packet":
    """Copy a packet: writing changes a packet's times, and several writers take the same one."""
    packet = sound.packet
    assert packet is not None, "the end of a stream has nothing to copy"
    assert packet.pts is not None, "a packet without a time is not copied"
    twin = type(packet)(bytes(packet))
    twin.time_base = packet.time_base
    shift = round(sound.offset / Fraction(packet.time_base))
    twin.pts = packet.pts - shift
    twin.dts = (packet.pts if packet.dts is None else packet.dts) - shift
    twin.duration = packet.duration
    twin.is_keyframe = packet.is_keyframe
    for side in packet.iter_sidedata():
        twin.set_sidedata(side)
    twin.stream = target
    return twin
