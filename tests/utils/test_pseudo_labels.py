"""What a training on pseudo-labels is called."""

import pytest

from daseg.utils.pseudo_labels import described, kind_of_training

TEACHER = dict(name="iter_400.pth", sha256="0123456789abcdef" * 4)


@pytest.mark.parametrize(("seen", "words"), [
    (0, "self-training, unsupervised"),
    (1, "distillation from a teacher with 1 target label"),
    (2975, "distillation from a teacher with 2975 target labels"),
    (None, "self-training; whether the teacher saw target labels is not known"),
])  # fmt: skip
def test_by_what_the_teacher_saw(seen, words):
    facts = dict(root="here", checkpoints=[TEACHER], teacher_saw_target_labels=seen)
    assert kind_of_training(facts) == words
    assert described(facts) == f"{words} (by iter_400.pth sha256:0123456789abcdef)"


def test_of_unknown_origin():
    assert described(dict(root="here")) == "training on label files of unknown origin in here"
