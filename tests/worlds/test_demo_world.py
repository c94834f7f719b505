"""The embedded world on disk: layouts, encodings, reuse, interruption, the command line."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cityscapes_table import CLASSES
from daseg.utils.errors import ConfigError, DataError
from daseg.visualization.sheet import GAP, TEXT
from daseg.worlds.drawing import draw_scene, make_world
from daseg.worlds.drawing.world import remove_world
from daseg.worlds.sheet import write_contact_sheet
from processes import environment

ROOT = Path(__file__).parents[2]
TINY = dict(size=(128, 64), num_source=3, num_target=4, num_val=2, num_test=1, progress=False)


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    make_world(root, workers=1, **TINY)
    return root


def test_writes_exactly_the_files_of_both_layouts(world: Path) -> None:
    expected = {"demo_world.json"}
    expected |= {f"gta5/{kind}/{n:05d}.png" for kind in ("images", "labels") for n in (1, 2, 3)}
    stems = {
        "train": ["ansburg_000000", "brunnstadt_000000", "kaltenfurt_000000", "ansburg_000001"],
        "val": ["lindenau_000000", "oberwied_000000"],
        "test": ["marktfeld_000000"],
    }
    for split, names in stems.items():
        for name in names:
            place = f"{split}/{name.split('_')[0]}/{name}_000019"
            expected.add(f"cityscapes/leftImg8bit/{place}_leftImg8bit.png")
            expected.add(f"cityscapes/gtFine/{place}_gtFine_labelIds.png")
            expected.add(f"cityscapes/gtFine/{place}_gtFine_color.png")
    assert set(digests(world)) == expected


def test_gta5_labels_are_palette_pngs_of_raw_label_ids(world: Path) -> None:
    with Image.open(world / "gta5/labels/00002.png") as file:
        assert file.mode == "P"
        assert file.size == (128, 64)
        raw, palette = np.asarray(file), np.array(file.getpalette()).reshape(-1, 3)
    label = draw_scene("game", index=1, size=(128, 64))[1]
    np.testing.assert_array_equal(raw, label)
    for number, colour in CLASSES.values():
        assert tuple(palette[number]) == colour
    with Image.open(world / "gta5/images/00002.png") as file:
        assert file.mode == "RGB"
        np.testing.assert_array_equal(
            np.asarray(file), draw_scene("game", index=1, size=(128, 64))[0]
        )


def test_cityscapes_labels_are_grey_pngs_beside_their_colours(world: Path) -> None:
    stem = world / "cityscapes/gtFine/train/ansburg/ansburg_000001_000019_gtFine"
    with Image.open(f"{stem}_labelIds.png") as file:
        assert file.mode == "L"
        raw = np.asarray(file)
    image, label = draw_scene("city", index=3, size=(128, 64))
    np.testing.assert_array_equal(raw, label)
    with Image.open(f"{stem}_color.png") as file:
        colour = np.asarray(file)
    for number, value in CLASSES.values():
        assert (colour[raw == number] == value).all()
    assert (colour[raw == 1] == 0).all()
    photo = world / "cityscapes/leftImg8bit/train/ansburg/ansburg_000001_000019_leftImg8bit.png"
    with Image.open(photo) as file:
        np.testing.assert_array_equal(np.asarray(file), image)


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_workers(world: Path, tmp_path: Path) -> None:
    make_world(tmp_path / "w", workers=2, **TINY)
    assert digests(tmp_path / "w") == digests(world)


@pytest.mark.slow
def test_it_is_drawn_beside_threads_of_opencv(tmp_path: Path) -> None:
    """OpenCV's threads are asleep when the workers are forked, which then have none of them."""
    code = (
        "import cv2, numpy, sys, time\n"
        "from daseg.worlds.drawing import make_world\n"
        "cv2.setNumThreads(4)\n"
        "cv2.GaussianBlur(numpy.zeros((2000, 2000, 3), 'f'), (31, 31), 5)\n"
        "time.sleep(0.5)\n"
        "make_world(sys.argv[1], size=(64, 32), num_source=2, num_target=1, num_val=1, "
        "num_test=0, workers=2)\n"
        "print('threads', cv2.getNumThreads())\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "w")]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("threads 4\n")


def test_a_complete_world_is_left_as_it_is(world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    make_world(world, workers=1, **TINY)
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before
    manifest = json.loads((world / "demo_world.json").read_text())
    assert manifest["settings"]["size"] == [128, 64]
    assert manifest["files"] == 3 * 2 + 7 * 3


def test_an_interrupted_world_is_finished(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, calls = tmp_path / "w", []

    def stumble(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return draw_scene(*args, **kwargs)

    monkeypatch.setattr("daseg.worlds.drawing.files.draw_scene", stumble)
    with pytest.raises(KeyboardInterrupt):
        make_world(root, workers=1, **TINY)
    assert not (root / "demo_world.json").exists()
    make_world(root, workers=1, **TINY)
    assert len(calls) == 5 + 6  # 4 of 10 were whole
    assert digests(root) == digests(world)


def test_a_missing_file_is_drawn_again(tmp_path: Path) -> None:
    make_world(tmp_path, workers=1, **TINY)
    before = digests(tmp_path)
    (tmp_path / "gta5/labels/00003.png").unlink()
    make_world(tmp_path, workers=1, **TINY)
    assert digests(tmp_path) == before


def test_other_settings_are_an_error_unless_forced(tmp_path: Path) -> None:
    make_world(tmp_path, workers=1, **TINY)
    with pytest.raises(DataError, match=r"other settings \(seed is 0, not 7\).*--force"):
        make_world(tmp_path, workers=1, seed=7, **TINY)
    make_world(tmp_path, workers=1, seed=7, force=True, **TINY)
    assert json.loads((tmp_path / "demo_world.json").read_text())["settings"]["seed"] == 7


def test_the_city_at_dusk_is_that_of_the_day_with_other_light(world: Path, tmp_path: Path) -> None:
    make_world(tmp_path, workers=1, light="dusk", **TINY)
    day, dusk = digests(world), digests(tmp_path)
    differing = {name for name in day if day[name] != dusk[name]} - {"demo_world.json"}
    assert differing == {name for name in day if "leftImg8bit" in name}
    assert len(differing) == 4 + 2 + 1


def test_a_world_of_other_light_is_an_error_also_where_its_record_is_from_before(
    world: Path, tmp_path: Path
) -> None:
    make_world(tmp_path, workers=1, **TINY)
    record = tmp_path / "demo_world.json"
    content = json.loads(record.read_text())
    assert content["settings"].pop("light") == "day"
    record.write_text(json.dumps(content))
    make_world(tmp_path, workers=1, **TINY)  # nothing to do
    with pytest.raises(DataError, match=r"other settings \(light is day, not dusk\)"):
        make_world(tmp_path, workers=1, light="dusk", **TINY)


def test_data_that_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "gta5/images").mkdir(parents=True)
    (tmp_path / "gta5/images/00001.png").write_bytes(b"real")
    for force in (False, True):
        with pytest.raises(DataError, match=r"the demo did not write"):
            make_world(tmp_path, workers=1, force=force, **TINY)
    with pytest.raises(DataError, match=r"the demo did not write"):
        remove_world(tmp_path)
    assert (tmp_path / "gta5/images/00001.png").read_bytes() == b"real"


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo_world.json").write_text("{")
    with pytest.raises(DataError, match=r"demo_world\.json cannot be read .*; delete .* and draw"):
        make_world(tmp_path, **TINY)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(size=(32, 16)), r"size: 32x16 is too small"),
        (dict(num_source=0), r"num_source: 0 is not in 1\.\.99999"),
        (dict(num_test=-1), r"num_test: -1 is not in 0\.\.99999"),
        (dict(workers=0), r"workers: 0 is less than 1"),
        (dict(light="night"), r"light: 'night' is not one of day, dusk"),
    ],
)
def test_bad_settings(tmp_path: Path, setting: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_world(tmp_path / "w", **{**TINY, **setting})
    assert not (tmp_path / "w").exists()


def test_contact_sheet(world: Path, tmp_path: Path) -> None:
    write_contact_sheet(world, tmp_path / "sheet.png", rows=2)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    assert sheet.shape == (TEXT + 2 * (64 + GAP), 4 * 128 + 3 * GAP, 3)
    second = sheet[TEXT + 64 + GAP : -GAP, :128]
    np.testing.assert_array_equal(second, draw_scene("game", index=1, size=(128, 64))[0])
    label = draw_scene("city", index=0, size=(128, 64))[1]
    assert (sheet[TEXT : TEXT + 64, -128:][label == 7] == (128, 64, 128)).all()
    with pytest.raises(DataError, match="holds no demo world"):
        write_contact_sheet(tmp_path, tmp_path / "sheet.png")


def run_tool(*args: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "tools/make_demo.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_command_line(tmp_path: Path) -> None:
    few = "--num-source 2 --num-target 2 --num-val 1 --num-test 0 --size 128 64 --workers 1"
    done = run_tool("--root", str(tmp_path / "w"), *few.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(
        "2 game pictures in gta5/, 2 train, 1 val and 0 test city pictures in cityscapes/; "
        f"see {tmp_path / 'w/contact_sheet.png'}"
    )
    assert "5/5" in done.stderr
    assert cv2.imread(str(tmp_path / "w/contact_sheet.png")).shape[1] == 4 * 128 + 3 * GAP
    again = run_tool("--root", str(tmp_path / "w"), "--seed", "1", *few.split())
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
    assert "seed is 0, not 1" in again.stderr
    assert "Traceback" not in again.stderr
