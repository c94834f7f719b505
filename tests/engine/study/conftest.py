"""A small study on tiny data."""

from collections.abc import Callable
from pathlib import Path

import pytest

STUDY = """
title = 'A small study'
seeds = [1, 2]
steps = [
    dict(name='labels', tool='pseudo_label', config={config!r}, checkpoint='{{teacher}}'),
    dict(name='first', config={config!r}, once=True)]
rows = [
    dict(name='student', config={config!r}, group='all', logged={{20: 40.5}}, baseline='plain',
         cfg_options={{'load_from': '{{first}}',
                      'train_dataloader.dataset.label_root': '{{labels}}'}}),
    dict(name='plain', config={config!r}, group='all'),
    dict(name='teacher', config={config!r}, group='all')]
claims = [dict(title='Students learn', checks=['student > plain'])]
"""
FAKE = {
    "train": """
import pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
if 'optim_wrapper.segmentor.optimizer.lr=13' in sys.argv:
    sys.exit('no such rate')
for iteration in (2, 3, 6):
    (folder / f'iter_{iteration}.pth').touch()
""",
    "test": "import pathlib, sys; assert pathlib.Path(sys.argv[2]).is_file()",
}


@pytest.fixture
def study_file(tiny_config: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Write a study of the tiny config; what is given is executed behind it."""

    def write(extra: str = "") -> Path:
        path = tmp_path / "small.py"
        path.write_text(STUDY.format(config=str(tiny_config())) + extra)
        return path

    return write


@pytest.fixture
def fake_tools(tmp_path, monkeypatch):
    """Tools that write checkpoints without training."""
    monkeypatch.setattr("daseg.engine.study.jobs.TOOLS", tmp_path)
    for tool, code in FAKE.items():
        (tmp_path / f"{tool}.py").write_text(code)
