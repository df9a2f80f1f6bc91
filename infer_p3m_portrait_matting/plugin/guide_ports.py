"""Read what the ports of a task tell of a matte: a mask or a trimap, a segmentation of Ikomia, drawn strokes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from ikomia import core

from infer_p3m_portrait_matting.p3m import Box, Guide
from infer_p3m_portrait_matting.p3m.files.decode import matte_of
from infer_p3m_portrait_matting.p3m.imaging.guide import DECIDE
from infer_p3m_portrait_matting.pipeline.person import choose_box
from infer_p3m_portrait_matting.pipeline.settings import ALL, BOX, Settings

#: Input ports.
GRAPHICS, GUIDE, INSTANCES, CLASSES = 1, 3, 4, 5

#: What segmentations call a person.
_PEOPLE = ("person", "people", "human")
#: Width of a stroke that is drawn thinner, as a share of the photo's long side.
_STROKE = 0.02

_Item = core.GraphicsItem


class Found(NamedTuple):
    """What the ports tell.

    Attributes:
        guide: what is known of the matte; an empty guide if nothing is.
        person: the box around the person that a segmentation shows, if ``subject`` asks for one person.
        boxes: drawn boxes, for the subject "box".
        warnings: what the user should check.
    """

    guide: Guide
    person: Box | None
    boxes: list[Box]
    warnings: tuple[str, ...] = ()


def read_ports(ports: Sequence[Any], height: int, width: int, settings: Settings) -> Found:
    """Read the input ports of a task.

    Args:
        ports: all inputs of the task.
        height, width: the photo's size in pixels.
        settings: whose mask is taken, and how wide its band is.

    Raises:
        TypeError, ValueError: a mask does not fit, or a segmentation knows no people; the message says what to do.
    """
    items = ports[GRAPHICS].get_items()
    guide, instances, classes = ports[GUIDE], ports[INSTANCES], ports[CLASSES]
    is_segmented = guide.data_type == core.IODataType.IMAGE_LABEL or _has(instances) or _has(classes)
    boxes, areas = _drawn(items, settings.subject == BOX)
    # A segmentation draws the outlines of its objects, which ask for nothing.
    strokes = None if is_segmented else _strokes(items, areas, height, width)
    person: Box | None = None
    mask: np.ndarray | None = None
    trimap: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    if _has(instances):
        mask, warnings = _instances(instances, height, width, settings, boxes)
    elif _has(classes):
        mask = _people_in(classes)
    elif is_segmented:
        # One that found nothing leaves its port empty.
        labels = guide.get_image()
        mask = np.zeros((height, width), np.uint8) if labels is None else (matte_of(labels) != 0).astype(np.uint8)
    elif (picture := guide.get_image()) is not None and picture.size:
        known = matte_of(picture)
        mask, trimap = (None, known) if _is_trimap(known) else (known, None)
    band = None if mask is None else settings.mask_band()
    fitted = Guide(trimap, mask, band, strokes).fit(height, width)
    if _has(instances) and settings.subject != ALL and fitted.trimap is not None:
        person = _box_of(fitted.trimap)
    return Found(fitted, person, boxes, warnings)


def _has(port: Any) -> bool:
    return bool(port.is_data_available())


def _is_trimap(picture: np.ndarray) -> bool:
    """Tell whether a picture, uint8 [H, W], holds one value for unknown, besides 0 and 255."""
    values = np.flatnonzero(np.bincount(picture.ravel(), minlength=256))
    return values[-1] > 1 and len(set(values) - {0, 255}) == 1


def _drawn(items: Sequence[Any], wants_box: bool) -> tuple[list[Box], list[Any]]:
    """Tell boxes from polygons: a polygon is a box only if one is wanted and nothing else is drawn for it."""
    boxes = [item for item in items if item.get_type() in (_Item.RECTANGLE, _Item.ELLIPSE)]
    polygons = [item for item in items if item.get_type() == _Item.POLYGON]
    if wants_box and not boxes:
        boxes, polygons = polygons, []
    return [Box(*item.get_bounding_rect()) for item in boxes], polygons


def _strokes(items: Sequence[Any], polygons: Sequence[Any], height: int, width: int) -> np.ndarray | None:
    """Draw polygons and free-hand strokes as corrections, uint8 [H, W]; None if there are none."""
    lines = [item for item in items if item.get_type() == _Item.POLYLINE]
    if not lines and not polygons:
        return None
    drawn = np.zeros((height, width), np.uint8)
    for item in polygons:
        cv2.fillPoly(drawn, [_points(item)], DECIDE)
    for item in lines:
        thick = max(item.property.line_size, round(_STROKE * max(height, width)))
        cv2.polylines(drawn, [_points(item)], isClosed=False, color=DECIDE, thickness=thick)
    return drawn


def _points(item: Any) -> np.ndarray:
    return np.array([(round(point.x), round(point.y)) for point in item.points], np.int32)


def _people_in(classes: Any) -> np.ndarray:
    """Return a semantic segmentation's mask of people, uint8 [H, W] of 0 and 1."""
    names = [str(name) for name in classes.get_class_names()]
    indices = [index for index, name in enumerate(names) if name.lower() in _PEOPLE]
    if names and not indices:
        raise ValueError(
            f"input {CLASSES} (classes) has no class person, only {', '.join(names)}: connect a task that finds people"
        )
    labels = classes.get_mask()
    return (np.isin(labels, indices) if indices else labels != 0).astype(np.uint8)


def _instances(
    instances: Any, height: int, width: int, settings: Settings, boxes: list[Box]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the mask, uint8 [H, W] of 0 and 1, of the people in an instance segmentation that ``subject`` asks for."""
    objects = instances.get_objects()
    people = [each for each in objects if each.label.lower() in _PEOPLE]
    if not people:
        labels = ", ".join(sorted({each.label for each in objects}))
        return np.zeros((height, width), np.uint8), (f"input {INSTANCES} (instances) holds no person, only {labels}",)
    masks = [(each.mask > 0).astype(np.uint8) for each in people]
    if settings.subject == ALL:
        return np.maximum.reduce(masks), ()
    if settings.subject == BOX:
        box = choose_box(settings, boxes)
        return max(zip(masks, people, strict=True), key=lambda pair: _overlap(Box(*pair[1].box), box))[0], ()
    return max(masks, key=np.count_nonzero), ()


def _overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _box_of(trimap: np.ndarray) -> Box:
    """Return the box around all that is not background, or around the whole photo if there is nothing else."""
    if not trimap.any():
        return Box(0, 0, trimap.shape[1], trimap.shape[0])
    return Box(*cv2.boundingRect((trimap > 0).astype(np.uint8)))
