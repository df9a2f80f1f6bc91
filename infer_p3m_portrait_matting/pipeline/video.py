"""Hold what the frames of one video share."""

from typing import TYPE_CHECKING

from .settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from ..p3m import Guide


def check_video(settings: Settings) -> None:
    """Raise a ValueError if no video can be made with these parameters."""
    if settings.crop_margin() is not None:
        raise ValueError('crop must be "none" for a video: its frames would differ in size')


class Video:
    """The memory of one video, whose frames come in order: use a new one for each video.

    Attributes:
        steady: the filter of the mattes, for ``temporal``.
        tracker: the places of the faces, for ``anonymize``.
    """

    def __init__(self) -> None:
        # They load OpenCV, which checking alone does not need.
        from ..p3m import FaceTracker, TemporalFilter

        self.steady = TemporalFilter()
        self.tracker = FaceTracker()

    def steadied(
        self,
        image: "np.ndarray",
        alpha: "np.ndarray",
        guide: "Guide",
        following: "tuple[np.ndarray, np.ndarray] | None" = None,
    ) -> "np.ndarray":
        """Steady the matte of the next frame, except where the frame's guide says what is there.

        Args:
            image: the frame, as for :class:`~..p3m.TemporalFilter`.
            alpha: its matte, float [H, W] in [0, 1].
            guide: what is known of it, fitted to the frame.
            following: the frame after it and its matte, if they are known.

        Returns:
            float32 [H, W] in [0, 1], a new array.
        """
        steadied = self.steady(image, alpha, following)
        known = guide.known()
        if known is not None:
            steadied[known] = alpha[known]
        return steadied

    def begin_frame(self, settings: Settings) -> None:
        """Forget what the parameters have switched off since the frame before.

        Raises:
            ValueError: no video can be made with these parameters.
        """
        check_video(settings)
        if not settings.temporal:
            self.steady.reset()
        if settings.anonymize == "none":
            self.tracker.reset()
