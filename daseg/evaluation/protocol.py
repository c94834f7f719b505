"""The protocol card: the conditions under which a number was measured.

Two mIoUs can be compared only if they were measured under the same conditions. Papers differ in
what they evaluate (last or best checkpoint, student or teacher, resolution of image and label,
classes, test-time augmentation, initial weights) and seldom state it; the card states it beside
every result.
"""

import hashlib
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from daseg.evaluation.report import IoUResult
from daseg.utils.files import atomic_write_text
from daseg.utils.pseudo_labels import counted, described
from daseg.utils.versions import device_name, versions
from daseg.weights.files import sha256_file

NAME = "protocol_card"
BATCH_NORM = "training's"
Size = tuple[int, int]  # (height, width) in pixels

# What must agree before two results may be ranked.
RANKING_FIELDS = (
    "initial_weights",
    "input_sizes",
    "label_sizes",
    "classes",
    "inference",
    "tta",
    "checkpoint_choice",
    "network",
    "num_networks",
    "num_images",
)


@dataclass
class ProtocolCard:
    """The conditions of one evaluation.

    Args:
        config: Path of the config file.
        config_sha256: Of the config's full text, its bases included.
        weights: Path of the checkpoint.
        weights_sha256: Of the checkpoint file.
        averaged_with: Further checkpoints, whose networks' probabilities were averaged with the
            first's: path and SHA-256 of each. The fields about the training state what all share.
        iteration: Training iterations the checkpoint has seen; None where it does not say.
        initial_weights: What training started from; None where it is not known.
        checkpoint_choice: "last", "best on validation", ...; see `checkpoint_choice`.
        network: "student" or "teacher" where training had both, else None.
        num_networks: How many networks' probabilities were averaged.
        batch_norm: Whose statistics batch norm uses: the training's, or AdaBN's, over which images.
        input_sizes: Sizes of the images as the network saw them.
        label_sizes: Sizes of the labels that the predictions were compared with.
        classes: Names of the classes that are evaluated.
        unlabelled: Those of them without a labelled pixel in the images.
        inference: Settings of inference: whole image or sliding window, its size, stride.
        tta: Settings of test-time augmentation: scales, flips; empty for none.
        seed: Of the training run; None where it is not known.
        shuffle_window: Samples of a data set within which training shuffled, the fewest where its
            domains differ; None: among all.
        pseudo_labels: The facts about the pseudo-labels that checkpoints were trained on, as
            `daseg.utils.pseudo_labels.read_facts` gives them; none for the other checkpoints.
        target_labels: Images of the target whose labels training used by choice, at most.
        num_images: How many images were evaluated.
        device: What computed: "cpu", or the name of the GPU.
        versions: Of Python and of the packages that affect the numbers.
        date: When, in UTC, ISO 8601.
        command: The command line.
    """

    config: str
    config_sha256: str
    weights: str
    weights_sha256: str
    averaged_with: list[list[str]] = field(default_factory=list)
    iteration: int | None = None
    initial_weights: str | None = None
    checkpoint_choice: str = "other"
    network: str | None = None
    num_networks: int = 1
    batch_norm: str = BATCH_NORM
    input_sizes: list[Size] = field(default_factory=list)
    label_sizes: list[Size] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    inference: dict[str, Any] = field(default_factory=dict)
    tta: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    shuffle_window: int | None = None
    pseudo_labels: list[dict[str, Any]] = field(default_factory=list)
    target_labels: int = 0
    num_images: int = 0
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""
    command: str = ""

    def lines(self) -> list[str]:
        """The card as text: ten lines, one for each subject."""
        missing = self.unlabelled
        subjects = {
            "config": f"{self.config} (sha256 {self.config_sha256[:16]})",
            "weights": ", averaged with ".join(
                f"{path} (sha256 {sha256[:16]})"
                for path, sha256 in ([self.weights, self.weights_sha256], *self.averaged_with)
            ),
            "trained": f"{_known(self.iteration)} iterations from "
            f"{_known(self.initial_weights)}, seed {_known(self.seed)}"
            + (f", shuffled within {self.shuffle_window} samples" if self.shuffle_window else "")
            + "".join(f"; {text}" for text in dict.fromkeys(map(described, self.pseudo_labels)))
            + (f"; {counted(self.target_labels)} used by choice" if self.target_labels else ""),
            "checkpoint": f"{self.checkpoint_choice}, network: {self.network or 'the only one'}, "
            f"batch norm: {self.batch_norm}",
            "resolution": f"input {_sizes(self.input_sizes)}, label {_sizes(self.label_sizes)} "
            "(height x width)",
            "classes": f"{len(self.classes)}: {', '.join(self.classes)}"
            + (f"; without a labelled pixel: {', '.join(missing)}" if missing else ""),
            "inference": f"{_settings(self.inference)}; test-time augmentation: "
            f"{_settings(self.tta)}",
            "images": f"{self.num_images}",
            "made": f"{self.date} on {self.device} with "
            + ", ".join(f"{name} {number}" for name, number in self.versions.items()),
            "command": self.command,
        }
        return [f"{subject + ':':<12}{text}" for subject, text in subjects.items()]

    def save(self, out_dir: str | Path) -> None:
        """Write ``protocol_card.json`` and ``protocol_card.txt`` into ``out_dir``."""
        out = Path(out_dir)
        atomic_write_text(out / f"{NAME}.json", json.dumps(asdict(self), indent=2) + "\n")
        atomic_write_text(out / f"{NAME}.txt", "\n".join(self.lines()) + "\n")


