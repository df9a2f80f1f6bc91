"""One photo or frame to its pictures, by the parameters, without Ikomia."""

import numpy as np
import torch

from ..p3m import TemporalFilter
from ..plugin.pictures import Pictures, look_for_faces, make_pictures, read_background
from ..plugin.sessions import open_session
from ..plugin.settings import IMAGE, Settings


class Matting:
    """A loaded model and the parameters for it.

    Args:
        settings: the parameters.

    Attributes:
        substitutes: what is missing and what replaces it, as notices.

    Raises:
        FileNotFoundError: weights or the background picture are missing.
        WeightsError: the weights cannot be used.
        ValueError: the background picture cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session, substitutes = open_session(settings)
        self.substitutes = list(substitutes.values())
        path = settings.background_path()
        self._background = None if path is None or settings.background != IMAGE else read_background(path)

    def pictures(self, image: np.ndarray, name: str, steady: TemporalFilter | None = None) -> Pictures:
        """Make all pictures of one photo or frame.

        Args:
            image: as for :meth:`~.p3m.PortraitMatting.matte`.
            name: what messages call it.
            steady: the filter of the video that it belongs to, if its frames steady each other.

        Raises:
            ValueError, MissingPackageError: see :func:`~.plugin.pictures.look_for_faces`.
            RuntimeError: there is too little memory; the message says what to lower.
        """
        settings = self.settings
        try:
            faces = look_for_faces(image, settings, name)
            alpha = self._session.matte(image, settings.method, settings.input_size)
            if steady is not None:
                alpha = steady(image, alpha)
            return make_pictures(image, alpha, settings, self._background, faces)
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise _too_little_memory(image, settings) from error
        except RuntimeError as error:
            # torch has no class of its own for a CPU without memory, only these words.
            if "can't allocate memory" not in str(error):
                raise
            raise _too_little_memory(image, settings) from error


def _too_little_memory(image: np.ndarray, settings: Settings) -> RuntimeError:
    return RuntimeError(
        f"too little memory for {image.shape[1]} x {image.shape[0]} px and --input-size {settings.input_size}: "
        "lower --input-size, --jobs or the picture's size"
    )
