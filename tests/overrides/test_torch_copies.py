"""Copies of PyTorch modules against the modules: ways to hold state times kinds of copies.

Copies share parameters, buffers, hooks and attributes, and replace activation functions alone. Every layer of every copy must have
the values of the module, where nothing is smoothed. The control is a copy that loses one buffer.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from layer_gaps import wrong_layers

from samplevis import Network, overrides
from samplevis.overrides.rebuild import _check_values

torch = pytest.importorskip("torch", reason="PYTORCH NOT FOUND: pip install 'samplevis[torch]'")
nn, functional = torch.nn, torch.nn.functional
parametrizations = nn.utils.parametrizations

SIDE, CHANNELS = 8, 4
IMAGES = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 3)).astype(np.float32)


class Buffers(nn.Module):
    """Arrays in buffers, one of which is not saved, and one in an attribute that PyTorch does not know."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.rand(CHANNELS, 1, 1) + 0.5)
        self.register_buffer("offset", torch.randn(CHANNELS, 1, 1), persistent=False)
        self.constant, self.relu = torch.randn(CHANNELS, 1, 1), nn.ReLU()

    def forward(self, x):
        return self.relu(x * self.scale + self.offset + self.constant)


class Centred(nn.Module):
    """A parametrization with an array of its own."""

    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.tensor(0.3))

    def forward(self, weight):
        return weight - weight.mean() + self.shift


class Lists(nn.Module):
    """Modules in a ModuleList, in a ModuleDict, and in a list that PyTorch does not know."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([conv(), nn.LeakyReLU(0.2)])
        self.named = nn.ModuleDict({"last": nn.Hardswish()})
        self.hidden = [conv(), nn.ReLU()]

    def forward(self, x):
        for step in [*self.steps, *self.hidden]:
            x = step(x)
        return self.named["last"](x)


class Functional(nn.Module):
    """Functions in the place of modules, and a function in an attribute."""

    def __init__(self):
        super().__init__()
        self.conv, self.function = conv(), functional.relu

    def forward(self, x):
        x = functional.max_pool2d(functional.relu6(self.conv(x)), 2)
        return self.function(x - 0.1) * functional.hardtanh(x)


class Shared(nn.Module):
    """A convolution and a rectifier that are called twice, the latter under two names, and tied weights."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.tied = conv(), nn.ReLU(), conv()
        self.again, self.tied.weight = self.relu, self.conv.weight

    def forward(self, x):
        return self.again(self.tied(self.relu(self.conv(self.relu(self.conv(x))))))


class InPlace(nn.Module):
    """A rectifier whose value nobody reads: the one that it is applied to changes."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = conv(), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.conv(x)
        self.relu(x)
        return x + 1


class Bound(nn.Module):
    """Holds on to a method of a submodule, to itself in a closure, and to its parts in a tuple."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.gain = conv(), nn.ReLU(), torch.randn(CHANNELS, 1, 1)
        self.method, self.parts = self.relu.forward, (self.conv, self.relu)
        self.scaled = lambda x: self.gain * self.relu(x)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return self.scaled(self.method(x))


