"""P3M-Net, without Ikomia: arrays or tensors in, arrays or tensors out. The public names of the core are all here.

Names that need torch or OpenCV are imported at their first use: the command line starts in a fraction of the time.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import DownloadError, MissingPackageError, WeightsError
from .faces.names import OBFUSCATIONS
from .imaging.boxes import Box, parse_box
from .inference.names import METHODS, PRECISIONS
from .model.registry import create_model, list_models
from .version import __version__

if TYPE_CHECKING:
    from .arrays import to_uint8
    from .checkpoints.places import find_weights
    from .checkpoints.weights import fetch_weights, load_weights, save_weights
    from .faces.detect import Face, find_faces
    from .faces.hide import hide_faces
    from .faces.track import FaceTracker
    from .files.photos import Photo, load_photo
    from .imaging.adjust import adjust
    from .imaging.backgrounds import blurred_background, crop_to_fill
    from .imaging.compositing import composite, cutout
    from .imaging.foreground import estimate_foreground
    from .imaging.guide import Guide, trimap_of_mask
    from .imaging.named_colors import parse_color
    from .imaging.subject import has_person, matte_person, person_window
    from .imaging.temporal import TemporalFilter
    from .inference.portrait_matting import PortraitMatting
    from .metrics import score, trimap_of
    from .model.network import P3MNet, normalize

__all__ = [
    "METHODS",
    "OBFUSCATIONS",
    "PRECISIONS",
    "Box",
    "DownloadError",
    "Face",
    "FaceTracker",
    "Guide",
    "MissingPackageError",
    "P3MNet",
    "Photo",
    "PortraitMatting",
    "TemporalFilter",
    "WeightsError",
    "__version__",
    "adjust",
    "blurred_background",
    "composite",
    "create_model",
    "crop_to_fill",
    "cutout",
    "estimate_foreground",
    "fetch_weights",
    "find_faces",
    "find_weights",
    "has_person",
    "hide_faces",
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
    "to_uint8",
    "trimap_of",
    "trimap_of_mask",
]

#: What is imported at its first use, by module: the imports above, for Python itself.
_LATER = {
    ".arrays": ("to_uint8",),
    ".checkpoints.places": ("find_weights",),
    ".checkpoints.weights": ("fetch_weights", "load_weights", "save_weights"),
    ".faces.detect": ("Face", "find_faces"),
    ".faces.hide": ("hide_faces",),
    ".faces.track": ("FaceTracker",),
    ".files.photos": ("Photo", "load_photo"),
    ".imaging.adjust": ("adjust",),
    ".imaging.backgrounds": ("blurred_background", "crop_to_fill"),
    ".imaging.compositing": ("composite", "cutout"),
    ".imaging.foreground": ("estimate_foreground",),
    ".imaging.guide": ("Guide", "trimap_of_mask"),
    ".imaging.named_colors": ("parse_color",),
    ".imaging.subject": ("has_person", "matte_person", "person_window"),
    ".imaging.temporal": ("TemporalFilter",),
    ".inference.portrait_matting": ("PortraitMatting",),
    ".metrics": ("score", "trimap_of"),
    ".model.network": ("P3MNet", "normalize"),
}

#: Names that version 2.0 made public here, and what to import instead.
_FORMER = {
    "BACKGROUND": ".model.channels.BACKGROUND",
    "CACHE_VARIABLE": ".checkpoints.places.CACHE_VARIABLE",
    "FOREGROUND": ".model.channels.FOREGROUND",
    "IMAGENET_MEAN": ".model.channels.IMAGENET_MEAN",
    "IMAGENET_STD": ".model.channels.IMAGENET_STD",
    "P3MOutput": ".model.network.P3MOutput",
    "Scores": ".metrics.Scores",
    "UNKNOWN": ".model.channels.UNKNOWN",
    "body_box": ".imaging.subject.body_box",
    "cache_folder": ".checkpoints.places.cache_folder",
    "connectivity_error": ".metrics.connectivity_error",
    "despeckle_matte": ".imaging.adjust.despeckle_matte",
    "expected_weights": ".checkpoints.places.expected_weights",
    "face_area": ".faces.hide.face_area",
    "feather_matte": ".imaging.adjust.feather_matte",
    "fuse": ".model.network.fuse",
    "gradient_error": ".metrics.gradient_error",
    "invert_matte": ".imaging.adjust.invert_matte",
    "keep_person": ".imaging.subject.keep_person",
    "load_published_checkpoint": ".checkpoints.weights.load_weights",
    "shift_matte": ".imaging.adjust.shift_matte",
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use, or one that stands elsewhere now (PEP 562)."""
    for module, names in _LATER.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module, __name__), name)
            return value
    if name in _FORMER:
        module, _, now = _FORMER[name].rpartition(".")
        message = f"version 3.0 removes {__name__}.{name}: import {now} from {__name__}{module} instead"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(import_module(module, __name__), now)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
