"""Read paths as people write them, and explain why a path cannot be read."""

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlparse

from ..errors import shown


def user_path(text: str) -> Path:
    """Read a path as people paste it: in quotes, as a file:// address, or with ~ for a home folder.

    Raises:
        ValueError: the path names another computer, or the home of an unknown user; the message says which.
    """
    plain = text.strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'":
        plain = plain[1:-1]
    if plain.lower().startswith("file:"):
        address = urlparse(plain)
        if address.netloc not in ("", "localhost"):
            raise ValueError(f"{shown(plain)} is a file of another computer: copy it here first")
        plain = unquote(address.path)
        if os.name == "nt":
            plain = plain.lstrip("/")
    if "\0" in plain:
        raise ValueError(f"{shown(plain)!r} is not a path: it holds a zero byte")
    try:
        return Path(plain).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{shown(plain)}: there is no such user here: write the path without ~") from error


def trouble_with(path: Path) -> str:
    """Say why a path is not a readable file, as the rest of a sentence that begins with the path; "" if it is one."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return "" if os.access(path, os.R_OK) else "may not be read by this user: change its permissions"
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except PermissionError:
        return "lies in a folder that this user may not look into"
    except (OSError, ValueError) as error:
        return f"is no possible path: {getattr(error, 'strerror', None) or error}"
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return f"is {kinds.get(stat.S_IFMT(mode), 'something else')}, not a file"


def version_of(path: Path) -> tuple:
    """Return a key that changes when another file takes this place, even one of the same size and date.

    Raises:
        OSError: the file cannot be looked at.
    """
    stat = path.stat()
    return str(path.resolve()), stat.st_dev, stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size
