"""Compare the page in Chromium with ONNX Runtime: seconds for the matte of one photo of 1080 x 1620 px.

python -m benchmarks.page

Both sides run the same graphs by the same rules, and take turns. The page must be built (``make page``); Chromium and
chromedriver must be installed. The exit status is not 0 if the page takes more than 6 times as long, or if its matte
differs by more than 2/255 on more than 0.1 % of the pixels.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from infer_p3m_portrait_matting.p3m import PortraitMatting

from .measure import REPOSITORY, photo

#: How many times as long the page may take.
_MOST = 6.0
#: Loads the network into a page, as the page's worker does.
_LOAD = """
const [{ loadNetwork }, { ABOUT }, { Matte }, { loadFiles }] = await Promise.all(
  ['core/network.js', 'core/registry.js', 'core/long_photos.js', 'files.js'].map((name) => import(`/src/${name}`)));
const passes = await loadNetwork(await loadFiles(() => {}), threads);
const bitmap = await createImageBitmap(await (await fetch('/photo.png')).blob());
const { width, height } = bitmap;
const context = new OffscreenCanvas(width, height).getContext('2d');
context.drawImage(bitmap, 0, 0);
const { data } = context.getImageData(0, 0, width, height);
window.matte = () => new Matte({ data, width, height }, passes, ABOUT).matte();
done(crossOriginIsolated);
"""
_RUN = """
const start = performance.now();
const { data } = await window.matte();
const seconds = (performance.now() - start) / 1000;
let bytes = '';
for (const x of data) bytes += String.fromCharCode(Math.trunc(x * 255 + 0.5));
done([seconds, bytes]);
"""


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page with the headers that let WebAssembly use threads, and the photo."""

    photo: bytes

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self) -> None:
        if self.path != "/photo.png":
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.photo)

    def log_message(self, *args: object) -> None:
        pass


def main() -> int:
    """Run the benchmark and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the page (default 2)")
    given = parser.parse_args()
    from selenium import webdriver

    image = photo()
    _Handler.photo = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    folder = REPOSITORY / "page" / "dist"
    if not (folder / "index.html").is_file():
        print("the page is not built: run make page")
        return 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    with tempfile.TemporaryDirectory() as profile:
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={Path(profile)}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        driver.set_script_timeout(600)
        try:
            driver.get(f"http://127.0.0.1:{server.server_port}/")
            isolated = driver.execute_async_script(_async(_LOAD), given.threads)
            return _compare(driver, image, given.rounds, given.threads if isolated else 1)
        finally:
            driver.quit()


def _async(script: str) -> str:
    """Let a script wait, and let it call ``done`` with its result."""
    return f"const [threads, done] = arguments; (async () => {{ {script} }})().catch((error) => done(String(error)))"


def _compare(driver: object, image: np.ndarray, rounds: int, threads: int) -> int:
    native = PortraitMatting(device="cpu", runtime="onnxruntime")
    seconds: dict[str, list[float]] = {"page": [], "native": []}
    # The first round warms both up.
    for index in range(rounds + 1):
        start = time.perf_counter()
        alpha = native.matte(image)
        taken = time.perf_counter() - start
        in_page, text = driver.execute_async_script(_async(_RUN), 0)  # type: ignore[attr-defined]
        if index:
            seconds["native"].append(taken)
            seconds["page"].append(in_page)
    matte = np.frombuffer(text.encode("latin-1"), np.uint8).reshape(alpha.shape)
    differing = float((np.abs(matte / 255 - alpha) > 2.5 / 255).mean())
    page, onnx = (median(seconds[side]) for side in ("page", "native"))
    print(
        f"the page takes {page:.2f} s in {threads} threads, ONNX Runtime {onnx:.2f} s: {page / onnx:.1f} times as long"
    )
    print(f"{differing:.2%} of the pixels differ by more than 2/255")
    return int(page > _MOST * onnx or differing > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
