"""Choose the person to cut out: by a box from the parameters, a drawing or a face."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from ..p3m import Box, Face, MissingPackageError, find_faces
from ..p3m.imaging.subject import body_box, check_box
from .settings import ALL, BOX, Settings

#: A face that is turned by more degrees than this lies on its side: the networks recognise only upright people.
_ON_ITS_SIDE = 50


def choose_person(
    image: np.ndarray,
    settings: Settings,
    drawn: Sequence[Box],
    name: str,
    faces: Sequence[Face] = (),
    before_look: Callable[[], None] | None = None,
) -> Box | None:
    """Find the box around the person to cut out; return None to cut out everybody.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        settings: which person, and perhaps the box; this box takes precedence over a drawn one.
        drawn: boxes drawn on the photo.
        name: the photo's name in messages.
        faces: the photo's faces, if already detected. A face that a tracker guesses (score 0) is never chosen.
        before_look: as for :func:`~.p3m.find_faces`.

    Raises:
        ValueError: there is no box or more than one, the box lies outside the photo, or no face was found.
        MissingPackageError: the face detector is needed but not installed.
    """
    if settings.subject == ALL:
        return None
    if settings.subject == BOX:
        box = choose_box(settings, drawn)
    else:
        if faces:
            faces = [face for face in faces if face.score]
        else:
            faces = find_faces(image, every_turn=False, before_look=before_look)
        if not faces:
            raise ValueError(
                f'subject is "largest", but no face was found in {name}: it may be turned away, covered, or cut off. '
                'Set subject to "box" and draw a rectangle around the person, or to "all"'
            )
        box = body_box(max(faces, key=lambda face: face.area), faces)
    check_box(box, *image.shape[:2])
    return box


def choose_box(settings: Settings, drawn: Sequence[Box]) -> Box:
    """Return the box of the parameters, or else the one that is drawn.

    Raises:
        ValueError: there is none, or more than one is drawn.
    """
    return settings.subject_box() or _only(drawn)


def _only(drawn: Sequence[Box]) -> Box:
    how = 'draw one rectangle around the person (input 1, graphics), or set box="x,y,w,h"'
    if not drawn:
        raise ValueError(f'subject is "box", but there is no box: {how}')
    if len(drawn) > 1:
        raise ValueError(f'subject is "box", but {len(drawn)} shapes are drawn: {how}')
    return drawn[0]


def without_person(
    image: np.ndarray, name: str, faces: Sequence[Face] = (), before_look: Callable[[], None] | None = None
) -> str:
    """Say that the network found nobody in a photo, and which face the detector, if it is installed, finds there.

    Args:
        image: the photo, as for :meth:`~.p3m.PortraitMatting.matte`.
        name: the photo's name.
        faces: the photo's faces, if already detected.
        before_look: as for :func:`~.p3m.find_faces`.
    """
    if not faces:
        with suppress(MissingPackageError):
            faces = find_faces(image, before_look=before_look)
    found = f"nobody was found in {name}, so its matte is empty or nearly so"
    if not faces:
        return found
    if all(abs(face.roll) > _ON_ITS_SIDE for face in faces):
        return f"{found}; there is a face on its side or upside down: turn the photo and try again"
    face = faces[0]
    where = f"x {(face.left + face.right) / 2:.0f}, y {(face.top + face.bottom) / 2:.0f}"
    return f'{found}, although there is a face ({where}): try subject "box" with a rectangle around the person'
