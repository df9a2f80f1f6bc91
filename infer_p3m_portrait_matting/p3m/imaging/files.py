"""The former place of :mod:`..files.read`, which older documents named; version 3.0 removes it."""

import warnings

from ..files import read
from ..files.read import SUFFIXES, list_images, read_grey, read_matte, read_rgb, read_rgba

__all__ = ["SUFFIXES", "list_images", "read_grey", "read_matte", "read_rgb", "read_rgba"]

warnings.warn(f"version 3.0 removes {__name__}: import from {read.__name__} instead", DeprecationWarning, stacklevel=2)
