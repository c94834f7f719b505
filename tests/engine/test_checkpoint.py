"""Checkpoints are written whole, read without running code, and loaded strictly."""

import collections

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from daseg.engine import checkpoint as module
from daseg.engine.checkpoint import (
    latest_checkpoint,
    load_segmentor,
    load_strictly,
    pack_message_hub,
    read_checkpoint,
    segmentor_weights,
    unpack_message_hub,
    write_checkpoint,
)
from daseg.utils.errors import CheckpointError


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "iter_1.pth"
    write_checkpoint({"state_dict": {"a": torch.ones(1)}}, path)

    def crash(content, file):
        file.write(b"half a checkpoint")
        raise OSError("disk full")

    monkeypatch.setattr(module.torch, "save", crash)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint({"state_dict": {"a": torch.zeros(1)}}, path)
    assert read_checkpoint(path)["state_dict"]["a"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["iter_1.pth"]


class Evil:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return (collections.deque, ([1],))


def test_a_file_that_could_run_code_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(1)}, "extra": Evil()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x.pth is not weights alone: .*could run code"):
        read_checkpoint(tmp_path / "x.pth")


def test_missing_broken_and_foreign_files_are_named(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "there.pth")
    with pytest.raises(
        CheckpointError, match=r"no weights file at .*gone.pth \(there: there.pth\)"
    ):
        read_checkpoint(tmp_path / "gone.pth")
    whole = (tmp_path / "there.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        CheckpointError, match=r"half.pth cannot be read as PyTorch weights \(\d+ by"
    ):
        read_checkpoint(tmp_path / "half.pth")
    (tmp_path / "text.pth").write_text("hello, this is no checkpoint")
    with pytest.raises(CheckpointError, match=r"text.pth"):
        read_checkpoint(tmp_path / "text.pth")
    torch.save(torch.ones(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="holds no state dict, but a Tensor"):
        read_checkpoint(tmp_path / "tensor.pth")


def test_the_latest_is_the_one_of_the_highest_number(tmp_path):
    assert latest_checkpoint(tmp_path / "nowhere") is None
    for name in (
        "iter_9.pth",
        "iter_10.pth",
        "best_mIoU_iter_50.pth",
        "iter_x.pth",
        "iter_99.pth.t",
    ):
        (tmp_path / name).touch()
    assert latest_checkpoint(tmp_path).name == "iter_10.pth"


def test_weights_that_do_not_fit_are_listed():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = dict(model.state_dict())
    state["0.weight"] = torch.zeros(5, 2)
    state["2.weight"] = state.pop("1.weight")
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(CheckpointError) as caught:
        load_strictly(model, state, "file.pth")
    for part in (
        "file.pth does not fit the model, 3 keys differ",
        "0.weight is (5, 2), the model's (3, 2)",
        "left over 2.weight",
        "missing 1.weight",
    ):
        assert part in str(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_file_of_which_nothing_fits_points_to_the_converter():
    with pytest.raises(CheckpointError, match=r"not one of its 1 keys .*daseg convert"):
        load_strictly(nn.Linear(1, 1), {"conv1.weight": torch.ones(1)}, "published.pth")


def test_a_segmentor_is_loaded_from_an_adapters_checkpoint_and_from_a_bare_one(tmp_path):
    own = {"backbone.w": torch.ones(1)}
    adapter = {f"segmentor.{k}": v for k, v in own.items()} | {"teacher.backbone.w": torch.zeros(1)}
    assert segmentor_weights({"state_dict": adapter}) == own
    assert segmentor_weights({"state_dict": own}) == own
    for name, content in dict(
        adapter={
            "state_dict": {f"segmentor.{k}": v for k, v in nn.Linear(2, 1).state_dict().items()}
        },
        bare=dict(nn.Linear(2, 1).state_dict()),
    ).items():
        torch.save(content, tmp_path / f"{name}.pth")
        network = nn.Linear(2, 1)
        assert load_segmentor(network, tmp_path / f"{name}.pth") == {}
        expected = next(iter(content.get("state_dict", content).values()))
        assert torch.equal(network.weight, expected)


def test_the_message_hub_comes_back_as_it_was(tmp_path):
    hub = MessageHub("there_and_back")
    for value in (1.5, 2.5):
        hub.update_scalar("train/loss", value, count=3)
    hub.update_info("iter", 7)
    hub.update_info("best_score", torch.tensor(0.5).numpy()[()])  # a numpy float
    write_checkpoint({"hub": pack_message_hub(hub.state_dict())}, tmp_path / "hub.pth")
    again = MessageHub("there_and_back_again")
    again.load_state_dict(unpack_message_hub(torch.load(tmp_path / "hub.pth")["hub"]))
    old, new = hub.get_scalar("train/loss"), again.get_scalar("train/loss")
    assert [list(x) for x in new.data] == [list(x) for x in old.data] == [[1.5, 2.5], [3, 3]]
    assert (again.get_info("iter"), again.get_info("best_score")) == (7, 0.5)
