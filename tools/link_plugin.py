"""Link the plugin into the Ikomia of whoever runs this (~/Ikomia), so that ``ik.infer_p3m_portrait_matting`` exists."""

import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "infer_p3m_portrait_matting"


def link(package: Path, home: Path) -> Path:
    """Make ``home``/Ikomia/Plugins/Python/<name> a link to the package; what is already there is never replaced.

    Raises:
        FileExistsError: another plugin of that name is installed.
    """
    target = home / "Ikomia" / "Plugins" / "Python" / NAME
    if target.exists() and target.resolve() == package.resolve():
        return target
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} is already there and is another plugin: move it away, then try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(package.resolve(), target_is_directory=True)
    return target


def main() -> int:
    package = Path(__file__).resolve().parent.parent / NAME
    missing = [name for name in ("torch", "torchvision", "timm", "safetensors", "cv2") if find_spec(name) is None]
    if find_spec("ikomia") is None:
        print("note: this Python has no Ikomia; the one that has will find the plugin at its next start")
    elif missing:
        print(f"error: first run pip install -r {package.parent / 'requirements.txt'}", file=sys.stderr)
        return 1
    else:
        # Before the link is there: Ikomia loads a plugin that is new at its import twice, and complains of itself.
        from ikomia.dataprocess.registry import ik_registry
        from ikomia.utils import autocomplete
    try:
        target = link(package, Path.home())
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if "ikomia" in sys.modules:
        # Ikomia does not notice changes behind a link by itself, nor a plugin that came after it listed them all.
        if ik_registry.is_all_loaded():
            ik_registry.load_python_algorithm(str(target))
        autocomplete.ik_autocomplete.make_local_plugins(force=True)
    print(f"{target} -> {package}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
