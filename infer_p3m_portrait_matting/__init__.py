"""Privacy-preserving portrait matting (P3M-Net) for Ikomia, and the public names of its core, ``.p3m``.

No folder in here but ``p3m`` has an ``__init__.py``: when Ikomia loads a plugin a second time, it drops every module of
the process whose name contains the name of a folder that has one, be the module the plugin's or not.

Ikomia imports this package for every plugin that it lists, so the core is imported when one of its names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .p3m import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Take a public name from the core (PEP 562)."""
    if name == "__version__" or not name.startswith("_"):
        core = import_module(".p3m", __name__)
        if name in core.__all__:
            return getattr(core, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
