"""What the plugin reads from Ikomia's own functions is there; see also the ways through real workflows."""

import inspect

import pytest
from ikomia_plugin import Workflow, ik_registry

from infer_p3m_portrait_matting.plugin import ikomia_frames


@pytest.mark.parametrize(
    ("function", "owner"),
    [(ikomia_frames.CREATE, type(ik_registry)), (ikomia_frames.LOAD, Workflow), (ikomia_frames.FOLDER, Workflow)],
)
def test_ikomia_still_has_the_functions_and_variables_that_are_read(function, owner):
    """When this fails, Ikomia has changed: mend ikomia_frames.py, or delete what Ikomia now tells in public."""
    found = getattr(owner, function.name, None)
    assert found is not None, f"Ikomia has no {owner.__name__}.{function.name} any more"
    assert found.__module__.startswith("ikomia.")
    code = inspect.unwrap(found).__code__
    missing = set(function.variables) - set(code.co_varnames)
    assert not missing, f"{owner.__name__}.{function.name} has no {', '.join(missing)} any more"


def test_outside_of_ikomia_there_is_nothing_to_read(tmp_path):
    def create_algorithm(parameters):
        return ikomia_frames.names_in_call()

    def load(path):
        return ikomia_frames.names_in_file("infer_p3m_portrait_matting")

    assert create_algorithm({"model_name": "mobile"}) == set()
    assert load(str(tmp_path)) == set()
    assert ikomia_frames.step_of_folder() is None
