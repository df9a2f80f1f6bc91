"""From a network as trained to the one that inference runs: the same function in fewer passes over memory."""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from .fold import fold_batch_norms
from .model.convolution import ACTIVATIONS, FusedConv2d
from .model.network import P3MNet


class FusedBasicBlock(nn.Module):
    """torchvision's BasicBlock with the shortcut's sum inside the second convolution.

    Args:
        block: a block whose batch norms are folded.
    """

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1 = FusedConv2d(block.conv1, nn.ReLU)
        self.conv2 = FusedConv2d(block.conv2, nn.ReLU)
        self.shortcut = None if block.downsample is None else fuse_convolutions(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        """Transform float [N, C, H, W]; ``x`` may be overwritten."""
        y = self.conv1(x)
        return self.conv2(y, x if self.shortcut is None else self.shortcut(x))


def fuse_convolutions(module: nn.Module) -> nn.Module:
    """Replace every convolution by a fused one, together with the activation that directly follows it.

    All our networks (and torchvision's and timm's blocks) register an activation right behind the convolution, or the
    place of the folded batch norm, whose output it takes.

    Args:
        module: a network in evaluation mode whose batch norms are folded; it is changed.

    Returns:
        The same network, or what takes its place.
    """
    if isinstance(module, BasicBlock):
        return FusedBasicBlock(module)
    if _is_plain(module):
        return FusedConv2d(module)
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if previous and type(child) in ACTIVATIONS and _is_plain(previous[1]):
            setattr(module, previous[0], FusedConv2d(previous[1], type(child)))
            setattr(module, name, nn.Identity())
        else:
            setattr(module, name, fuse_convolutions(child))
        if not isinstance(child, nn.Identity):
            previous = name, child
    return module


def pack_for_cpu(module: nn.Module) -> None:
    """Lay out the weights of all fused convolutions for oneDNN, where this build of PyTorch has it."""
    if torch.backends.mkldnn.is_available():
        for child in module.modules():
            if isinstance(child, FusedConv2d):
                child.pack()


def prepare_for_inference(model: P3MNet, device: torch.device, dtype: torch.dtype) -> P3MNet:
    """Turn a network as trained into the one that inference runs.

    Batch norms are folded, convolutions fused, weights brought to ``dtype`` and laid out for the device, all once. In
    half precision, what small differences decide stays in float32: the segmentation's head, the encoder's ``EXACT``
    children, and constants.

    Args:
        model: the network; it is changed.
        device: where it will run.
        dtype: torch.float32, torch.bfloat16 or torch.float16.

    Returns:
        The same network, in evaluation mode and without gradients.
    """
    fuse_convolutions(fold_batch_norms(model.eval()))
    model.eval().requires_grad_(False)
    exact = ("segmentation.head.", *(f"encoder.{name}." for name in model.encoder.EXACT))
    for name, parameter in model.named_parameters():
        if not name.startswith(exact):
            parameter.data = parameter.data.to(dtype)
    model.segmentation.exact_head = dtype != torch.float32
    model.dtype = dtype
    model = model.to(device, memory_format=torch.channels_last)
    if device.type == "cpu":
        pack_for_cpu(model)
    return model


def _is_plain(module: nn.Module) -> bool:
    # Subclasses (timm's "same" padding) do more than their fields say.
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
