"""Matte whole photos with the HYBRID and RESIZE procedures of P3M-Net."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import check_image, on_white, opacity
from ..checkpoints.places import expected_weights, find_weights
from ..errors import is_out_of_gpu_memory
from ..files.photos import Photo, load_photo
from ..imaging.guide import Guide
from ..model.channels import STRIDE
from ..model.registry import Variant, get_variant
from .long_photos import is_long, matte_in_pieces
from .names import METHODS, check_guided
from .onnx_network import OnnxNetwork
from .procedures import GLOBAL, LOCAL, PROCEDURES, Passes, Procedure, hybrid, local_only, network_size
from .runtimes import open_network

if TYPE_CHECKING:
    import torch

    from ..model.network import P3MNet

logger = logging.getLogger(__name__)

#: Default number of photos in the network at once on a GPU.
_BATCH_ON_GPU = 8


class PortraitMatting:
    """A loaded network that mattes photos. Create it once and use it often.

    >>> matting = PortraitMatting()  # the bundled model, on an NVIDIA GPU if there is one
    >>> alpha = matting.matte(np.zeros((90, 60, 3), np.uint8))
    >>> alpha.shape, alpha.dtype.name, alpha.max().item()
    ((90, 60), 'float32', 0.0)

    The same photo gives the same bits on every run, on a CPU and on a GPU. A GPU receives the input of each pass and
    sends back its result. A copy or an unpickled object loads its weights anew, with the same arguments.

    Args:
        model_name: one of :func:`~..model.registry.list_models`, in any case; or a :class:`~..model.registry.Variant`:
            ``dataclasses.replace(get_variant("mobile"), global_bound=512)`` is one with another rule of inference.
        device: "auto" is an NVIDIA GPU on which PyTorch computes, or else the CPU. PyTorch takes "cpu", "cuda",
            "cuda:1", "mps" or a torch.device, ONNX Runtime the names in :data:`~.onnx_network.PROVIDERS`.
        weights: a published .pth file or a .safetensors file of :func:`~..checkpoints.weights.save_weights`; None takes
            the bundled file ("mobile") or the published file from the cache folder ("resnet34", "vitae-s").
        precision: number format of the network, one of :data:`~.names.PRECISIONS`: "auto" takes half precision
            where the device computes it natively. Steps that are sensitive to rounding always run in float32: the
            encoder's first layers, whose maxima decide where unpooling puts its values, the segmentation's head, the
            sigmoid, resizing and fusion. ONNX Runtime computes everything in float32.
        runtime: what computes the network, one of :data:`~.names.RUNTIMES`. "torch" is PyTorch. "onnxruntime" runs the
            bundled model, without PyTorch. "auto" takes PyTorch where it is installed and faster (on a GPU, and where
            the CPU computes bfloat16 natively) or needed (for the published networks), and else ONNX Runtime.

    Attributes:
        variant: the network's entry in the registry.
        model_name: its name, in lower case.
        runtime: the runtime in use, "torch" or "onnxruntime".
        device: the device in use: a torch.device, or ONNX Runtime's by its name, such as "cpu".
        weights: the weights file in use.
        batch_size: how many photos :meth:`matte_batch` takes through the network at once: 8 on a GPU, 1 on a CPU.

    Raises:
        ValueError: the model, the device, the precision or the runtime is unknown, or they do not go together.
        MissingPackageError: the runtime is not installed.
        FileNotFoundError: the weights are missing; the message says where to put them.
        WeightsError: the weights cannot be used.
    """

    def __init__(
        self,
        model_name: str | Variant = "mobile",
        device: "str | torch.device" = "auto",
        weights: str | PathLike[str] | None = None,
        precision: str = "auto",
        runtime: str = "auto",
    ) -> None:
        self.variant = model_name if isinstance(model_name, Variant) else get_variant(model_name)
        self.model_name = self.variant.name
        self._given = self.variant, device, None if weights is None else Path(weights).absolute(), precision, runtime
        self.weights = _require_weights(self.model_name) if weights is None else Path(weights)
        self._network = open_network(runtime, self.variant, device, self.weights, precision)
        self.runtime = "onnxruntime" if isinstance(self._network, OnnxNetwork) else "torch"
        self.device = self._network.device
        self.batch_size = _BATCH_ON_GPU if str(self.device).startswith("cuda") and self.runtime == "torch" else 1

    def __reduce__(self) -> tuple:
        return type(self), self._given, {"batch_size": self.batch_size}

    @property
    def model(self) -> "P3MNet":
        """The prepared network, which only the runtime torch has."""
        if isinstance(self._network, OnnxNetwork):
            raise AttributeError('ONNX Runtime has no P3MNet: load the network by runtime="torch"')
        return self._network.model

    @property
    def precision(self) -> str:
        """The number format in use: "float32", "bfloat16" or "float16"."""
        return self._network.precision

    def about(self) -> str:
        """Say what computes, in one line: "mobile on cpu in float32, computed by onnxruntime"."""
        return f"{self.model_name} on {self.device} in {self.precision}, computed by {self.runtime}"

    def matte(
        self,
        image: Photo,
        method: str = "HYBRID",
        input_size: int = 1024,
        after_pass: Callable[[], None] | None = None,
        *,
        trimap: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        band: float | None = None,
        corrections: np.ndarray | None = None,
    ) -> np.ndarray:
        """Estimate a photo's alpha matte, by one of the two procedures of the published code.

        HYBRID takes what is known of the matte, too: a trimap or a mask, and strokes that correct.

        >>> alpha = matting.matte("portrait.jpg")
        >>> alpha.shape, alpha.dtype.name
        ((512, 512), 'float32')

        Args:
            image: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA: the network
                sees it on white, and its alpha multiplies the matte). Any size from 1 x 1 px. It is never changed. Or a
                path, the bytes of an image file, or anything else that :func:`~..files.photos.load_photo` takes.
            method: one of :data:`METHODS`, in any case.
            input_size: bound in pixels of the long side of what the network sees, at least 32.
            after_pass: called after each pass through the network; an exception that it raises ends the run.
            trimap, mask, band, corrections: as for :class:`~..imaging.guide.Guide`; a map of another size than the
                photo's is scaled.

        Returns:
            float32 [H, W] in [0, 1], in memory of its own.

        Raises:
            TypeError: the image is not a :data:`~..files.photos.Photo`, or an array of an unsupported dtype.
            OSError: the file cannot be read.
            ValueError: the image or the input size is out of range, the method is unknown, a file is not an image, or
                a trimap, a mask or corrections fit neither the photo nor the method.
            WeightsError: the weights make the network give NaN or infinite values.
            torch.OutOfMemoryError: the GPU has too little memory; everything that was allocated is free again.
        """
        image = _checked(image)
        method = _check_request(method, input_size)
        height, width = image.shape[:2]
        guide = Guide(trimap, mask, band, corrections).fit(height, width)
        seen = on_white(image)

        def matte_part(window: tuple[slice, slice]) -> np.ndarray:
            return self._run([seen[window]], _procedure(method, [guide.cut(window)]), input_size, after_pass)[0]

        return _within(image, matte_in_pieces(height, width, matte_part))

    def matte_batch(
        self,
        images: Sequence[Photo],
        method: str = "HYBRID",
        input_size: int = 1024,
        batch_size: int | None = None,
        guides: Sequence[Guide | None] | None = None,
    ) -> list[np.ndarray]:
        """Estimate the alpha mattes of several photos, which may differ in size.

        Photos that have the same size in the network go through it together. On a CPU this gains nothing, so by default
        they go one by one. A photo that goes alone has the matte of :meth:`matte` bit for bit. Photos that go together
        use other kernels, whose rounding stays within 1/255 on 99.9 % of the pixels. All photos are in memory at once.

        Args:
            images: each as for :meth:`matte`.
            method: one of :data:`METHODS`, in any case.
            input_size: as for :meth:`matte`.
            batch_size: number of photos in the network at once, at least 1; None takes :attr:`batch_size`.
                If the GPU has too little memory for them, the number is halved from then on, with a warning.
            guides: what is known of the matte of each image, None for nothing; None if nothing is known of any.

        Returns:
            float32 [H, W] in [0, 1] for each image, in their order.

        Raises:
            TypeError, ValueError, OSError: as for :meth:`matte`, or a file cannot be read; the message begins with the
                index of the image.
            torch.OutOfMemoryError: the GPU has too little memory for a single photo.
        """
        method = _check_request(method, input_size)
        if batch_size is None:
            batch_size = self.batch_size
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if guides is not None and len(guides) != len(images):
            raise ValueError(f"there are {len(images)} images, but {len(guides)} guides: give one, or None, for each")
        known: list[Guide] = []
        groups: dict[tuple, list[int]] = {}
        photos: list[np.ndarray] = []
        long: list[int] = []
        for place, image in enumerate(images):
            try:
                image = _checked(image)
                known.append(((guides and guides[place]) or Guide()).fit(*image.shape[:2]))
            except (TypeError, ValueError, OSError) as error:
                kind = next(kind for kind in (TypeError, ValueError, OSError) if isinstance(error, kind))
                raise kind(f"images[{place}]: {error}") from error
            photos.append(image)
            height, width = image.shape[:2]
            if is_long(height, width):
                long.append(place)
                continue
            passes = (GLOBAL,) if method == "RESIZE" else (GLOBAL, LOCAL)
            sizes = tuple(network_size(height, width, self.variant, input_size, each) for each in passes)
            groups.setdefault(sizes, []).append(place)
        mattes: dict[int, np.ndarray] = {}
        for place in long:
            trimap, corrections = known[place].trimap, known[place].corrections
            mattes[place] = self.matte(photos[place], method, input_size, trimap=trimap, corrections=corrections)
        for places in groups.values():
            waiting = places
            while waiting:
                batch = waiting[:batch_size]
                try:
                    seen = [on_white(photos[place]) for place in batch]
                    found = self._run(seen, _procedure(method, [known[place] for place in batch]), input_size)
                except RuntimeError as error:
                    if len(batch) == 1 or not is_out_of_gpu_memory(error):
                        raise
                    batch_size = len(batch) // 2
                    message = "the GPU has too little memory for %d photos at once: trying %d"
                    logger.warning(message, len(batch), batch_size)
                    continue
                mattes.update({place: _within(photos[place], alpha) for place, alpha in zip(batch, found, strict=True)})
                waiting = waiting[len(batch) :]
        return [mattes[place] for place in range(len(photos))]

    def local_alpha(self, image: Photo, input_size: int = 1024) -> np.ndarray:
        """Estimate only the alpha of the local pass, which HYBRID uses inside the unknown area.

        :meth:`matte` takes a trimap of your own.

        Args:
            image, input_size: as for :meth:`matte`; the alpha of RGBA multiplies nothing here.

        Returns:
            float32 [H, W] in [0, 1]; meaningless outside the unknown area.

        Raises:
            TypeError, OSError, ValueError, WeightsError, torch.OutOfMemoryError: as for :meth:`matte`.
        """
        image = _checked(image)
        _check_request("HYBRID", input_size)
        seen = on_white(image)
        height, width = image.shape[:2]
        return matte_in_pieces(height, width, lambda window: self._run([seen[window]], local_only, input_size)[0])

    def _run(
        self,
        images: list[np.ndarray],
        procedure: Procedure,
        input_size: int,
        after_pass: Callable[[], None] | None = None,
    ) -> list[np.ndarray]:
        """Matte photos of one pass size."""
        return procedure(Passes(self._network, after_pass), images, self.variant, input_size)


def _procedure(method: str, guides: list[Guide]) -> Procedure:
    """Return the procedure for a method of :data:`METHODS` and what is known of some photos."""
    if not any(guide.maps() for guide in guides):
        return PROCEDURES[method]
    check_guided(method)
    return partial(hybrid, guides=guides)


def _within(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Multiply a matte by the photo's own alpha, so that areas erased in an editor stay transparent."""
    own = opacity(image)
    return alpha if own is None else alpha * own


def _require_weights(name: str) -> Path:
    found = find_weights(name)
    if found is None:
        raise FileNotFoundError(
            f"no weights for {name!r}: put the published file at {expected_weights(name)}, name a file by weights=..., "
            "or use model_name='mobile', whose weights are bundled"
        )
    return found


def _checked(photo: Photo) -> np.ndarray:
    image = load_photo(photo)
    check_image(image)
    return image


def _check_request(method: str, input_size: int) -> str:
    """Return the method as :data:`METHODS` spells it."""
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    if input_size < STRIDE:
        raise ValueError(f"input_size must be at least {STRIDE}, got {input_size}")
    return method.upper()
