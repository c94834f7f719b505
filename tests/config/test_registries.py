"""Whatever can be named in a config is refused before training, or trains, saves and resumes."""

from contextlib import suppress
from pathlib import Path

import pytest

from daseg.config.load import load_config
from daseg.config.text import config_text
from daseg.config.unfit import PACKAGES, UNFIT
from daseg.engine.train import train
from daseg.registry import KINDS
from daseg.utils.errors import ConfigError, UserError
from registry_walk import all_parts, around, base

PARTS = all_parts()
KIND_OF = {registry.name: kind for kind, registry in KINDS.items()}
REFUSED = [(KIND_OF[key], name, why) for key, parts in UNFIT.items() for name, why in parts.items()]


@pytest.fixture(autouse=True)
def _parts_beside_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "fixtures"))
    monkeypatch.chdir(tmp_path)  # some write beside where they are started


def write(folder: Path, kind: str, name: str, root: Path) -> Path:
    path = folder / f"{kind}_{name}.py"
    path.write_text(config_text(around(kind, name, root)))
    return path


def trains(path: Path) -> bool:
    """Train two iterations and resume for a third; False: refused before the first."""
    work_dir = path.with_suffix("")
    try:
        train(path, work_dir=work_dir)
    except UserError:
        assert not list(work_dir.glob("*.pth")), "refused after the training had begun"
        return False
    assert (work_dir / "iter_2.pth").is_file()
    train(path, work_dir=work_dir, resume=True, cfg_options={"train_cfg.max_iters": 3})
    assert (work_dir / "iter_3.pth").is_file()
    return True


def test_every_part_is_accepted_or_refused_with_a_message(tmp_path, tiny_data):
    accepted = 0
    for kind, name in PARTS:
        with suppress(ConfigError):  # any other error fails the test
            load_config(write(tmp_path, kind, name, tiny_data))
            accepted += 1
    assert len(PARTS) > 170
    assert accepted > 100


@pytest.mark.parametrize(("kind", "name", "why"), REFUSED)
def test_what_cannot_work_names_what_to_use(tmp_path, tiny_data, kind, name, why):
    if (kind, name) not in PARTS:
        pytest.skip("not in the registries of these versions")
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, kind, name, tiny_data))
    assert f"{name} cannot be used here: {why}" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "part", "match"),
    [
        ("val_dataloader.sampler", "EndlessSampler", "it never ends; use .*DefaultSampler"),
        ("val_dataloader.sampler", "InfiniteSampler", "DefaultSampler"),
        ("train_dataloader.sampler", "DefaultSampler", "PairSampler"),
        ("val_cfg", "TestLoop", "use dict.type='ValLoop'"),
        ("test_cfg", "ValLoop", "use dict.type='TestLoop'"),
        ("train_cfg", "mmengine.EpochBasedTrainLoop", "IterTrainLoop"),
        ("train_cfg", "mmengine.runner.IterBasedTrainLoop", "IterTrainLoop"),
    ],
)
def test_what_works_elsewhere_is_refused_here(tmp_path, tiny_data, key, part, match):
    cfg = base(tiny_data)
    node, *rest = key.split(".")
    (cfg[node] if rest else cfg)[rest[0] if rest else node] = dict(type=part)
    (tmp_path / "mine.py").write_text(config_text(cfg))
    with pytest.raises(ConfigError, match=rf"{key}: {part} cannot be used here: .*{match}"):
        load_config(tmp_path / "mine.py")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_backend_without_its_package_is_refused(tmp_path, tiny_data, monkeypatch, name):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=rf"{name} cannot .* pip install {PACKAGES[name]}"):
        load_config(write(tmp_path, "vis_backend", name, tiny_data))


@pytest.mark.parametrize(
    ("kind", "name"), [("hook", "EarlyStoppingHook"), ("scheduler", "CosineAnnealingMomentum")]
)
def test_some_parts_train_save_and_resume(tmp_path, tiny_data, kind, name):
    assert trains(write(tmp_path, kind, name, tiny_data))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_what_validation_accepts_trains_saves_and_resumes(tmp_path, tiny_data, kind, name):
    path = write(tmp_path, kind, name, tiny_data)
    try:
        load_config(path)
    except ConfigError:
        return
    assert trains(path) or KINDS[kind].name == "dataset"
