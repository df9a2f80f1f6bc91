"""The ViTAE-S encoder of P3M-Net (Ma et al. 2023, section 4.2): convolutions and attention side by side."""

import math
from typing import Any

import numpy as np
import torch
from timm.layers import Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from ..kernels.attention import attend
from ..kernels.convolution import conv_relu
from ..kernels.pooling import pool
from .features import Encoder, Features, as_map, as_tokens

DIMS = (64, 128, 256, 512)
DEPTHS = (2, 2, 12, 2)
HEADS = (1, 2, 4, 8)
GROUPS = (1, 32, 64, 128)

#: Seed of the Performer features, which the published checkpoints do not hold.
PERFORMER_SEED = 20220329


def performer_features(heads: int, m: int, head_dim: int, seed: int) -> Tensor:
    """Draw orthogonal random features (Choromanski et al. 2021, section 3.2), the same on every machine and start.

    Args:
        heads: number of attention heads.
        m: features per head, at most ``head_dim``.
        head_dim: channels per head.
        seed: seed of the draw.

    Returns:
        float32 [heads, m, head_dim]; the rows of one head are orthogonal and have length sqrt(m).
    """
    normal = np.random.default_rng(seed).standard_normal((heads, head_dim, m))
    q, r = np.linalg.qr(normal)
    # A positive diagonal of R makes the factorisation unique, hence independent of the linear-algebra library.
    q = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return torch.from_numpy(np.ascontiguousarray(q.transpose(0, 2, 1) * math.sqrt(m))).float()


