"""Say which parameters a request to the server may set, and read them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ...p3m.errors import shown
from ...pipeline.outputs import COMPOSITE, CUTOUT, MATTE
from ...pipeline.parameters import Parameter
from ...pipeline.settings import BOX, IMAGE, PARAMETERS, Settings
from ..destinations import Wanted

#: The parameter that no other part of the project has: which picture to answer with.
WRITE = Parameter(
    CUTOUT,
    "picture to answer with",
    "",
    choices={
        MATTE: "is the alpha matte",
        CUTOUT: "has the person's own colours, and alpha",
        COMPOSITE: "has the new background; it is the default if background is given",
    },
    name="write",
)
#: Whoever starts the server decides these for all requests.
_OF_THE_SERVER = ("cuda", "precision", "allow_fallback")
#: What other parameters need, which a request does not bring.
_LACKING = {"temporal": "a video", "band": "a mask"}


class Asked(NamedTuple):
    """What a request asks for.

    Attributes:
        settings: the parameters.
        write: "matte", "cutout" or "composite".
    """

    settings: Settings
    write: str


class Offer:
    """The parameters that a request may set.

    Args:
        base: the values of all parameters that a request leaves out.
        models: the models that the server can run.
        max_input_size: the largest ``input_size``, in pixels.

    Attributes:
        parameters: name -> facts; the server's limits are among them.
    """

    def __init__(self, base: Settings, models: Sequence[str], max_input_size: int) -> None:
        self._base = base
        self.parameters = {"write": WRITE}
        for name, parameter in PARAMETERS.items():
            if parameter.suffixes or name in _OF_THE_SERVER or name in _LACKING:
                continue
            # What the server was started with is the default here.
            parameter = replace(parameter, default=getattr(base, name))
            if name == "model_name":
                parameter = replace(parameter, choices={model: parameter.choices[model] for model in models})
            elif name == "input_size":
                parameter = replace(parameter, high=max_input_size)
            elif name == "background":
                choices = {choice: words for choice, words in parameter.choices.items() if choice != IMAGE}
                parameter = replace(parameter, choices=choices)
            self.parameters[name] = parameter

    def read(self, pairs: Sequence[tuple[str, str]]) -> Asked:
        """Read the query of a request.

        Args:
            pairs: names and values.

        Raises:
            ValueError: a parameter is unknown, given twice or not for requests, or has no effect; or a value cannot be
                read or is out of range. The message names the parameter.
        """
        values: dict[str, Any] = {}
        for name, text in pairs:
            if name not in self.parameters:
                raise ValueError(self._refusal(name))
            if name in values:
                raise ValueError(f"{name} is given twice")
            if name == "background" and text.strip().lower() == IMAGE:
                raise ValueError("background cannot be image here: the request has no place for a second picture")
            values[name] = self.parameters[name].read(text)
        write = values.pop("write", None)
        # As for p3m --box.
        if "box" in values:
            values.setdefault("subject", BOX)
        settings = replace(self._base, **values)
        if settings.subject == BOX and not settings.box:
            raise ValueError("subject box needs box=x,y,w,h")
        for name, needed in settings.without_effect(values).items():
            raise ValueError(f"{name} has no effect without {needed}")
        return Asked(settings, write or Wanted((), "background" in values, settings.is_opaque()).chosen()[0])

    def description(self) -> dict[str, dict[str, Any]]:
        """Describe each parameter as JSON: type, default, meaning, values, range and unit."""
        return {name: _described(parameter) for name, parameter in self.parameters.items()}

    def _refusal(self, name: str) -> str:
        if name in PARAMETERS and PARAMETERS[name].suffixes:
            return f"{name} names a file, and this server takes no names of files"
        if name in _OF_THE_SERVER:
            return f"{name} is chosen for all requests when the server starts"
        if name in _LACKING:
            return f"{name} has no effect without {_LACKING[name]}"
        return f"unknown parameter {shown(name)}: choose from {', '.join(self.parameters)}"


def type_of(parameter: Parameter) -> str:
    """Return the type of a parameter's values as JSON Schema calls it."""
    return {bool: "boolean", int: "integer", float: "number"}.get(type(parameter.default), "string")


def _described(parameter: Parameter) -> dict[str, Any]:
    facts = {
        "choices": dict(parameter.choices),
        "other": parameter.other,
        "minimum": parameter.low,
        "maximum": parameter.high,
        "unit": parameter.unit,
        "needs": {name: list(values) for name, values in parameter.needs.items()},
    }
    described = {"type": type_of(parameter), "default": parameter.default, "about": parameter.about}
    return described | {name: fact for name, fact in facts.items() if fact not in (None, "", {})}
