"""The command ``daseg``: its list of commands, configs by name, parts, the doctor."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.cli import COMMANDS, main
from daseg.config.load import load_config
from daseg.registry import KINDS, list_parts
from processes import environment

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "mmengine", "mmcv", "cv2", "matplotlib", "numpy"}
HELP = """
import sys
from daseg.cli import main
for command in {commands!r}:
    sys.argv = ['daseg', *command.split(), '--help']
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, command
print('HEAVY', sorted({heavy!r} & set(sys.modules)))
"""


@pytest.fixture
def daseg(monkeypatch, capsys):
    """Run ``daseg`` with words of a command line; give its status, its output and its messages."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["daseg", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        return (status, *capsys.readouterr())

    return run


def test_help_of_all_commands_comes_without_importing_torch(tmp_path):
    code = HELP.format(commands=("", *COMMANDS), heavy=HEAVY)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("HEAVY []\n")
    overview, *helps = done.stdout.split("usage: ")[1:]
    assert len(helps) == len(COMMANDS)
    assert max(map(len, overview.splitlines())) <= 80
    for command, text in zip(COMMANDS, helps, strict=True):
        assert text.startswith(f"daseg {command} [-h]")
        first_line = text.split("\n\n")[1].splitlines()[0]
        assert f"  {command:<14}{first_line}\n" in overview


def test_without_a_command_the_help_is_shown(daseg):
    assert daseg()[1].startswith("usage: daseg COMMAND")
    assert daseg("--version") == (0, "daseg 0.1.0\n", "")


def test_an_unknown_command_is_one_message(daseg):
    message = "error: daseg has no command 'trian'; did you mean 'train'?\n"
    assert daseg("trian") == (2, "", message)
    assert daseg("xyz")[2].endswith("'xyz'; `daseg --help` lists them\n")


@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_number_of_processes(daseg, number):
    assert daseg("train", "gone", "--gpus", number)[2].startswith(f"error: --gpus {number}: at")


def test_gpus_and_a_launcher(daseg):
    status, _, message = daseg("test", "a", "b", "--gpus", "2", "--launcher", "slurm")
    assert (status, message[:12]) == (2, "error: --gpu")


def test_a_name_is_a_config_in_any_folder(tmp_path, monkeypatch, daseg):
    monkeypatch.chdir(tmp_path)
    text = load_config(ROOT / "configs/adaptseg/lsgan_b2.py").pretty_text
    assert load_config("adaptseg/lsgan_b2").pretty_text == text
    assert load_config("configs/adaptseg/lsgan_b2.py").pretty_text == text
    # A file of the user's own comes first.
    own = tmp_path / "configs/adaptseg/lsgan_b2.py"
    own.parent.mkdir(parents=True)
    own.write_text(f"_base_ = {str(ROOT / 'configs/adaptseg/single_lsgan.py')!r}\n")
    assert load_config("configs/adaptseg/lsgan_b2.py").filename == str(
        Path(own).relative_to(tmp_path)
    )
    status, _, message = daseg("train", "adaptseg/lsgn_b2")
    assert status == 2
    assert message.startswith(
        "error: no config at adaptseg/lsgn_b2; did you mean adaptseg/lsgan_b2"
    )


def test_configs_are_listed(daseg):
    _, text, _ = daseg("configs", "list")
    names = [line.split()[0] for line in text.splitlines()]
    files = (ROOT / "configs").glob("[a-z]*/[a-z]*.py")
    assert names == sorted(str(f.relative_to(ROOT / "configs"))[:-3] for f in files)
    assert re.match("dacs/dacs +DACS: ", daseg("configs", "list", "dacs")[1])
    assert daseg("configs", "list", "*lsgan_b?")[1].count("\n") == 2
    assert daseg("configs", "list", "nothing")[0] == 2


