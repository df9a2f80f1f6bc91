"""HYBRID and RESIZE, the procedures of the published code: from photos that have the same pass sizes to mattes.

:class:`Passes` runs the network. The procedures choose the network's inputs and turn its maps into mattes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model.network import FOREGROUND, UNKNOWN, P3MNet, classify
from ..model.registry import Variant
from .fusion import fuse_passes, shrinks, undecided
from .pass_sizes import pass_size
from .preprocess import normalize, resize, shrink
from .second_look import SecondLook, doubtful, reconsider, without_islands

#: Whether a pass is the local one.
GLOBAL, LOCAL = False, True


class NotFiniteError(ArithmeticError):
    """The network gave NaN or infinite values.

    Args:
        dtype: the number format of the network.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.dtype = dtype


class Passes(NamedTuple):
    """The passes of one run through a network, whose shapes and ranges are those of :class:`~..model.network.P3MNet`.

    Attributes:
        network: the prepared network.
        after: called after each pass, or None; an exception that it raises ends the run.

    Raises:
        NotFiniteError: each pass, if the network gives NaN or infinite values.
    """

    network: P3MNet
    after: Callable[[], None] | None = None

    def segment(self, x: Tensor) -> Tensor:
        """Compute the logits of the global pass, float [N, 3, H, W]."""
        return self._finished(self.network.segment(x))

    def local_alpha(self, x: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Compute the alpha of the local pass, float [N, 1, H, W] in [0, 1]."""
        return self._finished(self.network.local_alpha(x, wanted))

    def fused_alpha(self, x: Tensor) -> Tensor:
        """Compute the logits and the local alpha from one input, and fuse them: float [N, 1, H, W] in [0, 1]."""
        return self._finished(self.network.fused_alpha(x))

    def _finished(self, x: Tensor) -> Tensor:
        if not x.isfinite().all():
            raise NotFiniteError(self.network.dtype)
        if self.after is not None:
            self.after()
        return x


#: A procedure: takes passes, photos from :func:`~.preprocess.to_tensor`, the network's entry in the registry, and the
#: input size; returns a matte for each photo, float32 [H, W].
Procedure = Callable[[Passes, list[Tensor], Variant, int], list[np.ndarray]]


def hybrid(passes: Passes, photos: list[Tensor], variant: Variant, input_size: int) -> list[np.ndarray]:
    """Segment a small copy, compute the local alpha of a large one, and fuse both at the photo's size."""
    # Make both inputs together, so that each photo is converted to floating point once.
    x, fine = network_inputs(photos, variant, input_size, GLOBAL, LOCAL)
    logits = passes.segment(x)
    classes = classify(logits, variant.unknown_above)
    looks_again = any(variant.second_look)
    if looks_again:
        classes = without_islands(classes)
    extremes = torch.stack([classes.amin((1, 2, 3)), classes.amax((1, 2, 3))], 1).tolist()
    # If a photo is all background or all foreground, the local alpha changes no pixel.
    plain = {i: low for i, (low, high) in enumerate(extremes) if low == high != UNKNOWN}
    others = [i for i in range(len(photos)) if i not in plain]
    if others:
        doubt = doubtful(logits, classes) if looks_again else None
        wanted = None
        if fine.device.type == "cpu" and not any(shrinks((x, fine), *photo.shape[:2]) for photo in photos):
            wanted = undecided((classes if doubt is None else classes.masked_fill(doubt, UNKNOWN))[others])
        rows = iter(passes.local_alpha(fine[others] if plain else fine, wanted))
    mattes = []
    for i, photo in enumerate(photos):
        size = photo.shape[:2]
        if i in plain:
            mattes.append(np.full(size, plain[i] == FOREGROUND, np.float32))
            continue
        found, alpha = classes[i : i + 1], next(rows)[None]
        if doubt is not None:
            found = reconsider(found, doubt[i : i + 1], alpha, SecondLook(*variant.second_look))
        mattes.append(_download(fuse_passes(found, alpha, *size)))
    return mattes


def resize_whole(passes: Passes, photos: list[Tensor], variant: Variant, input_size: int) -> list[np.ndarray]:
    """Make one pass over a small copy, and enlarge its fused alpha: RESIZE."""
    (x,) = network_inputs(photos, variant, input_size, GLOBAL)
    return _enlarged(passes.fused_alpha(x), photos)


def local_only(passes: Passes, photos: list[Tensor], variant: Variant, input_size: int) -> list[np.ndarray]:
    """Compute and enlarge only the local alpha."""
    (x,) = network_inputs(photos, variant, input_size, LOCAL)
    return _enlarged(passes.local_alpha(x), photos)


#: The procedures by the names that users give them.
PROCEDURES: dict[str, Procedure] = {"HYBRID": hybrid, "RESIZE": resize_whole}


def network_sizes(
    height: int, width: int, variant: Variant, input_size: int, passes: Sequence[bool]
) -> list[tuple[int, int]]:
    """Return the height and width of the network's input for each pass, :data:`GLOBAL` or :data:`LOCAL`."""
    return [
        pass_size(height, width, input_size, halve=not local, bound=None if local else variant.global_bound)
        for local in passes
    ]


def network_inputs(photos: list[Tensor], variant: Variant, input_size: int, *passes: bool) -> list[Tensor]:
    """Scale and normalise photos that have the same sizes in all passes.

    Args:
        photos: each as :func:`~.preprocess.to_tensor` gives it.
        variant: the network's entry in the registry.
        input_size: bound in pixels of the long side.
        passes: each :data:`GLOBAL` or :data:`LOCAL`.

    Returns:
        For each pass float32 [N, 3, h, w], channels_last.
    """
    height, width = photos[0].shape[:2]
    sizes = network_sizes(height, width, variant, input_size, passes)
    inputs = []
    for parts in zip(*(shrink(photo, sizes) for photo in photos), strict=True):
        x = [normalize(part) for part in parts]
        inputs.append((x[0] if len(x) == 1 else torch.cat(x)).contiguous(memory_format=torch.channels_last))
    return inputs


def _enlarged(alphas: Tensor, photos: list[Tensor]) -> list[np.ndarray]:
    return [
        _download(resize(alpha[None], *photo.shape[:2]).clamp(0, 1))
        for alpha, photo in zip(alphas, photos, strict=True)
    ]


def _download(alpha: Tensor) -> np.ndarray:
    return alpha[0, 0].cpu().numpy()