class Counted(nn.Module):
    """Counts its calls, remembers what it saw, and is given a hook that changes its values."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.calls = conv(), nn.ReLU(), 0
        self.register_buffer("seen", torch.zeros(()))
        self.relu.register_forward_hook(lambda module, inputs, output: 2 * output)
        self.conv.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 0.2,))

    def forward(self, x):
        self.calls += 1
        self.seen += x.abs().mean().detach()
        return self.relu(self.conv(x))


class Attention(nn.Module):
    """A layer of a transformer, whose activation function is an attribute, over positions."""

    def __init__(self, activation):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(CHANNELS, 2, 8, batch_first=True, activation=activation)

    def forward(self, x):
        return self.layer(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


class Slotted(nn.Module):
    """Finds its parameters by code of its own, and passes tuples and dictionaries on."""

    def __init__(self):
        super().__init__()
        self.pair, self.inner = Pair(), conv()

    def __getattr__(self, name):
        return super().__getattr__("inner") if name == "alias" else super().__getattr__(name)

    def forward(self, x):
        first, more = self.pair(self.alias(x))
        return first + more["second"]


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ELU()

    def forward(self, x):
        return self.act(x), {"second": self.act(-x)}


def conv() -> nn.Conv2d:
    return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)


def centred() -> nn.Module:
    layer = conv()
    nn.utils.parametrize.register_parametrization(layer, "weight", Centred())
    return layer


def lazy() -> nn.Module:
    layer = nn.Sequential(nn.LazyConv2d(CHANNELS, 3), nn.LazyBatchNorm2d(), nn.ReLU())
    layer(torch.zeros(2, CHANNELS, SIDE, SIDE))
    return layer


def drifted() -> nn.Module:
    layer = nn.Sequential(conv(), nn.BatchNorm2d(CHANNELS), nn.ReLU6(), nn.InstanceNorm2d(CHANNELS, affine=True))
    with torch.no_grad():
        layer[1].running_mean.normal_()
        layer[1].running_var.uniform_(0.5, 2)
    return layer


def traced() -> nn.Module:
    return torch.fx.symbolic_trace(nn.Sequential(conv(), nn.ReLU(), Buffers()))


# Each makes a module of four channels, after which follow others.
KINDS: dict[str, Callable[[], nn.Module]] = {
    "buffers": Buffers,
    "weight norm": lambda: nn.Sequential(parametrizations.weight_norm(conv()), nn.ReLU()),
    "old weight norm": lambda: nn.Sequential(nn.utils.weight_norm(conv()), nn.ReLU()),
    "spectral norm": lambda: nn.Sequential(parametrizations.spectral_norm(conv()), nn.ReLU()),
    "a parametrization": lambda: nn.Sequential(centred(), nn.ReLU()),
    "lists": Lists,
    "functions": Functional,
    "shared": Shared,
    "in place": InPlace,
    "bound": Bound,
    "hooks and counters": Counted,
    "attention": lambda: Attention("relu"),
    "attention of a module": lambda: Attention(nn.ReLU()),
    "parameters of its own": Slotted,
    "lazy": lazy,
    "statistics": drifted,
    "torch.fx": traced,
}
FAST = ("buffers", "in place", "shared")
# Kind of copy -> (how it is made, the difference to allow, relative to the largest value of a layer).
COPIES: dict[str, tuple[Callable[[Network], Network], float]] = {
    "smooth": (lambda network: overrides.smooth(network, 1e-5), 1e-2),
    "redirect": (overrides.redirect_relu, 1e-5),
    "linearize": (overrides.linearize, 1e-5),
}


@functools.cache
def network(kind: str) -> Network:
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 1), KINDS[kind](), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    return Network(module, value_range=(-1, 1), image_shape=(SIDE, SIDE, 3))


def marked(number: int, kind: str):
    if kind in FAST:
        return kind
    return pytest.param(kind, marks=pytest.mark.slow if number % 4 == 1 else pytest.mark.long)


def slope(network: Network) -> np.ndarray:
    """The gradient of an output in the images."""
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = tf.reduce_sum(network.cut(["output"])(images)["output"][:, 0])
    return tape.gradient(score, images).numpy()


@pytest.mark.parametrize("kind", [marked(number, kind) for number, kind in enumerate(KINDS)])
def test_every_layer_of_every_copy_is_the_module(kind):
    original = network(kind)
    modules = dict(original.model.named_modules())
    for name, (make, allowed) in COPIES.items():
        copied = make(original)
        assert not wrong_layers(original, copied.activations, IMAGES, list(original.layers), allowed), name
    # Where nothing is rounded, the gradient is the module's, too.
    expected, found = slope(original), slope(COPIES["smooth"][0](original))
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    # The module is used as it is.
    assert dict(original.model.named_modules()) == modules
    assert not any(part._forward_pre_hooks for part in modules.values() if isinstance(part, nn.ReLU))


@pytest.mark.parametrize("buffer", ["scale", "offset", "constant"])
def test_a_copy_that_loses_one_array_is_refused(buffer):
    """The control: by the name of the layer."""
    original = network("buffers")
    losing = copy.deepcopy(original.model)
    setattr(losing[1], buffer, torch.zeros_like(getattr(losing[1], buffer)))
    found = Network(losing, value_range=(-1, 1), image_shape=(SIDE, SIDE, 3))
    assert "1" in wrong_layers(original, found.activations, IMAGES, list(original.layers), COPIES["smooth"][1])
    with pytest.raises(ValueError, match=r"the layer '1.*' \(.*\) of 'Sequential' gives other values"):
        _check_values(original, found.source)


def test_half_precision_is_refused_by_name():
    with pytest.raises(ValueError, match="^network: 'Sequential' is a module of PyTorch's.*half"):
        overrides.bfloat16(network("buffers"))


def test_a_silent_rectifier_that_works_in_place_is_started():
    """Its value is read from what it changes; without the redirection no gradient comes through."""
    module = nn.Sequential(nn.Conv2d(3, CHANNELS, 1), InPlace())
    with torch.no_grad():
        module[1].conv.bias.fill_(-9)
    plain = Network(module, value_range=(0, 1), image_shape=(SIDE, SIDE, 3))
    for each, is_silent in ((plain, True), (overrides.redirect_relu(plain), False)):
        images = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(each.cut(["output"])(images)["output"][..., 0])
        assert (float(tf.norm(tape.gradient(score, images))) == 0) == is_silent
