"""Functions of logits and labels that losses, objectives, scores and pictures share."""

import math

import torch
from torch import Tensor


def at_least_float32(logits: Tensor) -> Tensor:
    """Half and bfloat16 as float32; float32 and float64 as they are.

    Sums over millions of pixels overflow or stall in 16 bits, so no loss runs in them under AMP.
    """
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def self_information(logits: Tensor) -> Tensor:
    """Each class's part of a pixel's entropy, ``-p log(p) / log(K)``.

    Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
    Segmentation", CVPR 2019: eq. (2) before its sum; its "weighted self-information" (section
    3.2), divided by the largest entropy, so that it sums to 0..1 over the classes.

    Args:
        logits: (N,K,H,W), any float type.

    Returns:
        (N,K,H,W), 0..1, float32 at least.
    """
    log_prob = at_least_float32(logits).log_softmax(dim=1)
    # A probability may underflow to 0 while its logarithm stays finite: 0 * finite is 0.
    return -log_prob.exp() * log_prob / math.log(logits.shape[1])


def entropy(logits: Tensor) -> Tensor:
    """Entropy of each pixel's class probabilities by log K: (N,K,H,W) to (N,H,W), 0..1."""
    return self_information(logits).sum(dim=1)


def class_pixels(classes: Tensor, num_classes: int) -> Tensor:
    """Number of pixels of each class, (K,) int64; values that are no class (255) are left out.

    Not ``bincount``, which waits for the GPU to learn the largest value.
    """
    known = (classes >= 0) & (classes < num_classes)
    index = torch.where(known, classes, num_classes).flatten().long()
    one = torch.ones((), dtype=torch.long, device=index.device)
    counts = index.new_zeros(num_classes + 1).scatter_add_(0, index, one.expand_as(index))
    return counts[:num_classes]
