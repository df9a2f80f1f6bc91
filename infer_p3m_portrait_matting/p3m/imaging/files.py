"""The former place of :mod:`..files.read`, which older documents named; use that."""

from ..files.read import SUFFIXES, list_images, read_grey, read_matte, read_rgb, read_rgba

__all__ = ["SUFFIXES", "list_images", "read_grey", "read_matte", "read_rgb", "read_rgba"]
