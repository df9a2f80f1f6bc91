"""P3M-Net, without Ikomia: arrays or tensors in, arrays or tensors out. The public names of the core are all here.

Names that need torch are imported at their first use: the rest of the core (``.imaging``) then loads without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .arrays import to_uint8
from .errors import DownloadError, MissingPackageError, WeightsError
from .faces.detect import Face, find_faces
from .faces.hide import OBFUSCATIONS, face_area, hide_faces
from .faces.track import FaceTracker
from .files.photos import Photo, load_photo
from .imaging.adjust import adjust, despeckle_matte, feather_matte, invert_matte, shift_matte
from .imaging.backgrounds import blurred_background, crop_to_fill
from .imaging.compositing import composite, cutout, parse_color
from .imaging.foreground import estimate_foreground
from .imaging.subject import Box, body_box, keep_person, matte_person, parse_box, person_window
from .imaging.temporal import TemporalFilter
from .inference.names import METHODS, PRECISIONS
from .metrics import Scores, connectivity_error, gradient_error, score, trimap_of
from .model.registry import create_model, list_models

if TYPE_CHECKING:
    from .checkpoints.weights import (
        CACHE_VARIABLE,
        cache_folder,
        expected_weights,
        fetch_weights,
        find_weights,
        load_weights,
        save_weights,
    )
    from .inference.portrait_matting import PortraitMatting
    from .inference.preprocess import IMAGENET_MEAN, IMAGENET_STD, normalize
    from .model.network import BACKGROUND, FOREGROUND, UNKNOWN, P3MNet, P3MOutput, fuse

#: The modules that need torch, and what each of them makes public: the imports above, for Python itself.
_WITH_TORCH = {
    ".checkpoints.weights": "CACHE_VARIABLE cache_folder expected_weights fetch_weights find_weights "
    "load_weights save_weights",
    ".inference.portrait_matting": "PortraitMatting",
    ".model.network": "BACKGROUND FOREGROUND UNKNOWN P3MNet P3MOutput fuse",
    ".inference.preprocess": "IMAGENET_MEAN IMAGENET_STD normalize",
}

__all__ = [
    "BACKGROUND",
    "CACHE_VARIABLE",
    "FOREGROUND",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "METHODS",
    "OBFUSCATIONS",
    "PRECISIONS",
    "UNKNOWN",
    "Box",
    "DownloadError",
    "Face",
    "FaceTracker",
    "MissingPackageError",
    "P3MNet",
    "P3MOutput",
    "Photo",
    "PortraitMatting",
    "Scores",
    "TemporalFilter",
    "WeightsError",
    "adjust",
    "blurred_background",
    "body_box",
    "cache_folder",
    "composite",
    "connectivity_error",
    "create_model",
    "crop_to_fill",
    "cutout",
    "despeckle_matte",
    "estimate_foreground",
    "expected_weights",
    "face_area",
    "feather_matte",
    "fetch_weights",
    "find_faces",
    "find_weights",
    "fuse",
    "gradient_error",
    "hide_faces",
    "invert_matte",
    "keep_person",
    "list_models",
    "load_photo",
    "load_weights",
    "matte_person",
    "normalize",
    "parse_box",
    "parse_color",
    "person_window",
    "save_weights",
    "score",
    "shift_matte",
    "to_uint8",
    "trimap_of",
]


def __getattr__(name: str) -> Any:
    """Import a public name that needs torch (PEP 562)."""
    for module, names in _WITH_TORCH.items():
        if name in names.split():
            value = globals()[name] = getattr(import_module(module, __name__), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
