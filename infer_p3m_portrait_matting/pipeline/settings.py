"""The parameters: one field each, which holds all facts about it. Needs neither Ikomia nor Qt nor torch."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..p3m import OBFUSCATIONS, Box, list_models, parse_box, parse_color
from ..p3m.errors import shown
from ..p3m.files.formats import SUFFIXES
from ..p3m.files.paths import user_path
from ..p3m.model.registry import get_variant
from .parameters import Parameter, decimal

#: Who is cut out.
ALL, BOX, LARGEST = "all", "box", "largest"

#: What the background of the composite may be besides a colour.
TRANSPARENT, BLUR, IMAGE = BACKGROUNDS = ("transparent", "blur", "image")

#: What ``band`` is when the mask's resolution decides.
AUTO_BAND = "auto"
_MAX_BAND = 1000

#: What ``crop`` is when nothing is cropped.
NO_CROP = "none"
_MAX_MARGIN = 1000

#: Sections of the form that fold, in their order; the first screen holds the rest.
MATTE, ADVANCED = SECTIONS = ("Adjust the matte", "Advanced")


def _box(text: str) -> str:
    if text:
        parse_box(text)
    return text


def _band(text: str) -> str:
    return _measure(text, "px", _MAX_BAND, f"band must be auto, or a width between 0 and {_MAX_BAND} pixels")


def _margin(text: str) -> str:
    return _measure(text, "%", _MAX_MARGIN, f"crop must be none, or a margin between 0 and {_MAX_MARGIN} percent")


def _measure(text: str, unit: str, largest: int, rule: str) -> str:
    try:
        number = decimal(text.removesuffix(unit))
    except ValueError:
        number = -1.0
    if not 0 <= number <= largest:
        raise ValueError(f"{rule}, got {shown(text)!r}")
    return f"{number:g}"


def _background(text: str) -> str:
    try:
        color = parse_color(text)
    except ValueError as error:
        raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)} or a colour: {error}") from None
    # A colour with an alpha of 0 is invisible, and the old background must not show through it.
    return TRANSPARENT if (*color, 255)[3] == 0 else text


def _field(parameter: Parameter) -> Any:
    return field(default=parameter.default, metadata={"parameter": parameter})


@dataclass(frozen=True)
class Settings:
    """One checked set of parameters; :data:`PARAMETERS` says what each one means.

    Every value may also be given as text: Ikomia stores parameters as strings.

    Raises:
        ValueError: a value cannot be read or is out of range; the message names the parameter and what is possible.
    """

    model_name: str = _field(
        Parameter(
            "resnet34",
            "network",
            "&Model",
            choices={name: f"is {get_variant(name).about}" for name in list_models()},
        )
    )
    input_size: int = _field(
        Parameter(
            1024,
            "longest side of what the network sees, in steps of 32; larger is finer, slower and takes more memory",
            "Input si&ze",
            ADVANCED,
            low=64,
            high=8192,
            unit="pixels",
            step=32,
        )
    )
    method: str = _field(
        Parameter(
            "HYBRID",
            "procedure",
            "Me&thod",
            ADVANCED,
            choices={
                "HYBRID": "finds the person at half the photo's size and the edges at its size",
                "RESIZE": "makes one pass at half the size: faster, softer edges",
            },
        )
    )
    cuda: str = _field(
        Parameter(
            "auto",
            "where to compute",
            "Comp&ute on",
            ADVANCED,
            choices={
                "auto": "takes an NVIDIA GPU if there is one",
                "True": "warns if there is none",
                "False": "takes the CPU",
            },
            shown={"auto": "NVIDIA GPU, if there is one", "True": "NVIDIA GPU", "False": "processor"},
        )
    )
    # float16 is left to "auto": only a GPU computes it, and there may be none.
    precision: str = _field(
        Parameter(
            "auto",
            "number format of the network",
            "Pre&cision",
            ADVANCED,
            choices={
                "auto": "is half precision where that is fast",
                "float32": "gives the same numbers on every processor",
                "bfloat16": "is half precision everywhere",
            },
        )
    )
    model_weight_file: str = _field(
        Parameter(
            "",
            "weights file for the model",
            "&Weights file",
            ADVANCED,
            empty="the published or bundled weights",
            suffixes=(".pth", ".safetensors"),
        )
    )
    subject: str = _field(
        Parameter(
            ALL,
            "who is cut out",
            "&Person",
            choices={
                ALL: "takes everybody",
                BOX: "takes the one in a rectangle",
                LARGEST: "takes the one with the largest face",
            },
            shown={BOX: "the one in a box", LARGEST: "the one with the largest face"},
        )
    )
    box: str = _field(
        Parameter(
            "",
            "rectangle around the person, x,y,w,h in pixels",
            "Bo&x",
            parse=_box,
            empty="the rectangle drawn on the photo",
            needs={"subject": (BOX,)},
        )
    )
    band: str = _field(
        Parameter(
            AUTO_BAND,
            "how far alpha is unknown on either side of a mask's edge",
            "Mas&k's band",
            ADVANCED,
            choices={AUTO_BAND: "is a pixel of the mask, at least half a percent of the photo's long side"},
            other="a width in pixels of the photo",
            parse=_band,
            low=0,
            high=_MAX_BAND,
            unit="pixels",
        )
    )
    invert: bool = _field(Parameter(False, "keep the background instead", "Keep the backgrou&nd instead", MATTE))
    feather: float = _field(Parameter(0.0, "soften edges", "Fe&ather", MATTE, low=0, high=500, unit="pixels"))
    shift: int = _field(
        Parameter(0, "grow the matte; below 0, shrink it", "&Shift", MATTE, low=-200, high=200, unit="pixels")
    )
    despeckle: float = _field(
        Parameter(
            0.0,
            "drop islands smaller than this share of the person",
            "&Despeckle",
            MATTE,
            low=0,
            high=1,
            in_percent=True,
        )
    )
    crop: str = _field(
        Parameter(
            NO_CROP,
            "crop all outputs to the person",
            "C&rop",
            MATTE,
            choices={NO_CROP: "crops nothing"},
            other="a margin in percent of the person's size",
            parse=_margin,
            low=0,
            high=_MAX_MARGIN,
            unit="percent",
            step=5,
        )
    )
    background: str = _field(
        Parameter(
            "#ffffff",
            "background of the composite",
            "&Background",
            choices={
                TRANSPARENT: "leaves it out",
                BLUR: "is the photo's own, out of focus",
                IMAGE: "is a picture",
            },
            shown={"": "colour"},
            other="a colour (#rrggbb, rgb(...), a CSS name)",
            parse=_background,
        )
    )
    background_file: str = _field(
        Parameter(
            "",
            "picture for the background, cropped to fill",
            "P&icture",
            empty="the picture on input 2",
            suffixes=SUFFIXES,
            needs={"background": (IMAGE,)},
        )
    )
    foreground: str = _field(
        Parameter(
            "estimated",
            "colours of the cut-out and the composite",
            "Fore&ground",
            ADVANCED,
            choices={"estimated": "removes the old background from hair", "original": "keeps the photo's"},
        )
    )
    anonymize: str = _field(
        Parameter(
            "none",
            "faces in the composite and the cut-out",
            "&Faces",
            choices={"none": "shows them", "blur": "blurs them", "pixelate": "turns them into squares"},
        )
    )
    anonymize_strict: bool = _field(
        Parameter(
            False,
            "fail if no face is found, instead of warning",
            "Fail if no fac&e is found",
            needs={"anonymize": OBFUSCATIONS},
        )
    )
    temporal: bool = _field(Parameter(False, "reduce flicker in videos", "Reduce flicker in &videos", ADVANCED))
    allow_fallback: bool = _field(
        Parameter(
            True,
            "use the bundled model if published weights are missing",
            "Use the bund&led model if weights are missing",
            ADVANCED,
        )
    )

    def __post_init__(self) -> None:
        for name, parameter in PARAMETERS.items():
            object.__setattr__(self, name, parameter.read(getattr(self, name)))

    @classmethod
    def names(cls) -> list[str]:
        """List the names of all parameters."""
        return list(PARAMETERS)

    @classmethod
    def from_strings(cls, values: dict[str, str]) -> "Settings":
        """Parse what Ikomia hands over; a missing parameter takes its default.

        Raises:
            ValueError: a name is unknown, a value cannot be read or is out of range; the message names the parameter.
        """
        cls.refuse_unknown(values)
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def unknown(cls, names: Iterable[str]) -> list[str]:
        """List those names that no parameter has, sorted."""
        return sorted(set(names) - set(PARAMETERS))

    @classmethod
    def refuse_unknown(cls, names: Iterable[str]) -> None:
        """Raise a ValueError if no parameter has one of these names; the message lists them."""
        unknown = cls.unknown(names)
        if unknown:
            raise ValueError(f"unknown parameter {shown(', '.join(unknown))}: choose from {', '.join(cls.names())}")

    def idle(self) -> dict[str, str]:
        """Find the parameters, set or not, that have no effect with these values; say what each one needs."""
        needed = {name: parameter.needed(vars(self)) for name, parameter in PARAMETERS.items()}
        return {name: other for name, other in needed.items() if other}

    def without_effect(self, given: Collection[str]) -> dict[str, str]:
        """Find which of the given parameters are set but have no effect (:meth:`idle`); say what each one needs."""
        return {name: other for name, other in self.idle().items() if name in given and getattr(self, name)}

    def to_strings(self) -> dict[str, str]:
        """Convert all parameters to the strings that Ikomia stores."""
        return {name: str(value) for name, value in vars(self).items()}

    def path(self, name: str) -> Path | None:
        """Return the file that a parameter names, or None.

        Raises:
            ValueError: the text is not a possible path.
        """
        text = getattr(self, name)
        # Ikomia turns Python's None into the text "None".
        if text in ("", "None"):
            return None
        try:
            return user_path(text)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error

    def weights_path(self) -> Path | None:
        """Return the requested weights file, or None; see :meth:`path`."""
        return self.path("model_weight_file")

    def background_path(self) -> Path | None:
        """Return the requested background file, or None; see :meth:`path`."""
        return self.path("background_file")

    def subject_box(self) -> Box | None:
        """Return the box that was given in numbers, or None."""
        return parse_box(self.box) if self.box else None

    def mask_band(self) -> float | None:
        """Return how far alpha is unknown on either side of a mask's edge, in pixels, or None."""
        return None if self.band == AUTO_BAND else float(self.band)

    def crop_margin(self) -> float | None:
        """Return the margin to crop to, in percent of the person's size, or None."""
        return None if self.crop == NO_CROP else float(self.crop)

    def is_opaque(self) -> bool:
        """Tell whether the composite has no alpha."""
        if self.background in BACKGROUNDS:
            return self.background != TRANSPARENT
        return len(parse_color(self.background)) == 3


#: The facts about each parameter, by name.
PARAMETERS: dict[str, Parameter] = {
    entry.name: replace(entry.metadata["parameter"], name=entry.name) for entry in fields(Settings)
}
