"""Say where weights files lie; this module loads without torch."""

import os
from pathlib import Path

from ..files.paths import trouble_with, user_path
from ..model.registry import get_variant

#: Environment variable that names the cache folder.
CACHE_VARIABLE = "P3M_WEIGHTS_DIR"

#: Folder of the bundled weights.
BUNDLED = Path(__file__).resolve().parents[2] / "weights"


def cache_folder() -> Path:
    """Return the folder of published checkpoints: ``$P3M_WEIGHTS_DIR``, or ~/.cache/p3m_portrait_matting.

    Raises:
        ValueError: the environment variable does not name a possible folder, or neither the variable nor a home folder
            exists.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return user_path(named)
    try:
        return Path.home() / ".cache" / "p3m_portrait_matting"
    except RuntimeError:
        raise ValueError(
            f"this user has no home folder: set {CACHE_VARIABLE} to a folder for weights, or choose the model mobile"
        ) from None


def find_weights(name: str) -> Path | None:
    """Find a variant's weights: the bundled file, or the published file in the cache folder.

    Args:
        name: a variant's name.

    Returns:
        The file, or None if it is not on this computer.

    Raises:
        ValueError: the name is unknown.
    """
    path = expected_weights(name)
    return None if trouble_with(path) else path


def expected_weights(name: str) -> Path:
    """Return the path where :func:`find_weights` looks for a variant's weights, whether the file exists or not.

    Raises:
        ValueError: the name is unknown.
    """
    variant = get_variant(name)
    if variant.bundled_file is not None:
        return BUNDLED / variant.bundled_file
    assert variant.published_file is not None, f"the variant {name} names no weights file"
    return cache_folder() / variant.published_file
