"""Read videos frame by frame: upright RGB pictures with their exact times, and the sound as it is in the file."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

import numpy as np

from .clock import Continuing, Evenly, common_unit, standard_rate
from .pyav import ACCURATE_RND, BICUBIC, FULL_CHR_H_INT, import_av
from .sound import Sound, is_readable

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

#: Suffixes of the files that count as videos, in lower case.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv"),
)

# Values of FFmpeg's AVColorSpace, AVColorRange and AVColorTransferCharacteristic (ISO/IEC 23091-2).
_NO_MATRIX = (0, 2)
_BT709, _BT601 = 1, 5
_LIMITED_RANGE = 1
_HDR_CURVES = (16, 18)

#: How far to look for what describes a track, in microseconds and bytes.
_LOOK_FURTHER = {"analyzeduration": "60000000", "probesize": "200000000"}


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: uint8 [H, W, 3] RGB, upright.
        pts: when it is shown, in units of ``time_base`` from the video's start.
        duration: how long it is shown, in the same units; 0 if the file does not say.
        time_base: length of one unit in seconds.
        aspect: width of a pixel over its height.
    """

    image: np.ndarray
    pts: int
    duration: int
    time_base: Fraction
    aspect: Fraction = Fraction(1)

    @property
    def time(self) -> Fraction:
        """Return when the frame is shown, in seconds."""
        return self.pts * self.time_base


