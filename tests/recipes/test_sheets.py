"""Contact sheets and side-by-side figures: each image is of the unit that its label names."""

from __future__ import annotations

import os
import signal
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import made_samples
from PIL import Image

from samplevis import Callback, Network, cli, export, objectives, optimize, param, recipes, transform
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.results.summary import WORDS

SMALL = dict(param=param.fourier(16), transforms=(transform.noise(0.05),), steps=8, progress=False)


@pytest.mark.parametrize("unit", [objectives.channel, objectives.neuron])
def test_each_image_is_what_optimize_makes_of_its_unit_with_the_same_seed(tiny_network, unit):
    sheet = {objectives.channel: recipes.channel_sheet, objectives.neuron: recipes.neuron_sheet}[unit]
    made = sheet(tiny_network, "conv2", [4, 0, 3, 1], batch_size=3, **SMALL)
    assert made.channels.tolist() == [4, 0, 3, 1] and made.signs.tolist() == [1] * 4
    for i, channel in enumerate([4, 0, 3, 1]):
        alone = optimize(tiny_network, unit("conv2", channel), **SMALL)
        np.testing.assert_allclose(made.images[i], alone.images[0], atol=1e-5)
        np.testing.assert_allclose(made.activation[i], alone.history[-1, 0], atol=1e-5)
    # The control: another channel makes another image.
    assert np.abs(made.images[0] - made.images[3]).max() > 0.01


def test_one_trace_for_all_channels_and_layers_without_positions(tiny_network):
    tiny_network.compiled.clear()
    sheet = recipes.channel_sheet(tiny_network, "conv2", negative=True, batch_size=4, **SMALL)
    assert number_of_traces(tiny_network) == 1 and len(sheet) == 10
    assert recipes.channel_sheet(tiny_network, "conv2", [2], batch_size=4, **SMALL).labels == ["2"]
    assert number_of_traces(tiny_network) == 2, "a smaller batch is another shape"
    classes = [
        recipe(tiny_network, "logits", **SMALL).images for recipe in (recipes.channel_sheet, recipes.neuron_sheet)
    ]
    np.testing.assert_allclose(*classes, atol=1e-5)


def test_both_signs_stand_side_by_side(tiny_network):
    sheet = recipes.channel_sheet(
        tiny_network, "conv1", [1, 3, 0], negative=True, batch_size=4, **SMALL | dict(steps=40)
    )
    assert sheet.labels == ["+1", "-1", "+3", "-3", "+0", "-0"]
    values = tiny_network.activations(sheet.images, "conv1")["conv1"].numpy().mean((1, 2))
    own = values[np.arange(6), sheet.channels]
    assert (own[::2] > own[1::2] + 0.1).all()
    # The activation is the unit's own, not the score that was maximised.
    np.testing.assert_allclose(sheet.activation, own, atol=0.05)
    assert sheet.grid().shape == sheet.grid(columns=4).shape != sheet.grid(columns=3).shape
    two_rows = sheet.grid(columns=2)
    assert two_rows.shape[0] > two_rows.shape[1]


def test_neurons_at_a_position_of_their_own(tiny_network):
    settings = SMALL | dict(param=param.pixel(16), transforms=None, optimizer=keras.optimizers.SGD(1.0))
    image = recipes.neuron_sheet(tiny_network, "conv1", [2], x=3, y=12, **settings | dict(steps=2)).images[0]
    before = recipes.neuron_sheet(tiny_network, "conv1", [2], x=3, y=12, **settings | dict(steps=1)).images[0]
    rows, columns = np.nonzero(np.abs(image - before).max(-1))
    # The field of view of a 3 x 3 convolution, and nothing else.
    assert set(rows) == {2, 3, 4} and set(columns) == {11, 12, 13}


