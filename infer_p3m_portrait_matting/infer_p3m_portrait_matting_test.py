"""The test that the Ikomia HUB runs on a plugin; file and function must have these names."""

import logging

import cv2
from ikomia.utils.tests import run_for_test

logger = logging.getLogger(__name__)


def test(t, data_dict):
    """Matte the HUB's sample photo with the default parameters.

    Args:
        t: the task.
        data_dict: paths of the sample files; ``["images"]["detection"]["coco"]`` is a photo.

    Returns:
        The parameters, and "OK" or a traceback.
    """
    logger.info("===== Test::%s =====", t.name)
    photo = cv2.imread(data_dict["images"]["detection"]["coco"])
    t.get_input(0).set_image(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB))
    return run_for_test(t)
