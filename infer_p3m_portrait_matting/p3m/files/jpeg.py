"""What a JPEG holds by its markers (ITU-T T.81, annex B), and one whole file of those with an odd beginning or end."""

import io
import re
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from .limits import MAX_SCANS, RefusedError

_START, _END = b"\xff\xd8", b"\xff\xd9"
#: Between the segments: a marker that is no stuffing, no restart, no start of image and none without a meaning.
_MARKER = re.compile(rb"\xff+[^\x00\x01\xd0-\xd8\xff]")
#: Markers: end of image, start of scan, and those that may follow the first scan.
_EOI, _SOS = 0xD9, 0xDA
_BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
#: Markers of a frame: C0 to CF but for tables (C4, CC) and an extension (C8).
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LAST_HUFFMAN = 0xC7
#: The processes that most decoders do not know, by these markers.
_RARE = {0xC3: "without loss", 0xC5: "in layers", 0xC6: "in layers", 0xC7: "in layers"}
#: Segments that a file may have.
_SEGMENTS = 100_000
#: How far into a file its picture may begin.
_FARTHEST = 1024
#: Data that would change every block that is missing.
_NOISE = bytes(np.random.default_rng(0).integers(0, 255, 4096, np.uint8))


class Outline(NamedTuple):
    """What the markers of a JPEG tell.

    Attributes:
        scans: how many there are.
        frame: the marker of its frame, or 0.
        depth: bits of a value.
        end: where the data of its last scan, or its file, end.
        is_whole: whether an end of image follows there.
    """

    scans: int
    frame: int
    depth: int
    end: int
    is_whole: bool


def begins_with_jpeg(content: bytes) -> bool:
    """Tell whether a file is a JPEG, perhaps behind some bytes that are not part of it."""
    return content[:2] == _START or content.find(_START + b"\xff", 0, _FARTHEST) > 0


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
        # A byte that is no marker's stands here in files with an odd beginning.
        place = body + (length if code >= 0xC0 else 0)
    return Outline(scans, frame, depth, len(content), False)


def with_usual_ends(content: bytes, name: str, warnings: list[str]) -> tuple[bytes, Outline]:
    """Return a JPEG as decoders want it, from its first marker to its end of image, and what its markers told.

    Args:
        content: the file.
        name: its name in messages.
        warnings: a sentence is added where the file was odd, and its picture is whole nevertheless.

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
        # Pillow reads small ones, by some builds of libjpeg, and makes noise of damaged ones without a word.
        raise RefusedError(
            f"{name} is a JPEG with arithmetic coding, which cannot be read: save it as an ordinary JPEG"
        )
    if not found.is_whole and found.scans:
        content = content[: found.end].rstrip(b"\xff") + _END
    if odd_start:
        warnings.append(f"{name} does not begin as a JPEG should; its picture was found behind that")
    return content, found


def has_all_rows(content: bytes) -> bool:
    """Tell whether a JPEG whose end was put there by :func:`with_usual_ends` misses none of its picture.

    What is missing, a decoder makes up from the data that follow: the pictures with and without such data differ.
    """
    pictures = []
    for tail in (_END, _NOISE + _END):
        with Image.open(io.BytesIO(content.removesuffix(_END) + tail), formats=("JPEG",)) as image:
            pictures.append(np.asarray(image))
    return np.array_equal(pictures[0], pictures[1])


def name_of_process(found: Outline) -> str:
    """Return what most decoders do not know of a JPEG, such as "without loss"; "" if that is nothing."""
    return _RARE.get(found.frame, "" if found.depth == 8 else f"with {found.depth} bits a value")
