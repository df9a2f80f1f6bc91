"""List the image formats that are read and written, and name those that are not."""

import re
from typing import Any, NamedTuple

from PIL import Image

#: The formats that are opened, by Pillow's names; docs/command_line.md lists them. No other format is opened, because a
#: plugin of Pillow may start other programs, as that for EPS does.
READ = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "HEIF", "ICO", "PPM")

#: Suffixes of image files, in lower case; files may have them in any case. HEIC needs the package pillow-heif.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"),
    *(".jp2", ".heic", ".heif", ".hif", ".avif", ".gif", ".ico"),
)


class PhotoFormat(NamedTuple):
    """How to write one image file format.

    Attributes:
        name: Pillow's name for the format.
        alpha: whether the format holds alpha.
        options: options for Pillow's writer.
    """

    name: str
    alpha: bool
    options: dict[str, Any]

    def has_quality(self) -> bool:
        """Tell whether the format has a quality: JPEG and WebP have."""
        return not {"quality", "lossless"}.isdisjoint(self.options)


#: The image formats that can be written, by suffix; all but JPEG are lossless.
PHOTO_FORMATS = {
    ".png": PhotoFormat("PNG", True, {}),
    # exact: keep the colours under alpha 0, which resizing a cut-out needs.
    ".webp": PhotoFormat("WEBP", True, {"lossless": True, "exact": True}),
    ".jpg": PhotoFormat("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".jpeg": PhotoFormat("JPEG", False, {"quality": 95, "subsampling": 0}),
    ".tif": PhotoFormat("TIFF", True, {"compression": "tiff_adobe_deflate"}),
    ".tiff": PhotoFormat("TIFF", True, {"compression": "tiff_adobe_deflate"}),
}

#: How files of other formats begin, and their names.
_OTHERS = (
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?(RADIANCE|RGBE)", "Radiance HDR"),
    (rb"8BPS|8BPB", "a Photoshop document"),
    (rb"gimp xcf", "a GIMP document"),
    (rb"%PDF", "PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6|\x04%!PS", "PostScript"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a Windows metafile"),
    (rb"(\xef\xbb\xbf)?\s*<(\?xml[^>]*>\s*(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg|svg)", "SVG"),
    (rb"(\xef\xbb\xbf)?\s*<(!DOCTYPE html|html)", "a web page"),
    (rb"DDS ", "DDS"),
    (rb"qoif", "QOI"),
    (rb"icns", "an icon of macOS"),
    (rb"SIMPLE  =", "FITS"),
    (rb"FUJIFILMCCD-RAW|FOVb|IIRO|IIRS|MMOR|IIU\0|\0MRM|....ftypcrx ", "a camera's raw file"),
    (rb"....ftyp(isom|iso\d|mp4\d|avc1|qt  |M4V |3gp.|3g2.)|....moov|\x1a\x45\xdf\xa3|RIFF....AVI ", "a video"),
)
_SOMETHING_ELSE = [(re.compile(start, re.DOTALL | re.IGNORECASE), called) for start, called in _OTHERS]


def readable(only: str = "") -> list[str]:
    """Return the formats of :data:`READ` that this Pillow knows, or only the one that is asked for."""
    wanted = [only] if only else READ
    if not all(name in Image.OPEN for name in wanted):
        Image.init()
    return [name for name in wanted if name in Image.OPEN]


def begins_as_known(content: bytes) -> bool:
    """Tell whether a file begins as one of :data:`READ` does."""
    accepts = [Image.OPEN[name][1] for name in readable()]
    return any(accept is not None and accept(content[:16]) is True for accept in accepts)


def name_of_unreadable(content: bytes) -> str:
    """Name a format that is not in :data:`READ`, such as "JPEG XL" or "a video"; "" if it is unknown."""
    head = content[:1024]
    return next((called for start, called in _SOMETHING_ELSE if start.match(head)), "")
