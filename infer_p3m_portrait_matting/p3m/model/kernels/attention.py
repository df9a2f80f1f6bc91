"""Scaled dot-product attention, computed in the way that is fast on the device."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...arrays import strips

#: From this many tokens on, strips of matrix products beat PyTorch's fused kernel on a CPU in half precision.
_MANY_TOKENS = 1024
#: Scores of a strip, in all heads. Matrix products repeat no borders, but starting each one costs time.
_SCORES = 3 * 2**20
#: A shift for the scores of a query is sought among every so-many-th key.
_SAMPLED = 16


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute softmax(q k^T / sqrt(channels)) v (Vaswani et al. 2017, section 3.2.1).

    Memory grows linearly with the number of tokens.

    Args:
        q: queries, float [N, heads, tokens, channels].
        k: keys, of the same shape and dtype.
        v: values, likewise.

    Returns:
        [N, heads, tokens, channels].
    """
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.shape[2] >= _MANY_TOKENS and not q.requires_grad:
        return _attend_in_strips(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


def _attend_in_strips(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Compute attention by matrix products in bfloat16, which PyTorch's fused kernel does not use.

    The scores are rounded to 8 bits, and softmax turns a difference of scores into a ratio of weights. So about
    the largest score of a query is subtracted from all its scores, which changes only the rounding: the scores that
    weigh most are then near 0, where bfloat16 is the most exact. One more channel, -shift in q and 1 in k, makes the
    product subtract the shift.
    """
    n, heads, tokens, channels = q.shape
    # A second channel, of zeros, keeps the number of channels even.
    keys = F.pad(k * channels**-0.5, (0, 2)).transpose(2, 3).contiguous()
    keys[:, :, channels] = 1
    sampled = keys[:, :, :channels, ::_SAMPLED].contiguous()
    v = v.contiguous()
    queries = F.pad(q, (0, 2))
    # The caller joins the heads, which is free of copies in this order.
    out = q.new_empty((n, tokens, heads, channels)).transpose(1, 2)
    # One row of the scores for each query.
    for some in strips(tokens, n * heads * tokens, _SCORES):
        shift = torch.matmul(q[:, :, some], sampled).amax(3)
        part = queries[:, :, some]
        part[..., channels] = -shift
        out[:, :, some] = torch.matmul(torch.matmul(part, keys).softmax(3), v)
    return out
