"""Write TIFFs of any layout, also of those that image libraries do not write."""

import struct

import numpy as np

_CODES = {1: "B", 2: "B", 3: "H", 4: "I"}


def tiff(
    strips: list[bytes],
    size: tuple[int, int],
    bits: tuple[int, ...] = (8,),
    photometric: int = 1,
    planes: int = 1,
    compression: int = 1,
    order: str = "<",
    more: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """Return a TIFF of one picture.

    Args:
        strips: its data: one strip, or one for each plane.
        size: width and height.
        bits: of each sample.
        photometric, planes, compression: values of these tags.
        order: "<" or ">", as in struct.
        more: further tags: number -> type and values.
    """
    width, height = size
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, list(bits)),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, [0] * len(strips)),
        277: (3, [len(bits)]),
        278: (4, [height]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [planes]),
        **(more or {}),
    }
    place = 8 + 2 + 12 * len(tags) + 4
    tags[273] = (4, list(np.cumsum([place + sum(map(_length, tags.values())), *map(len, strips)])[:-1]))
    head, behind = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        head += struct.pack(f"{order}HHI", tag, kind, len(values))
        head += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", place + len(behind))
        behind += data if len(data) > 4 else b""
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return start + head + bytes(4) + behind + b"".join(strips)


def packed(values: np.ndarray, bits: int) -> bytes:
    """Pack integers [H, W] with so many bits each; every row begins with a new byte."""
    shifts = np.arange(bits - 1, -1, -1)
    rows = ((values.astype(np.uint32)[..., None] >> shifts) & 1).astype(np.uint8).reshape(len(values), -1)
    return np.packbits(rows, axis=1).tobytes()


def _length(tag: tuple[int, list[int]]) -> int:
    length = struct.calcsize(_CODES[tag[0]]) * len(tag[1])
    return length if length > 4 else 0
