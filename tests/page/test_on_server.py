"""The page as ``p3m serve`` opens it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser_page import Page

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.arrays import to_uint8

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("built_page")
def test_the_computer_computes_when_the_switch_is_on(browse: Callable[..., Page]):
    pytest.importorskip("uvicorn", reason="p3m serve needs starlette and uvicorn")
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", "serve", "--port", "0", "--no-cuda"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as serving:
        try:
            assert serving.stderr is not None
            address = next(found[0] for line in serving.stderr if (found := re.search(r"http://\S+", line)))
            page = browse(address)
            page.open()
            assert page.run("return crossOriginIsolated")
            page.wait("!document.getElementById('server').hidden")
            page.click("use-server")
            page.click("sample")
            page.wait_done()
            matte = page.save("matte")
            wanted = to_uint8(PortraitMatting(device="cpu").matte(ROOT / "page" / "sample.jpg"))
            assert (cv2.absdiff(matte, wanted) > 2).mean() <= 1e-3
        finally:
            serving.terminate()
            serving.wait(30)
    # Without the server, the browser can go on.
    page.add(ROOT / "page" / "sample.jpg")
    page.wait("document.getElementById('notice-words').textContent.startsWith('The server does not answer')")
    page.run("document.querySelector('#notice-actions button').click()")
    page.wait("document.getElementById('notice').hidden && !document.getElementById('save-cutout').disabled")
    np.testing.assert_allclose(page.save("matte").astype(float).mean(), matte.mean(), atol=1)
