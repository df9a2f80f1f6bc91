"""Errors that callers may want to catch, and how messages show values."""

#: Longest that a value may be in a message.
_LONGEST = 200


class WeightsError(ValueError):
    """A weights file cannot be used: truncated, unsafe, or of another network. The message says which and why."""


class DownloadError(RuntimeError):
    """A weights file could not be downloaded. The message gives the address and the reason."""


class MissingPackageError(RuntimeError):
    """An optional package is not installed. The message says what needs it and gives the command that installs it."""


def shown(value: object) -> str:
    """Shorten a value for a message: one that is too long is cut in the middle."""
    text = str(value)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}... ({len(text)} characters) ...{text[-half // 2 :]}"


def words_of(error: OSError) -> str:
    """Return what the operating system says, after the name of the file if there is one."""
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words
