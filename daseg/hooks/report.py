"""What a training cost, and whether it read labels that it must not read."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from daseg.datasets.domain_pair import chosen_labels
from daseg.datasets.firewall import OPENED, count_opened, take_opened
from daseg.registry import HOOKS
from daseg.utils.files import atomic_write_text
from daseg.utils.pseudo_labels import CHOSEN, described, saw

MIB = 2**20
CHEATED = (
    "this training, or its validation, has opened labels of the target's training images: "
    "its result is not one of unsupervised adaptation"
)
KEPT = ("labels_opened", "pseudo_labels_opened", "seconds", "validation_seconds", "peak_memory")


@HOOKS.register_module()
class ReportHook(Hook):
    """Log how a training went, and write it as ``report.txt`` and ``report.json``.

    It has the iterations, seconds, peak memory, the last validation's mIoU, and how many label
    files of the target's training images were opened, which unsupervised adaptation must not do.
    They are counted from the building of the run on, in training and validation, in all processes
    and workers; a file that is opened for a batch counts when the batch is used.

    A resumed run adds to the counts in the checkpoint. Seconds of training are those of the first
    process, without validation.

    Labels of the target that are learnt from by choice (``labelled_target`` of `DomainPair`) are
    not among those; the report states how many images have them.

    Pseudo-labels of the target are counted separately. With them the report says whether the
    training is unsupervised, or distils a teacher that was trained with labels of the target.
    """

    # After ordinary hooks, which may open files (50); before mmengine's logger (60), which resets
    # the device's count of the peak, and before the checkpoint (90), which keeps the numbers.
    priority: Any = 55

    def __init__(self) -> None:
        self.watched: frozenset[str] | None = None
        self.has_target = False
        self.chosen = 0  # images of the target that are trained on with their labels, by choice
        self.pseudo: Any = None  # the target's `PseudoLabels`
        self.pseudo_files: frozenset[str] = frozenset()
        self.opened: Counter[str] = Counter()
        self.kept: dict[str, Any] = dict.fromkeys(KEPT, 0)
        self.clock = 0.0
        self.miou: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Restore the counts of a checkpoint; find out which files are watched."""
        dataset = runner.train_dataloader.dataset
        self.has_target = hasattr(dataset, "target_label_files")
        self.watched = dataset.target_label_files() if self.has_target else None
        self.chosen = chosen_labels(dataset)
        self._watch_pseudo_labels(runner)
        self.kept = {key: runner.message_hub.get_info(f"report_{key}", 0) for key in KEPT}
        self.clock = time.perf_counter()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Collect what was read."""
        self._collect(data_batch)

    def before_val_epoch(self, runner: Runner) -> None:
        """Take the time of the training up to here."""
        self._take_time("seconds")

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Collect: a validation may look at the target's training images."""
        self._collect(data_batch)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Take the validation's time; keep its result."""
        self._take_time("validation_seconds")
        self.miou = (metrics or {}).get("mIoU", self.miou)

    def hand_on(self, runner: Runner) -> None:
        """Add up the counts of all processes, for a checkpoint or for other hooks."""
        self._take_time("seconds")
        self._add_up(runner)

    def after_pseudo_labels(self, runner: Runner) -> None:
        """Count the openings of the new ones from here on: making them was not training."""
        self._add_up(runner)
        self._watch_pseudo_labels(runner)

    def _watch_pseudo_labels(self, runner: Runner) -> None:
        self.facts, self.start_saw = runner.origin.pseudo_labels(), runner.origin.start_saw
        self.pseudo = getattr(runner.train_dataloader.dataset, "pseudo_labels", None)
        self.pseudo_files = self.pseudo.files() if self.pseudo else frozenset()

    def after_train(self, runner: Runner) -> None:
        """Log and write the report."""
        self.hand_on(runner)
        report = self.report(runner.iter)
        lines = [f"{name}: {value}" for name, value in self._lines(report)]
        runner.logger.info("\n".join(["report of the training", *lines]))
        if is_main_process():
            folder = Path(runner.work_dir)
            atomic_write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
            atomic_write_text(folder / "report.txt", "\n".join(lines) + "\n")

    def report(self, iterations: int) -> dict[str, Any]:
        """The numbers; memory in MiB, times in seconds, None for what is not known."""
        seconds, memory = self.kept["seconds"], self.kept["peak_memory"]
        pseudo: dict[str, Any] = {}
        if self.pseudo is not None:
            pseudo["target_pseudo_labels_opened"] = self.kept["pseudo_labels_opened"]
        if self.facts is not None:
            pseudo |= dict(training=described(self.facts), pseudo_labels=self.facts)
        return dict(
            iterations=iterations,
            seconds=round(seconds, 3),
            seconds_per_iteration=round(seconds / iterations, 6) if iterations else None,
            validation_seconds=round(self.kept["validation_seconds"], 3),
            peak_memory_mib=round(memory / MIB, 1) if memory else None,
            peak_memory_of="cuda" if torch.cuda.is_available() else "process",
            last_validation_mIoU=self.miou,
            target_domain=self.has_target,
            target_train_labels_opened=(
                None if self.watched is None else self.kept["labels_opened"]
            ),
            **({CHOSEN: self.chosen} if self.chosen else {}),
            **self.start_saw,
            **pseudo,
        )

    def _lines(self, report: dict[str, Any]) -> list[tuple[str, Any]]:
        each, memory = report["seconds_per_iteration"], report["peak_memory_mib"]
        miou, opened = report["last_validation_mIoU"], report["target_train_labels_opened"]
        if not self.has_target:
            opened = "no target domain in training"
        elif opened is None:
            opened = "not known: the target's data set is not one of daseg's"
        where = "of the GPU" if report["peak_memory_of"] == "cuda" else "of the process"
        lines = [
            ("iterations", report["iterations"]),
            ("seconds", f"{report['seconds']:.1f}" + (f" ({each:.4f} each)" if each else "")),
            ("seconds of validation", f"{report['validation_seconds']:.1f}"),
            ("peak memory", f"{memory} MiB {where}" if memory else "not known"),
            ("last validation mIoU", "none" if miou is None else f"{miou:.2f}"),
            ("target train labels opened", opened),
        ]
        if self.chosen:
            lines.append(("target labels used by choice", self.chosen))
        lines += [("initial weights", saw(number)) for number in self.start_saw.values()]
        if self.pseudo is not None:
            lines.append(("target pseudo-labels opened", report["target_pseudo_labels_opened"]))
        if self.facts is not None:
            lines.append(("training", report["training"]))
        return [*lines, ("WARNING", CHEATED)] if report["target_train_labels_opened"] else lines

    def _collect(self, data_batch: Any) -> None:
        self.kept["peak_memory"] = max(self.kept["peak_memory"], peak_memory())
        if isinstance(data_batch, dict):
            self.opened.update(data_batch.get(OPENED, {}))

    def _take_time(self, key: str) -> None:
        now = time.perf_counter()
        self.kept[key] += now - self.clock
        self.clock = now

    def _add_up(self, runner: Runner) -> None:
        """Add up the counts of all processes, for the next checkpoint."""
        self.opened.update(take_opened())
        files = self.watched or frozenset(), self.pseudo_files
        counted = torch.tensor([count_opened(self.opened, watched) for watched in files])
        memory = torch.tensor(self.kept["peak_memory"])
        self.opened.clear()
        all_reduce(counted, "sum")
        all_reduce(memory, "max")
        self.kept["labels_opened"] += int(counted[0])
        self.kept["pseudo_labels_opened"] += int(counted[1])
        self.kept["peak_memory"] = int(memory)
        for key, value in self.kept.items():
            runner.message_hub.update_info(f"report_{key}", value)


def peak_memory() -> int:
    """Bytes: the most that tensors took on the GPU, or the process in memory; 0: not known."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # else it counts in KiB
