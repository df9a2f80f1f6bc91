"""Describe one parameter as data: its meaning, its values, and how a form shows it. Needs neither torch nor Qt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..p3m.errors import shown

_TRUTH = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


@dataclass(frozen=True)
class Parameter:
    """The facts about one field of :class:`~.settings.Settings`.

    Parsing, refusals, ``p3m --help``, the form and the table in docs/parameters.md are all made from them.

    Attributes:
        default: the value if none is given; its type (bool, int, float or str) is the parameter's type.
        about: what the parameter is or does.
        label: the form's label, with its shortcut after a "&"; for a switch, the words beside the box.
        section: heading of the form's section that holds it, or "" for the first screen.
        choices: possible value -> the rest of the sentence that begins with it.
        shown: possible value -> the form's text for it, where that differs; "" -> its text for ``other``.
        other: what may stand in place of a choice, or "".
        parse: reads any other text; its ValueError names the parameter and the possible values.
        low: smallest number.
        high: largest number.
        unit: of the number.
        step: by how much the form's arrows change the number.
        in_percent: whether the form shows a share (0 to 1) in percent.
        empty: what the Ikomia task takes while the text is empty.
        suffixes: suffixes of the files that the text may name; () if the text is not a path.
        needs: another parameter -> its values with which this one has an effect; empty if it always has one.
        name: the field's name, filled in by :data:`~.settings.PARAMETERS`.
    """

    default: Any
    about: str
    label: str
    section: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    other: str = ""
    parse: Callable[[str], str] = str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    step: float = 1
    in_percent: bool = False
    empty: str = ""
    suffixes: tuple[str, ...] = ()
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""

    def read(self, value: object) -> Any:
        """Read a value from text, or check one of the parameter's type.

        Words are read in any case and returned as ``choices`` spells them; numbers may have a point or a comma; a share
        may be a percentage ("2.5 %").

        Raises:
            ValueError: the value cannot be read or is out of range; the message names the parameter.
        """
        text = str(value).strip()
        word = text.lower()
        for choice in self.choices:
            if word == choice.lower() or (word in _TRUTH and _TRUTH[word] is _TRUTH.get(choice.lower())):
                return choice
        if self.choices and not self.other:
            raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}, got {shown(text)!r}")
        kind = type(self.default)
        if kind is str:
            return self.parse(text)
        if kind is bool:
            if word not in _TRUTH:
                raise ValueError(f"{self.name} must be True or False, got {shown(text)!r}")
            return _TRUTH[word]
        return self._number(text, kind)

    def _number(self, text: str, kind: type) -> Any:
        try:
            number = decimal(text, kind, self.in_percent)
        except ValueError:
            what = "an integer" if kind is int else "a number"
            raise ValueError(f"{self.name} must be {what}, got {shown(text)!r}") from None
        if self.low is not None and self.high is not None and not self.low <= number <= self.high:
            scale, unit = (100, "percent") if text.endswith("%") else (1, self.unit)
            ends = f"{self.low * scale:g} and {self.high * scale:g} {unit}".rstrip()
            raise ValueError(f"{self.name} must lie between {ends}, got {shown(text)}")
        return number

    def needed(self, values: Mapping[str, Any]) -> str:
        """Say what else must be set before the parameter has an effect; "" if it has one with these values."""
        lacking = [(other, choices) for other, choices in self.needs.items() if values[other] not in choices]
        return " and ".join(
            f"{other} " + " or ".join(f'"{choice}"' for choice in choices) for other, choices in lacking
        )

    def description(self, mark: str = "", *notes: str) -> str:
        """Return one line on the parameter: what it does, its choices, its range.

        Args:
            mark: stands before and after each value.
            notes: more for the parentheses at the end.
        """
        parts = [self.other] if self.other else []
        parts += [f"{mark}{value}{mark} {words}" for value, words in self.choices.items()]
        about = f"{self.about}: {'; '.join(parts)}" if parts else self.about
        return about + self.notes(*notes)

    def notes(self, *more: str) -> str:
        """Return the range, what the parameter needs, and more notes, in parentheses after a space; or ""."""
        unit = ", or in percent" if self.in_percent else f" {self.unit}".rstrip()
        inside = [f"{self.low:g} to {self.high:g}{unit}"] if self.low is not None else []
        inside += [f"for {other} {' or '.join(choices)}" for other, choices in self.needs.items()]
        inside += [note for note in more if note]
        return f" ({'; '.join(inside)})" if inside else ""

    def note_on_empty(self) -> str:
        """Say what the Ikomia task takes while the text is empty, for :meth:`description`; "" if nothing special."""
        return f"empty: {self.empty}" if self.empty else ""


def decimal(text: str, kind: type = float, is_share: bool = False) -> Any:
    """Read a number with a decimal point or a decimal comma; a share may be a percentage.

    Raises:
        ValueError: the text is not such a number.
    """
    percent = "%" if is_share and text.endswith("%") else ""
    number = kind(text.removesuffix(percent).replace(",", "."))
    return round(number / 100, 8) if percent else number
