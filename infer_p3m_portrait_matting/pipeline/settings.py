"""Parse and check the plugin's parameters, and convert them to Ikomia's strings. Needs neither Ikomia nor Qt."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ..p3m import METHODS, OBFUSCATIONS, Box, list_models, parse_box, parse_color
from ..p3m.errors import shown
from ..p3m.files.paths import user_path

MIN_INPUT_SIZE, MAX_INPUT_SIZE = 64, 8192

#: Where to compute: on an NVIDIA GPU if there is one, on it by explicit wish, never on it.
CUDA = ("auto", "True", "False")

#: Who is cut out.
ALL, BOX, LARGEST = SUBJECTS = ("all", "box", "largest")

#: Whose colours the cut-out and the composite have.
FOREGROUNDS = ("estimated", "original")

#: What the background of the composite may be besides a colour.
TRANSPARENT, BLUR, IMAGE = BACKGROUNDS = ("transparent", "blur", "image")

#: What ``crop`` is when nothing is cropped.
NO_CROP = "none"

MAX_FEATHER, MAX_SHIFT, MAX_MARGIN = 500.0, 200, 1000.0

#: Number formats of the network. float16 is left to "auto": only a GPU computes it, and there may be none.
PRECISIONS = ("auto", "float32", "bfloat16")

#: What may happen to faces.
ANONYMIZE = ("none", *OBFUSCATIONS)

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


@dataclass(frozen=True)
class Settings:
    """One checked set of parameters.

    Words are read in any case ("hybrid", "ResNet34") and kept as the lists of this module spell them.

    Attributes:
        model_name: one of the models of the core.
        input_size: bound in pixels of the long side of what the network sees, 64 to 8192.
        method: "HYBRID" or "RESIZE".
        cuda: "auto" computes on an NVIDIA GPU if there is one; "True" asks for it, so that its absence is a warning;
            "False" never uses it. True and False are read, too.
        precision: number format of the network: "auto" (half precision where the device computes it natively),
            "float32" or "bfloat16".
        model_weight_file: weights file, or "" for the published or bundled one.
        subject: who is cut out: "all" that the network takes for a person, the person in a "box", or the one with the
            "largest" face.
        box: rectangle around that person, "x,y,w,h" in pixels of the photo; "" for the one on the graphics input.
        invert: whether the background is kept instead of the person.
        feather: how far the matte's edges are softened, in pixels of the photo, 0 to 500.
        shift: by how many pixels of the photo the matte grows (above 0) or shrinks (below), -200 to 200.
        despeckle: islands smaller than this share of the person are dropped, 0 to 1.
        crop: "none", or the margin in percent of the person's size to which all outputs are cropped, 0 to 1000.
        background: of the person in the composite: a colour (as Pillow's ImageColor reads it), "transparent",
            "blur" (the photo's own background, blurred) or "image" (the second image input, or ``background_file``).
        background_file: image file for the background "image", or "" for the second image input.
        foreground: "estimated" (the person's own colours, without the old background in the hair) or "original" (the
            photo's).
        anonymize: "none", or how faces are hidden in composite and cut-out: "blur" or "pixelate".
        anonymize_strict: whether a photo in which no face is found is an error, instead of a warning.
        temporal: whether the frames of a video steady each other's mattes.
        allow_fallback: whether the bundled model may stand in for missing published weights.

    Raises:
        ValueError: a value is out of range; the message names the parameter and what is possible.
    """

    model_name: str = "resnet34"
    input_size: int = 1024
    method: str = "HYBRID"
    cuda: str = "auto"
    precision: str = "auto"
    model_weight_file: str = ""
    subject: str = ALL
    box: str = ""
    invert: bool = False
    feather: float = 0.0
    shift: int = 0
    despeckle: float = 0.0
    crop: str = NO_CROP
    background: str = "#ffffff"
    background_file: str = ""
    foreground: str = "estimated"
    anonymize: str = "none"
    anonymize_strict: bool = False
    temporal: bool = False
    allow_fallback: bool = True

    def __post_init__(self) -> None:
        choices = {
            "model_name": list_models(),
            "method": METHODS,
            "cuda": CUDA,
            "precision": PRECISIONS,
            "subject": SUBJECTS,
            "foreground": FOREGROUNDS,
            "anonymize": ANONYMIZE,
        }
        for name, possible in choices.items():
            self._set(name, _one_of(name, getattr(self, name), possible))
        ranges = {
            "input_size": (MIN_INPUT_SIZE, MAX_INPUT_SIZE, " pixels"),
            "feather": (0, MAX_FEATHER, " pixels"),
            "shift": (-MAX_SHIFT, MAX_SHIFT, " pixels"),
            "despeckle": (0, 1, ""),
        }
        for name, (low, high, unit) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between {low:g} and {high:g}{unit}, got {getattr(self, name)}")
        if self.box:
            parse_box(self.box)
        self._set("crop", _crop(self.crop))
        if self.background.lower() in BACKGROUNDS:
            self._set("background", self.background.lower())
        else:
            try:
                if (*parse_color(self.background), 255)[3] == 0:
                    # Under an alpha of 0 a colour is nothing, and the old background must not show either.
                    self._set("background", TRANSPARENT)
            except ValueError as error:
                raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)} or a colour: {error}") from None

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def names(cls) -> list[str]:
        """List the names of all parameters."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_strings(cls, values: dict[str, str]) -> "Settings":
        """Parse what Ikomia hands over, each value by the type of its field; a missing parameter takes its default.

        Raises:
            ValueError: a name is unknown, a value cannot be read or is out of range; the message names the parameter.
        """
        cls.refuse_unknown(values)
        types = get_type_hints(cls)
        return cls(**{name: _PARSERS[types[name]](name, text) for name, text in values.items()})

    @classmethod
    def unknown(cls, names: Iterable[str]) -> list[str]:
        """List those names that no parameter has, sorted."""
        return sorted(set(names) - set(cls.names()))

    @classmethod
    def refuse_unknown(cls, names: Iterable[str]) -> None:
        """Raise a ValueError if no parameter has one of these names; the message lists them."""
        unknown = cls.unknown(names)
        if unknown:
            raise ValueError(f"unknown parameter {shown(', '.join(unknown))}: choose from {', '.join(cls.names())}")

    def idle(self) -> dict[str, str]:
        """Find which parameters, set or not, change nothing beside the others; say what each would need."""
        needed = {
            "box": "" if self.subject == BOX else 'subject "box"',
            "background_file": "" if self.background == IMAGE else 'background "image"',
            "anonymize_strict": "" if self.anonymize != "none" else 'anonymize "blur" or "pixelate"',
        }
        return {name: other for name, other in needed.items() if other}

    def without_effect(self, given: Collection[str]) -> dict[str, str]:
        """Find which of the given parameters are set in vain (:meth:`idle`); say what each has no effect without."""
        return {name: other for name, other in self.idle().items() if name in given and getattr(self, name)}

    def to_strings(self) -> dict[str, str]:
        """Convert all parameters to the strings that Ikomia stores."""
        return {name: str(getattr(self, name)) for name in self.names()}

    def weights_path(self) -> Path | None:
        """Return the requested weights file, or None.

        Raises:
            ValueError: it is no possible path.
        """
        return _path("model_weight_file", self.model_weight_file)

    def subject_box(self) -> Box | None:
        """The box that was given in numbers, or None."""
        return parse_box(self.box) if self.box else None

    def crop_margin(self) -> float | None:
        """The margin to crop to in percent, or None."""
        return None if self.crop == NO_CROP else float(self.crop)

    def is_opaque(self) -> bool:
        """Whether the composite has no alpha."""
        if self.background in BACKGROUNDS:
            return self.background != TRANSPARENT
        return len(parse_color(self.background)) == 3

    def background_path(self) -> Path | None:
        """Return the requested background file, or None.

        Raises:
            ValueError: it is no possible path.
        """
        return _path("background_file", self.background_file)


def _path(name: str, text: str) -> Path | None:
    # "None" is what Python's None has become on its way through Ikomia.
    if text in ("", "None"):
        return None
    try:
        return user_path(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be an integer, got {shown(text)!r}") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {shown(text)!r}") from None


def _boolean(name: str, text: str) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ValueError(f"{name} must be True or False, got {shown(text)!r}")


def _text(name: str, text: str) -> str:
    return text.strip()


_PARSERS: dict[type, Callable[[str, str], Any]] = {int: _integer, float: _number, bool: _boolean, str: _text}


def _one_of(name: str, value: object, possible: Iterable[str]) -> str:
    """The entry of ``possible`` that is ``value`` but for its case; also a truth value for "True" or "False"."""
    text = str(value).lower()
    for entry in possible:
        same_truth = (entry == "True" and text in _TRUE) or (entry == "False" and text in _FALSE)
        if entry.lower() == text or same_truth:
            return entry
    raise ValueError(f"{name} must be one of {', '.join(possible)}, got {shown(value)!r}")


def _crop(value: object) -> str:
    text = str(value).strip().lower()
    if text == NO_CROP:
        return NO_CROP
    try:
        margin = float(text.removesuffix("%"))
    except ValueError:
        margin = -1.0
    if not 0 <= margin <= MAX_MARGIN:
        raise ValueError(f"crop must be none, or a margin between 0 and {MAX_MARGIN:g} percent, got {shown(value)!r}")
    return f"{margin:g}"
