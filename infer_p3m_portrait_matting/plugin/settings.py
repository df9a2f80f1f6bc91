"""The plugin's parameters: parsed, checked, and back to the strings that Ikomia stores. Knows neither Ikomia nor Qt."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ..p3m import METHODS, OBFUSCATIONS, list_models, parse_color

MIN_INPUT_SIZE, MAX_INPUT_SIZE = 64, 8192

#: Whose colours the cut-out and the composite have.
FOREGROUNDS = ("estimated", "original")

#: What the background of the composite may be besides a colour.
TRANSPARENT, BLUR, IMAGE = BACKGROUNDS = ("transparent", "blur", "image")

#: Number formats of the network. float16 is left to "auto": only a GPU computes it, and there may be none.
PRECISIONS = ("auto", "float32", "bfloat16")

#: What may happen to faces.
ANONYMIZE = ("none", *OBFUSCATIONS)

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


@dataclass(frozen=True)
class Settings:
    """One checked set of parameters.

    Attributes:
        model_name: one of the models of the core.
        input_size: bound in pixels of the long side of what the network sees, 64 to 8192.
        method: "HYBRID" or "RESIZE".
        cuda: whether to compute on an NVIDIA GPU.
        precision: number format of the network: "auto" (half precision where the device computes it natively),
            "float32" or "bfloat16".
        model_weight_file: weights file, or "" for the published or bundled one.
        background: of the person in the composite: a colour ("#rrggbb" or a CSS name), "transparent",
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
    cuda: bool = True
    precision: str = "auto"
    model_weight_file: str = ""
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
            "precision": PRECISIONS,
            "foreground": FOREGROUNDS,
            "anonymize": ANONYMIZE,
        }
        for name, possible in choices.items():
            if getattr(self, name) not in possible:
                raise ValueError(f"{name} must be one of {', '.join(possible)}, got {getattr(self, name)!r}")
        if not MIN_INPUT_SIZE <= self.input_size <= MAX_INPUT_SIZE:
            raise ValueError(
                f"input_size must lie between {MIN_INPUT_SIZE} and {MAX_INPUT_SIZE} pixels, got {self.input_size}"
            )
        if self.background not in BACKGROUNDS:
            try:
                parse_color(self.background)
            except ValueError as error:
                raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)} or a colour: {error}") from None

    @classmethod
    def names(cls) -> list[str]:
        """Names of all parameters."""
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
        """Those of some names that no parameter has, sorted."""
        return sorted(set(names) - set(cls.names()))

    @classmethod
    def refuse_unknown(cls, names: Iterable[str]) -> None:
        """Raise a ValueError that says which of some names no parameter has, if there are any."""
        unknown = cls.unknown(names)
        if unknown:
            raise ValueError(f"unknown parameter {', '.join(unknown)}: choose from {', '.join(cls.names())}")

    def to_strings(self) -> dict[str, str]:
        """All parameters as Ikomia stores them."""
        return {name: str(getattr(self, name)) for name in self.names()}

    def weights_path(self) -> Path | None:
        """The weights file that was asked for, or None."""
        return Path(self.model_weight_file).expanduser() if self.model_weight_file else None

    def background_path(self) -> Path | None:
        """The background file that was asked for, or None."""
        return Path(self.background_file).expanduser() if self.background_file else None


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be an integer, got {text!r}") from None


def _boolean(name: str, text: str) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ValueError(f"{name} must be True or False, got {text!r}")


def _text(name: str, text: str) -> str:
    return text.strip()


_PARSERS: dict[type, Callable[[str, str], Any]] = {int: _integer, bool: _boolean, str: _text}
