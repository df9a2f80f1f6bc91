"""P3M-Net, without Ikomia: arrays or tensors in, arrays or tensors out."""

from .anonymize import OBFUSCATIONS, face_area, hide_faces
from .backgrounds import blurred_background, crop_to_fill
from .compositing import composite, cutout, parse_color, to_uint8
from .errors import DownloadError, MissingPackageError, WeightsError
from .faces import Face, find_faces
from .foreground import estimate_foreground
from .inference import METHODS, PortraitMatting
from .metrics import Scores, connectivity_error, gradient_error, score, trimap_of
from .network import BACKGROUND, FOREGROUND, IMAGENET_MEAN, IMAGENET_STD, UNKNOWN, P3MNet, P3MOutput, fuse
from .preprocess import normalize
from .published import load_published_checkpoint
from .registry import create_model, list_models
from .temporal import TemporalFilter
from .weights import (
    CACHE_VARIABLE,
    cache_folder,
    expected_weights,
    fetch_weights,
    find_weights,
    load_weights,
    save_weights,
)

__all__ = [
    "BACKGROUND",
    "CACHE_VARIABLE",
    "FOREGROUND",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "METHODS",
    "OBFUSCATIONS",
    "UNKNOWN",
    "DownloadError",
    "Face",
    "MissingPackageError",
    "P3MNet",
    "P3MOutput",
    "PortraitMatting",
    "Scores",
    "TemporalFilter",
    "WeightsError",
    "blurred_background",
    "cache_folder",
    "composite",
    "connectivity_error",
    "create_model",
    "crop_to_fill",
    "cutout",
    "estimate_foreground",
    "expected_weights",
    "face_area",
    "fetch_weights",
    "find_faces",
    "find_weights",
    "fuse",
    "gradient_error",
    "hide_faces",
    "list_models",
    "load_published_checkpoint",
    "load_weights",
    "normalize",
    "parse_color",
    "save_weights",
    "score",
    "to_uint8",
    "trimap_of",
]
