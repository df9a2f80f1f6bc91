"""Read from the boxes of HEIC and AVIF which of the two a file is, and what its colours are (ISO/IEC 23008-12)."""

import struct
from collections.abc import Iterator

#: Brands (ISO/IEC 23008-12, annex B; AVIF 1.1, section 6) in the box "ftyp" at the beginning.
_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_AVIF, _STRUCTURAL = {b"avif", b"avis"}, {b"mif1", b"mif2", b"msf1", b"miaf"}
BRANDS = _HEIC | _AVIF | _STRUCTURAL
#: Bytes to search for the kind of coding if the brands do not tell it.
_HEAD = 2**16


def kind_of(content: bytes) -> str:
    """Return "AVIF", "HEIF" (HEIC and other pictures in HEIF), or "", by the compatible brands of a file."""
    major, compatible = _brands(content)
    brands = {major, *compatible}
    if brands & _AVIF:
        return "AVIF"
    if brands & _HEIC:
        return "HEIF"
    if not brands & _STRUCTURAL:
        return ""
    return "AVIF" if b"av01" in content[:_HEAD] else "HEIF"


def with_usual_brand(content: bytes, kind: str) -> bytes:
    """Return the file with the brand of its kind first, where decoders look for it."""
    major, compatible = _brands(content)
    known = _AVIF if kind == "AVIF" else _HEIC
    if major in known:
        return content
    fallback = b"avif" if kind == "AVIF" else b"heic"
    return content[:8] + next((brand for brand in compatible if brand in known), fallback) + content[12:]


def color_numbers(content: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer (ITU-T H.273) of the main picture, if a box "nclx" holds them; else None."""
    try:
        return _color_numbers(content)
    except (struct.error, IndexError):
        return None


def _brands(content: bytes) -> tuple[bytes, list[bytes]]:
    if content[4:8] != b"ftyp":
        return b"", []
    size = min(struct.unpack(">I", content[:4])[0], 1024)
    return content[8:12], [content[i : i + 4] for i in range(16, size - 3, 4)]


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box between two places, and where its content starts and ends."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", content[start + 8 : start + 16])[0], 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + head:
            return
        yield kind, start + head, stop
        start = stop


def _box(content: bytes, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    return next(((first, last) for found, first, last in _boxes(content, start, end) if found == kind), None)


def _color_numbers(content: bytes) -> tuple[int, int] | None:
    meta = _box(content, b"meta", 0, len(content))
    if meta is None:
        return None
    inside = meta[0] + 4, meta[1]
    main, properties = _box(content, b"pitm", *inside), _box(content, b"iprp", *inside)
    if main is None or properties is None:
        return None
    held, places = _box(content, b"ipco", *properties), _box(content, b"ipma", *properties)
    if held is None or places is None:
        return None
    item = struct.unpack(">I", content[main[0] + 4 : main[0] + 8])[0] if content[main[0]] else None
    if item is None:
        item = struct.unpack(">H", content[main[0] + 4 : main[0] + 6])[0]
    every = list(_boxes(content, *held))
    for index in _associated(content, places[0], item):
        if 0 < index <= len(every):
            kind, first, _ = every[index - 1]
            if kind == b"colr" and content[first : first + 4] == b"nclx":
                return struct.unpack(">HH", content[first + 4 : first + 8])
    return None


def _associated(content: bytes, place: int, item: int) -> list[int]:
    """Return the numbers, from 1, of the properties that belong to an item, from the box "ipma"."""
    version, wide = content[place], content[place + 3] & 1
    count = struct.unpack(">I", content[place + 4 : place + 8])[0]
    place += 8
    for _ in range(count):
        form, size = (">I", 4) if version else (">H", 2)
        found = struct.unpack(form, content[place : place + size])[0]
        entries = content[place + size]
        place += size + 1
        step = 2 if wide else 1
        values = struct.unpack(f">{entries}{'H' if wide else 'B'}", content[place : place + entries * step])
        place += entries * step
        if found == item:
            return [value & (0x7FFF if wide else 0x7F) for value in values]
    return []
