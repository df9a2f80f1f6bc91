"""Read videos frame by frame: upright RGB pictures with their exact times, and the sound as it is in the file."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingPackageError

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

#: Suffixes of the files that count as videos, in lower case.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv"),
)

#: Installs the reader.
INSTALL_AV = 'pip install "av>=14,<19"'  # the extra "video"

# Values of FFmpeg's AVColorSpace, AVColorRange and AVColorTransferCharacteristic (ISO/IEC 23091-2).
_NO_MATRIX = (0, 2)
_BT709, _BT601 = 1, 5
_LIMITED_RANGE = 1
_HDR_CURVES = (16, 18)

#: A clock that goes back by more than this many seconds starts again: two recordings were joined.
_STARTS_AGAIN = 1

#: How far to look for what describes a track, in microseconds and bytes.
_LOOK_FURTHER = {"analyzeduration": "60000000", "probesize": "200000000"}

#: Most time units per second; finer ones help no player.
_FINEST = 1_000_000


def import_av():
    """Import PyAV.

    Raises:
        MissingPackageError: PyAV is not installed; the message has the command to install it.
    """
    try:
        import av
    except ImportError as error:
        raise MissingPackageError(f"videos need the package av: {INSTALL_AV}") from error
    # FFmpeg's messages go into our errors; printed, they would break the progress bar.
    av.logging.set_level(av.logging.PANIC)
    return av


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


class Sound:
    """A piece of an audio stream, as it is in the file; decoded when a writer needs it.

    Attributes:
        stream: the stream it belongs to.
        packet: the piece, or None at the stream's end.
        offset: subtract this from its times, in seconds.

    Args:
        on_damage: is called if the piece cannot be decoded.
    """

    def __init__(
        self,
        stream: "av.AudioStream",
        packet: "av.Packet | None",
        offset: Fraction,
        on_damage: Callable[[], None] = lambda: None,
    ) -> None:
        self.stream, self.packet, self.offset, self._on_damage = stream, packet, offset, on_damage

    @cached_property
    def frames(self) -> list["av.AudioFrame"]:
        """Decode the piece once, for all writers; [] if it is damaged. Decode pieces in their order."""
        try:
            frames = self.stream.codec_context.decode(self.packet)
        except import_av().error.FFmpegError:
            self._on_damage()
            return []
        for frame in frames:
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(self.offset / frame.time_base)
        return frames


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
        if any(stream.codec_context and not _is_readable(stream) for stream in self._container.streams.audio):
            # Sound that begins late, in a container that describes it nowhere else.
            self._container.close()
            self._container = self._open(_LOOK_FURTHER)
        pictures = [stream for stream in self._container.streams.video if not _is_cover(stream)]
        if not pictures:
            self._container.close()
            raise ValueError(f"{path} has no video stream")
        self._stream = pictures[0]
        self._stream.thread_type = "AUTO"
        self.audio = [stream for stream in self._container.streams.audio if _is_readable(stream)]
        if unreadable := len(self._container.streams.audio) - len(self.audio):
            logger.warning("%s: %d of its sound tracks cannot be decoded, and are left out", path, unreadable)
        unit = Fraction(self._stream.time_base)
        self.rate = _standard(Fraction(self._stream.average_rate or self._stream.guessed_rate or 1 / unit))
        self.time_base = _common_unit(unit, self.rate)
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
        flags = self._av.video.reformatter.Interpolation
        if frame.format.is_rgb:
            return frame.to_ndarray(format="rgb24")
        return self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            src_color_range=wide,
            dst_color_range=2,
            interpolation=flags.BICUBIC | flags.ACCURATE_RND | flags.FULL_CHR_H_INT,
        ).to_ndarray()

    @cached_property
    def _reformatter(self):
        return self._av.video.reformatter.VideoReformatter()


class Continuing:
    """Lets times go on where a file's clock starts again, as in recordings that were joined."""

    def __init__(self) -> None:
        # By part of the file; the streams enter a part one after the other.
        self._jumps = [Fraction(0)]
        self._part: dict[int, int] = {}
        self._last: dict[int, Fraction] = {}
        self._left: dict[int, Fraction] = {}
        self._end = Fraction(0)

    def __call__(self, packet: "av.Packet") -> None:
        """Change the times of a packet; call it with all packets in their order."""
        if not packet.time_base:
            return
        index, unit = packet.stream.index, Fraction(packet.time_base)
        # Times of display go back and forth; where MKV gives no others, it is not asked.
        if packet.dts is not None:
            self._enter(index, packet.dts * unit)
        jump = round(self._jumps[self._part.get(index, 0)] / unit)
        if jump:
            packet.pts = None if packet.pts is None else packet.pts + jump
            packet.dts = None if packet.dts is None else packet.dts + jump
        if packet.dts is not None:
            self._end = max(self._end, (packet.dts + (packet.duration or 0)) * unit)

    def _enter(self, index: int, time: Fraction) -> None:
        """Note the time of a stream's next packet, and whether another part of the file begins with it."""
        last, left = self._last.get(index, time), self._left.pop(index, None)
        if left is not None and abs(time - left) <= _STARTS_AGAIN < time - last:
            # The clock did not start again: a single time was wrong.
            self._part[index] -= 1
            if len(self._jumps) - 1 > max(self._part.values()):
                self._jumps.pop()
        elif time < last - _STARTS_AGAIN:
            self._part[index] = self._part.get(index, 0) + 1
            if self._part[index] == len(self._jumps):
                self._jumps.append(self._end - time)
            self._left[index] = last
        self._last[index] = time


class Evenly:
    """Undoes the rounding of times: MKV counts milliseconds, but a frame at 30000/1001 per second lasts 33.37 of them.

    As long as all frames so far fit a constant rate, up to the file's rounding, each gets its exact time. From the
    first frame that does not fit, the times stay as the file has them.

    Args:
        step: time from frame to frame, in the units of the times.
        unit: the unit of the file's rounding, in the same units.
    """

    def __init__(self, step: Fraction, unit: int) -> None:
        self._step, self._unit = step, unit
        self._first: int | None = None
        self._is_even = step.denominator == 1 and unit > 1

    def __call__(self, pts: int) -> int:
        """Return the time of the next frame."""
        if not self._is_even:
            return pts
        if self._first is None:
            self._first = pts
        exact = self._first + round((pts - self._first) / self._step) * self._step
        # The first time was rounded as well.
        self._is_even = abs(exact - pts) <= self._unit
        return int(exact) if self._is_even else pts


def _standard(rate: Fraction) -> Fraction:
    """Return the rate that is meant by a file that stores a frame's duration in nanoseconds."""
    for exact in (Fraction(round(rate)), Fraction(round(rate * 1001 / 1000) * 1000, 1001)):
        if exact and abs(rate / exact - 1) < 1e-6:
            return exact
    return rate


def _common_unit(unit: Fraction, rate: Fraction) -> Fraction:
    """Return a unit in which both the file's times and frames of the constant rate are whole numbers."""
    if (1 / rate / unit).denominator == 1:
        return unit
    common = Fraction(1, math.lcm(unit.denominator, rate.numerator))
    return common if (unit / common).denominator == 1 and common.denominator <= _FINEST else unit


def _is_readable(stream: "av.AudioStream") -> bool:
    """Tell whether FFmpeg has a decoder for a sound track, and the track holds any sound."""
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def _is_cover(stream: "av.VideoStream") -> bool:
    """Tell whether a video stream is the cover picture of the file."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
