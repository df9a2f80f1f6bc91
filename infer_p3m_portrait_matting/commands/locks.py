"""Keep two runs out of the same results."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..p3m.files.write import naming
from .destinations import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def only_one_run(folder: Path, name: str = "") -> Iterator[None]:
    """Keep other processes, of whichever user, out of a folder, or out of one file in it.

    A hidden file in the folder is locked. The lock ends with its process, however that ends, and the file is removed.

    Args:
        folder: where the results go; it is made if needed, and removed again if it stays empty.
        name: the file, "" for the whole folder.

    Raises:
        UsageError: another process is in it.
        OSError: the folder cannot be written to.
    """
    with naming(folder):
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        # Some file systems do not distinguish A from a; a digest is short whatever the name.
        digest = hashlib.sha256(os.fsencode(name.casefold())).hexdigest()[:16] if name else "run"
        path = folder / f".p3m-{digest}.lock"
        lock = _locked(path)
    if lock is None:
        raise UsageError(f"another p3m is writing {folder / name}: wait for it, or name another place")
    try:
        yield
    finally:
        # Windows removes no open file.
        if sys.platform == "win32":
            os.close(lock)
        with suppress(OSError):
            path.unlink()
        if sys.platform != "win32":
            os.close(lock)
        if is_new:
            with suppress(OSError):
                folder.rmdir()


def _locked(path: Path) -> int | None:
    """Make and lock a file; None if another process has it."""
    while True:
        lock = _opened(path)
        if not _lock(lock):
            os.close(lock)
            return None
        # The process that held the lock may have removed the file after it was opened here.
        with suppress(OSError):
            if os.path.samestat(os.fstat(lock), path.lstat()):
                return lock
        os.close(lock)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    while True:
        # In a folder such as /tmp, Linux lets nobody create a file over that of another user: open it first.
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):
            lock = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            with suppress(OSError, AttributeError):
                os.fchmod(lock, 0o666)  # for other users, whatever the umask
            return lock


def _lock(lock: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system without locks: files are made exclusively there, too
    return True
