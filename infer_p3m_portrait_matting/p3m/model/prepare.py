"""Prepare a trained network for inference: the same function with fewer passes over memory."""

import ctypes
from contextlib import suppress
from typing import TypeGuard

import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock

from .encoders.features import Features
from .in_strips import compute_in_strips
from .kernels.convolution import ACTIVATIONS, FusedConv2d
from .kernels.efficientnet import cut_into_strips
from .kernels.linear import FusedLinear
from .network import P3MNet


class FusedBasicBlock(nn.Module):
    """torchvision's BasicBlock, with the shortcut added inside the second convolution.

    Args:
        block: a block whose batch norms are folded.
    """

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1 = FusedConv2d(block.conv1, nn.ReLU)
        self.conv2 = FusedConv2d(block.conv2, nn.ReLU)
        self.shortcut = None if block.downsample is None else fuse_layers(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        """Transform float [N, C, H, W]; ``x`` may be overwritten."""
        x = x.to(self.conv1.weight.dtype)
        y = self.conv1(x)
        return self.conv2(y, x if self.shortcut is None else self.shortcut(x))


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every BatchNorm2d that directly follows a Conv2d among its parent's children.

    Our networks, like the blocks of torchvision and timm, register a normalisation right after the convolution whose
    output it takes. Results change by rounding only.

    Args:
        module: a network in evaluation mode; it is changed in place.

    Returns:
        The same network.
    """
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous and _folds_into(previous[1], child):
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            # timm's BatchNormAct2d contains its activation.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norms(child)
        previous = name, child
    return module


def fuse_layers(module: nn.Module) -> nn.Module:
    """Replace every convolution and every linear layer by a fused one, together with the activation that follows it.

    Our networks, like the blocks of torchvision and timm, register an activation right after the layer (or the folded
    batch norm) whose output it takes.

    Args:
        module: a network in evaluation mode whose batch norms are folded; it is changed in place.

    Returns:
        The same network, or the module that replaces it.
    """
    if isinstance(module, BasicBlock):
        return FusedBasicBlock(module)
    if (fused := _fused(module)) is not None:
        return fused
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if previous and (fused := _fused(previous[1], child)) is not None:
            setattr(module, previous[0], fused)
            setattr(module, name, nn.Identity())
        else:
            setattr(module, name, fuse_layers(child))
        if not isinstance(child, nn.Identity):
            previous = name, child
    return module


def pack_for_cpu(module: nn.Module) -> None:
    """Lay out the weights of all fused layers for oneDNN, where this build of PyTorch has it."""
    if torch.backends.mkldnn.is_available():
        cut_into_strips(module)
        compute_in_strips(module)
        for child in module.modules():
            if isinstance(child, (FusedConv2d, FusedLinear)):
                child.pack()


def prepare_for_inference(
    model: P3MNet, device: torch.device, dtype: torch.dtype, exact: tuple[str, ...] = ()
) -> P3MNet:
    """Turn a trained network into the one that inference runs.

    Batch norms are folded, convolutions fused, weights are cast to ``dtype`` and laid out for the device, all once. In
    half precision, the parts that are sensitive to rounding stay in float32: the head of the segmentation, the
    ``exact`` modules, and constants.

    Args:
        model: the network; it is changed in place.
        device: device of the network.
        dtype: torch.float32, torch.bfloat16 or torch.float16.
        exact: names of modules that stay in float32 (:class:`~.registry.Variant`).

    Returns:
        The same network, in evaluation mode and without gradients.
    """
    fuse_layers(fold_batch_norms(model.eval()))
    model.requires_grad_(False)
    prefixes = tuple(f"{name}." for name in ("segmentation.head", *exact))
    for name, parameter in model.named_parameters():
        if not name.startswith(prefixes):
            parameter.data = parameter.data.to(dtype)
    model.dtype = dtype
    if dtype != torch.float32:
        _cast_between_modules(model, dtype)
    model = model.to(device).to(memory_format=torch.channels_last)
    if device.type == "cpu":
        pack_for_cpu(model)
        _give_back_memory()
    return model.eval()


def _cast_between_modules(model: P3MNet, dtype: torch.dtype) -> None:
    """Cast maps where a module needs another number format; fused layers cast their inputs themselves."""

    def encoded(_: nn.Module, __: tuple, f: Features) -> Features:
        e0, pooled = (None if x is None else x.to(dtype) for x in (f.e0, f.e0_pooled))
        e0p, e1, e2, e3 = (x.to(dtype) for x in (f.e0p, f.e1, f.e2, f.e3))
        return Features(e0, e0p, e1, e2, e3, f.e4, f.indices, f.overlapping, pooled)

    def before_matting(_: nn.Module, inputs: tuple) -> tuple:
        features, pyramid, *wanted = inputs
        return features, tuple(x.to(dtype) for x in pyramid), *wanted

    def before_norm(norm: nn.Module, inputs: tuple) -> tuple:
        return (inputs[0].to(norm.weight.dtype),)

    model.encoder.register_forward_hook(encoded)
    model.matting.register_forward_pre_hook(before_matting)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_pre_hook(before_norm)


def _give_back_memory() -> None:
    """Return the memory of copied weights to the system: glibc would keep it (other C libraries have no such call)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _fused(layer: nn.Module, activation: nn.Module | None = None) -> nn.Module | None:
    """Fuse a layer with the activation after it; None if the layer or the activation cannot be fused."""
    kind = None if activation is None else type(activation)
    # A subclass may do more than its fields say, so the type must be exact.
    if type(layer) is nn.Linear and (activation is None or (kind is nn.GELU and activation.approximate == "none")):
        return FusedLinear(layer, gelu=kind is nn.GELU)
    if _is_fusible(layer) and (kind is None or kind in ACTIVATIONS):
        return FusedConv2d(layer, kind)
    return None


def _folds_into(convolution: nn.Module, norm: nn.BatchNorm2d) -> TypeGuard[nn.Conv2d]:
    return isinstance(convolution, nn.Conv2d) and convolution.out_channels == norm.num_features


def _is_fusible(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    known = type(module) in (nn.Conv2d, Conv2dSame)
    return known and module.padding_mode == "zeros" and not isinstance(module.padding, str)
