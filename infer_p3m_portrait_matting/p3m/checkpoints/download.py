"""Download a weights file once, completely, or not at all."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import requests
from filelock import FileLock
from tqdm import tqdm

from ..errors import DownloadError, WeightsError

#: Seconds to wait for a connection, and for the next piece of the response.
CONNECT_TIMEOUT, STALL_TIMEOUT = 5.0, 20.0

_CHUNK = 1 << 20

#: Addresses that failed in this process, with the reason: they are not tried again at every photo.
_failed: dict[str, str] = {}


def download(url: str, target: Path, check: Callable[[Path], None]) -> Path:
    """Download a file, unless it is already there. The target is always either a complete, checked file or absent.

    The response goes to a temporary file beside the target. That file takes the target's name only after its status,
    length and content have been checked and its SHA-256 has been written beside it. If several processes start
    together, one downloads and the others wait. After a failure, the process does not try that address again.

    Args:
        url: http or https address.
        target: where to store the file; its folder is created if needed.
        check: raises WeightsError if the content is wrong.

    Returns:
        ``target``.

    Raises:
        DownloadError: the server does not respond, the response is not this file, or the file cannot be stored; the
            message says which. Nothing is left under the target's name.
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
    """Write a file's SHA-256 beside it, in the format of ``sha256sum``."""
    _digest_file(target).write_text(f"{digest}  {target.name}\n")


def verify_digest(path: Path) -> None:
    """Compare a file with the SHA-256 beside it. A file without one, which a user put there, passes.

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
    """Store a response completely and return its SHA-256."""
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
