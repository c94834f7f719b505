"""Scores of predictions that need no labels: confidence, diversity, consistency.

None of them is an accuracy: a network that is confident of the wrong class scores as well as one
that is confident of the right class. They serve to compare runs, or iterations of a run, on data
without labels.
"""

import math

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from daseg.ops.logits import class_pixels


class LabelFreeScores:
    """Scores of a network's predictions, accumulated over images; each pixel has the same weight.

    Args:
        num_classes: Number of classes K.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        # Pixels, entropy, flips that agree; pixels that two networks saw, and agree on.
        self.sums = torch.zeros(5, dtype=torch.float64)
        self.marginal = torch.zeros(num_classes, dtype=torch.float64)
        self.predicted = torch.zeros(num_classes, dtype=torch.float64)  # pixels of each class

    def add(self, prob: Tensor, flipped: Tensor, other: Tensor | None = None) -> None:
        """Take in a batch.

        Args:
            prob: Class probabilities (N,K,H,W) of images.
            flipped: Those of the horizontally flipped images, flipped back.
            other: Those of another network: of a student, where ``prob`` is a teacher's.
        """
        prob = prob.float()
        pred = prob.argmax(1)
        sums = [torch.special.entr(prob).sum(), (pred == flipped.argmax(1)).sum()]
        if other is not None:
            sums += [torch.full_like(sums[1], pred.numel()), (pred == other.argmax(1)).sum()]
        self.sums[0] += pred.numel()
        self.sums[1 : 1 + len(sums)] += torch.stack(sums).cpu()
        self.marginal += prob.sum((0, 2, 3)).cpu()
        self.predicted += class_pixels(pred, self.num_classes).cpu()

    def result(self) -> dict[str, float]:
        """The scores, each 0..1, of the images of all processes.

        - ``entropy``: mean entropy of a pixel, divided by log K; 0 is certain. Vu et al., "ADVENT",
          CVPR 2019, eq. (2).
        - ``information``: entropy of the mean prediction minus the mean entropy, divided by log K:
          large where predictions are certain and all classes occur. Shi and Sha, "Information-
          Theoretical Learning of Discriminative Clusters for Unsupervised Domain Adaptation", ICML
          2012: their estimate of the mutual information of input and class.
        - ``flip_agreement``: share of pixels of the same class in the flipped image.
        - ``teacher_agreement``: share of pixels of the same class in both networks, where there
          are two.
        """
        total = torch.cat([self.sums, self.marginal])
        all_reduce(total)
        pixels, entropy, flips, compared, teachers = total[:5].tolist()
        mean = total[5:] / pixels
        unit = math.log(self.num_classes)
        mean_entropy = entropy / pixels / unit
        scores = dict(
            entropy=mean_entropy,
            information=float(torch.special.entr(mean).sum()) / unit - mean_entropy,
            flip_agreement=flips / pixels,
        )
        return scores | ({"teacher_agreement": teachers / compared} if compared else {})

    def shares(self) -> list[float]:
        """The share of the pixels that are predicted as each class, 0..1, over all processes."""
        total = self.predicted.clone()
        all_reduce(total)
        return (total / total.sum()).tolist()
