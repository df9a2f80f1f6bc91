"""Matte whole photos with the HYBRID and RESIZE procedures of P3M-Net."""

import logging
import traceback
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from ..arrays import check_image, on_white, opacity
from ..checkpoints.places import expected_weights, find_weights
from ..checkpoints.weights import fill, read_weights
from ..errors import WeightsError
from ..files.photos import Photo, load_photo
from ..model.channels import STRIDE
from ..model.prepare import prepare_for_inference
from ..model.registry import Variant, create_model, get_variant
from .long_photos import is_long, matte_in_pieces
from .names import METHODS
from .precision import choose_dtype, trouble_with_gpu, wider_than_float16
from .preprocess import to_tensor
from .procedures import GLOBAL, LOCAL, PROCEDURES, NotFiniteError, Passes, Procedure, local_only, network_sizes
from .torch_settings import computing_settings, loading_settings

logger = logging.getLogger(__name__)

#: Default number of photos in the network at once on a GPU.
_BATCH_ON_GPU = 8
#: What errors say when a library below PyTorch finds no memory on the GPU.
_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "unable to find an engine")


class PortraitMatting:
    """A loaded network that mattes photos. Create it once and use it often.

    >>> matting = PortraitMatting()  # the bundled model, on an NVIDIA GPU if there is one
    >>> alpha = matting.matte(np.zeros((90, 60, 3), np.uint8))
    >>> alpha.shape, alpha.dtype.name, alpha.max().item()
    ((90, 60), 'float32', 0.0)

    The same photo gives the same bits on every run, on a CPU and on a GPU. A GPU receives each photo once, in the
    photo's own number format, and sends its matte back once; a model that takes a second look needs the maps of both
    passes on the CPU, too. A copy or an unpickled object loads its weights anew, with the same arguments.

    Args:
        model_name: one of :func:`~..model.registry.list_models`, in any case; or a :class:`~..model.registry.Variant`:
            ``dataclasses.replace(get_variant("mobile"), global_bound=512)`` is one with another rule of inference.
        device: "cpu", "cuda", "cuda:1" or a torch.device; "auto" is an NVIDIA GPU that computes, or else the CPU.
        weights: a published .pth file or a .safetensors file of :func:`~..checkpoints.weights.save_weights`; None takes
            the bundled file ("mobile") or the published file from the cache folder ("resnet34", "vitae-s").
        precision: number format of the network, one of :data:`~.names.PRECISIONS`: "auto" takes half precision
            where the device computes it natively. Steps that are sensitive to rounding always run in float32: the
            encoder's first layers, whose maxima decide where unpooling puts its values, the segmentation's head, the
            sigmoid, resizing and fusion.

    Attributes:
        variant: the network's entry in the registry.
        model_name: its name, in lower case.
        device: the torch.device in use.
        weights: the weights file in use.
        precision: the number format in use: "float32", "bfloat16" or "float16".
        batch_size: how many photos :meth:`matte_batch` takes through the network at once: 8 on a GPU, 1 on a CPU.

    Raises:
        ValueError: the model, the device or the precision is unknown, or the device cannot compute in it.
        FileNotFoundError: the weights are missing; the message says where to put them.
        WeightsError: the weights cannot be used.
    """

    def __init__(
        self,
        model_name: str | Variant = "mobile",
        device: str | torch.device = "auto",
        weights: str | PathLike[str] | None = None,
        precision: str = "auto",
    ) -> None:
        self.variant = model_name if isinstance(model_name, Variant) else get_variant(model_name)
        self.model_name = self.variant.name
        self.device = _choose_device(device)
        self.batch_size = _BATCH_ON_GPU if self.device.type == "cuda" else 1
        dtype = choose_dtype(precision, self.device)
        self._given = self.variant, device, None if weights is None else Path(weights).absolute(), precision
        self.weights = _require_weights(self.model_name) if weights is None else Path(weights)
        self._load(dtype)

    def __reduce__(self) -> tuple:
        return type(self), self._given, {"batch_size": self.batch_size}

    def _load(self, dtype: torch.dtype) -> None:
        with loading_settings():
            # In this order, as reading a file takes twice its size.
            tensors = read_weights(self.weights)
            model = create_model(self.variant)
            fill(model, tensors, self.weights)
            del tensors
            self.model = prepare_for_inference(model, self.device, dtype, self.variant.exact)
        self.precision = str(dtype).removeprefix("torch.")

    def matte(
        self,
        image: Photo,
        method: str = "HYBRID",
        input_size: int = 1024,
        after_pass: Callable[[], None] | None = None,
    ) -> np.ndarray:
        """Estimate a photo's alpha matte, by one of the two procedures of the published code.

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

        Returns:
            float32 [H, W] in [0, 1], in memory of its own.

        Raises:
            TypeError: the image is not a :data:`~..files.photos.Photo`, or an array of an unsupported dtype.
            OSError: the file cannot be read.
            ValueError: the image or the input size is out of range, the method is unknown, or a file is not an image.
            WeightsError: the weights make the network give NaN or infinite values.
            torch.OutOfMemoryError: the GPU has too little memory; everything that was allocated is free again.
        """
        image = _checked(image)
        procedure = PROCEDURES[_check_request(method, input_size)]
        seen = on_white(image)
        alpha = matte_in_pieces(seen, lambda piece: self._guarded([piece], procedure, input_size, after_pass)[0])
        return _within(image, alpha)

    def matte_batch(
        self,
        images: Sequence[Photo],
        method: str = "HYBRID",
        input_size: int = 1024,
        batch_size: int | None = None,
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
        groups: dict[tuple, list[int]] = {}
        photos: list[np.ndarray] = []
        long: list[int] = []
        for place, image in enumerate(images):
            try:
                image = _checked(image)
            except (TypeError, ValueError, OSError) as error:
                kind = next(kind for kind in (TypeError, ValueError, OSError) if isinstance(error, kind))
                raise kind(f"images[{place}]: {error}") from error
            photos.append(image)
            height, width = image.shape[:2]
            if is_long(height, width):
                long.append(place)
                continue
            passes = (GLOBAL,) if method == "RESIZE" else (GLOBAL, LOCAL)
            sizes = tuple(network_sizes(height, width, self.variant, input_size, passes))
            groups.setdefault(sizes, []).append(place)
        mattes: dict[int, np.ndarray] = {place: self.matte(photos[place], method, input_size) for place in long}
        for places in groups.values():
            waiting = places
            while waiting:
                batch = waiting[:batch_size]
                try:
                    seen = [on_white(photos[place]) for place in batch]
                    found = self._guarded(seen, PROCEDURES[method], input_size)
                except torch.OutOfMemoryError:
                    if len(batch) == 1:
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

        With a trimap of your own, ``np.where(trimap == 128, local_alpha, trimap / 255)`` is the matte.

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
        return matte_in_pieces(seen, lambda piece: self._guarded([piece], local_only, input_size)[0])

    def _guarded(
        self,
        images: list[np.ndarray],
        procedure: Procedure,
        input_size: int,
        after_pass: Callable[[], None] | None = None,
    ) -> list[np.ndarray]:
        """Matte photos of one pass size; handle the errors of a GPU and of weights."""
        try:
            return self._run(images, procedure, input_size, after_pass)
        except NotFiniteError as error:
            # Trained networks can leave only the range of float16.
            if error.dtype != torch.float16:
                raise WeightsError(
                    f"weights file {self.weights} makes the network give values that are not finite: use another file"
                ) from None
        except RuntimeError as error:
            if self.device.type != "cuda" or not any(words in str(error) for words in _NO_MEMORY):
                raise
            # The frames of the failed run hold its feature maps, so clear them before freeing memory.
            traceback.clear_frames(error.__traceback__)
            torch.cuda.empty_cache()
            raise torch.OutOfMemoryError(str(error)) from None
        self._load(wider_than_float16(self.device))
        logger.warning(
            "the weights of %s leave the range of float16: computing in %s from now on", self.model_name, self.precision
        )
        return self._guarded(images, procedure, input_size, after_pass)

    @torch.inference_mode()
    def _run(
        self,
        images: list[np.ndarray],
        procedure: Procedure,
        input_size: int,
        after_pass: Callable[[], None] | None,
    ) -> list[np.ndarray]:
        photos = [to_tensor(image, self.device) for image in images]
        with computing_settings(self.device):
            # Another thread may replace the network meanwhile; this run keeps the one it has.
            return procedure(Passes(self.model, after_pass), photos, self.variant, input_size)


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


def _choose_device(device: str | torch.device) -> torch.device:
    """Return the device, or raise a ValueError that says why it cannot be used."""
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if trouble := trouble_with_gpu(torch.device("cuda")):
            logger.warning("PyTorch cannot compute on this GPU (%s): computing on the CPU", trouble)
            return torch.device("cpu")
        device = "cuda"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise ValueError(f'unknown device {device!r}: choose "auto", "cpu", "cuda", or one GPU of several, "cuda:1"')
    if found.type == "cuda":
        if (found.index or 0) >= torch.cuda.device_count():
            raise ValueError(f'PyTorch finds no NVIDIA GPU for device {device!r}: choose "cpu"')
        if trouble := trouble_with_gpu(found):
            raise ValueError(f'PyTorch cannot compute on device {device!r} ({trouble}): choose "cpu"')
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
