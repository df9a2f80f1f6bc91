"""Write files completely or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: a failure or a crash leaves what was there before.

    Args:
        path: the file; its folder must exist.
        content: all of it.

    Raises:
        OSError: the folder cannot be written to.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
