"""Fetching a weights file once, completely, or not at all."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import requests
from filelock import FileLock
from tqdm import tqdm

from ..errors import DownloadError, WeightsError

#: Seconds to wait for a connection, and between two pieces of the answer.
CONNECT_TIMEOUT, STALL_TIMEOUT = 5.0, 20.0

_CHUNK = 1 << 20

#: What failed in this process: it is not tried again at every photo.
_failed: dict[str, str] = {}


def download(url: str, target: Path, check: Callable[[Path], None]) -> Path:
    """Download a file to a place where a complete, checked file already is or nothing.

    The answer goes to a temporary file beside the target, which takes the target's name only after its status, its
    length and its content have been checked and its SHA-256 has been written beside it. Of several processes that start
    together one downloads, the others wait for it. After a failure, the same process does not try that address again.

    Args:
        url: http or https address.
        target: where the file shall be; its folder is made if need be.
        check: raises WeightsError for content that is not what it should be.

    Returns:
        ``target``.

    Raises:
        DownloadError: the address does not answer, or not with this file, or the file cannot be stored; the message
            says which. Nothing is left behind under the target's name.
    """
    if target.is_file():
        return target
    if url in _failed:
        raise DownloadError(f"{_failed[url]} (not tried again in this process)")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if target.is_file():
                return target
            try:
                digest = _fetch(url, part)
                check(part)
                write_digest(target, digest)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
    except (requests.RequestException, DownloadError, WeightsError, OSError) as error:
        _failed[url] = f"{url} could not be fetched: {_reason(error)}"
        raise DownloadError(_failed[url]) from error
    return target


def write_digest(target: Path, digest: str) -> None:
    """Write a file's SHA-256 beside it, in the layout of ``sha256sum``."""
    _digest_file(target).write_text(f"{digest}  {target.name}\n")


def verify_digest(path: Path) -> None:
    """Compare a file with the SHA-256 beside it; a file without one (put there by hand) passes.

    Raises:
        WeightsError: the file has changed since it was downloaded.
    """
    beside = _digest_file(path)
    if not beside.is_file():
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if beside.read_text().split()[:1] != [digest.hexdigest()]:
        raise WeightsError(
            f"weights file {path} is not what was downloaded (its SHA-256 is not the one in {beside.name}): "
            "delete both files to fetch it again"
        )


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _fetch(url: str, part: Path) -> str:
    """Store an answer completely; returns the SHA-256."""
    digest, received = hashlib.sha256(), 0
    with requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT, STALL_TIMEOUT)) as answer:
        if answer.status_code != requests.codes.ok:
            raise DownloadError(f"the server answered {answer.status_code} {answer.reason}")
        announced = int(answer.headers.get("Content-Length", 0)) or None
        with part.open("wb") as file, tqdm(total=announced, unit="B", unit_scale=True, desc=part.stem) as bar:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if announced is not None and received != announced:
        raise DownloadError(f"the server announced {announced} bytes and sent {received}")
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)
