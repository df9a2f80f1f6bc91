"""A convolution that applies its bias, a second map and an activation in one kernel, with fewer passes over memory."""

from collections.abc import Callable
from typing import cast

import torch
from timm.layers import Conv2dSame, pad_same
from torch import Tensor, nn
from torch.nn import functional as F

_Activation = tuple[str, list[float], Callable[[Tensor], Tensor]]

#: Activations: their names and scalars in oneDNN, and the same function in place on a tensor.
ACTIVATIONS: dict[type[nn.Module] | None, _Activation] = {
    nn.ReLU: ("relu", [], torch.relu_),
    nn.ReLU6: ("hardtanh", [0.0, 6.0], lambda x: x.clamp_(0, 6)),
    nn.SiLU: ("swish", [], lambda x: F.silu(x, inplace=True)),
}
_NO_ACTIVATION: _Activation = ("none", [], lambda x: x)

#: For a map of fewer pixels, a 1 x 1 convolution with many weights is a plain matrix product: oneDNN may lay out
#: all the weights anew in every run, which takes up to 30 times as long as the convolution.
_FEW_PIXELS = 1024
#: From this number on, weights are "many".
_MANY_WEIGHTS = 2**16


class FusedConv2d(nn.Module):
    """A Conv2d with zero padding (or timm's "same" padding), followed by an activation.

    On a CPU, oneDNN does everything in one kernel, with weights laid out once. cuDNN does the same if the activation is
    ReLU and the channels fit its tensor cores. Elsewhere the steps follow one another.

    Args:
        convolution: the convolution; its tensors are shared, not copied.
        activation: nn.ReLU, nn.ReLU6, nn.SiLU or None.
    """

    #: Whether cuDNN may fuse; the benchmarks try both.
    fuse_on_cuda = False

    def __init__(self, convolution: nn.Conv2d, activation: type[nn.Module] | None = None) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.activation = activation
        self.stride = convolution.stride
        self._shape = convolution.stride, convolution.padding, convolution.dilation, convolution.groups
        self._same = isinstance(convolution, Conv2dSame)
        self._packed: Tensor | None = None
        self._matrix: Tensor | None = None
        self._for_tensor_cores = (
            convolution.groups == 1 and convolution.in_channels % 8 == 0 and convolution.out_channels % 8 == 0
        )

    def pack(self) -> None:
        """Lay the weights out for oneDNN. The module can then no longer leave the CPU."""
        stride, padding, dilation, groups = self._shape
        plain = self.weight.shape[2:] == (1, 1) and stride == (1, 1) and groups == 1
        if plain and self.weight.numel() > _MANY_WEIGHTS:
            self._matrix = self.weight.detach().flatten(1).contiguous()
        # The exact size of the maps matters little, but without any size the layout may suit none.
        size = [1, self.weight.shape[1] * groups, 256, 256]
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, padding, stride, dilation, groups, size
        )
        # The shape and dtype stay readable; the memory is freed.
        self.weight = nn.Parameter(self.weight.to("meta"), requires_grad=False)

    def forward(
        self, x: Tensor, plus: Tensor | None = None, relu: bool = False, padding: tuple[int, int] | None = None
    ) -> Tensor:
        """Convolve, add ``plus``, then apply the activation.

        Args:
            x: float [N, C, H, W]; it is cast to the dtype of the weights.
            plus: a map of that dtype to add before the activation; it may be overwritten.
            relu: whether to apply ReLU instead of the module's own activation.
            padding: rows and columns of zeros around ``x``, instead of the convolution's own.
        """
        x = x.to(self.weight.dtype)
        activation = nn.ReLU if relu else self.activation
        stride, own_padding, dilation, groups = self._shape
        if padding is None:
            padding = cast("tuple[int, int]", own_padding)
            if self._same:
                x = pad_same(x, list(self.weight.shape[2:]), list(stride), list(dilation))
        if self._matrix is not None and x.shape[2] * x.shape[3] < _FEW_PIXELS:
            x = F.linear(x.permute(0, 2, 3, 1), self._matrix, self.bias).permute(0, 3, 1, 2)
        elif self._packed is not None:
            return self._onednn(x, plus, activation, padding)
        elif activation is nn.ReLU and self._cudnn_can(x):
            return self._cudnn(x, plus, padding)
        else:
            x = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        if plus is not None:
            x += plus
        return ACTIVATIONS.get(activation, _NO_ACTIVATION)[2](x)

    def _onednn(
        self, x: Tensor, plus: Tensor | None, activation: type[nn.Module] | None, padding: tuple[int, int]
    ) -> Tensor:
        stride, _, dilation, groups = self._shape
        name, scalars, _ = ACTIVATIONS.get(activation, _NO_ACTIVATION)
        shape = self._packed, self.bias, padding, stride, dilation, groups
        if plus is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *shape, name, scalars, "")
        if activation not in (None, nn.ReLU):
            # With a sum, oneDNN's kernel supports no other activation.
            return ACTIVATIONS[activation][2](self._onednn(x, None, None, padding).add_(plus))
        unary = None if name == "none" else name
        return torch.ops.mkldnn._convolution_pointwise_.binary(plus, x, *shape, "add", 1.0, unary, scalars, "")

    def _cudnn_can(self, x: Tensor) -> bool:
        half = x.dtype in (torch.float16, torch.bfloat16)
        return x.is_cuda and half and self._for_tensor_cores and self.fuse_on_cuda and torch.backends.cudnn.enabled

    def _cudnn(self, x: Tensor, plus: Tensor | None, padding: tuple[int, int]) -> Tensor:
        stride, _, dilation, groups = self._shape
        shape = stride, padding, dilation, groups
        if plus is None:
            return torch.cudnn_convolution_relu(x, self.weight, self.bias, *shape)
        return torch.cudnn_convolution_add_relu(x, self.weight, plus, 1.0, self.bias, *shape)


def conv_relu(convolution: nn.Module, x: Tensor) -> Tensor:
    """Convolve and apply ReLU, in one kernel if the network is fused."""
    return convolution(x, relu=True) if isinstance(convolution, FusedConv2d) else convolution(x).relu_()
