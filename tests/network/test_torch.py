"""PyTorch modules as networks, against PyTorch itself."""

from __future__ import annotations

import functools
import gc
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import samplevis
from samplevis import Network, objectives, param
from samplevis.activation import make_activation
from samplevis.activation.batch_size import bytes_per_image
from samplevis.network import fingerprint
from samplevis.runtime import seeds

torch = pytest.importorskip("torch", reason="PYTORCH NOT FOUND: pip install 'samplevis[torch]'")
nn = torch.nn

SIZE = 16


class Block(nn.Module):
    """A residual block whose rectifier is used twice, in place."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x
        return self.relu(y)


class Small(nn.Module):
    """A residual network for images of any size, with a part that must not run for earlier layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.GELU())
        self.block = Block(6)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(6, 4)
        self.unused = nn.Linear(2, 2)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        x = self.block(self.stem(x))
        return self.head(self.dropout(x.mean((2, 3))))


def made(seed=0):
    torch.manual_seed(seed)
    module = Small()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
    return module


@pytest.fixture(scope="module")
def module():
    return made()


@pytest.fixture(scope="module")
def network(module):
    return Network(module, value_range=(0, 1))


def pictures(count=2, sides=(SIZE, SIZE + 4)):
    return np.random.default_rng(0).uniform(size=(count, *sides, 3)).astype(np.float32)


def first(values):
    return np.moveaxis(values, -1, 1)


def last(value):
    value = value.detach().numpy()
    return np.moveaxis(value, 1, -1) if value.ndim >= 4 else value


def reference(module, x):
    """Layers by hand, without hooks."""
    was = module.training
    module.eval()
    found = {"stem.0": module.stem[0](x)}
    found["stem"] = module.stem[1](found["stem.0"])
    block = module.block
    found["block.bn1"] = block.bn1(block.conv1(found["stem"]))
    found["block.relu"] = torch.relu(found["block.bn1"])
    found["block/pre"] = block.bn2(block.conv2(found["block.relu"])) + found["stem"]
    found["block"] = torch.relu(found["block/pre"])
    found["output"] = module.head(found["block"].mean((2, 3)))
    module.train(was)
    return found


NAMES = ["stem.0", "stem", "block.bn1", "block.relu", "block/pre", "block", "output"]


def near(a, b):
    np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_every_layer_has_pytorchs_values(module, network):
    """Also those that a later module changes in place; all at once and each by itself."""
    x = pictures()
    expected = reference(module, torch.tensor(first(x)))
    found = network(x, NAMES)
    for name in NAMES:
        near(found[name], last(expected[name]))
        near(network(x, name)[name], last(expected[name]))
    # A module that is called twice.
    twice = network(x, ["block.relu#2", "block.relu#2/pre", "block.relu/pre"])
    near(found["block"], twice["block.relu#2"])
    near(found["block/pre"], twice["block.relu#2/pre"])
    near(found["block.bn1"], twice["block.relu/pre"])


def test_layers_are_listed_by_their_dotted_names(network):
    assert list(network.layers) == [
        *("stem.0", "stem.1", "stem", "block.conv1", "block.bn1", "block.relu", "block.conv2", "block.bn2"),
        *("block.relu#2", "block", "dropout", "head", "output"),
    ]
    assert network.layers["stem"] == (None, None, 6) and network.layers["output"] == (4,)
    assert network.image_shape == (None, None, 3)
    assert network.layer_shape("block", (10, 14)) == (5, 7, 6)
    assert "stem/pre" in network.source.names and "block.conv1/pre" not in network.source.names
    with pytest.raises(ValueError, match="not called in evaluation mode"):
        network.check_layer("unused")
    with pytest.raises(ValueError, match="Did you mean 'block.conv1'"):
        network.check_layer("block.conv")


def gradients(module, x, weights):
    """Of the sum of weighted layers, in PyTorch."""
    images = torch.tensor(first(x), requires_grad=True)
    found = reference(module, images)
    total = sum(
        (found[name] * torch.tensor(np.moveaxis(w, -1, 1) if w.ndim > 3 else w)).sum() for name, w in weights.items()
    )
    return last(torch.autograd.grad(total, images)[0])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("names", [["block.bn1"], ["block/pre"], ["output"], NAMES])
def test_gradients_are_pytorchs(module, network, names, compiled):
    x, random = pictures(), np.random.default_rng(1)
    weights = {name: random.normal(size=value.shape).astype(np.float32) for name, value in network(x, names).items()}

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = network.cut(names)(x)
            total = tf.add_n([tf.reduce_sum(found[name] * weights[name]) for name in names])
        return tape.gradient(total, x)

    found = (tf.function(gradient) if compiled else gradient)(tf.constant(x))
    near(found.numpy(), gradients(module, x, weights))


