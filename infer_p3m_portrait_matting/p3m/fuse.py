"""Convolutions that add their bias, a second map and an activation in one kernel: fewer passes over memory.

A network is fused for inference alone, after its batch norms are folded. The numbers change by rounding alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from .fold import fold_batch_norms

#: Activations: what oneDNN calls them, its scalars, and the same in place on a tensor.
_ACTIVATIONS = {
    nn.ReLU: ("relu", [], torch.relu_),
    nn.ReLU6: ("hardtanh", [0.0, 6.0], lambda x: x.clamp_(0, 6)),
    nn.SiLU: ("swish", [], lambda x: F.silu(x, inplace=True)),
}
_NO_ACTIVATION = ("none", [], lambda x: x)


class FusedConv2d(nn.Module):
    """A Conv2d with zero padding, followed by an activation.

    oneDNN does all of it in one kernel on a CPU, with weights laid out once; cuDNN does where the activation is ReLU
    and the channels fit its tensor cores. Elsewhere the same happens in steps.

    Args:
        convolution: the convolution; its tensors are shared, not copied.
        activation: nn.ReLU, nn.ReLU6, nn.SiLU or None.
    """

    #: Whether cuDNN may fuse; the benchmarks switch it off to compare.
    fuse_on_cuda = True

    def __init__(self, convolution: nn.Conv2d, activation: type[nn.Module] | None = None) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.activation = activation
        self._shape = convolution.stride, convolution.padding, convolution.dilation, convolution.groups
        self._packed: Tensor | None = None
        self._for_tensor_cores = (
            convolution.groups == 1 and convolution.in_channels % 8 == 0 and convolution.out_channels % 8 == 0
        )

    def pack(self) -> None:
        """Lay the weights out for oneDNN, once and for all; the module then stays on the CPU."""
        stride, padding, dilation, groups = self._shape
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, padding, stride, dilation, groups)
        # The shape and dtype stay readable, the memory goes.
        self.weight = nn.Parameter(self.weight.to("meta"), requires_grad=False)

    def forward(self, x: Tensor, plus: Tensor | None = None, relu: bool = False) -> Tensor:
        """Convolve, add ``plus`` (which may be overwritten), then apply the activation (ReLU if ``relu``)."""
        activation = nn.ReLU if relu else self.activation
        if self._packed is not None:
            return self._onednn(x, plus, activation)
        if activation is nn.ReLU and self._cudnn_can(x):
            return self._cudnn(x, plus)
        stride, padding, dilation, groups = self._shape
        x = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        if plus is not None:
            x += plus
        return _ACTIVATIONS.get(activation, _NO_ACTIVATION)[2](x)

    def _onednn(self, x: Tensor, plus: Tensor | None, activation: type[nn.Module] | None) -> Tensor:
        stride, padding, dilation, groups = self._shape
        name, scalars, _ = _ACTIVATIONS.get(activation, _NO_ACTIVATION)
        shape = self._packed, self.bias, padding, stride, dilation, groups
        if plus is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *shape, name, scalars, "")
        unary = None if name == "none" else name
        return torch.ops.mkldnn._convolution_pointwise_.binary(plus, x, *shape, "add", 1.0, unary, scalars, "")

    def _cudnn_can(self, x: Tensor) -> bool:
        half = x.dtype in (torch.float16, torch.bfloat16)
        return x.is_cuda and half and self._for_tensor_cores and self.fuse_on_cuda and torch.backends.cudnn.enabled

    def _cudnn(self, x: Tensor, plus: Tensor | None) -> Tensor:
        if plus is None:
            return torch.cudnn_convolution_relu(x, self.weight, self.bias, *self._shape)
        return torch.cudnn_convolution_add_relu(x, self.weight, plus, 1.0, self.bias, *self._shape)


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


def conv_relu(convolution: nn.Module, x: Tensor) -> Tensor:
    """Convolve and apply ReLU: in one kernel once the network is fused."""
    return convolution(x, relu=True) if isinstance(convolution, FusedConv2d) else convolution(x).relu_()


def match(x: Tensor, module: nn.Module) -> Tensor:
    """Bring a feature map to the dtype of the module that takes it."""
    return x.to(next(module.parameters()).dtype)


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
        if previous and type(child) in _ACTIVATIONS and _is_plain(previous[1]):
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


def prepare_for_inference(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Turn a network as trained into the one that inference runs.

    Batch norms are folded, convolutions fused, weights brought to ``dtype`` and laid out for the device, all once. In
    half precision, what small differences decide stays in float32: the segmentation's head, the encoder's ``EXACT``
    children, and constants.

    Args:
        model: a P3M-Net; it is changed.
        device: where it will run.
        dtype: torch.float32, torch.bfloat16 or torch.float16.

    Returns:
        The same network, in evaluation mode and without gradients.
    """
    model = fuse_convolutions(fold_batch_norms(model.eval())).eval().requires_grad_(False)
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
