"""What a user is told about a run: at which level, and how often."""

import logging
from contextlib import suppress
from dataclasses import dataclass

from ..p3m import cache_folder

logger = logging.getLogger("infer_p3m_portrait_matting")


@dataclass(frozen=True)
class Notice:
    """Something that a user should know about a run.

    Attributes:
        text: all there is to say.
        short: one line instead of ``text``, for a user who was not told on this machine before; "" says ``text``.
        is_warning: whether ``text`` is a WARNING; otherwise, and whenever there is a short line, it is INFO.
    """

    text: str
    short: str = ""
    is_warning: bool = False


def say(subject: str, notice: Notice) -> None:
    """Log a notice; its short line is a WARNING once per machine, which a file in the cache folder remembers.

    Args:
        subject: what the notice is about, a few plain words.
        notice: what to say.
    """
    if notice.short and _is_first(subject):
        logger.warning("infer_p3m_portrait_matting: %s", notice.short)
    level = logging.WARNING if notice.is_warning and not notice.short else logging.INFO
    logger.log(level, "infer_p3m_portrait_matting: %s", notice.text)


def _is_first(subject: str) -> bool:
    # Where nothing can be remembered, it is once per task, which is what the caller sees to.
    with suppress(OSError, ValueError):
        marker = cache_folder() / f"told about {subject}"
        if marker.exists():
            return False
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return True