def write_card(
    out_dir: str | Path,
    *,
    config: str | Path,
    config_text: str,
    weights: str | Path,
    result: IoUResult,
    weights_sha256: str | None = None,
    averaged_with: Sequence[str | Path] = (),
    iteration: int | None = None,
    max_iters: int | None = None,
    initial_weights: str | None = None,
    network: str | None = None,
    batch_norm: str = BATCH_NORM,
    inference: Mapping[str, Any] | None = None,
    tta: Mapping[str, Any] | None = None,
    seed: int | None = None,
    shuffle_window: int | None = None,
    pseudo_labels: Sequence[Mapping[str, Any]] = (),
    target_labels: int = 0,
    device: str | torch.device = "cpu",
) -> ProtocolCard:
    """Gather the conditions of an evaluation and write them beside its results.

    Args:
        out_dir: The folder of the results.
        config: Path of the config file.
        config_text: Its full text, bases merged and options applied: ``Config.pretty_text``.
        weights: Path of the checkpoint that was evaluated; a name, where they are in no file.
        result: What the evaluation found; it knows the sizes, the classes and the number of images.
        weights_sha256: Hash of weights that are in no file; None: that of the file.
        averaged_with: Further checkpoints, where the mean of several networks was evaluated.
        iteration: Training iterations the checkpoint has seen.
        max_iters: Iterations of its whole training.
        initial_weights: What training started from, in a way that another run would repeat.
        network: "student" or "teacher" where training had both.
        batch_norm: Whose statistics batch norm used.
        inference: Settings of inference.
        tta: Settings of test-time augmentation.
        seed: Of the training run.
        shuffle_window: Samples within which it shuffled; None: among all.
        pseudo_labels: The facts about those that training used, for each checkpoint that did.
        target_labels: Images of the target whose labels training used by choice.
        device: The device of the model.

    Returns:
        The card that was written.

    Raises:
        CheckpointError: ``weights`` is not a readable file.
    """
    choices = [checkpoint_choice(w, iteration, max_iters) for w in (weights, *averaged_with)]
    card = ProtocolCard(
        config=str(config),
        config_sha256=hashlib.sha256(config_text.encode()).hexdigest(),
        weights=str(weights),
        weights_sha256=weights_sha256 or sha256_file(weights),
        averaged_with=[[str(path), sha256_file(path)] for path in averaged_with],
        iteration=iteration,
        initial_weights=initial_weights,
        checkpoint_choice=", ".join(dict.fromkeys(choices)),
        network=network,
        num_networks=1 + len(averaged_with),
        batch_norm=batch_norm,
        input_sizes=result.input_sizes,
        label_sizes=result.label_sizes,
        classes=list(result.classes),
        unlabelled=list(result.unlabelled),
        inference=_plain(inference),
        tta=_plain(tta),
        seed=seed,
        shuffle_window=shuffle_window,
        pseudo_labels=[_plain(facts) for facts in pseudo_labels],
        target_labels=target_labels,
        num_images=result.num_images,
        device=device_name(device),
        versions=versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=_command_line(),
    )
    card.save(out_dir)
    return card


def _command_line() -> str:
    """The command line; a script below the folder that it was started in by its path from there."""
    script, *words = sys.argv
    path = Path(script)
    if path.name == "daseg" or path.parts[-2:] == ("daseg", "__main__.py"):
        return shlex.join(["daseg", *words])
    with suppress(ValueError):
        script = str(path.relative_to(Path.cwd()))
    return shlex.join([Path(sys.executable).name, script, *words])


def compare(cards: Sequence[ProtocolCard]) -> list[str]:
    """Names of the `RANKING_FIELDS` on which not all cards agree.

    If there are none, the results may be ranked. Config, weights, seed, versions, device and date
    may differ: they are what is compared, or should not matter.
    """
    known = {each.name for each in fields(ProtocolCard)}
    assert known.issuperset(RANKING_FIELDS)
    first = cards[0] if cards else None
    return [
        name
        for name in RANKING_FIELDS
        if any(getattr(card, name) != getattr(first, name) for card in cards)
    ]


def checkpoint_choice(
    weights: str | Path, iteration: int | None = None, max_iters: int | None = None
) -> str:
    """How a checkpoint was chosen.

    Returns:
        "best on validation" for ``best_*.pth``; "last" after the last iteration of its training;
        "iteration N of M" before that; "other" if the file does not state it.
    """
    if Path(weights).name.startswith("best_"):
        return "best on validation"
    if iteration is None or max_iters is None:
        return "other"
    return "last" if iteration == max_iters else f"iteration {iteration} of {max_iters}"


def _plain(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings as JSON gives them back, so that a card equals itself when read again."""
    return json.loads(json.dumps(settings or {}, default=str))


def _known(value: object) -> str:
    return "unknown" if value is None else str(value)


def _sizes(sizes: Sequence[Size]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in sizes) or "unknown"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "none"
