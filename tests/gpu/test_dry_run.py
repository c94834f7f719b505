"""The script for a GPU, tiny and on the CPU: each part ends well, and none stops the others."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.benchmarks import BENCHMARKS

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("run.py")


@pytest.fixture
def script():
    """The module of the script, which is in no package."""
    spec = importlib.util.spec_from_file_location("gpu_run", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_part_that_fails_or_takes_too_long_is_in_the_file_and_the_next_one_runs(
    script, tmp_path, monkeypatch
):
    write = "import sys; open(sys.argv[1], 'w').write('{\"a\": 1}')"
    wait = "import signal; signal.pause()"
    sleep = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{wait}'])"
    made = [
        script.Part("fails", ["-c", "print('so far'); 1 / 0"], 60),
        script.Part("takes long", ["-c", sleep], 0.2),
        script.Part("ends well", ["-c", write, "{out}"], 60),
    ]
    monkeypatch.setattr(script, "parts", lambda device, peers: made)
    assert script.main([str(tmp_path / "out.json"), "--device", "cpu"]) == 1
    found = json.loads((tmp_path / "out.json").read_text())["parts"]
    assert found["fails"]["status"] == 1
    assert found["fails"]["output"][0] == "so far"
    assert "ZeroDivisionError" in found["fails"]["output"][-1]
    assert found["takes long"]["status"] == "stopped after 0.2 s"
    assert found["ends well"]["status"] == 0
    assert found["ends well"]["result"] == dict(a=1)


def test_all_parts_together_take_six_minutes(script):
    assert sum(part.limit for part in script.parts("cuda", [])) <= 360


@pytest.mark.slow
def test_every_part_runs_on_the_cpu(tmp_path):
    out = tmp_path / "cpu.json"
    words = ["tests/gpu/run.sh", str(out), "--device", "cpu"]
    environment = os.environ | dict(PYTHON=sys.executable)
    subprocess.run(words, cwd=ROOT, env=environment, capture_output=True)
    parts = json.loads(out.read_text())["parts"]
    failed = {name: part for name, part in parts.items() if part["status"] != 0}
    assert failed.keys() == {"train", "eval"} - BENCHMARKS.keys(), failed
    steps = parts["train steps"]["result"]
    measured = {name for name, case in steps.items() if isinstance(case, dict)}
    skipped = {name for name in measured if "skipped" in steps[name]}
    assert skipped == {name for name in measured if name.endswith("float16") and "bf" not in name}
    assert all("seconds" in steps[name] for name in measured - skipped)
    modern = parts["modern steps"]["result"]
    published = [case["published"]["memory_gb"] for case in modern.values() if "published" in case]
    assert published == [9.8, 9.8, 22.5]
    assert parts["two processes"]["result"]["to_one_process"] < 1e-4
    assert parts["compile"]["result"]["largest_difference"] < 1e-3