def test_a_sheet_shows_its_own_pixels(tiny_network, tmp_path):
    sheet = recipes.channel_sheet(tiny_network, "conv1", **SMALL)
    expected = export.grid(sheet.images, 2, labels=["0", "1", "2", "3"], title="conv1", scale=2)
    np.testing.assert_array_equal(sheet.grid(scale=2), expected)
    sheet.save_grid(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert repr(sheet) == "<Sheet of conv1: 4 images of 4 channels>"


def test_same_seed_same_bytes(tiny_network):
    one, two, other = (recipes.channel_sheet(tiny_network, "conv1", seed=s, **SMALL).images for s in (1, 1, 2))
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_ctrl_c_keeps_what_there_is():
    before = signal.getsignal(signal.SIGINT)
    first_done, strikes = [], []

    class Batches(Callback):
        def on_step(self, stage, done, total, figures):
            first_done.append(done)

    def strike(x):
        # In the fourth step of the second batch of three: the network is called before the first one, too.
        strikes.extend(first_done[:1])
        if len(strikes) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return x

    image = keras.Input((16, 16, 3))
    hooked = keras.layers.Lambda(
        lambda x: x + 0 * tf.ensure_shape(tf.py_function(strike, [x[0, 0, 0, 0]], tf.float32), []),
        output_shape=(16, 16, 3),
    )(image)
    network = Network(keras.Model(image, keras.layers.Conv2D(6, 3, name="conv")(hooked)))
    sheet = recipes.channel_sheet(network, "conv", batch_size=2, callbacks=[Batches()], **SMALL)
    assert first_done[0] == SMALL["steps"] and len(strikes) >= 4
    assert sheet.channels.tolist() == [0, 1, 2, 3] and np.isfinite(sheet.activation).all()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(channels=[0, 1, 7]), ValueError, "channel: .*0 to 4.*'conv2'.*7"),
        (dict(channels=[0.5]), ValueError, "channel: expected a whole number.*0.5"),
        (dict(channels=[]), ValueError, "channels: expected a sequence of at least one"),
        (dict(channels=3), ValueError, "channels: expected a sequence.*3"),
        (dict(layer="conv3"), ValueError, "no layer 'conv3'. Did you mean .*'conv2'"),
        (dict(batch_size=0), ValueError, "batch_size: expected a whole number >= 1. Received: 0"),
        (dict(steps=0), ValueError, "steps"),
        (dict(param=3), TypeError, "param"),
        (dict(batch=5), TypeError, "batch: no argument here. Did you mean 'batch_size'[?] Expected: channels, "),
        (dict(stepz=5), TypeError, "stepz: no argument here. Did you mean 'steps'"),
    ],
)
def test_bad_arguments_before_any_work(tiny_network, monkeypatch, arguments, error, words):
    def work(*_, **__):
        raise AssertionError("work has begun")

    monkeypatch.setattr(sys.modules["samplevis.runs.sweeping"], "ascend_smoothly", work)
    with pytest.raises(error, match=words):
        recipes.channel_sheet(tiny_network, **dict(layer="conv2") | SMALL | dict(batch_size=2) | arguments)


def test_a_position_outside_the_layer(tiny_network):
    with pytest.raises(ValueError, match="x .row.: expected a whole number from 0 to 7"):
        recipes.neuron_sheet(tiny_network, "conv2", x=8, **SMALL)


RENDER = dict(im_size=16, optimize_steps=8, anneal_steps=10, progress=False)
OPTIONS = dict(num_results=2, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=2, num_transforms=2)


@pytest.fixture(scope="module")
def comparison(tiny_network) -> recipes.Comparison:
    return recipes.compare(tiny_network, "logits:1", hmc_opts=OPTIONS, **RENDER | dict(seed=3))


