"""Download a weights file once, and either completely or not at all."""

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlparse

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from ..errors import DownloadError, WeightsError, shown
from ..files.paths import trouble_with
from ..files.write import Unfinished, remove_abandoned, write_whole
from .content import digest_file

#: Seconds to wait for a connection, and for the next piece of the response.
CONNECT_TIMEOUT, STALL_TIMEOUT = 5.0, 20.0
#: Seconds that a whole download may take, and that a process waits for the download of another.
TOTAL_TIMEOUT = 1800.0
#: Largest size of a download in bytes; the largest published file has about 160 MB.
LARGEST = 400 * 10**6

#: Largest number of redirects that are followed.
_REDIRECTS = 5

_CHUNK = 1 << 16

#: Addresses that failed in this process, with the reason; they are not tried again for every photo.
_failed: dict[str, str] = {}


def download(url: str, target: Path, check: Callable[[Path], None]) -> Path:
    """Download a file, unless it is already there. The target is always either a complete, checked file or absent.

    The response goes to a hidden file beside the target. That file takes the target's name only after its status,
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
    if not trouble_with(target):
        return target
    if url in _failed:
        raise DownloadError(f"{_failed[url]} (not tried again in this process)")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock"), timeout=TOTAL_TIMEOUT):
            if not trouble_with(target):
                return target
            remove_abandoned(target.parent)
            part = Unfinished(target)
            try:
                digest = _fetch_in_time(url, part)
                check(part.path)
                write_digest(target, digest)
                part.take_name(replaces=True)
            finally:
                part.remove()
    # The libraries raise ValueError for an answer with odd headers or for an odd path, and older versions of filelock
    # raise NotImplementedError for a file system without locks.
    except (requests.RequestException, DownloadError, WeightsError, OSError, ValueError, NotImplementedError) as error:
        _failed[url] = f"{url} could not be fetched: {_reason(error)}"
        raise DownloadError(_failed[url]) from error
    return target


def write_digest(target: Path, digest: str) -> None:
    """Write a file's SHA-256 beside it, in the format of ``sha256sum``."""
    write_whole(digest_file(target), f"{digest}  {target.name}\n".encode())


class _Session(requests.Session):
    """A session that finds redirects and refuses those from https to http, where anybody could exchange the file."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Follow no redirect: requests would first read the whole page of each, however long that takes."""
        return iter(())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and urlparse(resp.url).scheme == "https" and urlparse(target).scheme not in ("https", ""):
            raise DownloadError(f"the server redirects from https to {shown(target)}, which is not safe")
        return target


def _fetch_in_time(url: str, part: Unfinished) -> str:
    """Store an answer completely and return its SHA-256.

    A thread of its own does the work: a slow name server, handshake, header or body would block the caller without
    limit.
    """
    outcome: list[str | Exception] = []
    too_late = threading.Event()

    def fetch() -> None:
        try:
            with part.path.open("r+b") as file:
                outcome.append(_fetch(url, file, part.target.name, too_late))
        except Exception as error:  # raised again below
            outcome.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    try:
        thread.join(TOTAL_TIMEOUT)
    finally:
        too_late.set()
    result = outcome[0] if outcome else DownloadError(f"more than {TOTAL_TIMEOUT:.0f} seconds are too slow")
    if isinstance(result, Exception):
        raise result
    return result


def _fetch(url: str, file: BinaryIO, name: str, too_late: threading.Event) -> str:
    digest, received = hashlib.sha256(), 0
    with _Session() as session, _answer(session, url, too_late) as answer:
        if answer.status_code != requests.codes.ok:
            raise DownloadError(f"the server answered {answer.status_code} {shown(answer.reason)}")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError("the server sends the file packed, although it was asked not to")
        announced = _announced(answer)
        # Programs without a console have no standard error.
        with tqdm(total=announced, unit="B", unit_scale=True, desc=name, disable=sys.stderr is None) as bar:
            for chunk in answer.iter_content(_CHUNK):
                received += len(chunk)
                if received > LARGEST:
                    raise DownloadError(f"the server sends more than {LARGEST:,} bytes, which is not this file")
                if too_late.is_set():
                    break
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if announced is not None and received != announced:
        raise DownloadError(f"the server announced {announced} bytes and sent {received}")
    return digest.hexdigest()


def _answer(session: _Session, url: str, too_late: threading.Event) -> requests.Response:
    """Ask for a file, and follow redirects."""
    # Ask for no compression: the length of a compressed answer cannot be compared with the announced length.
    headers = {"Accept-Encoding": "identity"}
    for _ in range(_REDIRECTS + 1):
        answer = session.get(
            url, stream=True, timeout=(CONNECT_TIMEOUT, STALL_TIMEOUT), headers=headers, allow_redirects=False
        )
        target = session.get_redirect_target(answer)
        if not target or too_late.is_set():
            return answer
        answer.close()
        url = urljoin(answer.url, target)
    raise DownloadError(f"the server redirects more than {_REDIRECTS} times")


def _announced(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise DownloadError(f"the server announces a length of {shown(text)!r}")
    if int(text) > LARGEST:
        raise DownloadError(f"the server announces {int(text):,} bytes, which is not this file")
    return int(text)


def _reason(error: Exception) -> str:
    if isinstance(error, Timeout):
        return f"another process has been downloading it for {TOTAL_TIMEOUT:.0f} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the connection is not secure (TLS): {shown(error)}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy refuses or does not answer (environment variable HTTPS_PROXY or HTTP_PROXY): {shown(error)}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return shown(error)
