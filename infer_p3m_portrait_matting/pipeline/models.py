"""Load models, share them among all tasks of a process, and substitute what is missing."""

import threading
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import torch

from ..p3m import DownloadError, PortraitMatting, fetch_weights, find_weights
from ..p3m.checkpoints.places import CACHE_VARIABLE, expected_weights
from ..p3m.errors import shown
from ..p3m.files.paths import trouble_with, version_of
from ..p3m.inference.precision import trouble_with_gpu
from .settings import Settings

#: What runs when the weights of another model are missing: its own ship with the plugin.
FALLBACK_MODEL = "mobile"

#: The guide that says where published weights come from.
GUIDE = "https://github.com/Ikomia-hub/infer_p3m_portrait_matting/blob/main/docs/weights.md"

_lock = threading.Lock()
# Weak: a model leaves memory with the last task that uses it.
_loaded: WeakValueDictionary[tuple, PortraitMatting] = WeakValueDictionary()


class Substitute(NamedTuple):
    """What runs in place of something that is missing.

    Attributes:
        text: what runs instead, and why.
        warning: the same in one line; "" if nobody asked for the missing thing by name.
    """

    text: str
    warning: str


class Opened(NamedTuple):
    """A loaded model, and what runs in place of missing things.

    Attributes:
        model: the model.
        substitutes: what is missing ("cuda", "weights of resnet34") -> what runs instead.
    """

    model: PortraitMatting
    substitutes: dict[str, Substitute]


def open_model(settings: Settings, base_url: str | None = None) -> Opened:
    """Get the loaded model for some settings: loaded once per (model, weights file, device, precision) while in use.

    Weights are looked for in this order: ``model_weight_file``, the cache folder, ``base_url``, the bundled ones. What
    is missing is replaced: a GPU by the CPU, published weights by the bundled model (unless ``allow_fallback`` is off).
    The file that ``model_weight_file`` names is never replaced.

    Args:
        settings: what is wanted.
        base_url: address of the folder of published checkpoints; None downloads nothing.

    Raises:
        FileNotFoundError: ``model_weight_file`` does not exist, or weights are missing and nothing may replace them.
        WeightsError: the weights cannot be used.
    """
    substitutes: dict[str, Substitute] = {}
    device = "cpu"
    if settings.cuda != "False":
        trouble = "PyTorch finds no NVIDIA GPU here"
        if torch.cuda.is_available():
            reason = trouble_with_gpu(torch.device("cuda"))
            trouble = f"PyTorch cannot compute on this GPU ({reason})" if reason else ""
        if trouble:
            text = f'cuda is "{settings.cuda}" but {trouble}: running on the CPU'
            substitutes["cuda"] = Substitute(text, text if settings.cuda == "True" else "")
        else:
            device = "cuda"
    model_name, weights, missing = _weights(settings, base_url)
    if missing:
        short = f"{model_name} runs: the published weights of {settings.model_name} are not here; see {GUIDE}"
        substitutes[f"weights of {settings.model_name}"] = Substitute(missing, short)
    key = (model_name, *version_of(weights), device, settings.precision)
    with _lock:
        model = _loaded.get(key)
        if model is None:
            model = _loaded[key] = PortraitMatting(model_name, device, weights, precision=settings.precision)
    return Opened(model, substitutes)


def _weights(settings: Settings, base_url: str | None) -> tuple[str, Path, str]:
    """Return the model to run, its weights file, and why it is not the model asked for, or "" if it is."""
    name, asked = settings.model_name, settings.weights_path()
    if asked is not None:
        trouble = trouble_with(asked)
        if trouble:
            raise FileNotFoundError(f"model_weight_file {shown(asked)} {trouble}: correct the path or leave it empty")
        return name, asked, ""
    trouble = ""
    try:
        found = find_weights(name)
        if found is not None:
            return name, found, ""
        place = str(expected_weights(name))
        if base_url is not None and name != FALLBACK_MODEL:
            return name, fetch_weights(name, base_url), ""
    except DownloadError as error:
        trouble = f" ({error})"
    except ValueError as error:
        # The environment variable does not name a valid folder.
        trouble, place = f" ({CACHE_VARIABLE}: {error})", "a folder that is there"
    missing = (
        f"the published weights of {name!r} are not here{trouble}: put them at {place}, or name their "
        f"folder by the environment variable {CACHE_VARIABLE}, or the file by model_weight_file"
    )
    bundled = find_weights(FALLBACK_MODEL)
    if bundled is None:
        raise FileNotFoundError(f"{expected_weights(FALLBACK_MODEL)} is missing: reinstall the plugin")
    if not settings.allow_fallback:
        raise FileNotFoundError(
            f"{missing}; or set allow_fallback to True to run the bundled {FALLBACK_MODEL!r} instead"
        )
    why = f"{missing}. Until then the bundled model {FALLBACK_MODEL!r} runs instead, with its own, lower quality"
    return FALLBACK_MODEL, bundled, why
