"""The train step equals a plain PyTorch loop; the test step gives what the metric takes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.objectives import (
    EntropyMinimization,
    MemoryRegularization,
    Objective,
    OutputAdversarial,
    Supervised,
)
from daseg.segmentor import Segmentor
from daseg.translation import FourierTranslator, Translator
from daseg.utils.errors import ConfigError, LabelFirewallError


class Backbone(nn.Module):
    """Two convolutions and a batch norm."""

    out_channels = (4, 6)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.runs = 0

    def forward(self, image):
        self.runs += 1
        first = self.norm(self.first(image)).relu()
        return first, self.second(first).relu()


class Head(nn.Module):
    """A linear classifier of one feature map."""

    def __init__(self, channels, index):
        super().__init__()
        self.linear, self.index = nn.Conv2d(channels, 3, 1), index

    def forward(self, features):
        return self.linear(features[self.index])


def make_segmentor():
    torch.manual_seed(0)
    return Segmentor(Backbone(), Head(6, -1), Head(4, -2), num_classes=3)


def batches(count=3):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        image = torch.randint(0, 256, (2, 3, 12, 16), generator=generator).byte()
        label = torch.randint(0, 3, (2, 12, 16), generator=generator)
        label[:, :3] = 255
        yield dict(image=image, label=label, meta=[dict(ori_shape=(12, 16))] * 2)


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)


def train(adapter, count=3):
    wrappers = OptimWrapperDict(segmentor=OptimWrapper(sgd(adapter.segmentor)))
    return [adapter.train_step(batch, wrappers) for batch in batches(count)]


def test_three_steps_equal_a_plain_loop():
    plain = make_segmentor()
    adapter = DomainAdapter(copy.deepcopy(plain), [Supervised(aux_weight=0.1)])
    logs = train(adapter)
    optimizer = sgd(plain)
    for batch, log in zip(batches(), logs, strict=True):
        image = (batch["image"].float() - plain.mean) / plain.std
        features = plain.backbone(image)
        losses = [
            F.cross_entropy(
                F.interpolate(head(features), (12, 16), mode="bilinear", align_corners=False),
                batch["label"],
                ignore_index=255,
            )
            for head in (plain.head, plain.aux_head)
        ]
        optimizer.zero_grad()
        (losses[0] + 0.1 * losses[1]).backward()
        optimizer.step()
        assert log.keys() == {"loss_seg", "loss_seg_aux"}
        torch.testing.assert_close(log["loss_seg"], losses[0].detach(), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(log["loss_seg_aux"], 0.1 * losses[1].detach())
        assert not log["loss_seg"].requires_grad
    for name, value in plain.state_dict().items():
        found = adapter.segmentor.state_dict()[name]
        torch.testing.assert_close(found, value, atol=1e-6, rtol=0, msg=name)


def test_the_network_runs_once_a_step_whatever_the_number_of_objectives():
    class Other(Objective):
        reads = ("source",)

        def source_losses(self, source):
            return {"loss_other": source.logits.square().mean()}

    adapter = DomainAdapter(make_segmentor(), [Supervised(), Other()])
    (log,) = train(adapter, 1)
    assert log.keys() == {"loss_seg", "loss_seg_aux", "loss_other"}
    assert adapter.segmentor.backbone.runs == 1


def test_the_adapter_counts_its_own_steps_and_keeps_the_count():
    MessageHub.get_current_instance().update_info("iter", 70)  # of somebody else's runner
    late = MemoryRegularization(begin=2)
    first, second = (DomainAdapter(make_segmentor(), [Supervised(), late]) for _ in range(2))
    logs = [first.train_step(two_domains(), wrapped(first)) for _ in range(2)]
    assert "loss_memory" not in logs[0] | logs[1]
    assert first.state_dict()["iteration"] == 2
    assert first.views["target"].iteration == 1
    second.load_state_dict(first.state_dict())
    assert "loss_memory" in second.train_step(two_domains(), wrapped(second))
    assert second.iteration == 3
    assert second.double().to("meta").iteration == 3  # it stays where the host can read it


def test_channels_last_changes_nothing_but_the_layout():
    results = {}
    for channels_last in (False, True):
        adapter = DomainAdapter(make_segmentor(), [Supervised()], channels_last=channels_last)
        weight = adapter.segmentor.backbone.first.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is channels_last
        train(adapter)
        results[channels_last] = adapter.state_dict()
    for name, value in results[False].items():
        torch.testing.assert_close(results[True][name], value, atol=1e-5, rtol=1e-5, msg=name)


def test_predictions_have_the_labels_size_or_the_files():
    adapter = DomainAdapter(make_segmentor(), [Supervised()]).eval()
    (batch,) = batches(1)
    batch["label"] = torch.zeros(2, 24, 32, dtype=torch.long)  # finer than the image
    for sample, label in zip(adapter.val_step(batch), batch["label"], strict=True):
        assert sample["pred"].shape == (24, 32)
        assert sample["pred"].dtype is torch.uint8
        assert torch.equal(sample["label"], label)
    expected = adapter.segmentor.predict(batch["image"], (24, 32)).argmax(1).byte()
    assert torch.equal(torch.stack([s["pred"] for s in adapter.val_step(batch)]), expected)
    del batch["label"]
    assert adapter.val_step(batch)[0]["pred"].shape == (12, 16)
    batch["meta"] = [dict(ori_shape=(12, 16)), dict(ori_shape=(10, 16))]
    with pytest.raises(
        ConfigError, match=r"different sizes .* in one test batch: set batch_size=1"
    ):
        adapter.val_step(batch)


def test_objectives_that_cannot_train_are_refused():
    with pytest.raises(ConfigError, match="the list of objectives is empty"):
        DomainAdapter(make_segmentor(), [])
    late = MemoryRegularization(begin=2)
    with pytest.raises(ConfigError, match="no objective has a loss in this iteration"):
        DomainAdapter(make_segmentor(), [late]).train_step(two_domains(), {"segmentor": None})
    with pytest.raises(ConfigError, match=r"the objective Objective has reads=\(\): name"):
        DomainAdapter(make_segmentor(), [Objective()])
    with pytest.raises(ConfigError, match=r"loss of the same name: \['loss_seg', 'loss_seg_aux'\]"):
        train(DomainAdapter(make_segmentor(), [Supervised(), Supervised()]), 1)


def two_domains():
    source = next(iter(batches()))
    return dict(source=source, target=dict(image=source["image"].flip(0), meta=source["meta"]))


def wrapped(model):
    return OptimWrapperDict(segmentor=OptimWrapper(sgd(model.segmentor)))


def test_a_target_label_cannot_be_had():
    model = DomainAdapter(make_segmentor(), [Supervised(), EntropyMinimization()])
    model.train_step(two_domains(), wrapped(model))
    with pytest.raises(LabelFirewallError, match="a target image has no label in training"):
        _ = model.views["target"].label


def test_an_adaptation_without_a_target_says_what_to_write():
    model = DomainAdapter(make_segmentor(), [Supervised(), EntropyMinimization()])
    with pytest.raises(ConfigError, match=r"type='DomainPair'.*type='PairSampler'"):
        model.train_step(two_domains()["source"], wrapped(model))


@pytest.mark.parametrize("micro_batch", [None, 1])
def test_a_translator_is_the_same_as_translated_images(micro_batch):
    options = dict(micro_batch=micro_batch)
    translator = FourierTranslator(beta=0.2)
    translating = DomainAdapter(
        make_segmentor(),
        [Supervised()],
        **options,
        translator=dict(type="FourierTranslator", beta=0.2),
    )
    plain = DomainAdapter(make_segmentor(), [Supervised()], **options)
    data = two_domains()
    copies = copy.deepcopy(data)
    log = translating.train_step(data, wrapped(translating))
    for domain in data:  # images, and labels where there are any, are as they were
        assert torch.equal(data[domain]["image"], copies[domain]["image"])
    image = translator(data["source"]["image"], data["target"]["image"])
    expected = plain.train_step({**data["source"], "image": image}, wrapped(plain))
    assert log.keys() == expected.keys()
    assert all(torch.equal(log[key], expected[key]) for key in log)
    for name, value in plain.state_dict().items():
        assert torch.equal(translating.state_dict()[name], value), name
    seen = image if micro_batch is None else image[1:]
    assert torch.equal(translating.views["source"].image, seen)
    assert not translating.views["target"].has_run
    assert translating.segmentor.backbone.runs == (1 if micro_batch is None else 2)


def test_the_target_is_seen_as_it_is_beside_a_translated_source():
    objectives = [Supervised(), EntropyMinimization()]
    model = DomainAdapter(make_segmentor(), objectives, translator=FourierTranslator(beta=0.2))
    data = two_domains()
    model.train_step(data, wrapped(model))
    assert torch.equal(model.views["target"].image, data["target"]["image"])
    assert model.views["source"].image.dtype == torch.float32


def test_a_translator_with_weights_stays_as_it_is():
    class Learnt(Translator):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

        def translate(self, source, target):
            return self.net(source)

    model = DomainAdapter(make_segmentor(), [Supervised()], translator=Learnt())
    before = copy.deepcopy(model.translator.state_dict())
    model.train()
    model.train_step(two_domains(), wrapped(model))
    assert all(torch.equal(before[k], v) for k, v in model.translator.state_dict().items())
    assert "segmentor" in model.trainable_networks()
    assert len(model.trainable_networks()) == 1


def test_a_translator_without_a_target_says_what_to_write():
    model = DomainAdapter(make_segmentor(), [Supervised()], translator=FourierTranslator())
    with pytest.raises(ConfigError, match=r"the translator looks at the target.*type='DomainPair'"):
        model.train_step(two_domains()["source"], wrapped(model))


def test_gradients_are_clipped_by_norm_for_each_network():
    game = OutputAdversarial(dict(type="PixelDiscriminator", channels=4))
    model = DomainAdapter(make_segmentor(), [Supervised(), game])
    networks = model.trainable_networks()
    norms = dict(segmentor=1e-3, discriminators=1e-4)
    wrappers = OptimWrapperDict(
        **{
            name: OptimWrapper(
                torch.optim.SGD(network.parameters(), lr=1.0),
                clip_grad=dict(max_norm=norms[name]),
            )
            for name, network in networks.items()
        }
    )
    before = {n: [p.detach().clone() for p in net.parameters()] for n, net in networks.items()}
    model.train_step(two_domains(), wrappers)
    for name, network in networks.items():
        moved = [p.detach() - b for p, b in zip(network.parameters(), before[name], strict=True)]
        length = torch.cat([m.flatten() for m in moved]).norm().item()
        assert length == pytest.approx(norms[name], rel=0.02)  # of weights near 1 in float32
