"""The step needs no more memory than passes of source and target one after the other."""

import weakref

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.segmentor import Segmentor
from outputs import all_logits

CLASSES, SIZE = 5, (64, 96)


class LiveBytes(TorchDispatchMode):
    """Adds up the bytes of the tensors that are made inside of it and still alive.

    Every operation is seen, those of the backward pass too. Results that share the memory of an
    argument are nothing new. What an operation needs within itself is not seen.
    """

    def __init__(self):
        super().__init__()
        self.now, self.peak = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        known = {id(storage) for storage in storages((args, kwargs))}
        for storage in storages(result):
            if id(storage) not in known:
                known.add(id(storage))
                self.now += storage.nbytes()
                weakref.finalize(storage, self.free, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def free(self, count):
        self.now -= count


def storages(values):
    return [v.untyped_storage() for v in tree_flatten(values)[0] if isinstance(v, torch.Tensor)]


class Backbone(nn.Module):
    """Six convolutions at half the image's size: most of the memory is their graph."""

    out_channels = (16, 16)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.rest = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(5))

    def forward(self, image):
        first = features = torch.tanh(self.first(image))
        for conv in self.rest:
            features = torch.tanh(conv(features))
        return first, features


class Head(nn.Conv2d):
    """A linear classifier of one feature map."""

    def __init__(self, index):
        super().__init__(16, CLASSES, 1, stride=2)
        self.index = index

    def forward(self, features):
        return super().forward(features[self.index])


def make_adapter(objectives=None, **settings):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(-1), Head(-2), num_classes=CLASSES)
    if objectives is not None:
        return DomainAdapter(segmentor, objectives, channels_last=False, **settings).train()
    disc = dict(type="FCDiscriminator", channels=4)
    games = [
        dict(type="OutputAdversarial", discriminator=disc, level=level, weight=0.1)
        for level in ("main", "aux")
    ]
    supervised = dict(type="Supervised", aux_weight=0.1)
    return DomainAdapter(segmentor, [supervised, *games], channels_last=False, **settings).train()


def make_batch(count=2):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, count, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, CLASSES, (count, *SIZE), generator=generator)
    return dict(source=dict(image=images[0], label=label), target=dict(image=images[1]))


def make_optimizers(adapter):
    sgd = dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
    return OptimizersByNetwork(dict.fromkeys(adapter.trainable_networks(), sgd))(adapter)


def up(logits):
    return F.interpolate(logits, SIZE, mode="bilinear", align_corners=False)


def plain_step(adapter, optimizers, *, frugal=False, at_once=False):
    """The same step in plain PyTorch: each domain's losses, then their backward pass.

    Args:
        adapter: Whose networks are trained.
        optimizers: Theirs.
        frugal: Hold no full-size logits but in the moment that they are used in; else they live to
            the end of their pass, as in a program that gives them a name.
        at_once: Run both domains before one backward pass of the sum of all losses.
    """
    net, batch = adapter.segmentor, make_batch()
    discs = nn.ModuleList(objective.discriminator for objective in adapter.adversaries)
    pending = []

    def backward(loss):
        if at_once:
            pending.append(loss)
        else:
            loss.backward()

    def full_size(*outputs):
        maps = (up(logits) for logits in outputs)
        return maps if frugal else list(maps)

    def source_pass():
        main, aux = all_logits(net(batch["source"]["image"]))
        maps = full_size(main, aux)
        losses = [F.cross_entropy(logits, batch["source"]["label"]) for logits in maps]
        backward(losses[0] + 0.1 * losses[1])
        return main.detach(), aux.detach()

    def target_pass():
        main, aux = all_logits(net(batch["target"]["image"]))
        maps = full_size(main, aux)
        answers = [d(logits.softmax(1)) for d, logits in zip(discs, maps, strict=True)]
        backward(0.1 * sum(F.softplus(-answer).mean() for answer in answers))
        return main.detach(), aux.detach()

    discs.requires_grad_(False)
    outputs = source_pass(), target_pass()
    if at_once:
        sum(pending).backward()
    pending.clear()
    optimizers["segmentor"].step()
    optimizers["segmentor"].zero_grad()
    discs.requires_grad_(True)

    for level, disc in enumerate(discs):
        for sign, output in zip((-1, 1), outputs, strict=True):
            (0.5 * F.softplus(sign * disc(up(output[level]).softmax(1))).mean()).backward()
    optimizers["discriminators"].step()
    optimizers["discriminators"].zero_grad()


