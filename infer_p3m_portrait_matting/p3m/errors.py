"""Errors that callers may want to catch, and how messages show values."""

#: Longest that a value may be in a message.
_LONGEST = 200


class WeightsError(ValueError):
    """A weights file cannot be used: truncated, unsafe, or of another network. The message says which and why."""


class DownloadError(RuntimeError):
    """A weights file could not be downloaded. The message gives the address and the reason."""


class MissingPackageError(RuntimeError):
    """An optional package is not installed. The message says what needs it and gives the command that installs it."""


def printable(name: object) -> str:
    """Return a name, or another value, for a message, with all that cannot be printed escaped.

    Bytes of a file name that are not UTF-8 would make print fail. Control characters would move a terminal's cursor or
    change its colours.
    """
    text = str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    # Python holds the bytes of a name that are not UTF-8 as lone surrogates.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else repr(character)[1:-1]


def shown(value: object) -> str:
    """Make a value :func:`printable`, and shorten one of more than 200 characters in the middle."""
    text = printable(value)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}... ({len(text)} characters) ...{text[-half // 2 :]}"


def is_out_of_gpu_memory(error: Exception) -> bool:
    """Tell whether an error is PyTorch's ``OutOfMemoryError``, without importing PyTorch."""
    return type(error).__name__ == "OutOfMemoryError"


def words_of(error: OSError) -> str:
    """Return what the operating system says, after the name of the file if there is one."""
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words
