"""The errors of the core that callers may want to tell from others, and how messages show values."""

#: Longest that a value may be in a message.
_LONGEST = 200


class WeightsError(ValueError):
    """A weights file cannot be used: truncated, unsafe, or of another network. The message says which and why."""


class DownloadError(RuntimeError):
    """A weights file could not be fetched. The message says from where, and why."""


class MissingPackageError(RuntimeError):
    """An optional package is not installed. The message says which, for what, and the command that installs it."""


def shown(value: object) -> str:
    """A value for a message: one that is too long is cut off in the middle."""
    text = str(value)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}... ({len(text)} characters) ...{text[-half // 2 :]}"
