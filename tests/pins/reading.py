"""Read what a command has written, as plain values that do not depend on time or place.

A number stays a number; a tensor becomes its digest, its L2 norm, and its product with a fixed
vector, so that two records say how far apart two tensors are.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from entries import LAST, PORTABLE, SENSITIVE
from PIL import Image

Group = dict[str, Any]
MEASURED = ("time", "data_time", "memory", "eta", "seconds", "step", "iter", "epoch")
NETWORKS = dict(
    segmentor="segmentor", teacher="teacher", source_to_target="generators",
    target_to_source="generators", generators="generators", disc_source="discriminators",
    disc_target="discriminators", discriminators="discriminators",
)  # fmt: skip


def digest(content: bytes) -> str:
    """The beginning of the SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def of_tensor(tensor: torch.Tensor) -> list[Any]:
    """``[digest, norm, product]`` of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content = flat.view(torch.uint8).numpy().tobytes()
    head = f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
    values = flat.double()
    probe = torch.cos(torch.arange(len(values), dtype=torch.float64))
    return [digest(head + content), float(values.norm()), float(values @ probe)]


def checkpoint(path: Path) -> dict[str, Group]:
    """Digests of all tensors of a checkpoint, by network; optimizers' state; learning rates."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    groups: dict[str, Group] = {}
    for key, tensor in content["state_dict"].items():
        network = NETWORKS.get(key.split(".")[0], "others")
        network = "discriminators" if ".discriminator." in key else network
        groups.setdefault(f"weights of {network}", {})[key] = of_tensor(tensor)
    for name, optimizer in content["optimizer"].items():
        state = groups.setdefault(f"optimizer of {name}", {})
        for index, own in sorted(optimizer["state"].items()):
            for key, value in own.items():
                state[f"{key} {index}"] = of_tensor(torch.as_tensor(value))
        rates = groups.setdefault(f"rates of {name}", {})
        for group in optimizer["param_groups"]:
            words = ("lr", "initial_lr", "weight_decay", "momentum", "nesterov", "betas")
            text = " ".join(f"{word}={group[word]}" for word in words if word in group)
            rates[text] = rates.get(text, 0) + len(group["params"])
    return groups


def scalars(work_dir: Path) -> dict[str, Group]:
    """What was logged of the training and of the validation, as ``ITERATION NAME``."""
    groups: dict[str, Group] = dict(losses={}, validation={})
    for file in sorted(work_dir.glob("**/scalars.json")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            trained = any("loss" in key for key in row)
            into = groups["losses" if trained else "validation"]
            for key, value in row.items():
                if key not in MEASURED and isinstance(value, (int, float)):
                    into[f"{row['step']} {key}"] = value
    return groups


def tested(folder: Path) -> dict[str, Group]:
    """The numbers of ``results.json``, and the confusion matrix."""
    results = json.loads((folder / "results.json").read_text())
    with np.load(folder / "confusion_matrix.npz") as file:
        matrices = {
            f"{name} {i}": int(value)
            for name in file.files
            if file[name].dtype.kind in "iu"
            for i, value in enumerate(file[name].reshape(-1))
        }
    return {"results": numbers(results), "confusion matrix": matrices}


def numbers(node: Any, path: str = "") -> Group:
    """The numbers of nested containers, by their place, without measured times."""
    if isinstance(node, bool) or not isinstance(node, (dict, list, int, float)):
        return {}
    if isinstance(node, (int, float)):
        return {path: node}
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    found: Group = {}
    for key, child in pairs:
        if not any(word in str(key) for word in ("time", "seconds", "memory")):
            found |= numbers(child, f"{path} {key}".strip())
    return found


def pictures(folder: Path) -> dict[str, Group]:
    """Digests of the PNG files below a folder, but contact sheets and plots in its root."""
    groups: dict[str, Group] = {"pixels of PNG": {}, "bytes of PNG": {}}
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder)
        if len(name.parts) == 1 or path.is_symlink():
            continue
        groups["bytes of PNG"][str(name)] = digest(path.read_bytes())
        with Image.open(path) as image:
            values = torch.from_numpy(np.array(image))
        groups["pixels of PNG"][str(name)] = of_tensor(values)
    return groups


def portable(entries: dict[str, dict[str, Group]]) -> dict[str, dict[str, Group]]:
    """Of some entries what hardly depends on the machine: first losses, and mIoU; seven digits.

    Training amplifies the last bits of the first iteration, tenfold to a thousandfold in each
    further one, so that only the first few are kept. Sensitive are all of `SENSITIVE`.
    """
    chosen: dict[str, dict[str, Group]] = {}
    for name in PORTABLE:
        groups: dict[str, Group] = {"losses": {}, "sensitive losses": {}, "results": {}}
        for place, value in entries.get(name, {}).get("losses", {}).items():
            iteration, key = place.split(" ", 1)
            if "loss" in key and int(iteration) <= LAST.get(name, 2):
                is_exact = iteration == "1" and name not in SENSITIVE
                group = "losses" if is_exact else "sensitive losses"
                groups[group][place] = float(f"{value:.7g}")
        for key, value in entries.get(name, {}).get("results", {}).items():
            if "mIoU" in key:
                groups["results"][key] = float(f"{value:.7g}")
        chosen[name] = {group: values for group, values in groups.items() if values}
    return {name: groups for name, groups in chosen.items() if groups}
