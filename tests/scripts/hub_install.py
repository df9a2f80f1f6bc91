"""Install the plugin's zip as a user of the HUB does, and matte a photo with what was installed.

A process of its own: HOME is empty, and the plugin must come from there and not from this checkout.
Arguments: the zip, and where to write the matte.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ikomia
import numpy as np
from ikomia.core import config
from ikomia.dataprocess.registry import ik_registry
from ikomia.dataprocess.workflow import Workflow
from skimage.data import astronaut

NAME = "infer_p3m_portrait_matting"
ARCHIVE, MATTE = map(Path, sys.argv[1:])


class Hub(BaseHTTPRequestHandler):
    """The three answers that Ikomia asks a HUB for."""

    def do_GET(self):
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        platform = {"os": ["LINUX", "WINDOWS"], "python": ">=3.10", "ikomia": ">=0.15.0"}
        package = {"version": "2.0.0", "url": f"{base}/package/", "platform": platform}
        algorithm = {"name": NAME, "language": "PYTHON", "version": "2.0.0", "packages": [package]}
        content = json.dumps({"count": 1, "results": [algorithm]}).encode()
        if self.path == "/package/download/":
            content = ARCHIVE.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config.main_cfg["hub"]["url"] = f"http://127.0.0.1:{server.server_address[1]}"
    ik_registry.install_algorithm(NAME)
    server.shutdown()

wf = Workflow()
# In bfloat16, another process may round a pixel the other way.
params = {"model_name": "mobile", "cuda": "False", "input_size": "256", "precision": "float32"}
task = wf.add_task(name=NAME, params=params, auto_connect=True)
wf.run_on(array=astronaut()[:256, :256].copy())
np.save(MATTE, task.get_output(1).get_image())
print("Ikomia", ikomia.__version__)
print("plugin", type(task).run.__code__.co_filename)
print("weights", task.session.weights)
