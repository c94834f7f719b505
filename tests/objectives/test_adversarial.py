"""Adversarial objectives: what is judged, what is weighed, and whom the gradient reaches."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.discriminators import FCDiscriminator, PixelDiscriminator
from daseg.losses import BCEGANLoss, HingeGANLoss, LSGANLoss
from daseg.objectives import FeatureAdversarial, OutputAdversarial, View
from daseg.ops.freeze import frozen
from daseg.utils.errors import ConfigError
from outputs import seg_output

CLASSES = 4
PIXELS = dict(type="PixelDiscriminator", channels=4)
CALM = dict(type="LSGANLoss")


class Network(nn.Module):
    """A segmentor of one strided convolution for each of two feature maps, and two heads."""

    def __init__(self, aux=True):
        super().__init__()
        torch.manual_seed(0)
        self.fine, self.coarse = nn.Conv2d(3, 5, 2, 2), nn.Conv2d(5, 6, 2, 2)
        self.head = nn.Conv2d(6, CLASSES, 1)
        self.aux_head = nn.Conv2d(5, CLASSES, 1) if aux else None
        self.num_classes = CLASSES
        self.head_names = ("main", "aux") if aux else ("main",)
        self.backbone = SimpleNamespace(out_channels=(5, 6))

    def forward(self, image):
        fine = self.fine(image).relu()
        coarse = self.coarse(fine).relu()
        aux = None if self.aux_head is None else self.aux_head(fine)
        return seg_output(self.head(coarse), aux, (fine, coarse))


def views(network, detached=False, times=1):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, 8 * times, 12 * times, generator=generator)
    label = torch.zeros(2, 8 * times, 12 * times, dtype=torch.long)
    source = View(network, image, label, align_corners=True)
    # The domains differ in size.
    other = torch.rand(2, 3, 12 * times, 8 * times, generator=generator)
    target = View(network, other, align_corners=True, domain="target")
    for view in (source, target) if detached else ():
        assert view.output.logits is not None  # the network has run
        view.detach(keep_features=True)
    return source, target


def prepared(objective, network):
    torch.manual_seed(2)
    objective.prepare(network)
    return objective


def full_size(logits, size):
    return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def test_discriminators_are_built_for_the_maps_they_see():
    network = Network()
    assert prepared(OutputAdversarial(PIXELS), network).discriminator.conv1.in_channels == CLASSES
    for index, channels in ((0, 5), (-1, 6), (-2, 5)):
        objective = prepared(FeatureAdversarial(PIXELS, in_index=index), network)
        assert objective.discriminator.conv1.in_channels == channels
    built = PixelDiscriminator(CLASSES)
    objective = prepared(OutputAdversarial(built), network)
    assert objective.discriminator is built
    keys = {key.split(".")[0] for key in objective.state_dict()}
    assert keys == {"discriminator"}  # once, whatever it was given as


def test_defaults_are_those_of_the_published_code():
    objective = OutputAdversarial(PIXELS)
    assert (objective.level, objective.weight, objective.disc_weight) == ("main", 0.001, 0.5)
    assert isinstance(objective.loss, BCEGANLoss)


@pytest.mark.parametrize("level", ["main", "aux"])
@pytest.mark.parametrize("maps", ["softmax", "entropy"])
def test_the_target_is_to_pass_for_real(level, maps):
    network = Network()
    objective = prepared(OutputAdversarial(PIXELS, level=level, weight=0.3, map=maps), network)
    _, target = views(network)
    output = network(target.image)
    logits = output.logits if level == "main" else output.predictions["aux"].logits
    prob = full_size(logits, (12, 8)).softmax(1)
    if maps == "entropy":
        prob = -prob * prob.log2() / math.log2(CLASSES)
    answers = objective.discriminator(prob)
    expected = -0.3 * torch.log(torch.sigmoid(answers)).mean()
    key = "loss_adv" if level == "main" else "loss_adv_aux"
    losses = objective.target_losses(target)
    assert losses.keys() == {key}
    torch.testing.assert_close(losses[key], expected)


@pytest.mark.parametrize("real", ["level", "mean"])
def test_the_discriminator_tells_the_domains_apart(real):
    network = Network()
    objective = prepared(
        OutputAdversarial(
            PIXELS, CALM, level="aux", source_map=real, aux_weight=0.7, disc_weight=0.25
        ),
        network,
    )
    source, target = views(network, detached=True)
    losses = objective.discriminator_losses(source, target)
    assert losses.keys() == {"loss_disc_aux", "disc_acc_source_aux", "disc_acc_target_aux"}

    output = network(source.image)
    logits = full_size(output.predictions["aux"].logits, (8, 12))
    if real == "mean":
        logits = 0.7 * logits + full_size(output.logits, (8, 12))
    on_source = objective.discriminator(logits.softmax(1))
    fake = full_size(network(target.image).predictions["aux"].logits, (12, 8)).softmax(1)
    on_target = objective.discriminator(fake)
    expected = 0.25 * ((on_source - 1).square().mean() + on_target.square().mean())
    torch.testing.assert_close(losses["loss_disc_aux"], expected)
    assert losses["disc_acc_source_aux"] == (on_source > 0.5).float().mean()
    assert losses["disc_acc_target_aux"] == (on_target <= 0.5).float().mean()


def test_published_multi_scale_losses_are_plain_options():
    """Twice the mean square for the segmentor; for the other side nothing halved; a penalty."""
    network = Network()
    disc = dict(type="MultiScaleDiscriminator", channels=4, num_blocks=1)
    objective = prepared(
        OutputAdversarial(
            disc,
            CALM,
            weight=2 * 0.001,
            disc_weight=1.0,
            source_map="mean",
            gradient_penalty=0.01,
        ),
        network,
    )
    for parameter in objective.discriminator.parameters():
        parameter.data.mul_(10)  # or the penalty is too small to see
    source, target = views(network, detached=True)
    fake = full_size(network(target.image).logits, (12, 8)).softmax(1).detach()
    scales = objective.discriminator(fake)
    adversarial = sum(2 * (scale - 1).square().mean() for scale in scales)
    torch.testing.assert_close(objective.target_losses(target)["loss_adv"], 0.001 * adversarial)

    output = network(source.image)
    real = 0.5 * full_size(output.predictions["aux"].logits, (8, 12)) + full_size(
        output.logits, (8, 12)
    )
    real = real.softmax(1).detach().requires_grad_()
    expected, penalty = 0.0, 0.0
    for on_real, on_fake in zip(objective.discriminator(real), scales, strict=True):
        expected += on_fake.square().mean() + (on_real - 1).square().mean()
        (slope,) = torch.autograd.grad(on_real.sum(), real, retain_graph=True)
        penalty += 0.01 * slope.square().sum((1, 2, 3)).mean()
    losses = objective.discriminator_losses(source, target)
    torch.testing.assert_close(losses["loss_disc"], expected)
    torch.testing.assert_close(losses["loss_disc_penalty"], penalty)
    assert penalty > 1e-6

    (losses["loss_disc"] + losses["loss_disc_penalty"]).backward()
    assert all(p.grad is not None for p in objective.discriminator.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_each_side_learns_alone():
    network = Network()
    objective = prepared(OutputAdversarial(PIXELS), network)
    source, target = views(network)
    with frozen([objective.discriminator]):
        objective.target_losses(target)["loss_adv"].backward()
    assert all(p.grad is None for p in objective.discriminator.parameters())
    for part in (network.fine, network.coarse, network.head):
        assert part.weight.grad.abs().max() > 0
    network.zero_grad()
    # Even on views with a graph the discriminator's step stays its own.
    objective.discriminator_losses(*views(network))["loss_disc"].backward()
    assert all(p.grad is None for p in network.parameters())
    assert all(p.grad is not None for p in objective.discriminator.parameters())
    assert not source.has_run


def test_the_segmentors_step_moves_towards_real():
    network = Network()
    objective = prepared(OutputAdversarial(PIXELS, CALM, weight=1.0), network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    losses = []
    for _ in range(5):
        loss = objective.target_losses(views(network)[1])["loss_adv"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


def test_feature_maps_are_judged_as_they_are():
    network = Network()
    objective = prepared(FeatureAdversarial(PIXELS, CALM, in_index=0, weight=0.5), network)
    source, target = views(network)
    on_target = objective.discriminator(network(target.image).features[0])
    assert on_target.shape == (2, 1, 6, 4)
    losses = objective.target_losses(target)
    torch.testing.assert_close(losses["loss_adv_feat"], 0.5 * (on_target - 1).square().mean())
    losses["loss_adv_feat"].backward()
    assert network.fine.weight.grad.abs().max() > 0
    assert network.head.weight.grad is None

    source, target = views(network, detached=True)
    losses = objective.discriminator_losses(source, target)
    on_source = objective.discriminator(network(source.image).features[0])
    expected = 0.5 * ((on_source - 1).square().mean() + on_target.square().mean())
    torch.testing.assert_close(losses["loss_disc_feat"], expected)
    assert losses.keys() == {"loss_disc_feat", "disc_acc_source_feat", "disc_acc_target_feat"}
    assert objective.discriminates_features
    assert not OutputAdversarial(PIXELS).discriminates_features


def test_names_keep_two_of_a_kind_apart():
    network = Network()
    objective = prepared(OutputAdversarial(PIXELS, level="aux", name="fine"), network)
    source, target = views(network, detached=True)
    assert objective.target_losses(target).keys() == {"loss_adv_aux_fine"}
    keys = objective.discriminator_losses(source, target).keys()
    assert keys == {"loss_disc_aux_fine", "disc_acc_source_aux_fine", "disc_acc_target_aux_fine"}
    objective = prepared(FeatureAdversarial(PIXELS, name="low"), network)
    assert objective.target_losses(target).keys() == {"loss_adv_feat_low"}


@pytest.mark.parametrize("loss", [BCEGANLoss(), LSGANLoss(), HingeGANLoss()])
def test_mixed_precision(loss):
    network = Network()
    disc = dict(type="MultiScaleDiscriminator", channels=4, num_blocks=1)
    objective = prepared(OutputAdversarial(disc, loss, gradient_penalty=100.0), network)
    for parameter in objective.discriminator.parameters():
        parameter.data.mul_(10)  # or the penalty is too small to compare
    # Maps of some size: of those one pixel wide, oneDNN's gradients of weights in bfloat16 are not
    # always numbers on a CPU with AMX.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        source, target = views(network, detached=True, times=8)
        assert source.output.logits.dtype is torch.bfloat16
        losses = objective.discriminator_losses(source, target)
        losses |= objective.target_losses(target)
        total = sum(value for key, value in losses.items() if "loss" in key)
    assert all(value.dtype is torch.float32 for value in losses.values())
    total.backward()
    assert all(p.grad.isfinite().all() for p in objective.discriminator.parameters())

    # The penalty is the one of full precision, whatever autocast does around it.
    full = objective.discriminator_losses(source, target)
    torch.testing.assert_close(losses["loss_disc_penalty"], full["loss_disc_penalty"])
    assert full["loss_disc_penalty"] > 0.1
    feature = prepared(FeatureAdversarial(PIXELS, loss), network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        source, target = views(network)
        assert feature.target_losses(target)["loss_adv_feat"].dtype is torch.float32
        assert feature.discriminator_losses(source, target)["loss_disc_feat"].isfinite()


@pytest.mark.parametrize("options", [dict(level="aux"), dict(source_map="mean")])
def test_a_head_that_is_not_there_is_missed_before_training(options):
    with pytest.raises(ConfigError, match=r"OutputAdversarial needs an auxiliary head.*aux_head"):
        OutputAdversarial(PIXELS, **options).prepare(Network(aux=False))
    OutputAdversarial(PIXELS).prepare(Network(aux=False))


def test_wrong_options_are_refused():
    for key, value in (("map", "logits"), ("source_map", "main")):
        with pytest.raises(ConfigError, match=rf"OutputAdversarial: {key}='{value}' is not one of"):
            OutputAdversarial(PIXELS, **{key: value})
    with pytest.raises(ConfigError, match=r"in_index=2, but the backbone has 2 feature maps"):
        FeatureAdversarial(PIXELS, in_index=2).prepare(Network())


def test_small_feature_maps_say_which_discriminator_fits():
    network = Network()
    objective = FeatureAdversarial(FCDiscriminator(6, channels=2))
    with pytest.raises(ConfigError, match=r"at least 32x32 pixels; this one is 3x2"):
        prepared(objective, network).target_losses(views(network)[1])
