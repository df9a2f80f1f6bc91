"""Convert colours that a file describes, by an ICC profile, by numbers or by a gamma, to sRGB."""

import io
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageCms

from ..arrays import strips

#: Values of red, green and blue at which a profile is compared with sRGB, and the largest difference, in levels of 255,
#: that rounding may leave in an sRGB profile.
_PROBES, _SAME = (0, 8, 16, 32, 64, 96, 128, 192, 255), 2

#: x and y of white (D65), red, green and blue, by the number of the primaries (ITU-T H.273, table 2).
_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES = {
    1: _SRGB,
    2: _SRGB,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
#: The wide gamuts of videos, by the same numbers; the white of 11 (DCI-P3) is taken as D65.
_WIDE = {9: _PRIMARIES[9], 11: _PRIMARIES[12], 12: _PRIMARIES[12]}
_BT2020_LUMA = (0.2627, 0.6780, 0.0593)
#: Transfers (table 3) whose values count as those of sRGB, as in viewers: BT.709, unspecified, BT.601, xvYCC, sRGB
#: and BT.2020.
_LIKE_SRGB = (1, 2, 6, 11, 13, 14, 15)
_PQ, _HLG = 16, 18
#: Luminance of white in HDR pictures, and of the brightest value of HLG, in cd/m2 (ITU-R BT.2408 and BT.2100).
_WHITE, _HLG_PEAK = 203.0, 1000.0
#: Tone mapping leaves light up to this share of white unchanged.
_KNEE = 0.8
#: The share of values that may be brighter than the peak that tone mapping keeps.
_GLARE = 0.0005


def from_profile(image: Image.Image, profile: bytes, name: str, warnings: list[str]) -> Image.Image:
    """Convert RGB or CMYK with an ICC profile to sRGB; return the image itself if it is in sRGB already.

    Args:
        image: of the mode RGB or CMYK.
        profile: the ICC profile.
        name: the file's name in messages.
        warnings: a sentence is added if the profile cannot be used; the colours are then taken as sRGB.
    """
    try:
        transform = _transform(profile, image.mode)
        if image.mode == "RGB" and _changes_nothing(transform):
            return image
        return ImageCms.applyTransform(image, transform) or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        warnings.append(_unusable(name, error))
        return image.convert("RGB")


def grey_from_profile(grey: np.ndarray, profile: bytes, name: str, warnings: list[str]) -> np.ndarray:
    """Convert grey values by a grey ICC profile to sRGB; a colour profile changes nothing.

    Args:
        grey: uint8 or uint16 [H, W].
        profile, name, warnings: as for :func:`from_profile`.

    Returns:
        The same shape and dtype.
    """
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        # Tools that turn a photo grey leave its colour profile in the file.
        if given.profile.xcolor_space.strip() != "GRAY":
            return grey
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        table = np.asarray(ImageCms.applyTransform(ramp, _transform(profile, "L")))[0, :, 1]
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        warnings.append(_unusable(name, error))
        return grey
    return grey if np.abs(table.astype(int) - np.arange(256)).max() <= _SAME else _by_table(grey, table / 255)


def from_numbers(image: np.ndarray, primaries: int, transfer: int, name: str, warnings: list[str]) -> np.ndarray:
    """Convert colours that numbers describe (ITU-T H.273: "nclx" in HEIC and AVIF, "cICP" in PNG) to sRGB.

    PQ and HLG are tone-mapped: light up to 80 % of white stays, and brighter light is dimmed until the peak fits.

    Args:
        image: uint8 or uint16 [H, W], or uint8 [H, W, 3 or more]; channels after the third stay as they are.
        primaries: the number of the primaries.
        transfer: the number of the transfer characteristics.
        name: the file's name in messages.
        warnings: a sentence is added if a number is unknown; the colours are then taken as sRGB.

    Returns:
        The same shape and dtype; the image itself if it is sRGB.
    """
    chromaticities, light = _PRIMARIES.get(primaries), _light_of(transfer)
    if chromaticities is None or light is None:
        warnings.append(
            f"{name}: its colours (primaries {primaries}, transfer {transfer}) are unknown and taken as sRGB: "
            "convert it to sRGB first"
        )
        return image
    return _converted(image, chromaticities, light, transfer)


def from_gamma(image: np.ndarray, gamma: float, chromaticities: tuple[float, ...] | None) -> np.ndarray:
    """Convert colours that the chunks gAMA and cHRM of a PNG describe to sRGB, as browsers do.

    Args:
        image: as for :func:`from_numbers`.
        gamma: the exponent that turns light into values; one near 1/2.2 is taken as sRGB.
        chromaticities: x and y of white, red, green and blue; None for those of sRGB.

    Returns:
        As :func:`from_numbers`; the image itself if the gamma lies outside [0.1, 10].
    """
    if not 0.1 <= gamma <= 10:
        return image
    is_usual = abs(gamma * 2.2 - 1) < 0.05
    if chromaticities is None or np.allclose(chromaticities, _SRGB, atol=0.005) or not _is_possible(chromaticities):
        chromaticities = _SRGB
    return _converted(image, chromaticities, _srgb_light if is_usual else lambda x: x ** (1 / gamma))


def is_wide(primaries: int) -> bool:
    """Tell whether the frames of a video with these primaries (ITU-T H.273) must be converted: BT.2020 and P3."""
    return primaries in _WIDE


def from_wide(image: np.ndarray, primaries: int) -> np.ndarray:
    """Convert a frame of a video with a wide gamut to sRGB; colours outside sRGB are clipped in each channel.

    The transfer curve is taken as sRGB's, which those of SDR videos resemble.

    Args:
        image: uint8 [H, W, 3] RGB.
        primaries: a number for which :func:`is_wide` is true.

    Returns:
        uint8 [H, W, 3] RGB, a new array.
    """
    return _converted(image, _WIDE[primaries], _srgb_light)


def _unusable(name: str, error: Exception) -> str:
    return f"{name}: its colour profile cannot be used, its colours are taken as sRGB: {error}"


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(given, _srgb_profile(), mode, "RGB", renderingIntent=intent)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell whether a transform from RGB to sRGB starts from sRGB, whatever its profile is called."""
    levels = np.array(_PROBES, np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform))
    return int(np.abs(converted.astype(int) - probe).max()) <= _SAME


@cache
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _srgb_light(x: np.ndarray) -> np.ndarray:
    """Convert values of sRGB to light (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _srgb_value(x: np.ndarray) -> np.ndarray:
    """Convert light to values of sRGB."""
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


def _pq_light(x: np.ndarray) -> np.ndarray:
    """Convert values of PQ to light, 1 for white (SMPTE ST 2084)."""
    power = x ** (32 / 2523)
    return 10_000 / _WHITE * (np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)


def _hlg_light(x: np.ndarray) -> np.ndarray:
    """Convert values of HLG to light of the scene, at most 1 (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)


def _light_of(transfer: int) -> Callable[[np.ndarray], np.ndarray] | None:
    if transfer in _LIKE_SRGB:
        return _srgb_light
    return {
        4: lambda x: x**2.2,
        5: lambda x: x**2.8,
        8: lambda x: x,
        _PQ: _pq_light,
        _HLG: _hlg_light,
    }.get(transfer)


def _is_possible(chromaticities: tuple[float, ...]) -> bool:
    points = np.array(chromaticities).reshape(4, 2)
    sides = points[2:] - points[1]
    area = abs(sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0])
    return bool((points[:, 1] > 0.001).all() and area > 0.001)


def _to_xyz(chromaticities: tuple[float, ...]) -> np.ndarray:
    """Return the matrix from light of red, green and blue to XYZ; white becomes its own XYZ with Y = 1."""
    points = np.array(chromaticities, np.float64).reshape(4, 2)
    white, *primaries = np.column_stack([points[:, 0], points[:, 1], 1 - points.sum(1)]) / points[:, 1:]
    columns = np.array(primaries).T
    return columns * np.linalg.solve(columns, white)


def _to_srgb_primaries(chromaticities: tuple[float, ...]) -> np.ndarray:
    # Keep white white: divide by the colour that it would become (von Kries adaptation in sRGB).
    matrix = np.linalg.solve(_to_xyz(_SRGB), _to_xyz(chromaticities))
    return (matrix / matrix.sum(1, keepdims=True)).astype(np.float32)


def _converted(
    image: np.ndarray,
    chromaticities: tuple[float, ...],
    light: Callable[[np.ndarray], np.ndarray],
    transfer: int = 0,
) -> np.ndarray:
    is_hdr = transfer in (_PQ, _HLG)
    if chromaticities == _SRGB and light is _srgb_light:
        return image
    codes = light(np.arange(256) / 255)
    peak = _peak(image, codes, transfer) if is_hdr else 1.0
    if image.ndim == 2:
        many = codes if image.dtype == np.uint8 else light(np.arange(2**16) / (2**16 - 1))
        return _by_table(image, _srgb_value(np.clip(_tone_mapped(_shown(many, transfer), peak), 0, 1)))
    matrix, table = _to_srgb_primaries(chromaticities), _table()
    out = image.copy()
    codes = codes.astype(np.float32)
    for rows in strips(len(image), 3 * image.shape[1]):
        strip = codes[image[rows, :, :3]]
        if transfer == _HLG:
            strip *= (strip @ np.array(_BT2020_LUMA, np.float32))[..., None] ** np.float32(0.2) * (_HLG_PEAK / _WHITE)
        if peak > 1:
            # Scale all three channels by the brightest one, so that colours keep their hue.
            brightest = strip.max(2, keepdims=True)
            strip *= _tone_mapped(brightest, peak) / np.maximum(brightest, 1e-6)
        strip = np.clip(strip @ matrix.T, 0, 1)
        out[rows, :, :3] = table[(strip * (len(table) - 1) + 0.5).astype(np.uint16)]
    return out


@cache
def _table() -> np.ndarray:
    """Return values of sRGB, uint8, for light in equal steps; even dark values are several steps apart."""
    return np.rint(_srgb_value(np.linspace(0, 1, 2**16)) * 255).astype(np.uint8)


def _shown(light: np.ndarray, transfer: int) -> np.ndarray:
    """Return the light of grey as a display shows it, 1 for white."""
    return light**1.2 * (_HLG_PEAK / _WHITE) if transfer == _HLG else light


def _peak(image: np.ndarray, codes: np.ndarray, transfer: int) -> float:
    """Return the brightest light of a picture, except for the glare of a few pixels."""
    bits8 = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    channels = [bits8] if image.ndim == 2 else [bits8[..., i] for i in range(3)]
    counts = np.sum([cv2.calcHist([np.ascontiguousarray(x)], [0], None, [256], [0, 256])[:, 0] for x in channels], 0)
    above = np.cumsum(counts[::-1])[::-1]
    return float(_shown(codes, transfer)[np.flatnonzero(above > _GLARE * above[0])[-1]])


def _tone_mapped(light: np.ndarray, peak: float) -> np.ndarray:
    """Dim light above the knee so that the peak becomes 1 (Reinhard et al. 2002, equation 4)."""
    if peak <= 1:
        return light
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    most = (peak - _KNEE) / (1 - _KNEE)
    return np.where(light > _KNEE, _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above), light)


def _by_table(grey: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each value of uint8 or uint16 [H, W] by that of a table over the whole range, in [0, 1]."""
    most = np.iinfo(grey.dtype).max
    places = np.linspace(0, 1, most + 1)
    values = np.interp(places, np.linspace(0, 1, len(table)), table)
    return np.rint(values * most).astype(grey.dtype)[grey]
