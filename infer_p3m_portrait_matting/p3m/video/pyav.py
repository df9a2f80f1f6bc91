"""Import PyAV, which reads and writes videos by FFmpeg, only when a video is read or written."""

from ..errors import MissingPackageError

#: Installs PyAV; the same range as the extra "video".
_INSTALL = 'pip install "av>=17.1,<19"'

#: Flags of FFmpeg's scaler (libswscale/swscale.h). PyAV takes numbers; it has names for all only since version 18.
BICUBIC, FULL_CHR_H_INT, FULL_CHR_H_INP, ACCURATE_RND = 0x4, 0x2000, 0x4000, 0x40000


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
