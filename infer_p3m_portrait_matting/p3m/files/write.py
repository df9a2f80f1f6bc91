"""Write files completely or not at all."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that is open
    fcntl = None  # type: ignore[assignment]

#: How unfinished files are called: hidden, and by a name that no other file has.
_UNFINISHED = re.compile(r"\.p3m-[0-9a-f]{16}\.tmp")
#: Those of this process.
_OURS: "WeakSet[Unfinished]" = WeakSet()


class Unfinished:
    """A file, or a folder of files, under a random name beside its target, until it is whole.

    It is made exclusively, so that no other file is overwritten and no link followed, and locked while it is written,
    so that :func:`remove_abandoned` can tell what a kill has left.

    Args:
        target: the name that it is to have; only its folder must exist.
        is_folder: whether to make a folder.

    Attributes:
        path: where it lies.

    Raises:
        OSError: the folder cannot be written to; the error names the target.
    """

    def __init__(self, target: Path, is_folder: bool = False) -> None:
        self.target, self._is_folder = target, is_folder
        self._lock: int | None = None
        while True:
            # A short name, so that any name that the target may have will do.
            self.path: Path = target.with_name(f".p3m-{secrets.token_hex(8)}.tmp")
            _OURS.add(self)
            with naming(target):
                self._lock = self._make()
            if self._lock is None or _is_locked(self._lock):
                return
            # Whoever clears up has found it before it was locked.
            os.close(self._lock)

    def _make(self) -> int | None:
        if not self._is_folder:
            # The module tempfile would give a file that nobody else may read, whatever the user's umask says.
            return os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
        self.path.mkdir()
        return os.open(self.path, os.O_RDONLY) if fcntl else None

    def take_name(self, replaces: bool) -> None:
        """Give the finished file its target's name, in one step.

        Args:
            replaces: whether a file of that name is replaced.

        Raises:
            FileExistsError: there is a file of that name, which stays as it is, whichever process made it.
            OSError: the folder cannot be written to.
        """
        self.complete()
        give_name(self.path, self.target, replaces)
        self.remove()

    def complete(self) -> None:
        """Say that all is written, so that the file can be renamed: Windows renames none that is open."""
        if fcntl is None:
            self._unlock()

    def remove(self) -> None:
        """Remove what has not got its name."""
        self._unlock()
        if self._is_folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def remove_unfinished() -> None:
    """Remove what this process has not finished, before it ends in the midst of its work."""
    for unfinished in list(_OURS):
        # Windows removes no file that is open: the next run does.
        with suppress(OSError):
            unfinished.remove()


def write_beside(path: Path, content: bytes) -> Unfinished:
    """Write all of a file, but do not give it its name yet.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    unfinished = Unfinished(path)
    try:
        with naming(path), unfinished.path.open("r+b") as file:
            file.write(content)
        unfinished.complete()
    except BaseException:
        unfinished.remove()
        raise
    return unfinished


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: if that fails, or the process ends meanwhile, what was there before stays.

    Several threads and processes may write one file at a time: the last whole one stays.

    Args:
        path: the file; its folder must exist.
        content: all of it.

    Raises:
        OSError: the folder cannot be written to.
    """
    _write(path, content, replaces=True)


def write_new(path: Path, content: bytes) -> None:
    """Write a file in one step, as :func:`write_whole`, unless there is one of that name.

    Raises:
        FileExistsError: there is one, which stays as it is, whichever process made it.
        OSError: the folder cannot be written to.
    """
    _write(path, content, replaces=False)


def _write(path: Path, content: bytes, replaces: bool) -> None:
    unfinished = write_beside(path, content)
    try:
        unfinished.take_name(replaces)
    finally:
        unfinished.remove()


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes have left unfinished in a folder; what is being written stays."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if _UNFINISHED.fullmatch(name):
                with suppress(OSError):
                    _remove_unlocked(folder / name)


def _remove_unlocked(path: Path) -> None:
    is_folder = path.is_dir()
    if fcntl is None:
        # Windows refuses to remove an open file; whether a folder is in use, nobody can tell.
        if not is_folder:
            path.unlink()
        return
    lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_folder:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    """Lock a file that was just made; False if it was removed meanwhile."""
    if fcntl is not None:
        # Some file systems know no locks: nothing is cleared up there, either.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
    return os.name == "nt" or os.fstat(lock).st_nlink > 0


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Let errors of the operating system name a file itself, not the unfinished one in its place."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


def give_name(unfinished: Path, target: Path, replaces: bool) -> None:
    """Give a file another name in the same folder, in one step.

    Args:
        unfinished: the file.
        target: its name from now on.
        replaces: whether a file of that name is replaced.

    Raises:
        FileExistsError: there is a file of that name, which stays as it is, whichever process made it.
        OSError: the folder cannot be written to.
    """
    with naming(target):
        if replaces:
            os.replace(unfinished, target)
            return
        try:
            os.link(unfinished, target)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: there, another process sees an empty file for a moment.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL))
            try:
                os.replace(unfinished, target)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        else:
            unfinished.unlink()
