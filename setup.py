"""Put the page into the wheel, if it is built (``make page``); pyproject.toml says all else about the package."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py

PAGE = Path(__file__).parent / "page" / "dist"


class BuildWithPage(build_py):
    """Copies the page where ``p3m serve`` looks for it."""

    def run(self) -> None:
        super().run()
        if PAGE.is_dir() and not self.editable_mode:
            target = Path(self.build_lib) / "infer_p3m_portrait_matting" / "page"
            # The package holds the weights already; p3m serve takes them from there.
            copytree(PAGE, target, ignore=ignore_patterns("weights"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithPage})
