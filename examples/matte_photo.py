"""Matte one photo in Ikomia: ``python examples/matte_photo.py portrait.jpg`` writes three PNGs beside it."""

import sys

from ikomia.dataprocess.workflow import Workflow
from ikomia.utils import ik

photo = sys.argv[1]
wf = Workflow()
matting = wf.add_task(ik.infer_p3m_portrait_matting(model_name="mobile", background="steelblue"), auto_connect=True)
wf.run_on(path=photo)
for output in matting.get_outputs():
    output.save(photo)  # as portrait_composite.png, portrait_matte.png and portrait_cutout.png
