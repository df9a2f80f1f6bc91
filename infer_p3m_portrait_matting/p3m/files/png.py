"""Read and write the chunks of a PNG, which describe its picture (Portable Network Graphics, third edition)."""

import re
import struct
import zlib
from typing import NamedTuple

from .limits import MAX_PROFILE, RefusedError

_HEAD = b"\x89PNG\r\n\x1a\n"
#: Text chunks, and the keywords of those that may hold the orientation; no others matter to the picture.
_NOTES, _WANTED = (
    (b"tEXt", b"zTXt", b"iTXt"),
    (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1"),
)
#: Bytes that these may have when unpacked: Pillow refuses a file with more.
_MOST = 2**20
#: Chunks that a file may have.
_CHUNKS = 500_000


class Chunks(NamedTuple):
    """What a PNG says about its picture.

    Attributes:
        content: the file without damaged or needless chunks, at which Pillow may fail, and without its profile.
        pictures: how many the file holds.
        profile: its ICC profile, or b"".
        cicp: its colours by numbers (ITU-T H.273): primaries and transfer; None without them.
        gamma: the exponent that turns light into values, 0.45455 for most displays; None if the file says sRGB, or
            gives no gamma.
        chromaticities: x and y of white, red, green and blue; None if the file does not give them.
    """

    content: bytes
    pictures: int
    profile: bytes
    cicp: tuple[int, int] | None
    gamma: float | None
    chromaticities: tuple[float, ...] | None


def is_png(content: bytes) -> bool:
    """Tell whether a file is a PNG by its first bytes."""
    return content.startswith(_HEAD)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def sizes_within(content: bytes) -> list[tuple[int, int]]:
    """Return width and height of each PNG within another file."""
    return [
        struct.unpack(">II", found[1]) for found in re.finditer(re.escape(_HEAD) + b".{8}(.{8})", content, re.DOTALL)
    ]


def read_chunks(content: bytes, name: str) -> Chunks:
    """Walk along the chunks of a PNG, up to its end or to where it is cut off.

    Raises:
        RefusedError: it has more chunks than any picture needs.
    """
    place = len(_HEAD)
    dropped: list[tuple[int, int]] = []
    found: dict[bytes, bytes] = {}
    for count in range(_CHUNKS + 1):
        if place + 8 > len(content):
            break
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        end = place + 12 + length
        if end > len(content):
            break
        data = content[place + 8 : end - 4]
        # Decoders do not need chunks in small letters, so a damaged one is no reason to refuse the picture.
        is_damaged = kind[:1].islower() and kind != b"fdAT" and zlib.crc32(kind + data) != _number(content, end - 4)
        if is_damaged or kind == b"iCCP" or (kind in _NOTES and not _is_wanted(kind, data)):
            dropped.append((place, end))
        if not is_damaged and kind in (b"iCCP", b"cICP", b"gAMA", b"cHRM", b"sRGB", b"acTL"):
            found.setdefault(kind, data)
        place = end
        if count == _CHUNKS:
            raise RefusedError(f"{name} has more than {_CHUNKS} chunks: save it anew")
    pictures = struct.unpack(">I", found[b"acTL"][:4])[0] if len(found.get(b"acTL", b"")) >= 4 else 1
    cicp = found.get(b"cICP", b"")
    gamma = None if b"sRGB" in found else _fractions(found.get(b"gAMA", b""), 1)
    return Chunks(
        _without(content, dropped),
        pictures,
        _profile(found.get(b"iCCP", b"")),
        (cicp[0], cicp[1]) if len(cicp) >= 2 else None,
        gamma[0] if gamma else None,
        _fractions(found.get(b"cHRM", b""), 8) if gamma else None,
    )


def _number(content: bytes, place: int) -> int:
    return struct.unpack(">I", content[place : place + 4])[0]


def _is_wanted(kind: bytes, data: bytes) -> bool:
    keyword, _, rest = data.partition(b"\0")
    if keyword not in _WANTED or len(data) > _MOST:
        return False
    if kind == b"zTXt":
        return len(_unpacked(rest[1:], _MOST + 1)) <= _MOST
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
        return len(_unpacked(packed, _MOST + 1)) <= _MOST
    return True


def _profile(data: bytes) -> bytes:
    return _unpacked(data.partition(b"\0")[2][1:], MAX_PROFILE)


def _unpacked(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        return b""


def _fractions(data: bytes, count: int) -> tuple[float, ...] | None:
    if len(data) < 4 * count:
        return None
    return tuple(value / 100_000 for value in struct.unpack(f">{count}I", data[: 4 * count]))


def _without(content: bytes, parts: list[tuple[int, int]]) -> bytes:
    if not parts:
        return content
    ends = [0, *(end for _, end in parts)]
    starts = [*(start for start, _ in parts), len(content)]
    return b"".join(content[end:start] for end, start in zip(ends, starts, strict=True))
