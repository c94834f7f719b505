"""Confusion matrices: counted from class maps, and what follows from them."""

import cv2
import numpy as np
import torch
from torch import Tensor

Matrix = np.ndarray  # (K,K) int64, row = class of the label, column = class of the prediction


class PredictionError(ValueError):
    """A prediction is not a class index; the label is right."""


def confusion_matrix(
    pred: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255
) -> Matrix:
    """Count how often pixels of each class are predicted as each class.

    The counting runs on the tensors' device, and only the counts leave it. On the CPU, where both
    maps fit into bytes, it is one pass of OpenCV's histogram.

    Args:
        pred: Predicted classes, any shape, integers in 0..K-1.
        label: Train ids in 0..K-1 or ``ignore_index``, same shape.
        num_classes: K.
        ignore_index: Label of the pixels that count nowhere.

    Returns:
        (K,K) int64 on the host; row = label, column = prediction.

    Raises:
        ValueError: The shapes differ, or a label is neither in 0..K-1 nor ``ignore_index``.
        PredictionError: On a labelled pixel the prediction is not in 0..K-1.
    """
    if pred.shape != label.shape:
        raise ValueError(
            f"the prediction is {_size(pred)} pixels (height x width), the label {_size(label)}"
        )
    pred = pred.to(label.device)
    counts = _byte_pairs(pred, label)
    if counts is None:
        return _general(pred.long().flatten(), label.long().flatten(), num_classes, ignore_index)
    if 0 <= ignore_index < len(counts):
        counts[ignore_index] = 0
    if counts[num_classes:].any():
        found = np.flatnonzero(counts[num_classes:].any(1)) + num_classes
        raise ValueError(_out_of_range("the label", found.tolist(), num_classes))
    if counts[:num_classes, num_classes:].any():
        found = np.flatnonzero(counts[:num_classes, num_classes:].any(0)) + num_classes
        raise PredictionError(_out_of_range("the prediction", found.tolist(), num_classes))
    return counts[:num_classes, :num_classes].copy()


def _byte_pairs(pred: Tensor, label: Tensor) -> Matrix | None:
    """How often each label comes with each prediction, (256,256) int64, by their values.

    None: they are not on the CPU, or a value is no byte.
    """
    if label.device.type != "cpu" or label.numel() == 0:
        return None
    pair = []
    for values in (label, pred):
        if values.dtype != torch.uint8:
            least, most = values.aminmax()
            if least < 0 or most > 255:
                return None
        pair.append(values.byte().contiguous().numpy().reshape(1, -1))
    counts = np.zeros((256, 256), np.int64)
    # OpenCV gives float32, which counts to 2**24.
    for begin in range(0, pair[0].size, 1 << 24):
        part = [values[:, begin : begin + (1 << 24)] for values in pair]
        histogram = cv2.calcHist(part, [0, 1], None, [256, 256], [0, 256, 0, 256])
        counts += histogram.astype(np.int64)
    return counts


def _general(pred: Tensor, label: Tensor, num_classes: int, ignore_index: int) -> Matrix:
    """The same on any device, of any int64 values.

    One more column for predictions out of range, two more rows for ignored labels and for labels
    out of range: so the check needs no pass of its own over the pixels.
    """
    columns = num_classes + 1
    column = torch.where((pred >= 0) & (pred < num_classes), pred, num_classes)
    row = torch.where((label >= 0) & (label < num_classes), label, num_classes + 1)
    row = torch.where(label == ignore_index, num_classes, row)
    counts = torch.bincount(row * columns + column, minlength=(num_classes + 2) * columns)
    table = counts.view(num_classes + 2, columns).cpu().numpy()
    if table[num_classes + 1].any():
        wrong = label[row == num_classes + 1].unique().tolist()
        raise ValueError(_out_of_range("the label", wrong, num_classes))
    if table[:num_classes, num_classes].any():
        wrong = pred[(column == num_classes) & (row < num_classes)].unique().tolist()
        raise PredictionError(_out_of_range("the prediction", wrong, num_classes))
    return table[:num_classes, :num_classes].astype(np.int64)


def iou_per_class(matrix: Matrix) -> np.ndarray:
    """Intersection over union of each class, (K,) in 0..1; NaN where there is neither."""
    hits = np.diag(matrix).astype(np.float64)
    return _ratio(hits, matrix.sum(1) + matrix.sum(0) - hits)


def accuracy_per_class(matrix: Matrix) -> np.ndarray:
    """Share of each class's pixels that are found, (K,) in 0..1; NaN where it has no pixel."""
    return _ratio(np.diag(matrix).astype(np.float64), matrix.sum(1))


def pixel_accuracy(matrix: Matrix) -> float:
    """Share of all labelled pixels that are right, 0..1; NaN where there is none."""
    return float(_ratio(np.trace(matrix), matrix.sum()))


def restrict(matrix: Matrix, indices: list[int]) -> Matrix:
    """Forget the pixels whose label is not among ``indices``; (K,K) -> (K,K).

    What is predicted as another class on the pixels that stay is still a miss.
    """
    restricted = np.zeros_like(matrix)
    restricted[indices] = matrix[indices]
    return restricted


def mean(values: np.ndarray) -> float:
    """Mean over the values that are not NaN; NaN where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part / np.asarray(whole, dtype=np.float64))


def _size(image: Tensor) -> str:
    return "x".join(str(side) for side in image.shape)


def _out_of_range(what: str, found: list[int], num_classes: int) -> str:
    return f"{what} holds {found[:8]}, but there are {num_classes} classes (0..{num_classes - 1})"
