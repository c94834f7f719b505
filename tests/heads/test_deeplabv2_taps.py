"""The product of all taps beside the convolutions that it stands for."""

import pytest
import torch
from torch import nn

from daseg.heads.deeplabv2 import DeepLabV2Head, _sum_of_taps

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("branches", "size"), [(2, (5, 9)), (4, (31, 20)), (1, (1, 1))])
def test_the_product_of_taps_is_the_sum_of_the_convolutions(layout, branches, size):
    """In double precision, over two passes: gradients of weights add up, too."""
    torch.manual_seed(0)
    head = DeepLabV2Head((16,), 3, branches=branches).double().to(memory_format=layout)
    convs = list(head.conv2d_list[:branches])
    for conv in convs:
        nn.init.normal_(conv.bias)
    x = torch.randn(2, 16, *size).double().contiguous(memory_format=layout).requires_grad_()
    weights = torch.randn(2, 3, *size).double()
    found = []
    for run in (lambda: sum(conv(x) for conv in convs), lambda: _sum_of_taps(x, convs)):
        x.grad = None
        head.zero_grad()
        logits = run()
        for factor in (1.0, 0.5):
            (factor * run() * weights).sum().backward()
        grads = [p.grad.clone() for conv in convs for p in conv.parameters()]
        found.append([logits.detach(), x.grad.clone(), *grads])
    for plain, product in zip(*found, strict=True):
        torch.testing.assert_close(product, plain, rtol=1e-12, atol=1e-12)


def test_the_head_uses_the_branches_that_it_is_told():
    torch.manual_seed(0)
    head = DeepLabV2Head((8,), 3, branches=2)
    x = torch.randn(1, 8, 7, 9)
    expected = head.conv2d_list[0](x) + head.conv2d_list[1](x)
    torch.testing.assert_close(head([x]), expected, rtol=1e-5, atol=1e-6)
    assert head.conv2d_list[2].weight.grad is None


def test_under_autocast_logits_are_summed_in_float32():
    head, x = DeepLabV2Head((8,), 3, branches=2), torch.randn(1, 8, 7, 9)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head([x])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, head([x]), rtol=0.05, atol=0.02)
