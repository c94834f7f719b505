"""The model of a train step's memory: by hand, against what is alive, and against the process."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine import Config

from daseg.benchmarks.synthetic import training_of
from daseg.config.load import load_config
from daseg.engine.class_check import names_in_config
from daseg.engine.fit import fit, table
from daseg.engine.memory import GIB, Alive, MemoryModel, batch_of, fit_model, sizes_of, timeline
from daseg.engine.optim import OptimizersByNetwork
from daseg.hrda import HRDASegmentor
from daseg.registry import MODELS
from daseg.segmentor import without_initial_weights
from daseg.utils.errors import ConfigError

# Two operations: one that holds 100 bytes and 10 an image, one that holds 40 and 30 an image.
MODEL = MemoryModel(np.array([100.0, 40.0]), np.array([10.0, 30.0]), dict(source=(320, 160)))
RESIDENT = """
import ctypes, gc, json, sys
import torch
from daseg.benchmarks.synthetic import training_of
from daseg.benchmarks.worker import forget_peak, resident
from daseg.engine.memory import batch_of, timeline

model, optimizers = training_of("demo/source_only")
batch = batch_of(dict(source=(512, 256)), 4, 19, "cpu")
first = timeline(model, optimizers, batch)  # a step before, in which libraries keep memory
gc.collect()
ctypes.CDLL("libc.so.6").malloc_trim(0)
forget_peak()
before = resident("VmRSS")
model.train_step(batch, optimizers)
print(json.dumps(dict(grown=resident("VmHWM") - before, there=first[-1])))
"""


def test_bytes_are_those_of_storages_that_are_alive():
    there = torch.zeros(100)
    alive = Alive([there, there.view(10, 10)])
    assert alive.bytes == 400
    with alive:
        a = torch.ones(50)  # 200 bytes more
        b = a.view(5, 10).t()  # nothing
        there.add_(1)  # nothing
        c = a + 1  # 200 more
        del c
        a = torch.zeros(25)  # 100 more; `b` keeps the old one
    assert alive.timeline == [600, 600, 600, 600, 800, 700]
    del b
    assert alive.bytes == 500
    assert len(a) == 25


def test_the_peak_is_the_largest_operation_and_what_fits_is_where_it_is_reached():
    assert MODEL.bytes(1) == 110
    assert MODEL.bytes(4) == 160
    assert MODEL.images(160) == 4
    assert MODEL.bytes(MODEL.images(115)) == 115
    assert MODEL.images(99) == 0
    assert MODEL.crop(4, 1) == dict(source=(640, 320))
    assert MODEL.crop(1, 4) == dict(source=(160, 80))


def test_the_table_leaves_a_gibibyte_to_cuda():
    model = MemoryModel(np.array([GIB / 2]), np.array([GIB / 4]), dict(source=(320, 160)))
    lines = [line for line in table(model, [8, 1.25]).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:]]
    # 8 - 1 - 0.5 GiB hold 26 images of 0.25, and one of 26 times the area.
    assert cells[0] == ["8 GiB", "26", "1616x800", "1152x576"]
    assert cells[1] == ["1.25 GiB", "none fits", "none", "none"]


def test_two_small_steps_tell_what_a_larger_one_holds(gan_config):
    """Adversarial, with a teacher and losses that choose pixels; domains of two sizes."""
    model, optimizers = training_of(gan_config(norm="gn"))
    model.iteration.fill_(4)  # where all of them have begun
    sizes = dict(source=(256, 192), target=(384, 192))
    found = fit_model(model, optimizers, sizes)
    larger = max(timeline(model, optimizers, batch_of(sizes, 3, 3, "cpu")))
    assert found.bytes(3) == pytest.approx(larger, rel=0.1)
    assert found.bytes(3) > 5 * found.bytes(0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_the_memory_of_the_process_is_within_15_percent():
    found = fit("demo/source_only", size=(512, 256))
    at_once = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc gives back what is freed
    words = [sys.executable, "-c", RESIDENT]
    done = subprocess.run(words, env=at_once, capture_output=True, check=True)
    measured = json.loads(done.stdout)
    assert found.bytes(4) == pytest.approx(measured["grown"] + measured["there"], rel=0.15)


@pytest.mark.slow
def test_objectives_know_the_names_of_the_classes():
    """The feature distance counts classes by name, which no data set is built to tell."""
    assert fit("daformer/gta5_mitb5", size=(128, 128), world="demo").bytes(1) > 0


def test_sizes_are_those_that_the_pipelines_end_with():
    crop = [dict(type="Resize", scale=(9, 9)), dict(type="RandomCrop", crop_size=(96, 128))]
    resize = [dict(type="ResizePIL", scale=(320, 160)), dict(type="PackSample")]
    random = [dict(type="RandomResize", scale=(64, 64), ratio_range=(0.5, 2))]

    def sizes(**dataset):
        return sizes_of(Config(dict(train_dataloader=dict(dataset=dataset))))

    both = dict(source=dict(pipeline=crop), target=dict(pipeline=resize))
    assert sizes(type="DomainPair", **both) == dict(source=(128, 96), target=(320, 160))
    assert sizes(type="Cityscapes", pipeline=crop) == dict(source=(128, 96))
    with pytest.raises(ConfigError, match=r"pipeline of the source does not state .* give --size"):
        sizes(type="Cityscapes", pipeline=random)


def test_what_trains_no_segmentor_is_refused():
    with pytest.raises(ConfigError, match="for configs that train a segmentor"):
        fit("cyclegan/gta2cityscapes", world="demo")


@pytest.mark.slow
def test_the_details_of_hrda_keep_their_share_of_a_small_image():
    """In a box of its whole size they would fill the small image, and count four times."""
    sizes = dict(source=(320, 320), target=(320, 320))
    cfg = load_config("hrda/gta5_mitb5", {"model.segmentor.detail_size": (160, 160)}, world="demo")
    without_initial_weights(cfg.model)
    model = MODELS.build(cfg.model).train()
    model.use_classes(names_in_config(cfg, "train_dataloader"))
    model.iteration.fill_(cfg.train_cfg.max_iters - 1)
    wrappers = {name: own for name, own in cfg.optim_wrapper.items() if name != "constructor"}
    optimizers = OptimizersByNetwork(wrappers)(model)
    stride = model.segmentor.detail_stride
    found = fit_model(model, optimizers, sizes)
    networks = [module for module in model.modules() if isinstance(module, HRDASegmentor)]
    assert [network.detail_size for network in networks] == [(160, 160)] * 2  # and its teacher
    assert {network.detail_stride for network in networks} == {stride}
    whole = max(timeline(model, optimizers, batch_of(sizes, 2, 19, "cpu")))
    assert found.bytes(2) == pytest.approx(whole, rel=0.1)
