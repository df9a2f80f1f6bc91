"""Import PyAV, which reads and writes videos by FFmpeg, only where a video is at hand."""

from ..errors import MissingPackageError

#: Installs PyAV; the same range as the extra "video".
_INSTALL = 'pip install "av>=14,<19"'


def import_av():
    """Import PyAV.

    Raises:
        MissingPackageError: PyAV is not installed; the message has the command to install it.
    """
    try:
        import av
    except ImportError as error:
        raise MissingPackageError(f"videos need the package av: {_INSTALL}") from error
    # FFmpeg's messages go into our errors; printed, they would break the progress bar.
    av.logging.set_level(av.logging.PANIC)
    return av
