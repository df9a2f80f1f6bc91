"""Read the installed plugin as the HUB's publisher does; runs in an environment that has ikcli.

Prints as its last line, in JSON: what the HUB would show, the package's files, and the demo workflow.
"""

import json
import zipfile
from pathlib import Path

from ikcli.algos.local import Algo, Package

algo = Algo("infer_p3m_portrait_matting")
info = algo.info
with Package(algo) as archive, zipfile.ZipFile(archive) as file:
    files = sorted(file.namelist())
    sizes = {name: file.getinfo(name).file_size for name in files}
workflow = json.loads(Path(algo.create_workflow()).read_text())
icon = info.pop("icon")
print(json.dumps({"info": info, "icon": str(icon.resolve()), "files": sizes, "workflow": workflow}))
