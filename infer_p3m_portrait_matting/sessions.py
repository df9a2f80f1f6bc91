"""Loaded models, shared by all tasks of a process, and which one stands in for what is not there."""

import logging
import threading
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from .p3m import CACHE_VARIABLE, PortraitMatting, expected_weights, find_weights
from .settings import Settings

logger = logging.getLogger(__package__)

#: What runs when the weights of another model are missing: its own ship with the plugin.
FALLBACK_MODEL = "mobile"

_lock = threading.Lock()
# Weak: a model leaves memory with the last task that uses it.
_loaded: WeakValueDictionary[tuple, PortraitMatting] = WeakValueDictionary()


def open_session(settings: Settings) -> PortraitMatting:
    """Get the loaded model for some settings: loaded once per (model, weights file, device) while in use.

    What cannot be had is replaced, with one WARNING each: a GPU by the CPU, a missing published checkpoint by the
    bundled model. A weights file that was asked for by name is never replaced.

    Raises:
        FileNotFoundError: ``model_weight_file`` does not exist.
        WeightsError: the weights cannot be used.
    """
    device = _device(settings)
    model_name, weights = _weights(settings)
    if not weights.is_file():
        raise FileNotFoundError(f"model_weight_file {weights} does not exist: correct the path or leave it empty")
    stat = weights.stat()
    key = (model_name, str(weights.resolve()), stat.st_mtime_ns, stat.st_size, device)
    with _lock:
        session = _loaded.get(key)
        if session is None:
            session = _loaded[key] = PortraitMatting(model_name, device, weights)
    return session


def _device(settings: Settings) -> str:
    if not settings.cuda:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    logger.warning(
        'infer_p3m_portrait_matting: cuda is "True" but PyTorch finds no NVIDIA GPU here: running on the CPU'
    )
    return "cpu"


def _weights(settings: Settings) -> tuple[str, Path]:
    asked = settings.weights_path()
    if asked is not None:
        return settings.model_name, asked
    found = find_weights(settings.model_name)
    if found is not None:
        return settings.model_name, found
    bundled = find_weights(FALLBACK_MODEL)
    if bundled is None:
        raise FileNotFoundError(
            f"the weights of {settings.model_name!r} are not at {expected_weights(settings.model_name)}, and the "
            f"bundled {expected_weights(FALLBACK_MODEL)} is missing too: reinstall the plugin"
        )
    logger.warning(
        "infer_p3m_portrait_matting: the published weights of %r are not here: put them at %s (or name their folder "
        "by the environment variable %s, or the file by model_weight_file). Until then the bundled model %r runs "
        "instead, with its own, lower quality",
        settings.model_name,
        expected_weights(settings.model_name),
        CACHE_VARIABLE,
        FALLBACK_MODEL,
    )
    return FALLBACK_MODEL, bundled
