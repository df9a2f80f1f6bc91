"""Read the bytes of a weights file, and check that they are those that were released or downloaded."""

import hashlib
from pathlib import Path

from ..errors import WeightsError, shown
from ..files.paths import trouble_with
from ..model.registry import known_digests
from . import places

#: Largest size of a weights file in bytes; the largest published one has about 160 MB.
_LARGEST = 2**31


def read_content(path: Path) -> tuple[bytes, str]:
    """Read a whole weights file and check its SHA-256; the checked bytes are those loaded, even if the file changes.

    Returns:
        The content and its SHA-256.

    Raises:
        FileNotFoundError, WeightsError: as :func:`~.weights.load_weights`.
    """
    trouble = trouble_with(path)
    if trouble == "does not exist":
        raise FileNotFoundError(f"weights file {shown(path)} does not exist")
    if trouble:
        raise WeightsError(f"weights file {shown(path)} {trouble}")
    size = path.stat().st_size
    if size > _LARGEST:
        raise WeightsError(
            f"weights file {path} has {size:,} bytes, far more than any of these networks: choose another"
        )
    content = path.read_bytes()
    digest = refuse_other_digest(content, path)
    beside = expected_digest(path)
    if beside not in (None, digest):
        raise WeightsError(
            f"weights file {path} is not what was downloaded (its SHA-256 is not the one in {path.name}.sha256): "
            "delete both files to fetch it again"
        )
    return content, digest


def refuse_other_digest(content: bytes, path: Path) -> str:
    """Return the content's SHA-256; raise a WeightsError if it differs from the one pinned for a file of that name."""
    digest = hashlib.sha256(content).hexdigest()
    pinned = known_digests().get(path.name) if _is_known_place(path) else None
    if pinned is not None and digest != pinned:
        remedy = "reinstall the plugin" if path.parent.resolve() == places.BUNDLED else "fetch it again"
        raise WeightsError(
            f"weights file {path} is damaged: its SHA-256 is {digest[:12]}... instead of {pinned[:12]}...: {remedy}"
        )
    return digest


def _is_known_place(path: Path) -> bool:
    """Tell whether a file lies with the bundled or the published files; elsewhere its name does not identify it."""
    folder = path.parent.resolve()
    try:
        return folder in (places.BUNDLED, places.cache_folder().resolve())
    except (ValueError, OSError):
        # The cache folder cannot exist, so no published file lies in it.
        return folder == places.BUNDLED


def expected_digest(path: Path) -> str | None:
    """Return the SHA-256 that is written beside a file, or None: a file that a user placed there need not have one.

    ``sha256sum FILE > FILE.sha256`` writes it.
    """
    try:
        return (digest_file(path).read_text(encoding="utf-8", errors="replace").split() or [""])[0].lower()
    except OSError:
        return None


def digest_file(path: Path) -> Path:
    """Return the file beside a downloaded one that holds its SHA-256."""
    return path.with_name(f"{path.name}.sha256")
