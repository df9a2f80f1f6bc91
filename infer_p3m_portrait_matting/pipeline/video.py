"""Hold what the frames of one video share."""

from .settings import Settings


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
