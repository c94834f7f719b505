"""A damaged file of weights is never loaded with other weights."""

import os
import zipfile

import numpy as np
import pytest
import torch

from damage import KINDS, damaged
from daseg.utils.errors import CheckpointError
from daseg.weights import archive
from daseg.weights.files import check_finite, read_torch_file
from daseg.weights.strict import load_strictly, read_checkpoint

SEED = 11


def content():
    generator = torch.Generator().manual_seed(SEED)
    state = {f"layer{i}.weight": torch.randn(30, 20, generator=generator) for i in range(12)}
    return dict(meta=dict(iter=7, seed=3), state_dict=state)


@pytest.fixture
def saved(tmp_path):
    torch.save(content(), tmp_path / "iter_7.pth")
    return (tmp_path / "iter_7.pth").read_bytes()


@pytest.mark.parametrize("number", range(8))
def test_damaged_checkpoints_are_refused_or_load_as_they_were(number, saved, tmp_path):
    """320 files in all: 40 of each kind of damage."""
    rng, expected, messages = np.random.default_rng([SEED, number]), content(), []
    kind = KINDS[number]
    for _ in range(40):
        path = tmp_path / "damaged.pth"
        path.write_bytes(damaged(saved, kind, rng))
        try:
            found = read_checkpoint(path)
        except CheckpointError as error:
            messages.append(str(error))
            continue
        assert found["meta"] == expected["meta"]
        assert found["state_dict"].keys() == expected["state_dict"].keys()
        for name, value in expected["state_dict"].items():
            assert torch.equal(found["state_dict"][name], value), name
    assert len(messages) >= (15 if kind in ("head", "directory") else 38)
    assert all(message.startswith(f"{tmp_path}/damaged.pth ") for message in messages)


@pytest.mark.slow
def test_no_single_bit_anywhere_loads_as_other_weights(tmp_path):
    """All of them: heads, directory, padding, pickle and values."""
    expected = {"a": torch.tensor([1.0, -2.0]), "b": torch.tensor([3])}
    torch.save(dict(state_dict=expected), tmp_path / "good.pth")
    saved, path, refused = (tmp_path / "good.pth").read_bytes(), tmp_path / "bad.pth", 0
    for place in range(8 * len(saved)):
        changed = bytearray(saved)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found = read_checkpoint(path)["state_dict"]
        except CheckpointError:
            refused += 1
            continue
        assert found.keys() == expected.keys(), place
        assert all(torch.equal(found[k], v) for k, v in expected.items()), place
    assert refused > 2000


def test_a_record_that_is_marked_as_a_folder_is_refused(saved, tmp_path):
    """Torch loads other values for it, whatever its CRC."""
    changed, name = bytearray(saved), b"iter_7/data/3"
    changed[saved.rfind(name) - 46 + 38] ^= 0x10  # its attributes, in the directory at the end
    path = tmp_path / "folder.pth"
    path.write_bytes(changed)
    with pytest.raises(CheckpointError, match=r"folder.pth .*iter_7/data/3 is marked as a folder"):
        read_torch_file(path)


def test_a_flipped_bit_of_a_weight_is_said_with_the_file_and_the_record(saved, tmp_path):
    place = saved.find(content()["state_dict"]["layer3.weight"].numpy().tobytes())
    assert place > 0
    changed = bytearray(saved)
    changed[place + 3] ^= 0x40  # an exponent: the weight would be many times what it was
    path = tmp_path / "iter_8.pth"
    path.write_bytes(changed)
    loaded = torch.load(path, weights_only=True)["state_dict"]
    assert not torch.equal(loaded["layer3.weight"], content()["state_dict"]["layer3.weight"])
    with pytest.raises(CheckpointError, match=r"iter_8.pth .*damaged .*CRC-32 .*data/3'\)\. Take"):
        read_torch_file(path)


def test_a_file_that_stays_as_it_is_is_compared_once(saved, tmp_path, monkeypatch):
    path, reads = tmp_path / "iter_7.pth", []
    real = archive._read_all
    monkeypatch.setattr(archive, "_read_all", lambda *a: (reads.append(1), real(*a)))
    read_torch_file(path)
    read_torch_file(path)
    assert len(reads) == 2  # just written: another file of the same moment could be in its place
    later = path.stat().st_mtime + 60
    monkeypatch.setattr(archive.time, "time", lambda: later)
    read_torch_file(path)
    read_torch_file(path)
    assert len(reads) == 3
    changed = bytearray(saved)
    changed[len(saved) // 2] ^= 1
    path.write_bytes(changed)
    with pytest.raises(CheckpointError, match="damaged"):
        read_torch_file(path)


def test_a_file_that_pytorch_before_1_6_wrote_is_read_without_crcs(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(content(), path, _use_new_zipfile_serialization=False)
    assert torch.equal(
        read_torch_file(path)["state_dict"]["layer3.weight"],
        content()["state_dict"]["layer3.weight"],
    )


def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    (tmp_path / "folder.pth").mkdir()
    for name, said in (("pipe", "not a regular file"), ("loop", "link"), ("folder", "is a folder")):
        with pytest.raises(CheckpointError, match=rf"{name}.pth.*{said}|{said}.*{name}.pth"):
            read_torch_file(tmp_path / f"{name}.pth")


def test_weights_that_are_not_finite_are_named_with_their_file():
    state = dict(a=torch.ones(2), b=torch.tensor([1.0, float("nan"), float("inf")]))
    with pytest.raises(
        CheckpointError, match=r"x.pth has weights .* not finite: b \(1 NaN and 1 infinite of 3"
    ):
        check_finite(state, "x.pth")
    module = torch.nn.Linear(1, 1)
    module.weight.data.fill_(3.0)
    bad = dict(weight=torch.tensor([[float("nan")]]), bias=torch.zeros(1))
    with pytest.raises(CheckpointError, match=r"x.pth has weights"):
        load_strictly(module, bad, "x.pth")
    assert module.weight.item() == 3.0


def test_a_mask_of_infinity_that_the_model_has_of_itself_is_no_diverged_training():
    module = torch.nn.Module()
    module.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
    load_strictly(module, dict(mask=torch.tensor([1.0, float("-inf")])), "x.pth")
    assert module.mask.tolist() == [1.0, float("-inf")]
    for wrong in ([float("-inf"), 0.0], [0.0, float("inf")], [0.0, float("nan")]):
        with pytest.raises(CheckpointError, match="mask"):
            load_strictly(module, dict(mask=torch.tensor(wrong)), "x.pth")


def test_weights_of_another_kind_of_number_are_refused():
    with pytest.raises(CheckpointError, match=r"weight is torch.int64, the model's torch.float32"):
        load_strictly(
            torch.nn.Linear(1, 1, bias=False), dict(weight=torch.ones(1, 1).long()), "x.pth"
        )


def test_a_zip_bomb_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archived:
        for name in ("bomb/data.pkl", "bomb/version", "bomb/data/0"):
            archived.writestr(name, bytes(1 << 24))
    assert path.stat().st_size < 1 << 17
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(CheckpointError, match=r"bomb/data.pkl is compressed"):
        read_torch_file(path)
