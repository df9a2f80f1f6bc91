"""Find, fetch, load and save weights files."""

import os
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ..atomic_write import write_whole
from ..errors import WeightsError
from ..model.network import P3MNet
from ..model.registry import create_model, get_variant
from .download import download, verify_digest
from .published import layout_digest, rename_published

#: Environment variable that names the cache folder.
CACHE_VARIABLE = "P3M_WEIGHTS_DIR"

_BUNDLED = Path(__file__).resolve().parents[2] / "weights"


def cache_folder() -> Path:
    """Return the folder of published checkpoints: ``$P3M_WEIGHTS_DIR``, or ~/.cache/p3m_portrait_matting."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "p3m_portrait_matting"


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
    return path if path.is_file() else None


def expected_weights(name: str) -> Path:
    """Return the path where :func:`find_weights` looks for a variant's weights, whether the file exists or not.

    Raises:
        ValueError: the name is unknown.
    """
    variant = get_variant(name)
    if variant.bundled_file is not None:
        return _BUNDLED / variant.bundled_file
    assert variant.published_file is not None, f"the variant {name} names no weights file"
    return cache_folder() / variant.published_file


def fetch_weights(name: str, base_url: str) -> Path:
    """Download a variant's published checkpoint into the cache folder, unless it is already there.

    Before the file takes its final name, it is read as for inference: every tensor must be present, finite, and of the
    published shape and dtype.

    Args:
        name: a variant with a published checkpoint.
        base_url: address of the folder that contains the checkpoint.

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
        fill(create_model(name), rename_published(published, path), path)
        # fill() does not see repeated and unused tensors; the published file has all of them, in float32.
        if layout_digest(published) != variant.published_layout:
            raise WeightsError(f"weights file {path} differs from the published one in its keys, shapes or dtypes")

    return download(f"{base_url.rstrip('/')}/{file}", cache_folder() / file, check)


def load_weights(model: P3MNet, path: str | PathLike[str]) -> None:
    """Load a network's weights from a ``.safetensors`` file of :func:`save_weights` or from a published checkpoint.

    Args:
        model: the network. If anything is wrong, it stays as it was.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is unreadable, unsafe or of another network, or it changed since it was downloaded.
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


def load_published_checkpoint(model: P3MNet, path: str | PathLike[str]) -> None:
    """Load a network's weights from a published checkpoint.

    Every tensor in the file must be used or known to be unused, and every tensor of the network must be filled;
    otherwise the network stays as it was. No checkpoint contains the Performer features of "vitae-s"; they are kept.

    Args:
        model: "resnet34" or "vitae-s" from :func:`~.registry.create_model`.
        path: the .pth file, with or without a ``module.`` prefix on its keys.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is unreadable or of another network; the message lists the difference.
    """
    fill(model, rename_published(read_checkpoint(path), path), path)


def read_checkpoint(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch checkpoint without running any code that it may contain.

    Args:
        path: a .pth file with a state_dict, either at the top or under the key "state_dict".

    Returns:
        The state_dict, on the CPU, with the keys of the file.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is no such checkpoint, is truncated, or would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights file {path} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsError(
            f"weights file {path} is not a plain PyTorch checkpoint of tensors, and anything else is refused because "
            f"it could run code: {_first_line(error)}"
        ) from error
    except Exception as error:  # damaged bytes can make the reader raise anything
        raise WeightsError(
            f"weights file {path} cannot be read; it may be truncated, so fetch it again: {_first_line(error)}"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())
    ):
        raise WeightsError(f"weights file {path} holds no state_dict of tensors")
    return content


def _first_line(error: Exception) -> str:
    # Some errors have no text.
    return (str(error).splitlines() or [type(error).__name__])[0]


def fill(model: P3MNet, tensors: dict[str, Tensor], source: str | PathLike[str]) -> None:
    """Load a complete state_dict into a network, or leave the network as it is.

    Args:
        model: the network.
        tensors: tensors by our names; floating-point values of any precision, which are cast.
        source: file of the tensors, for the message.

    Raises:
        WeightsError: names or shapes differ, or a value is not finite; the message lists the difference.
    """
    wanted = model.state_dict()
    problems = [f"missing {name}" for name in wanted if name not in tensors]
    problems += [f"unknown {name}" for name in tensors if name not in wanted]
    for name, tensor in tensors.items():
        if name not in wanted:
            continue
        if wanted[name].shape != tensor.shape:
            problems.append(f"{name} is {list(tensor.shape)} instead of {list(wanted[name].shape)}")
        elif wanted[name].is_floating_point() != tensor.is_floating_point():
            problems.append(f"{name} is {tensor.dtype} instead of {wanted[name].dtype}")
        elif not torch.isfinite(tensor).all():
            problems.append(f"{name} holds values that are not finite")
    if problems:
        shown = "; ".join(problems[:8]) + ("; ..." if len(problems) > 8 else "")
        raise WeightsError(f"weights file {source} does not fit this network, {len(problems)} differences: {shown}")
    model.load_state_dict(tensors)


def save_weights(model: P3MNet, path: str | PathLike[str]) -> None:
    """Write a network's weights as safetensors: one-dimensional tensors in float32, all others in float16.

    The file also contains the batch-norm counters (int64), which inference never reads, so that loading can be strict.
    An existing file is replaced in one step.

    Args:
        model: the network.
        path: the file, with suffix ``.safetensors``.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        half = tensor.is_floating_point() and tensor.ndim > 1
        tensors[name] = tensor.detach().to("cpu", torch.float16 if half else tensor.dtype).contiguous()
    write_whole(Path(path), save(tensors))
