"""PyTorch modules that a sampler cannot use: random, in half precision, or with values that depend on the batch."""

from __future__ import annotations

import pytest

import samplevis
from samplevis import Network
from samplevis.activation.soundness import check_values

torch = pytest.importorskip("torch", reason="PYTORCH NOT FOUND: pip install 'samplevis[torch]'")
nn, functional = torch.nn, torch.nn.functional


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.conv(x).float()


def half(x: torch.Tensor) -> torch.Tensor:
    return (x.half() * 2).float()


# The third submodule of a network, and what it must be called.
RANDOM = {
    "dropout of a function": lambda: Applied(lambda x: functional.dropout(x, 0.5)),
    "noise": lambda: Applied(lambda x: x + torch.randn_like(x)),
    "uniform noise of one channel": lambda: Applied(lambda x: x + torch.rand(4, 1, 1)),
    "a sample": lambda: Applied(lambda x: torch.distributions.Normal(x, 1.0).rsample()),
    "dropout that stays": lambda: Applied(nn.Dropout(0.5).train().forward),
}
HALF = {
    "a cast": lambda: Applied(half),
    "autocast": Autocast,
    "two steps": lambda: nn.Sequential(nn.ReLU(), Applied(half)),
}
MIXING = {
    "no moving averages": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "statistics of a function": lambda: Applied(lambda x: functional.batch_norm(x, None, None, training=True)),
    "centred": lambda: Applied(lambda x: x - x.mean(0, keepdim=True)),
}
SOUND = {
    "dropout": lambda: nn.Dropout(0.5),
    "moving averages": lambda: nn.BatchNorm2d(4),
    "instances": lambda: nn.InstanceNorm2d(4),
    "double precision": lambda: Applied(lambda x: x.double().float()),
    "a seed": lambda: Applied(lambda x: x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1))),
}


def network(part: nn.Module) -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), part, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return Network(module, value_range=(0, 1), image_shape=(12, 12, 3))


def check_refused(part: nn.Module, words: str) -> None:
    found = network(part)
    with pytest.raises(ValueError, match=words):
        check_values(found, ["output"])
    # What is in front of it can be sampled.
    check_values(found, ["1"])


@pytest.mark.parametrize("kind", RANDOM)
def test_a_random_module_is_refused_by_name(kind):
    check_refused(RANDOM[kind](), "^model: a sampler needs the same score.*'2' of 'Sequential' is random at inference")


@pytest.mark.parametrize("kind", HALF)
def test_half_precision_is_refused_by_name(kind):
    check_refused(HALF[kind](), r"^model: .*float16 cannot carry.* from '2.*module.float\(\)")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_module_in_half_precision_is_refused(dtype):
    found = network(nn.Identity().to(dtype))
    found.model.to(dtype)
    with pytest.raises(ValueError, match=r"float16 cannot carry, in which 'Sequential' computes from '0' on"):
        samplevis.render(found, "output:0", progress=False)


@pytest.mark.parametrize("kind", MIXING)
def test_values_that_depend_on_the_batch_are_refused_by_name(kind):
    check_refused(MIXING[kind](), "^model: .* of '2' of 'Sequential' depend on the other images of the batch")


@pytest.mark.parametrize("kind", SOUND)
def test_sound_modules_pass(kind):
    check_values(network(SOUND[kind]()), ["output"])


def test_calls_of_a_random_module_warn():
    with pytest.warns(UserWarning, match="'2' of 'Sequential' is random at inference"):
        samplevis.optimize(network(RANDOM["noise"]()), "output:0", steps=1, transforms=None, progress=False)
