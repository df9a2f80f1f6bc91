"""The bundled network as modules of plain operators, which an exporter can trace: one file each in ONNX."""

from copy import deepcopy

import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F

from ..model.decoders import Pyramid
from ..model.encoders.features import Features
from ..model.integration import upsample
from ..model.network import FOREGROUND, UNKNOWN, P3MNet

#: Windows of the coarse maps lie on multiples of this, in pixels of the local pass: the coarsest map has a quarter of
#: its size.
WINDOW_STRIDE = 4
#: Pixels around a window that the tail must see, too. It sees 3 at the local pass's size, 5 at half of it and 1 at a
#: quarter: 17 pixels.
WINDOW_MARGIN = 32


class Graph(nn.Module):
    """A part of the network.

    Args:
        network: a network without pooling indices, such as "mobile"; it stays as it is.
    """

    #: Names of what it takes and gives, and by how much each is smaller than the picture.
    inputs: dict[str, int]
    outputs: dict[str, int]
    network: P3MNet

    def __init__(self, network: P3MNet) -> None:
        super().__init__()
        # Exporting changes a module's weights.
        self.network = deepcopy(network).eval().requires_grad_(False)
        fix_padding(self.network)


class Global(Graph):
    """The global pass of HYBRID: a normalised picture, float [N, 3, H, W], to logits [N, 3, H, W]."""

    inputs, outputs = {"image": 1}, {"logits": 1}

    def forward(self, image: Tensor) -> Tensor:
        """Segment."""
        return self.network.segment(image)


class Coarse(Graph):
    """What of the local pass is computed as a whole: a normalised picture to the four maps that :class:`Tail` takes."""

    inputs, outputs = {"image": 1}, {"segmentation_d1": 4, "matting_d1": 4, "e0p": 2, "e0": 1}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Decode both decoders down to a quarter of the size."""
        features = self.network.encoder(image)
        pyramid, _ = self.network.segmentation.pyramid(features.e4)
        return _coarse(self.network, features, pyramid)


class Tail(Graph):
    """The largest maps of the local pass, of the whole picture or of a window: four maps to alpha [N, 1, H, W]."""

    inputs, outputs = Coarse.outputs, {"local_alpha": 1}

    def forward(self, segmentation_d1: Tensor, matting_d1: Tensor, e0p: Tensor, e0: Tensor) -> Tensor:
        """Decode the two finest levels."""
        return _tail(self.network, segmentation_d1, matting_d1, e0p, e0)


class Matte(Graph):
    """The single pass of RESIZE: a normalised picture to its fused alpha, float [N, 1, H, W]."""

    inputs, outputs = {"image": 1}, {"alpha": 1}

    def forward(self, image: Tensor) -> Tensor:
        """Segment, predict the local alpha, and fuse both."""
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


def fix_padding(module: nn.Module) -> None:
    """Replace timm's "same" convolutions, in place: traced, their padding would hold for one size only.

    The sizes of all maps are even where the stride is 2, so that the padding is the same for every picture.
    """
    for name, child in list(module.named_children()):
        if not isinstance(child, Conv2dSame):
            fix_padding(child)
            continue
        # All of the kernel but what the stride skips, the smaller half first.
        (kernel, _), (stride, _) = child.kernel_size, child.stride
        before = (kernel - stride) // 2
        after = kernel - stride - before
        plain = nn.Conv2d(
            child.in_channels, child.out_channels, kernel, stride, groups=child.groups, bias=child.bias is not None
        )
        plain.weight, plain.bias = child.weight, child.bias
        setattr(module, name, nn.Sequential(nn.ZeroPad2d((before, after, before, after)), plain))