class VideoReader:
    """A video file, read once from start to end; nothing that was read stays in memory.

    Args:
        path: the file. Its first video stream and all of its audio streams that FFmpeg can decode are read; a WARNING
            says if there are others.

    Attributes:
        rate: frames per second as the file states them: 30000/1001, not 29.97. The mean where times vary.
        time_base: length in seconds of one unit of the frames' times.
        frame_count: number of frames according to the file, or 0 if it does not say.
        audio: the audio streams.

    Raises:
        MissingPackageError: PyAV is not installed.
        OSError: the file does not exist or cannot be read.
        ValueError: the file is not a video.
    """

    def __init__(self, path: Path) -> None:
        self._av = import_av()
        self.path = path
        with path.open("rb"):
            pass  # gives the operating system's message if the file does not exist
        self._container = self._open()
        if any(stream.codec_context and not is_readable(stream) for stream in self._container.streams.audio):
            # Sound that begins late, in a container that describes it nowhere else.
            self._container.close()
            self._container = self._open(_LOOK_FURTHER)
        pictures = [stream for stream in self._container.streams.video if not _is_cover(stream)]
        if not pictures:
            self._container.close()
            raise ValueError(f"{path} has no video stream")
        self._stream = pictures[0]
        self._stream.thread_type = "AUTO"
        self.audio = [stream for stream in self._container.streams.audio if is_readable(stream)]
        if unreadable := len(self._container.streams.audio) - len(self.audio):
            logger.warning("%s: %d of its sound tracks cannot be decoded, and are left out", path, unreadable)
        unit = Fraction(self._stream.time_base)
        self.rate = standard_rate(Fraction(self._stream.average_rate or self._stream.guessed_rate or 1 / unit))
        self.time_base = common_unit(unit, self.rate)
        self._unit, self._units = unit, round(unit / self.time_base)
        self._first: int | None = None
        self._damaged_sound = 0
        # When the pictures begin and end, and when the sound ends, in seconds by the file's clock.
        self._begun: Fraction | None = None
        self._ended, self._heard_until = Fraction(0), Fraction(0)
        self.frame_count = self._stream.frames or self._estimated_count()
        self._aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        start = self._container.start_time
        # Streams cut from a broadcast start at any time; below 0 there is only sound that players skip.
        self._offset = Fraction(max(start or 0, 0), self._av.time_base)

    def _open(self, more: Mapping[str, str] = MappingProxyType({})):
        # A playlist fetches nothing. A clock that starts again is none that has overflowed: see Continuing.
        options = {"protocol_whitelist": "file", "correct_ts_overflow": "0", **more}
        try:
            # Absolute, because FFmpeg takes a colon in a relative name for a protocol.
            return self._av.open(str(self.path.absolute()), options=options)
        except self._av.error.FFmpegError as error:
            raise ValueError(f"{self.path} cannot be read as a video: {_words(error)}") from error

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _estimated_count(self) -> int:
        if self._stream.duration is not None:
            # In the stream's own unit, not in the common one.
            return round(self._stream.duration * Fraction(self._stream.time_base) * self.rate)
        if self._container.duration is not None:
            return round(Fraction(self._container.duration, self._av.time_base) * self.rate)
        return 0

    def read(self) -> Iterator[Frame | Sound]:
        """Read to the end: yield frames in the order of their times, with the pieces of sound between them.

        Damaged parts of the file are skipped, and a WARNING at the end says how many. Sound counts as far as it was
        decoded before the end.

        Raises:
            ValueError: the file holds no readable frame, or its frames change their size.
        """
        damaged, count, last, size = 0, 0, None, None
        shift = round(self._offset / self.time_base)
        step = max(round(1 / self.rate / self.time_base), 1)
        even = Evenly(1 / self.rate / self.time_base, self._units)
        for packet in self._packets():
            if packet is None:
                damaged += 1
                continue
            if packet.stream.type == "audio":
                if packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
                    self._heard_until = max(self._heard_until, end)
                yield Sound(packet.stream, packet if packet.size else None, self._offset, self._note_damaged_sound)
                continue
            if packet.pts is not None:
                start = packet.pts * self._unit
                self._begun = start if self._begun is None else min(self._begun, start)
                self._ended = max(self._ended, start + (packet.duration or 0) * self._unit)
            try:
                decoded = packet.decode()
            except self._av.error.FFmpegError:
                damaged += 1
                continue
            for frame in decoded:
                found = self._time(frame)
                expected = 0 if last is None else last + step
                pts = expected if found is None else even(found * self._units - shift)
                # Two frames with the same time, or one that goes back, cannot be written.
                last = pts if last is None else max(pts, last + 1)
                turns = round(frame.rotation / 90) % 4
                image = np.ascontiguousarray(np.rot90(self._rgb(frame), turns))
                if size not in (None, image.shape):
                    raise ValueError(f"{self.path}: the frames change their size, from frame {count + 1} on")
                if size is None and frame.color_trc in _HDR_CURVES:
                    logger.warning("%s is an HDR video: its colours are taken as they are and may look pale", self.path)
                if size is None and frame.interlaced_frame:
                    logger.warning("%s is interlaced: what moves has combs; use ffmpeg -vf bwdif first", self.path)
                size = image.shape
                count += 1
                aspect = 1 / self._aspect if turns % 2 else self._aspect
                yield Frame(image, last, (frame.duration or 0) * self._units, self.time_base, aspect)
        if count == 0:
            raise ValueError(f"{self.path} holds no frame that can be read")
        stated, is_cut = self._stream.frames, self._ends_early(count)
        if damaged or self._damaged_sound or is_cut:
            said = f" of {stated if stated > count else f'about {self.frame_count}'}" if is_cut else ""
            sound = f", {self._damaged_sound} pieces of its sound could not" if self._damaged_sound else ""
            logger.warning("%s is damaged: %d%s frames could be read%s", self.path, count, said, sound)

    def _ends_early(self, count: int) -> bool:
        """Tell whether the pictures, of which there were ``count``, end long before the file says that they do."""
        stream, container = self._stream, self._container
        if container.format.name == "avi":
            # FFmpeg shortens its duration to what is there; what it states counts dropped frames too.
            return count < stream.frames * 9 // 10
        if stream.duration is not None:
            # The number of frames would count those that an edit list hides.
            stated, found = stream.duration * self._unit, self._ended - (self._begun or 0)
        elif container.duration is not None and len(container.streams) == 1 + len(self.audio):
            # Of all streams, so that only the longest one can miss something.
            stated = Fraction(container.duration, self._av.time_base)
            found = max(self._ended, self._heard_until) - self._offset
        else:
            return False
        return stated - found > stated / 50 + 2 / self.rate

    def _note_damaged_sound(self) -> None:
        self._damaged_sound += 1

    def _packets(self) -> Iterator["av.Packet | None"]:
        """Yield the packets of the file and the empty ones at its end; None for an unreadable one."""
        packets = self._container.demux(self._stream, *self.audio)
        go_on = Continuing()
        failures = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.error.FFmpegError:
                # In a truncated file, this keeps failing.
                failures += 1
                yield None
                if failures > 8:
                    return
                packets = self._container.demux(self._stream, *self.audio)
                continue
            go_on(packet)
            yield packet

    def _time(self, frame: "av.VideoFrame") -> int | None:
        if self._container.format.name != "avi":
            return frame.pts
        # AVI stores only an order, no times; the decoder adds a delay that is not part of the video.
        if frame.dts is None:
            return None
        if self._first is None:
            self._first = frame.dts
        return frame.dts - self._first

    def _rgb(self, frame: "av.VideoFrame") -> np.ndarray:
        matrix = frame.colorspace
        if matrix in _NO_MATRIX:
            # Players assume this if a file does not say.
            matrix = _BT709 if max(frame.width, frame.height) >= 1280 or frame.height > 576 else _BT601
        wide = frame.color_range or (2 if frame.format.name.startswith("yuvj") else _LIMITED_RANGE)
        if frame.format.is_rgb:
            return frame.to_ndarray(format="rgb24")
        return self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            src_color_range=wide,
            dst_color_range=2,
            interpolation=BICUBIC | ACCURATE_RND | FULL_CHR_H_INT,
        ).to_ndarray()

    @cached_property
    def _reformatter(self):
        return self._av.video.reformatter.VideoReformatter()


def _is_cover(stream: "av.VideoStream") -> bool:
    """Tell whether a video stream is the cover picture of the file."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
