"""Say how each kind of video file is encoded."""

from typing import NamedTuple


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
        only_square: whether the file cannot say that its pixels are not square.
        lowest_mp3: MP3 of a lower sample rate, in Hz, is encoded anew.
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
    lowest_mp3: int = 0


#: FFmpeg's number for ProRes' finest quantiser. Without it, the encoder looks for that of each slice: in pictures with
#: noise, too, it finds the finest, and takes four times as long.
_FINEST = "118"

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
        options={"profile": "4444", "vendor": "apl0", "flags": "+qscale", "global_quality": _FINEST},
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
        # FFmpeg refuses lower rates, which the standard does not know.
        lowest_mp3=16000,
    ),
}