def test_a_comparison_by_default(tiny_network, comparison):
    samples = comparison.samples
    assert list(comparison.panels) == ["deep dream", "optimised", "optimised, diverse", "sampled, level 0.7"]
    assert {images.shape for images in comparison.panels.values()} == {(2, 16, 16, 3)}
    np.testing.assert_array_equal(comparison.panels["optimised"], samples.optimized)
    np.testing.assert_array_equal(comparison.panels["sampled, level 0.7"], samples.images[:, 1])
    weight = float(samples.optimum_activation - samples.prior_activation) / 2 * objectives.only_after(2)
    score = objectives.channel("logits", 1) - weight * objectives.diversity("conv2")
    diverse = optimize(
        tiny_network, score, param=param.fourier(16), transforms="robust", steps=8, batch=2, seed=3,
        progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(comparison.panels["optimised, diverse"], diverse.images, atol=1e-4)
    dreams = comparison.panels["deep dream"]
    assert dreams.std() > 0.05 and np.abs(dreams[0] - dreams[1]).max() > 0.05
    # A single chain has nothing to differ from.
    alone = types.SimpleNamespace(optimized=samples.optimized[:1])
    module = sys.modules["samplevis.recipes.comparison"]
    assert module._diverse(tiny_network, "logits:1", param.fourier(16), alone, {}) == {}


def test_a_comparison_lays_out_what_it_makes_and_what_it_is_given(
    tiny_network, comparison, images, tmp_path, monkeypatch
):
    samples, asked = comparison.samples, []
    monkeypatch.setattr(
        sys.modules["samplevis.recipes.comparison"], "render", lambda *given, **settings: asked.append(given) or samples
    )
    given_images = np.concatenate([images, images[:, :, :4]], axis=2)[:3]
    made = recipes.compare(tiny_network, "logits:1", {"given": given_images}, OPTIONS, **RENDER)
    assert asked == [(tiny_network, "logits:1", OPTIONS)]
    assert list(made.panels) == ["optimised", "given", "sampled, level 0.7"]
    white = np.ones((1, 16, 16, 3))
    rows = [np.concatenate([samples.optimized, white]), given_images, np.concatenate([samples.images[:, 1], white])]
    # Two chains and three given images: the last place of two rows is empty.
    present = np.array([[True, True, False], [True, True, True], [True, True, False]])
    labels = list(made.panels)
    plain = export.grid(np.stack(rows), row_labels=labels, title="channel(logits, 1), tiny", present=present)
    np.testing.assert_array_equal(made.grid(), plain)
    made.save_grid(tmp_path / "methods.png")
    assert repr(made) == "<Comparison of channel(logits, 1): optimised, given, sampled, level 0.7>"


def test_a_comparison_ends_with_dataset_examples(tiny_network, comparison, monkeypatch):
    monkeypatch.setattr(
        sys.modules["samplevis.recipes.comparison"], "render", lambda *given, **settings: comparison.samples
    )
    # Left and right thirds of another colour are cropped away.
    wide = np.zeros((5, 32, 96, 3), np.float32)
    wide[:, :, 32:64] = np.linspace(0, 1, 5)[:, None, None, None]
    wide[:, :, :32, 0] = 1
    for examples in (wide, types.SimpleNamespace(top_images=wide)):
        made = recipes.compare(tiny_network, "logits:1", {}, OPTIONS, examples=examples, **RENDER)
        assert list(made.panels) == ["optimised", "sampled, level 0.7", "dataset examples"]
        shown = made.panels["dataset examples"]
        assert shown.shape == (2, 16, 16, 3), "as many as there are chains"
        np.testing.assert_allclose(shown[:, 4:-4, 4:-4], wide[:2, :8, 44:52], atol=1 / 255)
    for bad, words in ((wide[0], "expected images"), (wide + 1, "in \\[0, 1\\]"), (wide[..., :1], "3\\]. Received")):
        with pytest.raises(ValueError, match=f"examples: .*{words}"):
            recipes.compare(tiny_network, "logits:1", {}, OPTIONS, examples=bad, **RENDER)


@pytest.mark.parametrize("bad", [np.zeros((1, 8, 16, 3)), np.zeros((16, 16, 3)), np.full((1, 16, 16, 3), 2.0)])
def test_panels_that_do_not_fit(tiny_network, bad):
    with pytest.raises(ValueError, match="panels: .*'bad'"):
        recipes.compare(tiny_network, "conv2:1", {"bad": bad}, OPTIONS, **RENDER)


def test_samples_of_many_units_in_one_sheet():
    star, heart = made_samples(2, 40, objective="star"), made_samples(3, 4, objective="heart", level=None)
    captions = [f"star\n{star.summary().caption}", f"heart\n{heart.summary().caption}"]
    # The last draws of all chains, then those from halfway, then the first.
    first = [star.optimized[0]] + [star.images[chain, draw] for draw in (39, 20, 0) for chain in (0, 1)]
    second = [heart.optimized[0]] + [heart.images[chain, draw] for draw in (3, 0) for chain in (0, 1, 2)]
    columns = ["optimised", "draws", "", "", "", "", ""]
    expected = export.grid(
        np.stack([first, second]), row_labels=captions, column_labels=columns, title="SqueezeNet", scale=6
    )
    np.testing.assert_array_equal(recipes.sample_sheet([star, heart]), expected)
    # A row that has fewer is white at its end.
    wide = [made_samples(2, 40, size=64), made_samples(1, 2, size=64)]
    row = recipes.sample_sheet(wide, ["a", "b"], draws=4, scale=1)[-68:-4]
    assert (row[:, -2 * 68 :] == 255).all() and (row[:, -4 * 68 : -2 * 68] < 255).any((0, 2)).sum() == 2 * 64


def test_a_sheet_of_several_models_names_them():
    runs = [made_samples(2, 4, objective="star", model=model) for model in ("SqueezeNet", "Shapes")]
    labels = ["star in SqueezeNet", "star in Shapes"]
    np.testing.assert_array_equal(recipes.sample_sheet(runs), recipes.sample_sheet(runs, labels))
    one = recipes.sample_sheet(runs[:1] * 2, labels)
    assert len(one) > len(recipes.sample_sheet(runs)), "of one model, it is the title"


def test_captions_end_in_the_verdict():
    good, short = made_samples(), made_samples(1, 2)
    missed = made_samples(level=0.9)
    captions = [samples.summary().caption.split("\n") for samples in (good, short, missed)]
    worst = max(good.summary().figures[name] for name in ("rhat", "rhat_worst"))
    assert captions[0] == [f"level {good.levels.mean():.2f} of 0.70", f"R-hat {worst:.2f}", WORDS[0]]
    assert (
        captions[1] == [f"level {short.levels.mean():.2f} of 0.70", "R-hat -", WORDS[1]] and captions[2][2] == WORDS[3]
    )


def test_the_command_makes_a_sheet(tmp_path, capsys):
    runs = [made_samples(2, 4), made_samples(2, 5)]
    (tmp_path / "run").mkdir()
    paths = [tmp_path / "run" / "samples.npz", tmp_path / "other.npz"]
    for run, path in zip(runs, paths, strict=True):
        run.save(path)
    out = tmp_path / "sheet.png"
    words = ["sheet", tmp_path / "run", paths[1], "--out", out, "--draws", "3", "--scale", "1"]
    assert cli.main([str(word) for word in words]) == 0 and capsys.readouterr().out == f"wrote {out}\n"
    shown = np.asarray(Image.open(out))
    np.testing.assert_array_equal(shown, recipes.sample_sheet(runs, draws=3, scale=1))
