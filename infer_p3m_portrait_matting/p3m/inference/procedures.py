"""HYBRID and RESIZE, the procedures of the published code: from photos that have the same pass sizes to mattes.

A network gives logits and local alpha, whichever library computes them (:class:`Network`). Everything else happens
here, in numpy and OpenCV. Each step is a function of its own, so that a caller may take its place: a trimap may stand
for the global pass, and corrections may change the classes before the unknown area is filled.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import WeightsError
from ..imaging.guide import DECIDE, KEEP, PERSON, REMOVE, Guide, paint
from ..model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from ..model.registry import Variant
from .fusion import classify, enlarge_classes, fuse_passes, shrink_area, undecided
from .lost_parts import loses_parts, take_back
from .pass_sizes import pass_size
from .preprocess import network_input
from .scaling import resize
from .second_look import SecondLook, doubtful, reconsider, without_islands

#: Whether a pass is the local one.
GLOBAL, LOCAL = False, True


class Network(Protocol):
    """A loaded network. It takes normalised RGB, float32 [N, 3, H, W], and gives float32.

    Attributes:
        weights: the weights file.
    """

    weights: Path

    def segment(self, x: np.ndarray) -> np.ndarray:
        """Compute the logits [N, 3, H, W]."""

    def local_alpha(self, x: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
        """Compute the local alpha [N, 1, H, W] in [0, 1]; it may be 0 outside ``wanted``, bool [N, h, w]."""

    def fused_alpha(self, x: np.ndarray) -> np.ndarray:
        """Compute the logits and the local alpha from one input, and fuse them: [N, 1, H, W] in [0, 1]."""


class Passes(NamedTuple):
    """The passes of one run through a network: the methods of :class:`Network`, guarded.

    Attributes:
        network: the network.
        after: called after each pass, or None; an exception that it raises ends the run.

    Raises:
        WeightsError: each pass, if the network gives NaN or infinite values.
    """

    network: Network
    after: Callable[[], None] | None = None

    def segment(self, x: np.ndarray) -> np.ndarray:
        """Run the global pass."""
        return self._finished(self.network.segment(x))

    def local_alpha(self, x: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
        """Run the local pass."""
        return self._finished(self.network.local_alpha(x, wanted))

    def fused_alpha(self, x: np.ndarray) -> np.ndarray:
        """Run the single pass of RESIZE."""
        return self._finished(self.network.fused_alpha(x))

    def _finished(self, x: np.ndarray) -> np.ndarray:
        if not np.isfinite(x).all():
            raise WeightsError(
                f"weights file {self.network.weights} makes the network give values that are not finite: use another "
                "file"
            )
        if self.after is not None:
            self.after()
        return x


class Segments(NamedTuple):
    """What is known of a photo before its local pass.

    Attributes:
        classes: uint8 [h, w], the class of each pixel.
        doubt: bool [h, w], where the local alpha may correct the classes; None where it never may.
        strokes: uint8 [H, W] of the photo's size, corrections as for :class:`~..imaging.guide.Guide`, or None.
    """

    classes: np.ndarray
    doubt: np.ndarray | None = None
    strokes: np.ndarray | None = None

    def plain(self) -> float | None:
        """Return the alpha of a photo that is all background or all foreground; None for any other photo."""
        first = self.classes[0, 0]
        if self.strokes is not None or first == UNKNOWN or (self.classes != first).any():
            return None
        return float(first == FOREGROUND)


#: A procedure: takes passes, photos [H, W, 3] as for :func:`~.preprocess.network_input`, the network's entry in the
#: registry, and the input size; returns a matte for each photo, float32 [H, W].
Procedure = Callable[[Passes, Sequence[np.ndarray], Variant, int], list[np.ndarray]]


def hybrid(
    passes: Passes,
    photos: Sequence[np.ndarray],
    variant: Variant,
    input_size: int,
    guides: Sequence[Guide] | None = None,
) -> list[np.ndarray]:
    """Segment a small copy, compute the local alpha of a large one, and fuse both at the photo's size.

    The trimap of a guide replaces the segmentation, and its corrections stand above either.

    Args:
        passes, photos, variant, input_size: as for each :data:`Procedure`.
        guides: what is known of each photo, fitted to it; None if nothing is.
    """
    guides = guides or [Guide()] * len(photos)
    segments = {i: Segments(_classes_of(guide.trimap)) for i, guide in enumerate(guides) if guide.trimap is not None}
    others = [i for i in range(len(photos)) if i not in segments]
    if others:
        logits = passes.segment(_input([photos[i] for i in others], variant, input_size, GLOBAL))
        segments |= {i: segments_of(each, variant) for i, each in zip(others, logits, strict=True)}
    known = [segments[i]._replace(strokes=guide.corrections) for i, guide in enumerate(guides)]
    return fill_unknown(passes, photos, known, variant, input_size)


def segments_of(logits: np.ndarray, variant: Variant) -> Segments:
    """Classify a photo's pixels, by the rules of a network.

    Args:
        logits: float [3, h, w] of the global pass.
        variant: the network's entry in the registry.
    """
    classes = classify(logits, variant.unknown_above)
    if not any(variant.second_look):
        return Segments(classes)
    classes = without_islands(classes)
    return Segments(classes, doubtful(logits, classes))


def fill_unknown(
    passes: Passes, photos: Sequence[np.ndarray], segments: Sequence[Segments], variant: Variant, input_size: int
) -> list[np.ndarray]:
    """Run the local pass, and turn classes and local alpha into mattes."""
    plain = [each.plain() for each in segments]
    # If a photo is all background or all foreground, the local alpha changes no pixel.
    others = [i for i, value in enumerate(plain) if value is None]
    mattes = {i: np.full(photos[i].shape[:2], value, np.float32) for i, value in enumerate(plain) if value is not None}
    if others:
        x = _input([photos[i] for i in others], variant, input_size, LOCAL)
        height, width = photos[others[0]].shape[:2]
        coarse = network_size(height, width, variant, input_size, GLOBAL)
        wanted = _wanted([photos[i] for i in others], [segments[i] for i in others], x, coarse)
        for i, alpha in zip(others, passes.local_alpha(x, wanted), strict=True):
            size, (classes, doubt, strokes) = photos[i].shape[:2], segments[i]
            local = alpha[0]
            if doubt is not None:
                classes = reconsider(classes, doubt, local, SecondLook(*variant.second_look))
                if loses_parts(classes, local):
                    # A pass more than was announced must not count.
                    coarse_pass = passes._replace(after=None)
                    seen = coarse_pass.local_alpha(_input([photos[i]], variant, input_size, GLOBAL))
                    local = take_back(classes, local, seen[0, 0])
            if strokes is not None:
                classes = _with_strokes(enlarge_classes(classes, *size), strokes)
            mattes[i] = fuse_passes(classes, local, *size)
            if strokes is not None:
                mattes[i] = paint(mattes[i], strokes)
    return [mattes[i] for i in range(len(photos))]


def _wanted(
    photos: Sequence[np.ndarray], segments: Sequence[Segments], x: np.ndarray, coarse: tuple[int, int]
) -> np.ndarray | None:
    """Tell where the local alpha is needed, bool [N, h, w] of the coarse size; None where a map must shrink."""
    for photo, (classes, _, _) in zip(photos, segments, strict=True):
        for map_size in (classes.shape, x.shape[2:]):
            if any(side > photo_side for side, photo_side in zip(map_size, photo.shape, strict=False)):
                return None
    return np.stack([_wanted_in(each, coarse) for each in segments])


def _wanted_in(segments: Segments, coarse: tuple[int, int]) -> np.ndarray:
    classes, doubt, strokes = segments
    if classes.size <= coarse[0] * coarse[1]:
        wanted = undecided(classes if doubt is None else np.where(doubt, np.uint8(UNKNOWN), classes))
    else:
        wanted = shrink_area(classes == UNKNOWN, *coarse)
    return wanted if strokes is None else wanted | shrink_area(strokes == DECIDE, *coarse)


def _classes_of(trimap: np.ndarray) -> np.ndarray:
    """Turn a trimap of a fitted guide into classes, uint8 [H, W]."""
    return np.where(trimap == PERSON, FOREGROUND, np.where(trimap > 0, UNKNOWN, BACKGROUND)).astype(np.uint8)


def _with_strokes(classes: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """Write strokes into classes, uint8 [H, W]: what is kept is foreground, what is removed background."""
    for stroke, known in ((KEEP, FOREGROUND), (REMOVE, BACKGROUND), (DECIDE, UNKNOWN)):
        classes[strokes == stroke] = known
    return classes


def resize_whole(passes: Passes, photos: Sequence[np.ndarray], variant: Variant, input_size: int) -> list[np.ndarray]:
    """Make one pass over a small copy, and enlarge its fused alpha: RESIZE."""
    return _enlarged(passes.fused_alpha(_input(photos, variant, input_size, GLOBAL)), photos)


def local_only(passes: Passes, photos: Sequence[np.ndarray], variant: Variant, input_size: int) -> list[np.ndarray]:
    """Compute and enlarge only the local alpha."""
    return _enlarged(passes.local_alpha(_input(photos, variant, input_size, LOCAL)), photos)


#: The procedures by the names that users give them.
PROCEDURES: dict[str, Procedure] = {"HYBRID": hybrid, "RESIZE": resize_whole}


def network_size(height: int, width: int, variant: Variant, input_size: int, is_local: bool) -> tuple[int, int]:
    """Return the height and width of the network's input for a pass, :data:`GLOBAL` or :data:`LOCAL`."""
    return pass_size(height, width, input_size, halve=not is_local, bound=None if is_local else variant.global_bound)


def _input(photos: Sequence[np.ndarray], variant: Variant, input_size: int, is_local: bool) -> np.ndarray:
    height, width = photos[0].shape[:2]
    return network_input(photos, *network_size(height, width, variant, input_size, is_local))


def _enlarged(alphas: np.ndarray, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [resize(alpha[0], *photo.shape[:2]).clip(0, 1) for alpha, photo in zip(alphas, photos, strict=True)]
