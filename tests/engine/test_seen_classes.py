"""Classes that no training label has, and best checkpoints that are never written, are said."""

import numpy as np

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.evaluation import IoUMetric

FOUR = """
names = ['left', 'right', 'square', 'never']
for each in (train_dataloader, val_dataloader, test_dataloader):
    each['dataset'] = dict(each['dataset'], classes=names)
model['segmentor']['num_classes'] = 4
train_cfg.update(max_iters=6, val_interval=3)
default_hooks['checkpoint'].update(interval=3)
"""


def log_of(folder):
    return "".join(path.read_text() for path in sorted(folder.glob("*/*.log")))


def warnings_of(folder):
    return [line for line in log_of(folder).splitlines() if " WARNING - " in line]


def test_a_class_that_no_label_has_is_named_and_a_resumed_run_says_the_same(small_config, tmp_path):
    config = small_config(FOUR, norm="gn")
    train(config, work_dir=tmp_path / "run")
    (line,) = [w for w in warnings_of(tmp_path / "run") if "no label had a pixel" in w]
    assert "in 6 iterations no label had a pixel of never: " in line
    info = read_checkpoint(tmp_path / "run/iter_3.pth")["message_hub"]["runtime_info"]
    assert info["seen_classes"] == "0 1 2"
    (tmp_path / "run/iter_6.pth").unlink()
    train(config, work_dir=tmp_path / "run", resume=True)
    again = read_checkpoint(tmp_path / "run/iter_6.pth")["message_hub"]["runtime_info"]
    assert again["seen_classes"] == "0 1 2"


def test_it_is_said_before_a_validation_once_all_images_may_have_been_seen(small_config, tmp_path):
    text = FOUR + "train_dataloader['dataset'].update(num_samples=4)\n"  # 2 iterations of 2
    train(small_config(text, norm="gn"), work_dir=tmp_path / "run")
    log = log_of(tmp_path / "run")
    assert log.count("no label had a pixel of never") == 1
    assert log.index("in 3 iterations no label had a pixel of never") < log.index("mIoU")


def test_nothing_is_said_where_all_classes_are_there(trained):
    assert "no label had a pixel" not in log_of(trained["work_dir"])


def test_a_best_checkpoint_that_is_never_written_is_said(small_config, tmp_path, monkeypatch):
    real = IoUMetric.compute_metrics
    monkeypatch.setattr(
        IoUMetric, "compute_metrics", lambda self, results: real(self, results) | {"mIoU": np.nan}
    )
    text = (
        "train_cfg.update(max_iters=2, val_interval=1)\n"
        "default_hooks['checkpoint'].update(save_best='mIoU')\n"
    )
    train(small_config(text, norm="gn"), work_dir=tmp_path / "run")
    said = warnings_of(tmp_path / "run")
    assert sum("after iteration 1 the validation gave NaN for it" in line for line in said) == 1
    assert sum("no best checkpoint is written: no validation gave a number" in s for s in said) == 1
