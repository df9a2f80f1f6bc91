"""Open video files by their content: containers alone, and nothing that names other files."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import MissingPackageError
from ..files.heif import BRANDS
from .pyav import import_av

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

#: Suffixes of video files, in lower case. :func:`is_video_file` judges other files by their content.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".3g2", ".ogv", ".asf", ".f4v", ".mxf", ".vob", ".dv", ".insv"),
)

#: FFmpeg's names of the containers that are read. Playlists (concat, HLS, DASH, SDP) are not: they name other files or
#: addresses, whose content would get into the result.
_CONTAINERS = (
    *("mov", "matroska", "avi", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "ogg", "mxf", "dv", "gxf", "nut", "rm"),
    *("wtv", "ivf", "yuv4mpegpipe"),
)
#: Formats of animated pictures; a file in one of them counts as a photo unless a video is asked for.
_ANIMATIONS = ("gif", "apng")
#: Brands of MP4 files that hold pictures: HEIC, AVIF and Canon's raw files.
_PICTURES = {"crx", *(brand.decode() for brand in BRANDS)}


def open_container(path: Path, more: Mapping[str, str] = MappingProxyType({})) -> "InputContainer":
    """Open a video file.

    Args:
        path: the file.
        more: more of FFmpeg's options.

    Raises:
        MissingPackageError: PyAV is not installed.
        ValueError: the format is not one that is read, or the file is damaged.
    """
    av = import_av()
    options = {
        "format_whitelist": ",".join((*_CONTAINERS, *_ANIMATIONS)),
        "protocol_whitelist": "file",
        # A clock that starts again has not overflowed: see Continuing.
        "correct_ts_overflow": "0",
        **more,
    }
    try:
        # Absolute, because FFmpeg takes a colon in a relative name for a protocol. Metadata may be in any encoding.
        return av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (av.error.ArgumentError, av.error.InvalidDataError) as error:
        raise ValueError(f"{path} cannot be read as a video: it is damaged, or in a format that is not read") from error
    except av.error.FFmpegError as error:
        raise ValueError(f"{path} cannot be read as a video: {_words(error)}") from error


def is_video_file(path: Path) -> bool:
    """Tell whether a file is a video: by its suffix, or else by its content, if PyAV is installed.

    An animated picture is not a video; neither is sound with a cover picture.
    """
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return True
    if not path.is_file():  # looking into a pipe would take bytes from its reader
        return False
    try:
        with open_container(path) as container:
            if container.format.name in _ANIMATIONS or container.metadata.get("major_brand", "").strip() in _PICTURES:
                return False
            return bool(picture_streams(container))
    except (MissingPackageError, ValueError, OSError):
        return False


def is_animation(path: Path) -> bool:
    """Tell whether a file is an animated picture that can also be read as a video: GIF or APNG."""
    if not path.is_file():
        return False
    try:
        with open_container(path) as container:
            return container.format.name in _ANIMATIONS
    except (MissingPackageError, ValueError, OSError):
        return False


def picture_streams(container: "InputContainer") -> list["av.VideoStream"]:
    """List the video streams that can be decoded, without cover pictures."""
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context and not stream.disposition & type(stream.disposition).attached_pic
    ]


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
