"""Turn a photo or frame into its three pictures: the recipe that the task and the command share."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from ..p3m import Box, Face, Guide, has_person, matte_person
from ..p3m.arrays import on_white
from ..p3m.inference.names import check_guided
from .models import open_model
from .out_of_memory import clear_memory_errors
from .outputs import OUTPUTS
from .person import choose_person, without_person
from .pictures import Result, look_for_faces, make_pictures, read_background, without_face
from .settings import ALL, IMAGE, Settings
from .video import Video


@dataclass(frozen=True)
class Prepared:
    """A photo or frame, and all that its pictures need except the matte; :meth:`Pipeline.prepare` makes it."""

    image: np.ndarray
    name: str
    background: np.ndarray | None
    video: Video | None
    faces: list[Face]
    #: The box around the person to cut out; None for everybody.
    box: Box | None
    warnings: tuple[str, ...]
    #: What is known of the matte, fitted to the photo.
    guide: Guide


class Pipeline:
    """A loaded model and the parameters of a run; any number of threads may share one.

    Args:
        settings: the parameters.
        base_url: address of the folder of published checkpoints; None downloads nothing.
        to_lower: what else the message about too little memory advises to lower, or "".
        few: whether only a few photos follow, so that a fast start counts more than speed.

    Attributes:
        settings: the parameters.
        model: the loaded model.
        substitutes: what is missing ("cuda", "weights of resnet34") -> what runs instead.
        batch_size: how many photos :meth:`mattes` takes through the network at once.

    Raises:
        FileNotFoundError: weights or the background picture are missing.
        WeightsError: the weights cannot be used.
        ValueError: the background picture cannot be read.
    """

    def __init__(self, settings: Settings, base_url: str | None = None, to_lower: str = "", few: bool = False) -> None:
        self.settings = settings
        self._to_lower = to_lower
        path = settings.background_path()
        self._background = None if path is None or settings.background != IMAGE else read_background(path)
        self.model, self.substitutes = open_model(settings, base_url, few)
        # A single person's matte comes from a part of the photo.
        self.batch_size = self.model.batch_size if settings.subject == ALL else 1

    def run(
        self,
        image: np.ndarray,
        name: str,
        video: Video | None = None,
        guide: Guide | None = None,
        wanted: Collection[str] = OUTPUTS,
    ) -> Result:
        """Make the pictures of one photo or frame: :meth:`prepare` and :meth:`make`."""
        return self.make(self.prepare(image, name, video=video, guide=guide), wanted=wanted)

    def prepare(
        self,
        image: np.ndarray,
        name: str,
        *,
        boxes: Sequence[Box] = (),
        background: np.ndarray | None = None,
        video: Video | None = None,
        guide: Guide | None = None,
        person: Box | None = None,
        before_look: Callable[[], None] | None = None,
    ) -> Prepared:
        """Find the faces and the person, so that every fault of a photo is reported before its matte is estimated.

        Args:
            image: the photo or frame, as for :meth:`~.p3m.PortraitMatting.matte`.
            name: its name in messages.
            boxes: drawn on it, for the subject "box".
            background: picture for the background "image", if ``background_file`` names none.
            video: the video that a frame belongs to; None for a photo.
            guide: what is known of the matte; None for nothing.
            person: the box around the person to cut out, if a segmentation has found it already.
            before_look: called before each look of the face detector; what it raises ends the run.

        Raises:
            TypeError: a map of the guide has another dtype.
            ValueError: a parameter needs a picture, a face or a box that is not there, or cannot apply to a
                video; or the guide does not fit the photo or the method; the message says what to do.
            MissingPackageError: the face detector is needed but not installed.
            RuntimeError: there is too little memory; the message says what to lower.
        """
        settings = self.settings
        behind = background if self._background is None else self._background
        if settings.background == IMAGE and behind is None:
            raise ValueError('background is "image", but there is no picture for it: set background_file')
        with self._clear_memory_errors(image):
            if video is not None:
                video.begin_frame(settings)
            fitted = (guide or Guide()).fit(*image.shape[:2])
            if fitted.maps():
                check_guided(settings.method)
            faces = look_for_faces(image, settings, name, video.tracker if video else None, before_look)
            box = person or choose_person(image, settings, boxes, name, faces, before_look)
        warnings = () if faces or settings.anonymize == "none" else (without_face(name),)
        return Prepared(image, name, behind, video, faces, box, warnings, fitted)

    def mattes(self, photos: Sequence[Prepared]) -> list[np.ndarray]:
        """Estimate the mattes of several photos, for the subject "all", in batches where the device gains by it.

        Returns:
            float32 [H, W] in [0, 1] for each photo; give each to :meth:`make`.
        """
        settings = self.settings
        # make_pictures multiplies by the photo's own alpha.
        images = [on_white(photo.image) for photo in photos]
        return self.model.matte_batch(
            images, settings.method, settings.input_size, guides=[photo.guide for photo in photos]
        )

    def matte(self, photo: Prepared, after_pass: Callable[[], None] | None = None) -> np.ndarray:
        """Estimate the matte of a photo or frame.

        Args:
            photo: from :meth:`prepare`.
            after_pass: called after each pass through the network; what it raises ends the run.

        Returns:
            float32 [H, W] in [0, 1]; give it to :meth:`make`.

        Raises:
            WeightsError: the weights make the network give values that are not finite.
            RuntimeError: there is too little memory; the message says what to lower.
        """
        settings = self.settings

        def matte(
            part: np.ndarray, trimap: np.ndarray | None = None, corrections: np.ndarray | None = None
        ) -> np.ndarray:
            return self.model.matte(
                on_white(part),
                settings.method,
                settings.input_size,
                after_pass,
                trimap=trimap,
                corrections=corrections,
            )

        with self._clear_memory_errors(photo.image):
            maps = photo.guide.maps()
            if photo.box is None:
                return matte(photo.image, **maps)
            return matte_person(matte, photo.image, photo.box, **maps)

    def make(
        self,
        photo: Prepared,
        alpha: np.ndarray | None = None,
        after_pass: Callable[[], None] | None = None,
        before_look: Callable[[], None] | None = None,
        following: tuple[Prepared, np.ndarray] | None = None,
        wanted: Collection[str] = OUTPUTS,
    ) -> Result:
        """Make the pictures of a photo or frame.

        Args:
            photo: from :meth:`prepare`; those of a video come here in their order.
            alpha: its matte, if :meth:`matte` or :meth:`mattes` has estimated it already.
            after_pass: as for :meth:`matte`.
            before_look: as for :meth:`prepare`: the detector looks for faces where the matte shows nobody.
            following: the next frame of the video and its matte, if they are known: they steady this one.
            wanted: the names of the pictures to make.

        Raises:
            WeightsError, RuntimeError: as for :meth:`matte`.
        """
        settings, image = self.settings, photo.image
        if alpha is None:
            alpha = self.matte(photo, after_pass)
        with self._clear_memory_errors(image):
            warnings = photo.warnings
            anybody = has_person(alpha)
            if not anybody and photo.video is None:
                warnings += (without_person(image, photo.name, photo.faces, before_look),)
            if photo.video is not None and settings.temporal:
                known = None if following is None else (following[0].image, following[1])
                alpha = photo.video.steadied(image, alpha, photo.guide, known)
            result = make_pictures(image, alpha, settings, photo.background, photo.faces, wanted)
        return replace(result, warnings=warnings + result.warnings, has_person=anybody)

    def _clear_memory_errors(self, image: np.ndarray) -> AbstractContextManager[None]:
        height, width = image.shape[:2]
        return clear_memory_errors(height, width, self.settings.input_size, self._to_lower)