def peak(step):
    """Most bytes alive in the third step: by then the optimizers have their momenta."""
    for _ in range(2):
        step()
    with LiveBytes() as live:
        step()
    return live.peak


def adapters_peak(count=2, **settings):
    adapter = make_adapter(**settings)
    optimizers, batch = make_optimizers(adapter), make_batch(count)
    return peak(lambda: adapter.train_step(batch, optimizers))


def plain_peak(**settings):
    adapter = make_adapter()
    optimizers = make_optimizers(adapter)
    return peak(lambda: plain_step(adapter, optimizers, **settings))


def test_live_bytes_by_hand():
    weight = torch.ones(100, 100, requires_grad=True)
    with LiveBytes() as live:
        x = torch.ones(10, 100)
        y = (x @ weight).relu_().exp()  # nothing new for relu, which is in place
        assert live.now == 4 * 3 * 1000
        y.view(-1).sum().backward()  # the product was the graph's alone; a gradient is new
        assert live.now == 4 * (2 * 1000 + 10_000)
        assert live.peak >= 4 * (3 * 1000 + 10_000)
        del x, y
        assert live.now == 4 * 10_000
        weight.grad = None
        assert live.now == 0


def test_what_is_compared_is_the_same_step():
    states = []
    for plain in (True, False):
        adapter = make_adapter()
        optimizers, batch = make_optimizers(adapter), make_batch()
        for _ in range(3):
            plain_step(adapter, optimizers) if plain else adapter.train_step(batch, optimizers)
        states.append(adapter.state_dict())
    assert [int(state.pop("iteration")) for state in states] == [0, 3]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_it_needs_no_more_than_separate_passes():
    ours = adapters_peak()
    assert ours <= plain_peak()
    # The heads' full-size logits are computed once for all objectives; little else is kept.
    assert ours <= 1.01 * plain_peak(frugal=True)
    assert plain_peak(at_once=True) > 1.5 * ours


def test_more_parts_need_hardly_more():
    one, many = adapters_peak(1), adapters_peak(9, micro_batch=1)
    outputs = 9 * 2 * 2 * 4 * CLASSES * (SIZE[0] // 4) * (SIZE[1] // 4)  # domains, heads, bytes
    assert one < many < one + 1.1 * outputs


def test_a_mixture_needs_no_graph_beside_its_own():
    """Nor the teacher's full-size logits: little more than its image, label and weights."""
    supervised = dict(type="Supervised", aux_weight=0.1)
    alone, mixing = (
        adapters_peak(objectives=[supervised, *more], teacher_momentum=0.1)
        for more in ([], [dict(type="ClassMix")])
    )
    pixels = 2 * SIZE[0] * SIZE[1]
    inputs = pixels * (3 * 4 + 8 + 4)  # float32 image and weights, int64 labels
    logits = 4 * CLASSES * pixels
    assert alone < mixing < alone + inputs + 0.7 * logits


def test_mixed_and_masked_images_need_one_graph_at_a_time():
    """MIC's step, a mixture and masked images after the source, needs what the mixture needs."""
    made = [dict(type="Supervised", aux_weight=0.1), dict(type="ClassMix")]
    mixing, masking = (
        adapters_peak(objectives=[*made, *more], teacher_momentum=0.1)
        for more in ([], [dict(type="MaskedConsistency", block=16)])
    )
    pixels = 2 * SIZE[0] * SIZE[1]
    outputs = 2 * 2 * 4 * CLASSES * (SIZE[0] // 4) * (SIZE[1] // 4)  # of a pass, kept for pictures
    assert masking < mixing + pixels * (3 * 4 + 8 + 4) + 1.1 * outputs
