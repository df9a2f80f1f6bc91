"""The bundled network as modules of plain operators, which an exporter can trace: one ONNX file for each."""

from copy import deepcopy

import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.channels import FOREGROUND, UNKNOWN
from ..model.decoders import Pyramid
from ..model.encoders.features import Features
from ..model.integration import upsample
from ..model.network import P3MNet


class Graph(nn.Module):
    """A part of the network, which computes float32 from float32.

    Args:
        network: a network without pooling indices, such as "mobile"; it stays as it is.
    """

    #: Name of each input and output -> the factor by which it is smaller than the picture.
    inputs: dict[str, int]
    outputs: dict[str, int]
    network: P3MNet

    def __init__(self, network: P3MNet) -> None:
        super().__init__()
        # Exporting changes a module's weights.
        self.network = deepcopy(network).eval().requires_grad_(False)
        for module in self.network.modules():
            if isinstance(module, Conv2dSame):
                # The same parameters under the same names: only the method changes.
                module.__class__ = FixedPadding


class Global(Graph):
    """The global pass of HYBRID: from a normalised picture to logits."""

    inputs, outputs = {"image": 1}, {"logits": 1}

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logits: float32 [N, 3, H, W] in and out."""
        return self.network.segment(image)


class Coarse(Graph):
    """The part of the local pass that runs on whole pictures: from a normalised one to the inputs of :class:`Tail`."""

    inputs, outputs = {"image": 1}, {"segmentation_d1": 4, "matting_d1": 4, "e0p": 2, "e0": 1}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run both decoders down to a quarter of the size.

        Args:
            image: float32 [N, 3, H, W].

        Returns:
            d1 of the segmentation decoder and d1 of the matting decoder, float32 [N, C, H/4, W/4] each; e0p, float32
            [N, C, H/2, W/2]; e0, float32 [N, C, H, W].
        """
        features = self.network.encoder(image)
        pyramid, _ = self.network.segmentation.pyramid(features.e4)
        return _coarse(self.network, features, pyramid)


class Tail(Graph):
    """The largest maps of the local pass, of the whole picture or of a window: from four maps to the local alpha."""

    inputs, outputs = Coarse.outputs, {"local_alpha": 1}

    def forward(self, segmentation_d1: Tensor, matting_d1: Tensor, e0p: Tensor, e0: Tensor) -> Tensor:
        """Decode the two finest levels.

        Args:
            segmentation_d1: float32 [N, C, H/4, W/4], as all arguments a result of :class:`Coarse` or its window.
            matting_d1: float32 [N, C, H/4, W/4].
            e0p: float32 [N, C, H/2, W/2].
            e0: float32 [N, C, H, W].

        Returns:
            float32 [N, 1, H, W] in [0, 1].
        """
        return _tail(self.network, segmentation_d1, matting_d1, e0p, e0)


class Matte(Graph):
    """The single pass of RESIZE: from a normalised picture to its fused alpha."""

    inputs, outputs = {"image": 1}, {"alpha": 1}

    def forward(self, image: Tensor) -> Tensor:
        """Predict the classes and the local alpha, and fuse both: float32 [N, 3, H, W] to [N, 1, H, W] in [0, 1]."""
        features = self.network.encoder(image)
        pyramid, logits, _ = self.network.segmentation(features.e4)
        local_alpha = _tail(self.network, *_coarse(self.network, features, pyramid))
        classes = logits.argmax(1, keepdim=True)
        return torch.where(classes == UNKNOWN, local_alpha, (classes == FOREGROUND).to(local_alpha.dtype))


def _coarse(network: P3MNet, features: Features, pyramid: Pyramid) -> tuple[Tensor, ...]:
    assert features.e0 is not None
    return pyramid[3], network.matting.down_to_level_1(features, pyramid), features.e0p, features.e0


def _tail(network: P3MNet, segmentation_d1: Tensor, matting_d1: Tensor, e0p: Tensor, e0: Tensor) -> Tensor:
    matting = network.matting
    x = matting.level_0(upsample(segmentation_d1, 2), upsample(matting_d1, 2), e0p, F.max_pool2d(e0, 2))
    return torch.sigmoid(matting.logits(upsample(x, 2), e0))


#: Name of each file, without suffix -> its graph. "matte" comes first: it holds all weights.
GRAPHS: dict[str, type[Graph]] = {"matte": Matte, "global": Global, "coarse": Coarse, "tail": Tail}


class FixedPadding(Conv2dSame):
    """A "same" convolution of timm whose padding does not depend on the size: tracing would fix it for one size.

    The sizes of all maps are even where the stride is 2, so the padding is the same for every picture.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve float [N, C, H, W]."""
        # The padding is the kernel's size minus the stride, the smaller half first.
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        before = (kernel - stride) // 2
        after = kernel - stride - before
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)
