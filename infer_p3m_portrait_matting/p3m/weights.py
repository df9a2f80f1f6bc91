"""Weights files: the ones that ship with this package, and where the published ones are looked for."""

import os
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from .download import download, verify_digest
from .errors import WeightsError
from .files import write_whole
from .network import P3MNet
from .published import fill, fill_published, layout_digest, load_published_checkpoint, read_checkpoint
from .registry import create_model, get_variant

#: Environment variable that names the folder of published checkpoints.
CACHE_VARIABLE = "P3M_WEIGHTS_DIR"

_BUNDLED = Path(__file__).resolve().parent.parent / "weights"


def cache_folder() -> Path:
    """Folder where published checkpoints are looked for: ``$P3M_WEIGHTS_DIR``, or ~/.cache/p3m_portrait_matting."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "p3m_portrait_matting"


def find_weights(name: str) -> Path | None:
    """Look for a variant's weights: the bundled file, or the published file in the cache folder.

    Args:
        name: a variant's name.

    Returns:
        The file, or None when there is none on this machine.

    Raises:
        ValueError: the name is unknown.
    """
    path = expected_weights(name)
    return path if path.is_file() else None


def expected_weights(name: str) -> Path:
    """Where :func:`find_weights` looks for a variant's weights, whether they are there or not."""
    variant = get_variant(name)
    return _BUNDLED / variant.bundled_file if variant.bundled_file else cache_folder() / variant.published_file


def fetch_weights(name: str, base_url: str) -> Path:
    """Download a variant's published checkpoint into the cache folder, unless it is there.

    Before the file takes its place, it is read as it will be later: every tensor must be there, with the published
    shape and dtype, and finite.

    Args:
        name: a variant with a published file.
        base_url: address of the folder that holds the published file.

    Returns:
        The file.

    Raises:
        ValueError: the name is unknown, or nothing was published for it.
        DownloadError: the file could not be fetched, checked or stored; the message says which.
    """
    variant = get_variant(name)
    file = variant.published_file
    if file is None:
        raise ValueError(f"nothing was published for {name!r}")

    def check(path: Path) -> None:
        published = read_checkpoint(path)
        fill_published(create_model(name), published, path)
        # Filling passes over repeated and unused tensors; the published file has all of them, in float32.
        if layout_digest(published) != variant.published_layout:
            raise WeightsError(f"weights file {path} differs from the published one in its keys, shapes or dtypes")

    return download(f"{base_url.rstrip('/')}/{file}", cache_folder() / file, check)


def load_weights(model: P3MNet, path: str | PathLike[str]) -> None:
    """Fill a network from a file: ``.safetensors`` as written by :func:`save_weights`, else a published checkpoint.

    Args:
        model: the network; it stays as it was when anything is wrong.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is unreadable, unsafe, of another network, or not what was once downloaded.
    """
    path = Path(path)
    verify_digest(path)
    if path.suffix.lower() != ".safetensors":
        load_published_checkpoint(model, path)
        return
    if not path.is_file():
        raise FileNotFoundError(f"weights file {path} does not exist")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"weights file {path} cannot be read; it may be truncated: {error}") from error
    fill(model, tensors, path)


def save_weights(model: P3MNet, path: str | PathLike[str]) -> None:
    """Write a network's weights as safetensors: convolutions in float16, everything one-dimensional in float32.

    The batch-norm counters, which inference never reads, stay in the file as int64, so that reading can be strict.
    A file that exists is replaced in one step, by a complete one.

    Args:
        model: the network.
        path: the file, with suffix ``.safetensors``.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        half = tensor.is_floating_point() and tensor.ndim > 1
        tensors[name] = tensor.detach().to("cpu", torch.float16 if half else tensor.dtype).contiguous()
    write_whole(Path(path), save(tensors))