class PerformerAttention(nn.Module):
    """Linear attention with positive random features; time and memory are linear in the number of tokens."""

    w: Tensor

    def __init__(self, dim: int, heads: int, seed: int) -> None:
        super().__init__()
        self.heads = heads
        head_dim = dim // heads
        self.m = head_dim // 2
        self.kqv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("w", performer_features(heads, self.m, head_dim, seed), persistent=False)

    def _phi(self, x: Tensor) -> Tensor:
        norm = x.square().sum(-1, keepdim=True) / 2
        return torch.exp(x @ self.w.transpose(1, 2) - norm) / math.sqrt(self.m)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over tokens, float [N, tokens, dim] in and out."""
        n, t, dim = x.shape
        k, q, v = self.kqv(x).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # The exponentials exceed the range of half precision, so autocast is off here.
        with torch.autocast(x.device.type, enabled=False):
            k, q, v = self._phi(k.float()), self._phi(q.float()), v.float()
            total = k.sum(2).unsqueeze(-1)
            y = (q @ (k.transpose(2, 3) @ v)) / (q @ total + 1e-8)
        return self.proj(y.transpose(1, 2).reshape(n, t, dim).to(x.dtype))


class SelfAttention(nn.Module):
    """Multi-head self-attention over all tokens, with memory linear in the tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over tokens, float [N, tokens, dim] in and out."""
        n, t, dim = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = attend(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(n, t, dim))


def _parallel_convolutions(dim: int, groups: int) -> nn.Sequential:
    hidden = 4 * dim
    return nn.Sequential(
        nn.Conv2d(dim, hidden, 3, padding=1, groups=groups),
        nn.BatchNorm2d(hidden),
        nn.SiLU(inplace=True),
        nn.Conv2d(hidden, dim, 3, padding=1, groups=groups),
        nn.BatchNorm2d(dim),
        nn.SiLU(inplace=True),
        nn.Conv2d(dim, dim, 3, padding=1, groups=groups),
        nn.SiLU(inplace=True),
    )


class Cell(nn.Module):
    """ViTAE's normal cell: attention and the parallel convolutional module (PCM) added up, then an MLP."""

    def __init__(self, dim: int, attn: nn.Module, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = attn
        self.pcm = _parallel_convolutions(dim, groups)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Transform tokens, float [N, height * width, dim] in and out."""
        x = x + self.attn(self.norm1(x)) + as_tokens(self.pcm(as_map(x, height, width)))
        return x + self.mlp(self.norm2(x))


class Stem(nn.Module):
    """The reduction of stage 1: three convolutions and two max-pools, from the image to 1/4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj1 = nn.Conv2d(3, dim // 2, 3, padding=1)
        self.proj2 = nn.Conv2d(dim // 2, dim, 3, padding=1)
        self.proj3 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm = nn.LayerNorm(dim)

    def tokens(self, x: Tensor) -> Tensor:
        """Turn e0p after its pool, float [N, dim, h, w], into tokens, float [N, h * w, dim]."""
        return self.norm(as_tokens(self.proj3(x)))


class Reduction(nn.Module):
    """The reduction of stages 2 to 4: LayerNorm (whose output is the skip feature), max-pool, Linear."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, out_dim, bias=False)

    def skip(self, x: Tensor) -> Tensor:
        """Compute the skip feature, float [N, dim, h, w] in and out; its pool leads to the next stage."""
        return as_map(self.norm(as_tokens(x)), *x.shape[2:])

    def tokens(self, x: Tensor) -> Tensor:
        """Turn the skip feature after its pool, float [N, dim, h, w], into tokens, float [N, h * w, out_dim]."""
        return self.linear(as_tokens(x))


class Stage(nn.Module):
    """One resolution: its reduction and its cells."""

    def __init__(self, index: int) -> None:
        super().__init__()
        dim = DIMS[index]
        self.reduction = Stem(dim) if index == 0 else Reduction(DIMS[index - 1], dim)
        cells = []
        for depth in range(DEPTHS[index]):
            if index == 0:
                attn: nn.Module = PerformerAttention(dim, HEADS[index], PERFORMER_SEED + depth)
            else:
                attn = SelfAttention(dim, HEADS[index])
            cells.append(Cell(dim, attn, GROUPS[index]))
        self.cells = nn.ModuleList(cells)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map that was pooled for this stage, float [N, C, h, w] to [N, dim, h, w]."""
        height, width = x.shape[2:]
        tokens = self.reduction.tokens(x)
        for cell in self.cells:
            tokens = cell(tokens, height, width)
        return as_map(tokens, height, width)


class ViTAESEncoder(Encoder):
    """ViTAE-S whose downsamplings are 2 x 2 max-pools with indices.

    Channels: e0 32, e0p 64, e1 64, e2 128, e3 256, e4 512. The input need not be square, as there is no positional
    embedding.
    """

    #: Four instances of :class:`Stage`; the types of torch do not express that.
    stages: Any

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(i) for i in range(4))

    def forward(self, x: Tensor) -> Features:
        """Compute all features of float [N, 3, H, W] (see :class:`Encoder`)."""
        e0 = conv_relu(self.stages[0].reduction.proj1, x)
        return self.below(e0, *pool(e0, 2, 0))

    def deepest(self, x: Tensor) -> Tensor:
        """Compute only e4: float [N, 3, H, W] to [N, 512, H/32, W/32]."""
        return self.deepest_below(F.max_pool2d(conv_relu(self.stages[0].reduction.proj1, x), 2))

    def below(self, e0: Tensor | None, halved: Tensor, i0: Tensor, e0_pooled: Tensor | None = None) -> Features:
        """Compute the features below e0.

        Args:
            e0: float [N, 32, H, W] or None, passed on.
            halved: e0 after its pool, float [N, 32, H/2, W/2].
            i0: indices of e0's pool, the shape of ``halved``, passed on.
            e0_pooled: float [N, 32, H/2, W/2] or None, passed on.
        """
        first, *others = self.stages
        e0p = conv_relu(first.reduction.proj2, halved)
        x, i1 = pool(e0p, 2, 0)
        x = first(x)
        skips, indices = [], [i0, i1]
        for stage in others:
            skips.append(stage.reduction.skip(x))
            x, pooled = pool(skips[-1], 2, 0)
            indices.append(pooled)
            x = stage(x)
        e1, e2, e3 = skips
        return Features(e0, e0p, e1, e2, e3, x, tuple(indices), e0_pooled=e0_pooled)

    def deepest_below(self, halved: Tensor) -> Tensor:
        """Compute e4 from the pooled e0: float [N, 32, H/2, W/2] to [N, 512, H/32, W/32]."""
        first, *others = self.stages
        x = first(F.max_pool2d(conv_relu(first.reduction.proj2, halved), 2))
        for stage in others:
            x = stage(F.max_pool2d(stage.reduction.skip(x), 2))
        return x
