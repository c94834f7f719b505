"""The example in plain Python trains, and says what it has reached."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples/plain_train.py"


def test_it_trains_in_a_world_that_it_draws_and_prints_its_miou(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLE))["main"]
    small = ["--root", str(tmp_path / "world"), "--size", "64", "32", "--images", "1"]
    miou = main([*small, "--iters", "2"])
    last, said = capsys.readouterr().out.splitlines()
    assert said == f"mIoU on the target: {miou:.2f}"
    assert 0 < miou < 100
    names = ["loss_seg", "loss_seg_aux", "loss_adv", "loss_adv_aux", "loss_disc", "loss_disc_aux"]
    assert last.startswith("2: ")
    assert set(names) <= set(last.split())
