"""Write files completely or not at all."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: if that fails, or the process ends meanwhile, what was there before stays.

    Several threads and processes may write one file at a time: the last whole one stays.

    Args:
        path: the file; its folder must exist.
        content: all of it.

    Raises:
        OSError: the folder cannot be written to.
    """
    temporary = _write_beside(path, content)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes) -> None:
    """Write a file in one step, as :func:`write_whole`, unless there is one of that name.

    Raises:
        FileExistsError: there is one, which stays as it is, whichever process made it.
        OSError: the folder cannot be written to.
    """
    temporary = _write_beside(path, content)
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: there, another process sees an empty file for a moment.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            try:
                os.replace(temporary, path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    finally:
        temporary.unlink(missing_ok=True)


def _write_beside(path: Path, content: bytes) -> Path:
    """Write a temporary file, whose name is short, so that any name that the target may have will do."""
    # The module tempfile would give a file that nobody else may read, whatever the user's umask says.
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
