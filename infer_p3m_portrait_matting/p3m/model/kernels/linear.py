"""A linear layer that applies its bias and GELU in one kernel, with fewer passes over memory."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Number of tokens for which oneDNN lays the weights out; the layout also suits any other number.
_TOKENS = 1024


class FusedLinear(nn.Module):
    """A Linear, followed by GELU if requested.

    On a CPU, oneDNN does everything in one kernel, with weights laid out once. Elsewhere the steps follow one another.

    Args:
        linear: the linear layer; its tensors are shared, not copied.
        gelu: whether GELU follows (Hendrycks and Gimpel 2016; exact, by the error function).
    """

    def __init__(self, linear: nn.Linear, gelu: bool = False) -> None:
        super().__init__()
        self.weight, self.bias, self.gelu = linear.weight, linear.bias, gelu
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """Lay the weights out for oneDNN. The module can then no longer leave the CPU."""
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), _TOKENS)
        # The shape and dtype stay readable; the memory is freed.
        self.weight = nn.Parameter(self.weight.to("meta"), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform float [..., C], cast to the dtype of the weights, into [..., C']."""
        x = x.to(self.weight.dtype)
        if self._packed is not None:
            name, algorithm = ("gelu", "none") if self.gelu else ("none", "")
            return torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, name, [], algorithm)
        x = F.linear(x, self.weight, self.bias)
        return F.gelu(x) if self.gelu else x
