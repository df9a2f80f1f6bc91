"""Fetch, load and save weights files."""

import io
import re
import zipfile
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import WeightsError, shown
from ..files.write import write_whole
from ..model.network import P3MNet
from ..model.registry import create_model, get_variant
from . import places
from .content import read_content, refuse_other_digest
from .download import download
from .published import layout_digest, rename_published


class Checkpoint(NamedTuple):
    """The content of a weights file.

    Attributes:
        sha256: of the file, in hexadecimal digits.
        layout: the :func:`~.published.layout_digest` of the tensors under the names in the file.
        tensors: the tensors on the CPU, by our names; :func:`differences` tells whether they fit a network.
    """

    sha256: str
    layout: str
    tensors: dict[str, Tensor]


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

    target = places.cache_folder() / file

    def check(path: Path) -> None:
        content = path.read_bytes()
        refuse_other_digest(content, target)
        published = _checkpoint(content, target)
        fill(create_model(name), rename_published(published, target), target)
        # fill() ignores repeated and unused tensors; the published file has all of them, in float32.
        if layout_digest(published) != variant.published_layout:
            raise WeightsError(f"weights file {target} differs from the published one in its keys, shapes or dtypes")

    return download(f"{base_url.rstrip('/')}/{file}", target, check)


def load_weights(model: P3MNet, path: str | PathLike[str]) -> None:
    """Load a network's weights from a ``.safetensors`` file of :func:`save_weights` or from a published checkpoint.

    Every tensor in the file must be used or known to be unused, and every tensor of the network must be filled. No
    checkpoint contains the Performer features of "vitae-s"; the network keeps its own. Code in the file never runs.

    Args:
        model: the network. If loading fails, it stays as it was.
        path: the file; a checkpoint holds a state_dict, either at the top or under the key "state_dict", with or
            without a ``module.`` prefix on its keys.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is unreadable, unsafe or of another network, or it changed since it was downloaded.
    """
    fill(model, read_weights(path), path)


def read_weights(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file or of a published checkpoint.

    Args:
        path: the file.

    Returns:
        The tensors on the CPU, by our names; :func:`fill` checks whether they fit a network.

    Raises:
        FileNotFoundError, WeightsError: as :func:`load_weights`.
    """
    return read_checkpoint(path).tensors


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Read the tensors of a ``.safetensors`` file or of a published checkpoint, with the digests that identify it.

    Raises:
        FileNotFoundError, WeightsError: as :func:`load_weights`.
    """
    path = Path(path)
    content, digest = read_content(path)
    if path.suffix.lower() != ".safetensors":
        published = _checkpoint(content, path)
        return Checkpoint(digest, layout_digest(published), rename_published(published, path))
    try:
        tensors = load(content)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(f"weights file {path} cannot be read; it may be truncated: {_first_line(error)}") from error
    return Checkpoint(digest, layout_digest(tensors), tensors)


def _checkpoint(content: bytes, path: Path) -> dict[str, Tensor]:
    _refuse_bomb(content, path)
    size = len(content)
    try:
        content = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # The message is ours, because PyTorch's advises the user to load the file all the same.
        named = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        raise WeightsError(
            f"weights file {path} is not a plain PyTorch checkpoint of tensors, and anything else is refused because "
            f"it could run code{f': it names {shown(named[1])}' if named else ''}"
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
    _refuse_repeated(content, path, size)
    return content


def _refuse_repeated(tensors: dict[str, Tensor], path: Path, size: int) -> None:
    """Refuse tensors that share the same bytes many times: a small file would keep the processor busy for long."""
    shown_bytes = sum(t.numel() * t.element_size() for t in tensors.values() if t.layout == torch.strided)
    # The published files name some layers twice.
    if shown_bytes > 4 * size:
        raise WeightsError(
            f"weights file {path} has {size:,} bytes and repeats them as {shown_bytes:,} bytes of tensors, which no "
            "checkpoint of these networks does: it is refused"
        )


def _refuse_bomb(content: bytes, path: Path) -> None:
    """Refuse an archive whose directory says that it grows when unpacked: PyTorch never compresses."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"weights file {path} cannot be read; it may be truncated, so fetch it again") from error
    if size > len(content):
        raise WeightsError(
            f"weights file {path} would grow from {len(content):,} to {size:,} bytes when it is unpacked, which no "
            "PyTorch checkpoint does: it is refused"
        )


def _first_line(error: Exception) -> str:
    # Some errors have no text.
    return shown((str(error).splitlines() or [type(error).__name__])[0])


def fill(model: P3MNet, tensors: dict[str, Tensor], source: str | PathLike[str]) -> None:
    """Load a complete state_dict into a network, or leave the network as it is.

    Args:
        model: the network.
        tensors: tensors by our names, of the network's shapes; floating-point values of any precision are cast.
        source: the file of the tensors, for the message.

    Raises:
        WeightsError: names or shapes differ, or a value is not finite; the message lists the difference.
    """
    wanted = model.state_dict()
    problems = differences(wanted, tensors)
    if problems:
        listed = "; ".join(problems[:8]) + ("; ..." if len(problems) > 8 else "")
        raise WeightsError(f"weights file {source} does not fit this network, {len(problems)} differences: {listed}")
    # One tensor at a time, so that no second copy of the network is in memory.
    for name, tensor in wanted.items():
        tensor.copy_(tensors[name])


def differences(wanted: dict[str, Tensor], tensors: dict[str, Tensor]) -> list[str]:
    """Compare tensors with those of a network.

    Args:
        wanted: the network's state_dict, which may lie on the device "meta": its values do not count.
        tensors: tensors by our names, as :func:`fill` takes them.

    Returns:
        One phrase for each tensor that is missing, unknown, of another shape or kind, or not finite; none if all fit.
    """
    problems = [f"missing {name}" for name in wanted if name not in tensors]
    problems += [f"unknown {shown(name)}" for name in tensors if name not in wanted]
    for name, tensor in tensors.items():
        if name not in wanted:
            continue
        if wanted[name].shape != tensor.shape:
            problems.append(f"{name} is {list(tensor.shape)} instead of {list(wanted[name].shape)}")
        elif wanted[name].is_floating_point() != tensor.is_floating_point() or tensor.is_quantized:
            problems.append(f"{name} is {tensor.dtype} instead of {wanted[name].dtype}")
        elif tensor.is_meta or tensor.layout != torch.strided:
            problems.append(f"{name} is a {'meta' if tensor.is_meta else 'sparse'} tensor instead of a plain one")
        # Check the values after the cast: 1e300 is finite in float64 and infinite in float32.
        elif not torch.isfinite(tensor.to(wanted[name].dtype)).all():
            problems.append(f"{name} holds values that are not finite in {wanted[name].dtype}")
    return problems


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