def test_gradients_are_those_of_differences(module, network):
    """In float64, an oracle that knows no chain rule; with a wrong sign it would not agree."""
    double = made().double()
    sharp = Network(double, value_range=(0, 1))
    x, direction = tf.constant(pictures(1)), np.random.default_rng(2).normal(size=(1, SIZE, SIZE + 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(sharp.cut(["output"])(x)["output"][:, 1])
    slope = float(np.sum(tape.gradient(score, x).numpy() * direction))
    ends = [
        float(
            reference(double, torch.tensor(first(x.numpy().astype(np.float64) + step * direction)))["output"][
                :, 1
            ].sum()
        )
        for step in (-1e-5, 1e-5)
    ]
    difference = (ends[1] - ends[0]) / 2e-5
    assert abs(slope - difference) < 1e-4 * abs(difference) < abs(slope + difference)


@given(batch=st.integers(1, 3), height=st.integers(5, 20), width=st.integers(5, 20))
@settings(max_examples=8, deadline=None)
def test_any_size_and_batch(network, module, batch, height, width):
    x = pictures(batch, (height, width))
    expected = reference(module, torch.tensor(first(x)))
    found = network(x, ["block", "output"])
    for name, value in found.items():
        near(value, last(expected[name]))
        assert value.shape[1:] == network.layer_shape(name, (height, width))


def test_the_module_stays_as_it_was():
    module = made().train()
    module.block.eval()
    module.stem[0].weight.requires_grad_(False)
    seen = []
    handle = module.stem.register_forward_hook(lambda *_: seen.append(1))
    modes = [part.training for part in module.modules()]
    wants = [value.requires_grad for value in module.parameters()]
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    network = Network(module, value_range=(0, 1))
    x = tf.constant(pictures())
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(network.cut(["output"])(x)["output"])
    assert tape.gradient(score, x) is not None
    assert [part.training for part in module.modules()] == modes
    assert [value.requires_grad for value in module.parameters()] == wants
    assert all(value.grad is None for value in module.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()]
    assert sum(hooks) == 1 and seen
    handle.remove()


def test_the_module_stays_as_it_was_after_an_error():
    module = made().train()
    network = Network(module, value_range=(0, 1))
    module.block.conv2 = nn.Conv2d(5, 6, 3)
    with pytest.raises(RuntimeError, match="channels"):
        network(pictures(), "output")
    assert all(part.training for part in module.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    # Layers before still work: nothing behind them runs.
    assert network(pictures(), "stem")["stem"].shape == (2, 8, 10, 6)


class Counting(nn.Module):
    """Counts the runs of a function forward and back."""

    def __init__(self):
        super().__init__()
        self.early, self.late = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1)
        self.forwards = self.backwards = self.behind = 0

    def forward(self, x):
        self.forwards += 1
        x = self.early(x)
        if x.requires_grad:
            x.register_hook(self._count)
        x = torch.tanh(x)
        self.behind += 1
        return self.late(x)

    def _count(self, _):
        self.backwards += 1


@pytest.mark.parametrize("compiled", [False, True])
def test_a_gradient_is_one_run_forward_and_one_back(compiled):
    module = Counting()
    network = Network(module, value_range=(0, 1))

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.square(network.cut(["output"])(x)["output"]))
        return tape.gradient(score, x)

    run = tf.function(gradient) if compiled else gradient
    x = tf.constant(pictures())
    run(x)
    module.forwards = module.backwards = 0
    for _ in range(3):
        run(x)
    assert (module.forwards, module.backwards) == (3, 3)


def test_what_is_behind_the_deepest_layer_does_not_run():
    module = Counting()
    network = Network(module, value_range=(0, 1))
    module.forwards = module.behind = 0
    network(pictures(), "early")
    assert (module.forwards, module.behind) == (1, 0)
    network(pictures(), "late")
    assert (module.forwards, module.behind) == (2, 1)


def test_compiled_values_without_a_gradient_keep_nothing(network):
    from samplevis.network.sources import torch_bridge

    alive = weakref.WeakSet()
    before = torch_bridge._Pass.__init__

    def noted(self, *arguments):
        before(self, *arguments)
        alive.add(self)

    torch_bridge._Pass.__init__ = noted
    try:
        value = tf.function(lambda x: network.cut(["output"])(x)["output"])
        gradient = tf.function(lambda x: tf.gradients(network.cut(["output"])(x)["output"], x)[0])
        for run in (value, gradient):
            for _ in range(3):
                run(tf.constant(pictures()))
            gc.collect()
            assert len(alive) <= 1
    finally:
        torch_bridge._Pass.__init__ = before


def test_a_second_gradient_of_the_same_values_is_the_first(network):
    x = tf.constant(pictures())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        score = tf.reduce_sum(network.cut(["output"])(x)["output"][:, 0])
    near(tape.gradient(score, x).numpy(), tape.gradient(score, x).numpy())


def slope(cut, x):
    return tf.gradients(cut(x)["output"], x)


def test_a_network_goes_when_its_last_user_goes():
    module = made()
    network = Network(module, value_range=(0, 1))
    run = tf.function(functools.partial(slope, network.cut(["output"])))
    concrete = run.get_concrete_function(tf.TensorSpec([2, SIZE, SIZE, 3]))
    gone, x = weakref.ref(module), tf.constant(pictures(2, (SIZE, SIZE)))
    assert concrete(x)[0].shape == x.shape
    del module, network, run
    gc.collect()
    assert gone() is None
    with pytest.raises(Exception, match="the network is gone"):
        concrete(x)


def test_threads_do_not_see_each_other(module):
    """Two networks on one module, and the module itself, at once."""
    networks = [Network(module, value_range=(0, 1)) for _ in range(2)]
    module.eval()
    x = pictures()
    expected = {name: last(value) for name, value in reference(module, torch.tensor(first(x))).items()}
    wrong = []

    def look(network, name):
        for _ in range(15):
            if not np.allclose(network(x, name)[name], expected[name], atol=1e-5):
                wrong.append(name)

    def run():
        for _ in range(15):
            with torch.no_grad():
                if not np.allclose(module(torch.tensor(first(x))), expected["output"], atol=1e-5):
                    wrong.append("module")

    threads = [threading.Thread(target=look, args=pair) for pair in zip(networks, ("stem", "block"), strict=True)]
    threads.append(threading.Thread(target=run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not any(part._forward_hooks for part in module.modules())


def test_training_reaches_the_network_and_its_digest():
    module = made()
    network = Network(module, value_range=(0, 1))
    before, values = fingerprint.weights(network), network(pictures(), "output")["output"].numpy()
    assert before == fingerprint.weights(Network(made(), value_range=(0, 1)))
    assert before != fingerprint.weights(Network(made(1), value_range=(0, 1)))
    with torch.no_grad():
        module.head.bias += 1
    near(network(pictures(), "output")["output"].numpy(), values + 1)
    assert before != fingerprint.weights(network)
    with torch.no_grad():
        module.head.bias -= 1
        module.block.bn1.running_var *= 2
    assert before != fingerprint.weights(network)


@pytest.mark.parametrize(
    ("replaced", "asked"),
    [
        ("stem", "output"),
        ("block/pre", "block"),
        ("stem.0", "stem"),
        ("block.relu#2", "output"),
    ],
)
def test_other_activations_in_the_place_of_a_layers(module, network, replaced, asked):
    x, y = pictures(), pictures()[::-1].copy()
    values = network(y, replaced)[replaced]
    run = network.substitute(replaced, [asked])
    near(run(x, values)[asked], network(y, asked)[asked])
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = tf.reduce_sum(run(x, values)[asked])
    assert float(tf.norm(tape.gradient(score, values))) > 0


def test_the_calls_of_a_module_are_replaced_one_by_one(network):
    x = pictures()
    own = network(x, ["block.relu", "block.relu#2", "block.bn2", "output"])
    run = network.substitute("block.relu", ["block.bn2", "output"])
    near(run(x, own["block.relu"])["output"], own["output"].numpy())
    assert np.abs(run(x, 0 * own["block.relu"])["block.bn2"] - own["block.bn2"]).max() > 1e-3
    second = network.substitute("block.relu#2", ["block.bn2", "output"])(x, 0 * own["block.relu"])
    near(second["block.bn2"], own["block.bn2"].numpy())
    assert np.abs(second["output"] - own["output"]).max() > 1e-3


class Odd(nn.Module):
    """Returns a dictionary; one part returns a tuple, another has the batch second, a third integers."""

    def __init__(self):
        super().__init__()
        self.conv, self.pair, self.turn, self.whole = nn.Conv2d(3, 2, 3), Pair(), Turn(), Whole()

    def forward(self, x):
        x = self.conv(x)
        self.turn(x), self.whole(x)
        mean, spread = self.pair(x)
        return {"mean": mean, "both": mean + spread}


class Pair(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), x.std((2, 3))


class Turn(nn.Module):
    def forward(self, x):
        return x.transpose(0, 1)


class Whole(nn.Module):
    def forward(self, x):
        return x.argmax(1)


def test_several_tensors_and_what_is_no_layer():
    network = Network(Odd(), value_range=(0, 1))
    assert list(network.layers) == ["conv", "pair", "pair/output_1", "output/output_mean", "output/output_both"]
    found = network(pictures(), list(network.layers))
    near(found["pair"] + found["pair/output_1"], found["output/output_both"].numpy())
    near(network(pictures(), "output")["output"], found["output/output_mean"].numpy())
    given = network.substitute("pair/output_1", ["output/output_mean", "output/output_both"])(
        pictures(), 0 * found["pair"]
    )
    near(given["output/output_mean"], found["pair"].numpy())
    near(given["output/output_both"], found["pair"].numpy())
    with pytest.raises(ValueError, match="cannot be computed: it returns no tensor of floats"):
        network.check_layer("turn")
    with pytest.raises(ValueError, match="cannot be computed"):
        network.check_layer("whole")


def test_the_size_is_found_by_trying():
    flat = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 3))
    assert Network(flat, value_range=(0, 1)).image_shape == (28, 28, 1)
    odd = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 7 * 5, 3))
    with pytest.raises(ValueError, match="none of the usual sizes.*image_shape=.height, width, channels."):
        Network(odd, value_range=(0, 1))
    assert Network(odd, value_range=(0, 1), image_shape=(9, 7, 1)).layers["2"] == (3,)
    with pytest.raises(ValueError, match="no convolution"):
        Network(nn.Sequential(nn.Flatten(), nn.Linear(27, 2)), value_range=(0, 1))
    with pytest.raises(ValueError, match="cannot take images of"):
        Network(flat, value_range=(0, 1), image_shape=(None, None, 1)).layer_shape("2", (9, 9))


