"""All threads compute, although Ikomia switches dynamic teams on."""

import ctypes

import pytest
from ikomia_plugin import workflow_with

from infer_p3m_portrait_matting.plugin.openmp import _runtime, all_threads


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def test_all_threads_compute(photo):
    runtime = _runtime()
    assert isinstance(runtime, ctypes.CDLL), "torch's OpenMP runtime was not found"
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    seen = []
    segment = task.session.model.segment
    task.session.model.segment = lambda x: (seen.append(runtime.omp_get_dynamic()), segment(x))[1]
    runtime.omp_set_dynamic(1)
    try:
        wf.run_on(array=photo)
        assert seen == [0], "dynamic teams must be off while the network runs"
        assert runtime.omp_get_dynamic() == 1, "and as they were afterwards"
        with all_threads():
            assert runtime.omp_get_dynamic() == 0
    finally:
        runtime.omp_set_dynamic(0)
        del task.session.model.segment
