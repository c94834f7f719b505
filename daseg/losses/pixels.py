"""The check of labels that the losses share."""

from torch import Tensor

from daseg.utils.errors import DataError


def check_target(logits: Tensor, target: Tensor, ignore_index: int) -> None:
    """Check the target's shape and, on the CPU, its values.

    On CUDA the values stay unchecked: reading them would stop the host in every iteration, and
    a label out of range ends in torch's own device-side assertion. Datasets refuse such labels
    when they read them, so that this check is the last one and not the first.

    Args:
        logits: (N,K,H,W).
        target: (N,H,W).
        ignore_index: The value that marks pixels without a label.

    Raises:
        ValueError: The shapes differ.
        DataError: A label is neither in 0..K-1 nor ``ignore_index``.
    """
    if logits.dim() != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"logits (N,K,H,W) and target (N,H,W) do not fit: {tuple(logits.shape)} and "
            f"{tuple(target.shape)}; resize the logits to the label first"
        )
    if target.is_cuda:
        return
    num_classes = logits.shape[1]
    wrong = (target != ignore_index) & ((target < 0) | (target >= num_classes))
    if wrong.any():
        values = target[wrong].unique().tolist()
        raise DataError(
            f"labels {values} are out of range: the model has {num_classes} classes "
            f"(0..{num_classes - 1}) and ignores {ignore_index}. Map the ids of the label files to "
            "train ids in the dataset, or raise num_classes"
        )
