"""Notices to the user about a run: at which level, and how often."""

import logging
from contextlib import suppress
from dataclasses import dataclass

from ..p3m.checkpoints.weights import cache_folder

logger = logging.getLogger("infer_p3m_portrait_matting")


@dataclass(frozen=True)
class Notice:
    """Something that a user should know about a run.

    Attributes:
        text: the full message.
        short: one line in place of ``text`` the first time on this machine; "" for ``text`` every time.
        is_warning: whether ``text`` is a WARNING; otherwise, and whenever there is a short line, it is INFO.
    """

    text: str
    short: str = ""
    is_warning: bool = False


def say(subject: str, notice: Notice) -> None:
    """Log a notice; its short line is a WARNING once per machine, which a file in the cache folder remembers.

    Args:
        subject: the topic of the notice, in a few plain words.
        notice: the message.
    """
    if notice.short and _is_first(subject):
        logger.warning("infer_p3m_portrait_matting: %s", notice.short)
    level = logging.WARNING if notice.is_warning and not notice.short else logging.INFO
    logger.log(level, "infer_p3m_portrait_matting: %s", notice.text)


def _is_first(subject: str) -> bool:
    # If nothing can be remembered, the line appears once per task; the caller ensures that. The search for weights
    # reports an unusable cache folder.
    with suppress(OSError, ValueError):
        marker = cache_folder() / f"told about {subject}"
        if marker.exists():
            return False
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return True
