"""Keep two runs out of the same results."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .destinations import UsageError


@contextmanager
def only_one_run(results: Path) -> Iterator[None]:
    """Keep other processes out of a file or a folder; the lock ends with its process, however that ends.

    Raises:
        UsageError: another process is in it.
    """
    user = os.getuid() if hasattr(os, "getuid") else ""  # one user's file is closed to another
    digest = hashlib.sha256(str(results.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir(), f"p3m-{user}-{digest}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(f"another p3m is writing {results}: wait for it, or name another place") from None
    try:
        yield
    finally:
        lock.release()