def test_a_config_is_shown(daseg):
    _, text, _ = daseg("configs", "show", "demo/supervised")
    file = ROOT / "configs/demo/supervised.py"
    assert text == f"# {file}\n{file.read_text()}"
    merged: dict = {}
    exec(daseg("configs", "show", "demo/supervised", "--full")[1], merged)
    assert merged["train_cfg"]["max_iters"] == 400
    assert merged["train_dataloader"]["dataset"]["type"] == "Cityscapes"
    assert daseg("configs", "show")[2] == "error: daseg configs show: which config? Give its name\n"


def test_a_copied_config_is_the_same_config(daseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, text, _ = daseg("configs", "copy", "adaptseg/lsgan_b2")
    *files, last = text.splitlines()
    assert (status, files[0]) == (0, "configs/adaptseg/lsgan_b2.py")
    assert all((ROOT / file).read_bytes() == Path(file).read_bytes() for file in files)
    assert last == "change it, then: daseg train configs/adaptseg/lsgan_b2.py"
    copied = load_config(tmp_path / "configs/adaptseg/lsgan_b2.py")
    assert copied.pretty_text == load_config(ROOT / "configs/adaptseg/lsgan_b2.py").pretty_text
    Path(files[0]).write_text("changed = 1\n")
    status, _, message = daseg("configs", "copy", "adaptseg/lsgan_b2")
    assert (status, message[:43]) == (2, "error: configs/adaptseg/lsgan_b2.py differs")
    assert Path(files[0]).read_text() == "changed = 1\n"
    assert daseg("configs", "copy", "adaptseg/lsgan_b2", "--force")[0] == 0
    assert Path(files[0]).read_bytes() == (ROOT / files[0]).read_bytes()


def test_parts_are_listed(daseg):
    _, text, _ = daseg("parts", "DeepLab*")
    assert text.splitlines()[:2] == ["", "head"]
    assert "  DeepLabV2Head(in_channels, num_classes, in_index=-1," in text
    assert "      ASPP and a 1x1 classifier (Chen et al." in text
    _, text, _ = daseg("parts")
    listed = re.findall(r"^  (\w+)", text, re.MULTILINE)
    assert listed == [name for kind in KINDS for name in list_parts(kind)]
    assert "'DepLabV2Head'; did you mean 'DeepLabV2Head' or " in daseg("parts", "DepLabV2Head")[2]


def test_the_doctor_says_what_is_missing(daseg, tmp_path, monkeypatch, tiny_data):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASEG_DEMO", "world")
    status, text, _ = daseg("doctor", "demo")
    assert status == 0
    assert "  ok       torch: " in text
    assert "  missing  GTA5 world/gta5: no such folder\n           -> draw the embedded" in text
    _, text, _ = daseg("doctor", "adaptseg/lsgan_b2")
    assert "  missing  GTA5 data/gta5: no such folder\n           -> ln -s " in text
    assert "missing  data/weights/DeepLab_resnet_pretrained_init-f81d91e8.pth of ResNet(d" in text
    for folder, file in dict(images="1.png", labels="1.png").items():
        (tmp_path / "data/gta5" / folder).mkdir(parents=True)
        (tmp_path / "data/gta5" / folder / file).touch()
    (tmp_path / "data/gta5/images/2.png").touch()
    _, text, _ = daseg("doctor", "adaptseg/lsgan_b2")
    assert "  WRONG    GTA5 data/gta5: GTA5 at data/gta5: 1 of 2 samples lack a file" in text
    (tmp_path / "data/gta5/images/2.png").unlink()
    assert "  ok       GTA5 data/gta5: 1 images" in daseg("doctor", "adaptseg/lsgan_b2")[1]


def test_a_test_in_mixed_precision_is_a_key_of_its_loop(daseg, monkeypatch):
    given = {}
    monkeypatch.setattr("daseg.engine.evaluate.evaluate", lambda **options: given.update(options))
    assert daseg("test", "a.py", "b.pth", "--amp", "--cfg-options", "x=1")[0] == 0
    assert given["cfg_options"] == {"x": 1, "test_cfg.fp16": True}
    assert daseg("test", "a.py", "b.pth")[0] == 0
    assert given["cfg_options"] == {}
