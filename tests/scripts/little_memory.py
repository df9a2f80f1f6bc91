"""A run that finds no memory, really: the process may not grow. Then a small photo in the same process."""

import resource

import numpy as np
from ikomia_plugin import workflow_with

wf, task = workflow_with(input_size=4096)
small, large = (np.full(size, 120, np.uint8) for size in ((200, 300, 3), (3000, 3000, 3)))
wf.run_on(array=small)
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
# The network's input alone takes 103 MB.
limit = pages * resource.getpagesize() + 80 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    wf.run_on(array=large)
except RuntimeError as error:
    print(error)
wf.run_on(array=small)
print("then", task.get_output(1).get_image().shape)
