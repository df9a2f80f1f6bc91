"""Read the markers of a JPEG (ITU-T T.81, annex B), and mend files with an odd beginning or end."""

import io
import re
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from .limits import MAX_SCANS, RefusedError

_START, _END = b"\xff\xd8", b"\xff\xd9"
#: A marker that begins a segment: not stuffing, a restart, a start of image, or a reserved one.
_MARKER = re.compile(rb"\xff+[^\x00\x01\xd0-\xd8\xff]")
#: Markers: end of image, start of scan, and those that may follow the first scan.
_EOI, _SOS = 0xD9, 0xDA
_BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
#: Markers of a frame: C0 to CF except tables (C4, CC) and an extension (C8).
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LAST_HUFFMAN = 0xC7
#: Coding processes that most decoders do not know, by the marker of the frame.
_RARE = {0xC3: "lossless", **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical")}
#: Segments that a file may have.
_SEGMENTS = 100_000
#: How far into a file its picture may begin.
_FARTHEST = 1024
#: Random data, which a decoder shows in place of missing rows.
_NOISE = bytes(np.random.default_rng(0).integers(0, 255, 4096, np.uint8))


class Outline(NamedTuple):
    """What the markers of a JPEG say.

    Attributes:
        scans: how many there are.
        frame: the marker of its frame, or 0 if there is none.
        depth: bits of a value.
        end: where the data of its last scan end, or the file.
        is_whole: whether an end of image follows there.
    """

    scans: int
    frame: int
    depth: int
    end: int
    is_whole: bool


def begins_with_jpeg(content: bytes) -> bool:
    """Tell whether a file begins as a JPEG does."""
    return content[:2] == _START


def has_jpeg_behind_others(content: bytes) -> bool:
    """Tell whether a JPEG may begin behind some bytes that are not part of it; other formats hold such bytes, too."""
    return content.find(_START + b"\xff", 0, _FARTHEST) > 0


def outline(content: bytes, name: str) -> Outline:
    """Walk along the markers of a JPEG that begins with its first byte.

    Raises:
        RefusedError: it has more segments than any picture needs.
    """
    place, scans, frame, depth, count = 2, 0, 0, 8, 0
    while found := _MARKER.search(content, place):
        count += 1
        if count > _SEGMENTS:
            raise RefusedError(f"{name} has more than {_SEGMENTS} segments: save it as an ordinary JPEG")
        code, body = content[found.end() - 1], found.end()
        if code == _EOI:
            return Outline(scans, frame, depth, found.start(), True)
        length = struct.unpack(">H", content[body : body + 2])[0] if body + 2 <= len(content) else len(content)
        if (scans and code not in _BETWEEN_SCANS) or body + length > len(content):
            return Outline(scans, frame, depth, found.start(), False)
        if code in _FRAMES and not frame and length > 2:
            frame, depth = code, content[body + 2]
        scans += code == _SOS
        # In files with an odd beginning, the byte here may belong to no marker.
        place = body + (length if code >= 0xC0 else 0)
    return Outline(scans, frame, depth, len(content), False)


def with_usual_ends(content: bytes, name: str, warnings: list[str]) -> tuple[bytes, Outline]:
    """Return a JPEG that begins with its first marker and ends with an end of image, and its outline.

    Args:
        content: the file.
        name: its name in messages.
        warnings: a sentence is added if the file begins with foreign bytes.

    Raises:
        RefusedError: it has too many scans, or arithmetic coding.
    """
    start = content.find(_START)
    first = _MARKER.search(content, start + 2)
    odd_start = start > 0 or (first is not None and first.start() > start + 2)
    if odd_start:
        content = _START + content[first.start() if first else start + 2 :]
    found = outline(content, name)
    if found.scans > MAX_SCANS:
        raise RefusedError(
            f"{name} has {found.scans} scans, more than the {MAX_SCANS} that are read: save it as an ordinary JPEG"
        )
    if found.frame > _LAST_HUFFMAN:
        # With some builds of libjpeg, Pillow reads small files of this kind and silently turns damaged ones into noise.
        raise RefusedError(
            f"{name} is a JPEG with arithmetic coding, which cannot be read: save it as an ordinary JPEG"
        )
    if not found.is_whole and found.scans:
        content = content[: found.end].rstrip(b"\xff") + _END
    if odd_start:
        warnings.append(f"{name} does not begin as a JPEG should; its picture was found further on")
    return content, found


def has_all_rows(content: bytes) -> bool:
    """Tell whether a JPEG is complete although its end was added by :func:`with_usual_ends`.

    A decoder makes up missing rows from the data that follow, so random data there would change the picture.
    """
    pictures = []
    for tail in (_END, _NOISE + _END):
        with Image.open(io.BytesIO(content.removesuffix(_END) + tail), formats=("JPEG",)) as image:
            pictures.append(np.asarray(image))
    return np.array_equal(pictures[0], pictures[1])


def name_of_process(found: Outline) -> str:
    """Name the coding of a JPEG if most decoders do not know it, such as "lossless"; else return ""."""
    return _RARE.get(found.frame, "" if found.depth == 8 else f"{found.depth}-bit")