def test_signals_and_volumes():
    signals = Network(nn.Sequential(nn.Conv1d(1, 2, 5, stride=2), nn.ReLU()), value_range=(-1, 1))
    assert (signals.dimensions, signals.image_shape, signals.layer_shape("1", (65,))) == (1, (None, 1), (31, 2))
    volumes = Network(nn.Sequential(nn.Conv3d(2, 4, 3, padding=1)), value_range=(0, 1))
    assert (volumes.dimensions, volumes.layer_shape("0", (4, 5, 6))) == (3, (4, 5, 6, 4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(module, dtype):
    found = Network(made().to(dtype), value_range=(0, 1))(pictures(), "output")["output"]
    expected = last(reference(module, torch.tensor(first(pictures())))["output"])
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol={torch.float64: 1e-5, torch.bfloat16: 0.05}[dtype])


def test_attention_keeps_its_hooks():
    """PyTorch's fast path for attention in evaluation mode would run no submodule."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), Turned(), layer)
    network = Network(net, value_range=(0, 1), image_shape=(SIZE, SIZE, 3))
    assert network.layers["3.self_attn"] == (16, 8) and network.layers["3.linear1"] == (16, 16)
    x = pictures(2, (SIZE, SIZE))
    net.eval()
    near(network(x, "output")["output"], net(torch.tensor(first(x))).detach().numpy())


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def test_normalization_by_mean_and_deviation(module):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    x = pictures()
    found = Network(module, mean=mean, std=std)(x, "output")["output"]
    inside = torch.tensor(first(((x - np.array(mean)) / np.array(std)).astype(np.float32)))
    near(found, last(reference(module, inside)["output"]))
    plain = Network(module, mean=mean)
    assert fingerprint.weights(plain) != fingerprint.weights(Network(module, mean=mean, std=std))
    with pytest.raises(ValueError, match="std: expected positive numbers"):
        Network(module, std=(1, 0, 1))


def test_the_preprocessing_is_read_from_the_first_batch_normalization():
    """A convolution whose normalization has the statistics of images in (-1, 1); reset, it tells nothing."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8, momentum=None), nn.ReLU())
    x = torch.tensor(first(samplevis.modelzoo.shapes.draw(256, 0)[0]))
    with torch.no_grad():
        net.train()(2 * x - 1)
    network = Network(net)
    assert (network.inferred.evidence, network.value_range) == ("statistics", (-1.0, 1.0))
    net[1].reset_running_stats()
    assert Network(net).inferred.evidence == "nothing"


def test_optimising_raises_a_unit_and_lowers_its_negative(network):
    prior = param.fourier(SIZE)
    found = samplevis.optimize(network, "block/pre:2", param=prior, steps=24, seed=0)
    other = samplevis.optimize(network, -objectives.channel("block/pre", 2), param=prior, steps=24, seed=0)
    up, down = (float(np.mean(network(one.images, "block/pre")["block/pre"][..., 2])) for one in (found, other))
    assert down < float(found.history[0, 0]) < up
    assert (found.history[-1] > found.history[0]).all()
    assert samplevis.describe(network).parameters == sum(value.numel() for value in network.model.parameters())


def test_the_same_ascent_as_in_pytorch():
    """Ten steps up the gradient, in TensorFlow on the network and in PyTorch on the module."""
    module = made()
    module.eval()
    network = Network(module, value_range=(0, 1))
    start = pictures(1)
    a, b = tf.Variable(start), torch.tensor(first(start), requires_grad=True)
    for _ in range(10):
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(network.cut(["stem"])(a)["stem"][..., 3])
        a.assign_add(0.05 * tape.gradient(score, a))
        (slope,) = torch.autograd.grad(module.stem(b)[:, 3].sum(), b)
        b = (b + 0.05 * slope).detach().requires_grad_()
    near(a.numpy(), last(b))


@pytest.mark.parametrize("rounded", [False, True])
def test_a_redirected_rectifier_starts_a_silent_unit(rounded):
    """Without it, the gradient is zero: the control. A rounded kink is silent, too."""
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with torch.no_grad():
        net[0].bias.fill_(-9)
    network = Network(net, value_range=(0, 1))
    network = samplevis.overrides.smooth(network, 0.05) if rounded else network
    slopes = {}
    for name, each in {"plain": network, "redirected": samplevis.overrides.redirect_relu(network)}.items():
        x = tf.constant(pictures())
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = each.cut(["1"])(x)["1"]
            score = tf.reduce_mean(values[..., 0])
        slopes[name] = float(tf.norm(tape.gradient(score, x)))
        assert float(tf.norm(values)) == 0
    assert slopes["plain"] == 0 < slopes["redirected"]
    assert isinstance(net[1], nn.ReLU)


def test_rounded_kinks_are_near_the_module(network):
    smooth = samplevis.overrides.smooth(network, 0.05)
    assert samplevis.overrides.smooth(smooth, 0.05).source.operations == smooth.source.operations
    x = pictures()
    gap = np.abs(smooth(x, "output")["output"] - network(x, "output")["output"]).max()
    assert 0 < gap < 0.1 * np.abs(network(x, "output")["output"]).max()


def test_objectives_of_all_kinds(network):
    kinds = [
        "output:1",
        objectives.neuron("block", 2),
        objectives.direction("stem", np.ones(6)) - 0.5 * objectives.total_variation(),
        objectives.channel("stem/pre", 0) * objectives.channel("block", 1),
    ]
    for unit in kinds:
        a = make_activation(network, unit, param.fourier(SIZE), "standard")
        z = a.param.prior(seeds.root(0), 2)
        assert np.isfinite(a.scores(z, a.sample_bank(seeds.root(1), 2))).all()


def test_memory_counts_what_pytorch_keeps(network):
    def of(layer, size):
        return bytes_per_image(make_activation(network, f"{layer}:1", param.fourier(size), None))

    # Between the two layers, six arrays of 6 channels at half the size, at least: three values and their gradients.
    assert of("output", 64) - of("stem.0", 64) > 6 * 6 * 32 * 32 * 4
    assert 3 < of("output", 64) / of("output", 32) < 5


@pytest.mark.slow
def test_a_run_is_known_by_its_module(tmp_path, network):
    """Another process that builds the same module gets the draws of the checkpoint; another module is refused."""

    def drawn(network):
        settings = {"num_results": 4, "num_chains": 2}
        return samplevis.render(
            network, "output:1", settings, param=param.fourier(SIZE), seed=0, checkpoint=tmp_path / "run"
        )

    first_run = drawn(network)
    np.testing.assert_array_equal(first_run.images, drawn(Network(made(), value_range=(0, 1))).images)
    with pytest.raises(ValueError, match="another run|differ"):
        drawn(Network(made(1), value_range=(0, 1)))


def test_other_inputs_belong_in_a_wrapper(module):
    with pytest.raises(ValueError, match="called with the images alone"):
        Network(module, fixed_inputs={"scale": np.ones(3)})


def test_compiled_modules_say_what_to_give():
    with pytest.warns(), pytest.raises(ValueError, match="Give the module that torch.jit or torch.compile was given"):
        Network(torch.jit.trace(nn.Conv2d(3, 2, 3), torch.zeros(1, 3, 9, 9)))
