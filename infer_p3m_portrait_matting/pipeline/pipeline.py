"""Turn one photo or frame into its pictures, by the parameters, without Ikomia."""

from collections.abc import Sequence

import numpy as np

from ..p3m import FaceTracker, TemporalFilter, matte_person
from .models import open_session
from .notices import Notice
from .out_of_memory import clear_memory_errors
from .person import choose_person
from .pictures import Pictures, look_for_faces, make_pictures, read_background
from .settings import ALL, IMAGE, Settings


class Matting:
    """A loaded model and the parameters for it.

    Args:
        settings: the parameters.

    Attributes:
        substitutes: notices that say what is missing and what replaces it.
        batch_size: how many photos :meth:`mattes` takes through the network at once.

    Raises:
        FileNotFoundError: weights or the background picture are missing.
        WeightsError: the weights cannot be used.
        ValueError: the background picture cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session, substitutes = open_session(settings)
        self.substitutes: list[Notice] = list(substitutes.values())
        # A single person's matte comes from a part of the photo, which pictures() chooses.
        self.batch_size = self._session.batch_size if settings.subject == ALL else 1
        path = settings.background_path()
        self._background = None if path is None or settings.background != IMAGE else read_background(path)

    def mattes(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Estimate the mattes of several photos, in batches where the device gains by it.

        Args:
            images: each as for :meth:`~.p3m.PortraitMatting.matte`.

        Returns:
            float32 [H, W] for each, to be given to :meth:`pictures`.
        """
        return self._session.matte_batch(images, self.settings.method, self.settings.input_size)

    def pictures(
        self,
        image: np.ndarray,
        name: str,
        steady: TemporalFilter | None = None,
        tracker: FaceTracker | None = None,
        alpha: np.ndarray | None = None,
    ) -> Pictures:
        """Make all pictures of one photo or frame.

        Args:
            image: as for :meth:`~.p3m.PortraitMatting.matte`.
            name: its name in messages.
            steady: the video's temporal filter, if its frames steady each other.
            tracker: the video's face tracker, which keeps faces that the detector misses in a frame.
            alpha: its matte, if :meth:`mattes` has estimated it already.

        Raises:
            ValueError, MissingPackageError: see :func:`~.pictures.look_for_faces` and
                :func:`~.person.choose_person`.
            RuntimeError: there is too little memory; the message says what to lower.
        """
        settings = self.settings
        with clear_memory_errors(image.shape[0], image.shape[1], settings.input_size, "--jobs"):
            faces = look_for_faces(image, settings, name, tracker)
            if alpha is None:
                box = choose_person(image, settings, [], name, faces)
                alpha = self._matte(image) if box is None else matte_person(self._matte, image, box)
            if steady is not None:
                alpha = steady(image, alpha)
            return make_pictures(image, alpha, settings, self._background, faces)

    def _matte(self, image: np.ndarray) -> np.ndarray:
        return self._session.matte(image, self.settings.method, self.settings.input_size)
