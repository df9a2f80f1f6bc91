"""Carry the sound of a video over to another file: copied as it is, decoded, or converted to what an encoder takes."""

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from .pyav import import_av

if TYPE_CHECKING:
    import av

#: FFmpeg's layouts for sound that names none, by the number of channels.
_UNNAMED = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
#: What AAC and Opus call the same channels.
_TO_THE_SIDE = {"5.0(side)": "5.0", "5.1(side)": "5.1"}
#: The layouts of Opus (RFC 7845, 5.1.1.2), by the number of channels.
_OPUS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

#: Languages that MOV calls otherwise than ISO 639-2/T does. It has no names for most others.
_IN_QUICKTIME = {
    **{"cze": "ces", "deu": "ger", "ell": "gre", "isl": "ice", "mkd": "mac", "nld": "dut"},
    **{"rum": "ron", "slo": "slk", "sqi": "alb", "swe": "sve", "zho": "chi"},
}


class Sound:
    """A piece of an audio stream, as it is in the file; decoded when a writer needs it.

    Attributes:
        stream: the stream it belongs to.
        packet: the piece, or None at the stream's end.
        offset: seconds to subtract from its times.

    Args:
        on_damage: called if the piece cannot be decoded.
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


def is_readable(stream: "av.AudioStream") -> bool:
    """Tell whether FFmpeg has a decoder for a sound track, and the track holds any sound."""
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def kind_of(heard: "av.AudioFrame") -> tuple[str, str, int]:
    """Return what one encoder needs to be the same in all its sound: format, channels, samples per second."""
    return heard.format.name, heard.layout.name, heard.sample_rate


def converted(heard: "av.AudioFrame", first: "av.AudioFrame") -> list["av.AudioFrame"]:
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


def copied_frame(heard: "av.AudioFrame") -> "av.AudioFrame":
    """Copy a frame for one encoder, which changes it. A layout without a name gets that of its number of channels."""
    twin = import_av().AudioFrame(heard.format.name, _named(heard.layout), heard.samples)
    for ours, theirs in zip(twin.planes, heard.planes, strict=True):
        ours.update(bytes(theirs)[: ours.buffer_size])
    twin.sample_rate, twin.pts = heard.sample_rate, heard.pts
    if heard.time_base:  # the last frame of some decoders has none
        twin.time_base = heard.time_base
    return twin


def _named(layout: "av.AudioLayout") -> str:
    return _UNNAMED.get(layout.nb_channels, layout.name) if layout.name.endswith(" channels") else layout.name


def layout_for(codec: str, layout: "av.AudioLayout") -> str:
    """Return the layout of channels in which an encoder takes sound: the same, by its name for it, where it has one."""
    count, name = layout.nb_channels, _named(layout)
    if codec.startswith("pcm_"):
        return name
    name = _TO_THE_SIDE.get(name, name)
    if codec == "libopus" and name not in _OPUS.values():
        return _OPUS.get(count, name)
    return name


def silence(like: "av.AudioFrame", samples: int, start: int) -> "av.AudioFrame":
    """Make a silent frame of the same kind as another.

    Args:
        like: the other frame.
        samples: length of the silent frame.
        start: samples of the track before it.
    """
    frame = import_av().AudioFrame(like.format.name, like.layout.name, samples)
    # Only 8-bit samples are unsigned; their silence is the middle value.
    level = b"\x80" if like.format.name.startswith("u8") else b"\x00"
    for plane in frame.planes:
        plane.update(level * plane.buffer_size)
    frame.sample_rate, frame.time_base = like.sample_rate, like.time_base
    frame.pts = round(start / like.sample_rate / (like.time_base or 1))
    return frame


def keep_names(target: "av.AudioStream", heard: "av.AudioStream", container: str) -> None:
    """Keep a track's language and title, and whether players play it by default."""
    language, title = heard.metadata.get("language"), heard.metadata.get("title", heard.metadata.get("name"))
    if language:
        target.metadata["language"] = _IN_QUICKTIME.get(language, language) if container == "mov" else language
    if title:
        target.metadata["title"] = title
    default = type(heard.disposition).default
    # AVI and similar formats mark no track; FFmpeg then chooses.
    if any(stream.disposition & default for stream in heard.container.streams.audio):
        target.disposition = heard.disposition


def copied_packet(sound: Sound, target: "av.AudioStream") -> "av.Packet":
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
