"""Fixtures of the tests of the command ``p3m``."""

import numpy as np
import pytest
from command_line import SETTINGS
from PIL import Image

from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline


@pytest.fixture(scope="session")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[:192, 96:352])


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(SETTINGS, few=True)


@pytest.fixture
def expected(pipeline, photo):
    return pipeline.run(photo, "photo")


@pytest.fixture
def source(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path
