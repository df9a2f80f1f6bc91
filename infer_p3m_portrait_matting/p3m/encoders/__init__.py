"""Encoders: ResNet-34, ViTAE-S and the small one of the bundled model, all giving :class:`Features`."""

from .features import Features
from .mobile import MobileEncoder
from .resnet34 import ResNet34Encoder
from .vitae_s import ViTAESEncoder

__all__ = ["Features", "MobileEncoder", "ResNet34Encoder", "ViTAESEncoder"]
