"""The errors of the core that callers may want to tell from others."""


class WeightsError(ValueError):
    """A weights file cannot be used: truncated, unsafe, or of another network. The message says which and why."""


class DownloadError(RuntimeError):
    """A weights file could not be fetched. The message says from where, and why."""


class MissingPackageError(RuntimeError):
    """An optional package is not installed. The message says which, for what, and the command that installs it."""
