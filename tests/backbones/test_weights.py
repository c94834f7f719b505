import hashlib
import urllib.error
from pathlib import Path

import pytest
import torch
import torchvision

from daseg.backbones import ResNet
from daseg.utils.errors import CheckpointError, ConfigError

FILE = "resnet18-f37072fd.pth"  # torchvision's name for its ImageNet weights


@pytest.fixture
def published() -> dict[str, torch.Tensor]:
    return torchvision.models.resnet18(weights=None).state_dict()


def save(state: object, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return str(path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)


def assert_loaded(backbone: ResNet, published: dict[str, torch.Tensor]) -> None:
    state = backbone.state_dict()
    assert len(state) == len(published) - 2
    assert all(torch.equal(tensor, published[key]) for key, tensor in state.items())


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder.", "Scale."])
def test_local_file(prefix: str, published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = save({prefix + k: v for k, v in published.items()}, tmp_path / "w.pth")
    backbone = ResNet(18, weights=path)
    assert_loaded(backbone, published)
    info = backbone.initial_weights
    assert info is not None
    assert info.source == path
    assert info.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert set(info.dropped) == {prefix + "fc.weight", prefix + "fc.bias"}


def test_whole_checkpoint_with_heads(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    state = {f"backbone.{k}": v for k, v in published.items() if k[:3] != "fc."}
    state |= {"head.classifier.weight": torch.zeros(1), "mean": torch.zeros(3)}
    path = save(dict(state_dict=state, meta=dict(iter=1)), tmp_path / "w.pth")
    backbone = ResNet(18, weights=path)
    assert_loaded(backbone, published)
    assert backbone.initial_weights.dropped == ("head.classifier.weight", "mean")


def test_files_of_old_pytorch_lack_the_counters(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    old = {k: v for k, v in published.items() if "num_batches_tracked" not in k}
    backbone = ResNet(18, weights=save(old, tmp_path / "w.pth"))
    assert_loaded(backbone, published)


def test_torchvision_names_come_from_the_cache(
    published: dict[str, torch.Tensor], cache: Path, no_network: None
) -> None:
    save(published, cache / FILE)
    for name in ("imagenet", "IMAGENET1K_V1"):
        assert_loaded(ResNet(18, weights=name), published)


def test_download_goes_to_the_cache(
    published: dict[str, torch.Tensor], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, path: str, hash_prefix: str) -> None:
        assert url == f"https://download.pytorch.org/models/{FILE}"
        assert hash_prefix == "f37072fd"
        torch.save(published, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert_loaded(ResNet(18, weights="imagenet"), published)
    assert (cache / FILE).is_file()


def test_no_download_says_what_to_do(cache: Path, no_network: None) -> None:
    with pytest.raises(CheckpointError) as caught:
        ResNet(18, weights="imagenet")
    message = str(caught.value)
    assert FILE in message
    assert f"into {cache} " in message
    assert "--cfg-options model.segmentor.backbone.weights=None" in message
    assert "no route to host" in message


def test_unknown_torchvision_name() -> None:
    with pytest.raises(ConfigError, match="no weights 'IMAGENET1K_V2' for resnet18; it has IMAGEN"):
        ResNet(18, weights="IMAGENET1K_V2")


def test_bad_files(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    def load(state: object) -> None:
        ResNet(18, weights=save(state, tmp_path / "w.pth"))

    with pytest.raises(CheckpointError, match=r"no weights file .*missing\.pth"):
        ResNet(18, weights=str(tmp_path / "missing.pth"))
    with pytest.raises(CheckpointError, match=r"w\.pth: none of its keys fits. It has gener"):
        load({"generator.w": torch.zeros(1)})
    lacking = {k: v for k, v in published.items() if k != "layer3.1.conv2.weight"}
    with pytest.raises(CheckpointError, match=r"missing in it: layer3\.1\.conv2\.weight$"):
        load(lacking)
    with pytest.raises(CheckpointError, match=r"no known use: layer9\.weight$"):
        load({**published, "layer9.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"conv1\.weight is \(64, 4, 7, 7\) instead of"):
        load({**published, "conv1.weight": torch.zeros(64, 4, 7, 7)})
    with pytest.raises(CheckpointError, match="holds no state dict"):
        load([1, 2])
    with pytest.raises(CheckpointError, match="is not weights alone"):
        load({"code": ConfigError})  # a pickled class is code, not weights
    (tmp_path / "w.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(CheckpointError, match=r"or is not a file of torch\.save"):
        ResNet(18, weights=str(tmp_path / "w.pth"))
    whole = Path(save(published, tmp_path / "whole.pth")).read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read as PyTorch weights"):
        ResNet(18, weights=str(tmp_path / "w.pth"))


def test_weights_of_another_depth_do_not_fit(
    published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="weights are missing"):
        ResNet(34, weights=save(published, tmp_path / "w.pth"))
