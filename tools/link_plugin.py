"""Put the plugin into your own Ikomia (~/Ikomia), so that ``ik.infer_p3m_portrait_matting`` exists.

The program links the plugin, so that changes here take effect at once. Where links are not allowed, as on Windows by
default, it copies the plugin; run it again after a change.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "infer_p3m_portrait_matting"

#: Name of the file that marks a copy and holds the folder it came from. A copy may be replaced, another plugin may not.
MARK = ".copied_from"


def put(package: Path, home: Path) -> Path:
    """Make ``home``/Ikomia/Plugins/Python/<name> a link to the package, or a copy where it cannot be a link.

    A link to this package or a copy of it is brought up to date. A link that leads nowhere is replaced. Anything else
    that exists there stays.

    Returns:
        The link or the copy.

    Raises:
        FileExistsError: another plugin of that name is installed.
    """
    package = package.resolve()
    target = home / "Ikomia" / "Plugins" / "Python" / NAME
    if target.exists() and target.resolve() == package:
        return target
    if target.is_symlink() and not target.exists():
        target.unlink()  # it led to a folder that is gone, such as an older version
    if target.is_symlink() or (target.exists() and not _is_copy(target, package)):
        raise FileExistsError(f"{target} is another plugin: move it away, then try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        try:
            target.symlink_to(package, target_is_directory=True)
            return target
        except OSError as error:
            print(f"note: {target} cannot be a link ({error}), so the plugin is copied: run this again after a change")
    _copy(package, target)
    return target


def _is_copy(target: Path, package: Path) -> bool:
    mark = target / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == str(package)


def _copy(package: Path, target: Path) -> None:
    """Copy the package in full under another name first, so that the target is never half a plugin."""
    new = target.with_name(f"{NAME}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(package, new, ignore=shutil.ignore_patterns("__pycache__"))
    (new / MARK).write_text(str(package), encoding="utf-8")
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)


def main() -> int:
    package = Path(__file__).resolve().parent.parent / NAME
    # The bundled model runs in either runtime.
    has_runtime = any(find_spec(name) for name in ("onnxruntime", "torch"))
    if find_spec("ikomia") is None:
        print("note: this Python has no Ikomia; the one that has will find the plugin at its next start")
    elif not (has_runtime and find_spec("cv2")):
        print(f"error: first run pip install -r {package / 'requirements.txt'}", file=sys.stderr)
        return 1
    else:
        # Before the plugin is there: Ikomia loads a plugin that is new at its import twice, and complains of itself.
        from ikomia.dataprocess.registry import ik_registry
        from ikomia.utils import autocomplete
    try:
        target = put(package, Path.home())
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
