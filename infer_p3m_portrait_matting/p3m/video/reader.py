"""Read videos frame by frame: upright RGB pictures with their exact times, and the sound as it is in the file."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..files.colors import from_wide, is_wide
from .clock import Continuing, Evenly, common_unit, standard_rate
from .container import open_container, picture_streams
from .pyav import ACCURATE_RND, BICUBIC, FULL_CHR_H_INT, import_av
from .sound import Sound, is_readable

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

# Values of FFmpeg's AVColorSpace, AVColorRange and AVColorTransferCharacteristic (ISO/IEC 23091-2).
_NO_MATRIX = (0, 2)
_BT709, _BT601 = 1, 5
_LIMITED_RANGE = 1
_HDR_CURVES = (16, 18)

#: FFmpeg's names of the containers that state their length. In others, FFmpeg estimates the length from the content.
_WITH_LENGTH = ("mov", "matroska", "avi", "asf", "mxf")

#: Higher rates, in frames per second, are FFmpeg's mistakes: in DV it takes a unit of time for a frame.
_FASTEST = 1000

#: How far FFmpeg looks for the description of a track, in microseconds and bytes.
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
        path: the file. Of several video streams the default one is read, or else the largest; and all of its audio
            streams that FFmpeg can decode. A WARNING says if there are others.

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
        self._container = open_container(path)
        if any(stream.codec_context and not is_readable(stream) for stream in self._container.streams.audio):
            # The sound begins late, and the container describes it nowhere else.
            self._container.close()
            self._container = open_container(path, _LOOK_FURTHER)
        pictures = picture_streams(self._container)
        if not pictures:
            self._container.close()
            raise ValueError(f"{path} has no video stream that can be decoded")
        self._stream = max(pictures, key=_weight)
        if len(pictures) > 1:
            number, size = pictures.index(self._stream) + 1, f"{self._stream.width} x {self._stream.height}"
            logger.warning("%s has %d video tracks: number %d (%s) is taken", path, len(pictures), number, size)
        self._stream.thread_type = "AUTO"
        self.audio = [stream for stream in self._container.streams.audio if is_readable(stream)]
        if unreadable := len(self._container.streams.audio) - len(self.audio):
            logger.warning("%s: %d of its sound tracks cannot be decoded, and are left out", path, unreadable)
        unit = Fraction(self._stream.time_base or 1)
        rate, guessed = self._stream.average_rate, self._stream.guessed_rate
        if not rate or (guessed and rate > _FASTEST):
            rate = guessed or 1 / unit
        self.rate = standard_rate(Fraction(rate))
        self.time_base = common_unit(unit, self.rate)
        self._unit, self._units = unit, round(unit / self.time_base)
        self._first: int | None = None
        #: When all was read: the number of frames, that of damaged parts, and " of" how many if the end is missing.
        self._read: tuple[int, int, str] | None = None
        self._damaged_sound = 0
        # When the pictures begin and end, and when the sound ends, in seconds by the file's clock.
        self._begun: Fraction | None = None
        self._ended, self._heard_until = Fraction(0), Fraction(0)
        self.frame_count = self._stream.frames or self._estimated_count()
        self._aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        start = self._container.start_time
        # Streams cut from a broadcast start at any time; before 0 there is only sound that players skip.
        self._offset = Fraction(max(start or 0, 0), self._av.time_base)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a WARNING says how much of it was damaged, if it was read to its end."""
        self._container.close()
        if self._read is not None:
            (count, damaged, lacking), self._read = self._read, None
            if damaged or self._damaged_sound or lacking:
                sound = f", {self._damaged_sound} pieces of its sound could not" if self._damaged_sound else ""
                logger.warning("%s is damaged: %d%s frames could be read%s", self.path, count, lacking, sound)

    def _estimated_count(self) -> int:
        if self._stream.duration is not None:
            # In the stream's own unit, not in the common one.
            return round(self._stream.duration * self._unit * self.rate)
        if self._container.duration is not None:
            return round(Fraction(self._container.duration, self._av.time_base) * self.rate)
        return 0

    def read(self) -> Iterator[Frame | Sound]:
        """Read to the end: yield frames in the order of their times, with the pieces of sound between them.

        Damaged parts of the file are skipped, and :meth:`close` says how many. Sound counts as far as it was decoded
        before. Frames that change their size are scaled to that of the first, with a WARNING.

        Raises:
            ValueError: the file holds no readable frame.
        """
        damaged, count, last, size, is_scaled = 0, 0, None, None, False
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
                image, is_turned = _upright(self._rgb(frame), frame)
                if size not in (None, image.shape):
                    if not is_scaled:
                        height, width = size[:2]
                        said = f"from frame {count + 1} on they are scaled to {width} x {height}"
                        logger.warning("%s: the frames change their size; %s", self.path, said)
                    is_scaled = True
                    image = cv2.resize(image, size[1::-1], interpolation=cv2.INTER_AREA)
                if size is None and frame.color_trc in _HDR_CURVES:
                    logger.warning("%s is an HDR video: its colours are not converted and may look pale", self.path)
                if size is None and frame.interlaced_frame:
                    logger.warning("%s is interlaced: moving edges look torn; use ffmpeg -vf bwdif first", self.path)
                size = image.shape
                count += 1
                aspect = 1 / self._aspect if is_turned else self._aspect
                yield Frame(image, last, (frame.duration or 0) * self._units, self.time_base, aspect)
        if count == 0:
            raise ValueError(f"{self.path} holds no frame that can be read")
        stated = self._stream.frames
        all_of_them = f" of {stated if stated > count else f'about {self.frame_count}'}"
        self._read = count, damaged, all_of_them if self._ends_early(count) else ""

    def _ends_early(self, count: int) -> bool:
        """Tell whether the pictures, of which there were ``count``, end long before the file says that they do."""
        stream, container = self._stream, self._container
        name = container.format.name.split(",")[0]
        if name not in _WITH_LENGTH:
            return False
        if name == "avi":
            # FFmpeg shortens the duration to the frames that are there; the stated number also counts dropped frames.
            return count < stream.frames * 9 // 10
        if stream.duration is not None:
            # The stated number of frames would also count those that an edit list hides.
            stated, found = stream.duration * self._unit, self._ended - (self._begun or 0)
        elif container.duration is not None and len(container.streams) == 1 + len(self.audio):
            # This is the duration of the longest stream, so only that stream can be found too short.
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
            image = frame.to_ndarray(format="rgb24")
        else:
            image = self._reformatter.reformat(
                frame,
                format="rgb24",
                src_colorspace=matrix,
                src_color_range=wide,
                dst_color_range=2,
                interpolation=BICUBIC | ACCURATE_RND | FULL_CHR_H_INT,
            ).to_ndarray()
        is_sdr = frame.color_trc not in _HDR_CURVES
        return from_wide(image, frame.color_primaries) if is_sdr and is_wide(frame.color_primaries) else image

    @cached_property
    def _reformatter(self):
        return self._av.video.reformatter.VideoReformatter()


def _weight(stream: "av.VideoStream") -> tuple[bool, int]:
    """Rank a video stream: streams that players show by default first, then by size."""
    return bool(stream.disposition & type(stream.disposition).default), stream.width * stream.height


def _upright(image: np.ndarray, frame: "av.VideoFrame") -> tuple[np.ndarray, bool]:
    """Turn and mirror a frame's picture as its display matrix says, to whole quarters; tell whether its sides swap."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image, False
    # A pixel at x, y is shown at (a x + c y, b x + d y); the rest of the matrix is for shifts.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(int)
    is_turned = abs(b) + abs(c) > abs(a) + abs(d)
    if is_turned:
        image, a, d = image.swapaxes(0, 1), c, b
    image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image), is_turned
