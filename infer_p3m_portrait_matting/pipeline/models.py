"""Load models, share them among all tasks of a process, and substitute what is missing."""

import threading
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from ..p3m import DownloadError, PortraitMatting, find_weights
from ..p3m.checkpoints.places import CACHE_VARIABLE, expected_weights
from ..p3m.errors import shown
from ..p3m.files.paths import trouble_with, version_of
from ..p3m.inference.hardware import missing_for_torch
from ..p3m.inference.runtimes import choose_runtime, trouble_with_cuda
from ..p3m.model.registry import get_variant
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


def open_model(settings: Settings, base_url: str | None = None, few: bool = False) -> Opened:
    """Get the loaded model for some settings: loaded once for each (model, weights file, device, precision, runtime).

    Weights are looked for in this order: ``model_weight_file``, the cache folder, ``base_url``, the bundled ones. What
    is missing is replaced: a GPU by the CPU, published weights by the bundled model (unless ``allow_fallback`` is off).
    The file that ``model_weight_file`` names is never replaced.

    Args:
        settings: what is wanted.
        base_url: address of the folder of published checkpoints; None downloads nothing.
        few: whether only a few photos follow, so that a fast start counts more than speed.

    Raises:
        MissingPackageError: the model needs PyTorch, which is not installed.
        FileNotFoundError: ``model_weight_file`` does not exist, or weights are missing and nothing may replace them.
        WeightsError: the weights cannot be used.
    """
    substitutes: dict[str, Substitute] = {}
    device = "cpu"
    if settings.cuda != "False":
        if trouble := trouble_with_cuda():
            text = f'cuda is "{settings.cuda}" but {trouble}: running on the CPU'
            substitutes["cuda"] = Substitute(text, text if settings.cuda == "True" else "")
        else:
            device = "cuda"
    model_name, weights, missing = _weights(settings, base_url)
    if missing:
        short = f"{model_name} runs: the published weights of {settings.model_name} are not here; see {GUIDE}"
        substitutes[f"weights of {settings.model_name}"] = Substitute(missing, short)
    runtime = choose_runtime(get_variant(model_name), device, weights, settings.precision, few)
    key = (model_name, *version_of(weights), device, settings.precision, runtime)
    with _lock:
        model = _loaded.get(key)
        if model is None:
            model = _loaded[key] = PortraitMatting(model_name, device, weights, settings.precision, runtime)
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
        if base_url is not None and name != FALLBACK_MODEL and not missing_for_torch():
            from ..p3m import fetch_weights

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
