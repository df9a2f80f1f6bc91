"""P3M-Net, without Ikomia: arrays or tensors in, arrays or tensors out."""

from .errors import WeightsError
from .network import BACKGROUND, FOREGROUND, IMAGENET_MEAN, IMAGENET_STD, UNKNOWN, P3MNet, P3MOutput, fuse
from .preprocess import normalize
from .published import load_published_checkpoint
from .registry import create_model, list_models
from .weights import load_weights, save_weights
