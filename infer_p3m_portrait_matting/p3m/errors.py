"""Errors that callers may want to catch."""


class WeightsError(ValueError):
    """A weights file cannot be used: truncated, unsafe, or of another network. The message says which and why."""


class DownloadError(RuntimeError):
    """A weights file could not be downloaded. The message gives the address and the reason."""


class MissingPackageError(RuntimeError):
    """An optional package is not installed. The message says what needs it and gives the command that installs it."""
