"""The metric: intersection over union of classes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from torch import Tensor

from daseg.evaluation import confusion
from daseg.evaluation.report import IoUResult
from daseg.registry import METRICS, did_you_mean
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.log import FILE_ONLY

# Classes that results on SYNTHIA are reported on: Cityscapes' without terrain, truck and train.
SYNTHIA13 = (
    *("road", "sidewalk", "building", "traffic light", "traffic sign", "vegetation", "sky"),
    *("person", "rider", "car", "bus", "motorcycle", "bicycle"),
)
SYNTHIA16 = (*SYNTHIA13[:3], "wall", "fence", "pole", *SYNTHIA13[3:])
RESTRICTED = "_restricted"
ONE_CLASS = (
    "all labelled pixels are of one class: a network that sees it everywhere would be right. Where "
    "a mask stores a class as 255, which is ignored, say so with the data set's id_map"
)


@METRICS.register_module()
class IoUMetric(BaseMetric):
    """IoU and accuracy of each class, their means, and the share of right pixels.

    Counts one confusion matrix per image. mmengine gathers them and cuts the list to the size of
    the data set, which drops the images that a distributed sampler repeated to give every process
    the same number: the result does not depend on the number of processes or the batch size.

    Means over a subset of the classes exist in two conventions that give different numbers:

    - ``mIoU16``: the mean of these 16 classes' IoUs as they are, computed over all classes. Pixels
      of the other classes count as false positives where they are taken for one of the 16. (Where
      the IoUs of the other 3 of 19 are 0, this is mIoU * 19 / 16.)
    - ``mIoU16_restricted``: pixels whose label is not among the 16 are left out first, as if they
      had no label. Never lower. Predicting another class stays a miss.

    Args:
        classes: Names of the classes; None takes them from the data set.
        subset_means: Which subset means to compute: ``mIoU16`` and ``mIoU13`` (SYNTHIA's classes
            among Cityscapes') or names of ``subsets``, each also with ``_restricted`` appended.
        subsets: More subsets by name, of class names or indices; their plain means are computed
            without being listed in ``subset_means``.
        ignore_index: Label of the pixels that count nowhere.
        out_dir: Folder for results.json, table.txt and confusion_matrix.npz, which the main process
            writes at each evaluation; validations and tests add a picture. None writes nothing.
        seed_log: File for the lines that AdaptSegNet's evaluation prints; None writes none.
        collect_device: How processes exchange matrices, in mmengine's terms: "gpu" through the
            process group (NCCL or gloo), which works across nodes; "cpu" through files in the
            folder ``.dist_test`` of the working directory, which all nodes must share.

    Raises:
        ConfigError: A subset's name or class is unknown (the classes are checked when they are
            known, at the first image).
    """

    # mmengine warns about None; with "" the keys stay plain, as `save_best='mIoU'` needs them.
    default_prefix = ""

    def __init__(
        self,
        *,
        classes: Sequence[str] | None = None,
        subset_means: Sequence[str] = (),
        subsets: Mapping[str, Sequence[str | int]] | None = None,
        ignore_index: int = 255,
        out_dir: str | None = None,
        seed_log: str | None = None,
        collect_device: str = "gpu",
    ) -> None:
        super().__init__(collect_device=collect_device)
        self.subsets = {"mIoU16": SYNTHIA16, "mIoU13": SYNTHIA13, **(subsets or {})}
        self.subset_means = list(dict.fromkeys([*(subsets or {}), *subset_means]))
        for name in self.subset_means:
            if name.removesuffix(RESTRICTED) not in self.subsets:
                raise ConfigError(
                    f"IoUMetric knows no subset {name!r}{did_you_mean(name, self.subsets)} "
                    f"(known: {', '.join(self.subsets)}, each also with {RESTRICTED!r})"
                )
        self._classes = None if classes is None else tuple(classes)
        self.ignore_index = ignore_index
        self.out_dir = out_dir
        self.seed_log = seed_log
        self.last_result: IoUResult | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: the argument, else the data set's."""
        if self._classes is not None:
            return self._classes
        classes = (self.dataset_meta or {}).get("classes")
        self.check_classes(classes)
        assert classes is not None
        return tuple(classes)

    def check_classes(self, names: Sequence[str] | None) -> None:
        """Check the names given as ``classes`` against those of the data set.

        Args:
            names: The data set's; None: it has none.

        Raises:
            ConfigError: Their number differs, a name stands for another class there, or neither
                has names.
        """
        if names is None or len(names) == 0:
            if self._classes is None:
                raise ConfigError(
                    "IoUMetric does not know the classes: the data set's metainfo has no "
                    "'classes'; give classes=[...] to the metric"
                )
            return
        if self._classes is None:
            return
        moved = [n for n, other in zip(self._classes, names, strict=False) if n != other]
        if len(self._classes) != len(names) or set(moved) & set(names):
            raise ConfigError(
                f"IoUMetric has the classes {list(self._classes)}, the data set {list(names)}: "
                "the table would show classes under wrong names. Leave classes out, or give "
                "the data set's in their order"
            )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: The batch as loaded; its ``image`` (N,3,H,W) tells the input size.
            data_samples: For each image a dict of ``pred`` (H,W) class indices, ``label`` (H,W)
                train ids or ``ignore_index``, and ``meta``.

        Raises:
            DataError: A sample has no label, or label and prediction do not fit. Names the file.
        """
        if not self.results:
            self._subset_indices()  # a wrong class name must not wait for the last image
            self.check_classes((self.dataset_meta or {}).get("classes"))
        image = data_batch.get("image") if isinstance(data_batch, Mapping) else None
        input_size = (image.shape[-2], image.shape[-1]) if isinstance(image, Tensor) else None
        for sample in data_samples:
            label = _label(sample)
            self.results.append(
                {
                    "matrix": self._count(sample, label),
                    "input_size": input_size,
                    "label_size": tuple(label.shape[-2:]),
                    "file": _file(sample),
                }
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Sum up, log the table, write the files; return mIoU, pixAcc, mAcc, ... in percent.

        Raises:
            DataError: No image was counted, or no pixel of them is labelled.
        """
        if not results:
            raise DataError("IoUMetric has counted no image: the data set is empty")
        matrix = np.sum([result["matrix"] for result in results], axis=0)
        if not matrix.any():
            raise DataError(
                f"IoUMetric has found no labelled pixel in {len(results)} images, the first of "
                f"which is {results[0]['file']}: all are {self.ignore_index}, which is ignored. "
                "There is nothing to measure: take a split with labels, or give the data set's "
                "id_map"
            )
        self.last_result = IoUResult(
            classes=self.classes,
            matrix=matrix,
            subset_means=self._subset_means(matrix),
            num_images=len(results),
            input_sizes=_sizes(results, "input_size"),
            label_sizes=_sizes(results, "label_size"),
        )
        MMLogger.get_current_instance().info("\n" + self.last_result.table(), extra=FILE_ONLY)
        if len(self.last_result.unlabelled) == len(self.classes) - 1:
            print_log(ONE_CLASS, logger="current", level=logging.WARNING)
        if is_main_process():
            self._write(self.last_result)
        return self.last_result.summary()

    def _count(self, sample: dict, label: Tensor) -> np.ndarray:
        try:
            return confusion.confusion_matrix(
                sample["pred"], label, len(self.classes), self.ignore_index
            )
        except confusion.PredictionError as error:
            raise DataError(
                f"{_file(sample, 'image_path')}: {error}: the label is right, the network has more "
                "outputs than the data set has classes (model.segmentor.num_classes)"
            ) from error
        except ValueError as error:
            raise DataError(f"{_file(sample)}: {error}") from error

    def _subset_indices(self) -> dict[str, list[int]]:
        """Class indices of each subset mean that is asked for."""
        return {
            name: [
                _index(self.classes, member, name)
                for member in self.subsets[name.removesuffix(RESTRICTED)]
            ]
            for name in self.subset_means
        }

    def _subset_means(self, matrix: np.ndarray) -> dict[str, float]:
        means = {}
        for name, indices in self._subset_indices().items():
            counted = confusion.restrict(matrix, indices) if name.endswith(RESTRICTED) else matrix
            means[name] = confusion.mean(confusion.iou_per_class(counted)[indices])
        return means

    def _write(self, result: IoUResult) -> None:
        if self.out_dir is not None:
            result.save(self.out_dir)
            print_log(f"results are in {self.out_dir}", logger="current")
        if self.seed_log is not None:
            atomic_write_text(self.seed_log, result.seed_log())


def _index(classes: Sequence[str], member: str | int, subset: str) -> int:
    if isinstance(member, int) and 0 <= member < len(classes):
        return member
    if member not in classes:
        raise ConfigError(
            f"the subset {subset!r} of IoUMetric names the class {member!r}, which is not among "
            f"the data set's {len(classes)} classes{did_you_mean(str(member), classes)}"
        )
    return list(classes).index(str(member))


def _label(sample: dict) -> Tensor:
    if sample.get("label") is None:
        raise DataError(
            f"{_file(sample)} has no label to evaluate against; give the data set of "
            "val_dataloader/test_dataloader its label folder, or use daseg predict"
        )
    return sample["label"]


def _file(sample: dict, *keys: str) -> str:
    """The first of these keys that the sample has; by default its label, else its image."""
    meta = sample.get("meta") or {}
    names = (meta.get(key) for key in (*(keys or ("label_path", "image_path")), "name"))
    return str(next(filter(None, names), "an image"))


def _sizes(results: list[dict], key: str) -> list[tuple[int, int]]:
    return sorted({tuple(result[key]) for result in results if result[key] is not None})
