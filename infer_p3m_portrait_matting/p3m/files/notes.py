"""Carry a photo's resolution, and on request its metadata (EXIF, XMP), over to pictures that are made from it.

Only fields that are known to be harmless are kept: who made the photo, when, with what, and under which rights.
Orientation and colours have been applied. Thumbnails, embedded pictures and maker notes may show what the result hides.
"""

import io
import struct
from contextlib import suppress
from math import isfinite
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter
from xml.etree import ElementTree

from PIL import Image

from .formats import readable
from .png import chunk

_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
#: XMP in a TIFF.
_XMP_TAG = 700
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _INCH = 282, 283, 296, 2
#: ImageDescription, Make, Model, Software, DateTime, Artist, Copyright, and Windows' title to subject.
_IFD0 = (270, 271, 272, 305, 306, 315, 33432, *range(0x9C9B, 0x9CA0))
#: Maker notes, the colour space, the size, and the pointer to the interoperability IFD.
_NOT_OF_EXIF = (0x927C, 0xA001, 0xA002, 0xA003, 0xA005)

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PHOTOSHOP, _IPTC = "{http://ns.adobe.com/photoshop/1.0/}", "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
#: Namespaces of XMP that are kept as a whole: captions and authors, rights.
_NAMESPACES = ("{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xap/1.0/rights/}")
_NAMES = {
    *(_XMP + name for name in ("CreateDate", "ModifyDate", "MetadataDate", "CreatorTool", "Rating", "Label")),
    *(_PHOTOSHOP + name for name in ("Headline", "Credit", "Source", "Instructions", "AuthorsPosition", "DateCreated")),
    *(_IPTC + name for name in ("CreatorContactInfo", "IntellectualGenre", "SubjectCode", "AltTextAccessibility")),
}
_PLACES = {
    *(_PHOTOSHOP + name for name in ("City", "State", "Country")),
    *(_IPTC + name for name in ("Location", "CountryCode")),
}


class Notes(NamedTuple):
    """The metadata of a picture.

    Attributes:
        dpi: pixels per inch, across and down; None if unknown.
        exif: EXIF as a TIFF file, or b"".
        xmp: an XMP packet, or b"".
    """

    dpi: tuple[float, float] | None = None
    exif: bytes = b""
    xmp: bytes = b""

    def options(self, format_name: str) -> dict[str, Any]:
        """Return the options with which Pillow writes this metadata; a TIFF takes only XMP and the first IFD."""
        exif = Image.Exif()
        if self.exif:
            exif.load(self.exif)
        if self.dpi and format_name == "WEBP":  # which has no other place for the resolution
            exif[_X_RESOLUTION], exif[_Y_RESOLUTION], exif[_RESOLUTION_UNIT] = *self.dpi, _INCH
        if format_name == "TIFF":
            # Pillow's writer of packed TIFFs fails at IFDs within an IFD.
            inner, exif = exif, Image.Exif()
            exif.update({tag: inner[tag] for tag in _IFD0 if tag in inner})
            if self.xmp:
                exif[_XMP_TAG] = self.xmp
        options = {"dpi": self.dpi, "exif": exif.tobytes() if len(exif) else b"", "xmp": self.xmp}
        return {name: value for name, value in options.items() if value}

    def png_chunks(self) -> bytes:
        """Return the chunks of a PNG that stand before its pixels (PNG specification, 11.3)."""
        chunks = b""
        if self.dpi:
            across, down = (round(dpi / 0.0254) for dpi in self.dpi)
            chunks += chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
        if self.exif:
            chunks += chunk(b"eXIf", self.exif.removeprefix(b"Exif\0\0"))
        if self.xmp:
            chunks += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + self.xmp)
        return chunks


def read_notes(content: bytes, keep: bool = False, keep_place: bool = False) -> Notes:
    """Read the metadata to carry over from an image file; what cannot be read is left out.

    Args:
        content: the file.
        keep: whether to keep EXIF and XMP, not just the resolution.
        keep_place: whether to keep where the photo was taken, too.
    """
    # A picture without metadata is better than none.
    with suppress(Exception), catch_warnings():
        simplefilter("ignore")
        image = Image.open(io.BytesIO(content), formats=readable())
        exif = image.getexif()
        dpi = image.info.get("dpi")
        if dpi is not None:
            across, down = (float(value) for value in dpi)
            if exif.get(_ORIENTATION) in (5, 6, 7, 8):
                across, down = down, across
            dpi = (across, down) if all(isfinite(v) and 1 <= v <= 100_000 for v in (across, down)) else None
        if not keep:
            return Notes(dpi)
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        return Notes(dpi, _exif(exif, keep_place), _xmp(xmp, keep_place))
    return Notes()


def _exif(exif: Image.Exif, keep_place: bool) -> bytes:
    kept = Image.Exif()
    for tag in _IFD0:
        if tag in exif:
            kept[tag] = exif[tag]
    for number, left_out in ((_EXIF_IFD, _NOT_OF_EXIF), (_GPS_IFD, ())):
        if number == _EXIF_IFD or keep_place:
            values: dict[int, Any] = {tag: v for tag, v in exif.get_ifd(number).items() if tag not in left_out}
            if values:
                kept.get_ifd(number).update(values)
                kept[number] = values
    return kept.tobytes() if len(kept) else b""


def _xmp(packet: bytes | str, keep_place: bool) -> bytes:
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet
    # Entities could expand to more than memory holds.
    if not text.strip("\0 \n") or "<!DOCTYPE" in text:
        return b""
    names = _NAMES | (_PLACES if keep_place else set())
    tree = ElementTree.fromstring(text.strip("\0 \n\ufeff").partition("<?xpacket end")[0])
    is_empty = True
    for described in tree.iter(f"{_RDF}Description"):
        for attribute in list(described.attrib):
            if attribute != f"{_RDF}about" and not _is_kept(attribute, names):
                del described.attrib[attribute]
        for child in list(described):
            if not _is_kept(child.tag, names):
                described.remove(child)
        is_empty = is_empty and not len(described) and set(described.attrib) <= {f"{_RDF}about"}
    # A description may also be a structure within a kept field.
    return b"" if is_empty else ElementTree.tostring(tree, "utf-8")


def _is_kept(name: str, names: set[str]) -> bool:
    return name in names or name.startswith(_NAMESPACES)
