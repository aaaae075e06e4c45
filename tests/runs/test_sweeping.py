"""Sweeps: each image is what `optimize` makes of its unit, whatever the batches, and a folder resumes."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, Sweep, cli, export, objectives, optimize, param, sweep, transform
from samplevis.activation import batch_size, make_activation
from samplevis.optimizers.keras_stepper import number_of_traces

MODULE = sys.modules["samplevis.runs.sweeping"]
SMALL = dict(param=param.fourier(16), transforms=(transform.noise(0.05), transform.jitter(3)), steps=20)
SMALL |= dict(redirect_steps=0, progress=False)


def square(T):
    return tf.reduce_mean(tf.square(T("conv1")), (1, 2, 3))


@pytest.mark.parametrize("size", [3, 8])
def test_each_image_is_what_optimize_makes_of_its_unit_with_the_same_seed(tiny_network, size):
    vector = np.arange(5.0) - 1
    units = ["conv2:3", objectives.neuron("conv2", 1, 2, 0), "conv2:0", square, "conv2:4", "-conv1:2"]
    units += [objectives.direction("conv2", vector), objectives.direction("conv2", -vector), "conv1:2"]
    made = sweep(tiny_network, units, batch_size=size, seed=5, **SMALL)
    assert made.complete and made.indices.tolist() == list(range(9)) and made.images.shape == (9, 16, 16, 3)
    for n, unit in enumerate(units):
        alone = optimize(tiny_network, unit, seed=5, **SMALL)
        np.testing.assert_allclose(made[n], alone.images[0], atol=1e-4)
        np.testing.assert_allclose(made.scores[n], alone.history[-1, 0], rtol=1e-4, atol=1e-5)
    # The controls: another unit and another seed make other images.
    other = optimize(tiny_network, units[0], seed=6, **SMALL).images[0]
    assert np.abs(made[0] - made[2]).max() > 0.01 < np.abs(made[0] - other).max()


def test_other_optimizers_starts_and_first_steps(tiny_network):
    settings = SMALL | dict(optimizer=keras.optimizers.SGD(0.5), redirect_steps=5)
    photo = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    made = sweep(tiny_network, ["conv2:1", "conv2:2", "conv2:3"], batch_size=2, init=photo, **settings)
    for n in range(3):
        alone = optimize(tiny_network, f"conv2:{n + 1}", init=photo[None], **settings)
        np.testing.assert_allclose(made[n], alone.images[0], atol=1e-4)


def test_one_trace_for_a_layer(tiny_network):
    tiny_network.compiled.clear()
    made = sweep(tiny_network, "conv2", batch_size=2, **SMALL)
    assert number_of_traces(tiny_network) == 1, "five channels by twos: the last batch is filled up"
    assert made.objectives == tuple(f"channel(conv2, {n})" for n in range(5)) and repr(made) == "<Sweep of 5 images>"
    sweep(tiny_network, [objectives.channel("conv2", n) for n in (4, 4, 0, 1)], batch_size=2, **SMALL)
    assert number_of_traces(tiny_network) == 1


def test_all_neurons_of_a_map_at_the_size_of_the_images(tiny_network):
    settings = SMALL | dict(param=param.fourier((8, 12)), transforms=None, steps=4)
    made = sweep(tiny_network, "conv2:3", **settings)
    assert made.objectives == tuple(f"neuron(conv2, 3, x={x}, y={y})" for x in range(4) for y in range(6))
    alone = optimize(tiny_network, objectives.neuron("conv2", 3, 2, 5), **settings)
    np.testing.assert_allclose(made[17], alone.images[0], atol=1e-4)


def test_a_sweep_is_a_sequence(tiny_network, tmp_path):
    made = sweep(tiny_network, ["conv2:0", "conv2:1"], **SMALL | dict(steps=2))
    assert len(made) == len(list(made)) == len(made[:]) == 2 and made[1:][0] is made[1]
    expected = export.grid(made.images, 1, labels=["conv2:0", "conv2:1"], scale=2)
    np.testing.assert_array_equal(made.grid(1, 2), expected)
    # Small images are enlarged.
    assert min(made.grid(1).shape[:2]) >= 96
    made.save_grid(tmp_path / "sheet.png", 1, 2)
    np.testing.assert_allclose(export.load_image(tmp_path / "sheet.png"), expected / 255, atol=1e-6)


def test_a_unit_that_is_not_finite_leaves_the_others_alone(tiny_network):
    weighted = 1.0 * objectives.channel("conv2", 0)
    bad = dataclasses.replace(weighted, parameters=(float("nan"), *weighted.parameters[1:]))
    made = sweep(tiny_network, [1.0 * objectives.channel("conv2", 1), bad], **SMALL)
    alone = optimize(tiny_network, "conv2:1", **SMALL)
    np.testing.assert_allclose(made[0], alone.images[0], atol=1e-4)
    assert np.isfinite(made.scores).tolist() == [True, False] and np.isfinite(made[1]).all()
    with pytest.raises(FloatingPointError, match="not finite"):
        sweep(tiny_network, [bad], **SMALL)


def test_units_without_a_gradient_are_named(tiny_network):
    silent = objectives.channel("conv2", 2) * 0.0
    with pytest.warns(
        UserWarning, match=r"objectives: 1 of 2 had no gradient.*: \(channel\(conv2, 2\) \* 0\)\. .*redirect"
    ):
        made = sweep(tiny_network, [silent, objectives.channel("conv2", 1) * 1.0], **SMALL)
    assert np.ptp(made[0]) < np.ptp(made[1])


def of_size(network, size):
    return make_activation(network, "conv2:1", param.fourier(size), None)


def test_bytes_of_an_image_are_all_arrays_of_its_gradient(tiny_network):
    small, large = (batch_size.bytes_per_image(of_size(tiny_network, size)) for size in (16, 32))
    # At least the image, conv1 and conv2 and their gradients.
    assert small > 2 * 4 * (16 * 16 * (3 + 4) + 8 * 8 * 5)
    # Four times the pixels; the filters' gradients are not asked for.
    assert 3.5 < large / small < 4.5


def test_the_memory_decides_how_many_images(tiny_network):
    unit = of_size(tiny_network, 16)
    one = batch_size.bytes_per_image(unit)
    found = [
        batch_size.images_per_batch(unit, count, images * one, 32)
        for count, images in ((10, 4.5), (9, 4.5), (8, 4.5), (3, 100), (100, 100), (33, 100), (5, 0.1))
    ]
    assert found == [4, 3, 4, 3, 25, 17, 1]


def test_a_sweep_takes_the_batches_that_memory_holds(tiny_network, monkeypatch):
    sizes = []
    ascend = MODULE.ascend_smoothly
    monkeypatch.setattr(
        MODULE, "ascend_smoothly", lambda unit, smooth, z, *a: sizes.append(len(z)) or ascend(unit, smooth, z, *a)
    )
    one = batch_size.bytes_per_image(make_activation(tiny_network, "conv2:0", SMALL["param"], SMALL["transforms"]))
    sweep(tiny_network, "conv2", memory=2.5 * one, **SMALL | dict(steps=1))
    assert sizes == [2, 2, 2]


def work(*_, **__):
    raise AssertionError("work has begun")


def files_of(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith((".png", ".npz")) and "checkpoint" not in name)


def test_a_folder_holds_each_unit(tiny_network, tmp_path):
    folder = tmp_path / "found"
    made = sweep(tiny_network, ["conv2:0", "conv1:3"], folder=folder, **SMALL)
    stems = ("0-channel-conv2-0", "1-channel-conv1-3")
    assert files_of(folder) == [f"{stem}.{kind}" for stem in stems for kind in ("npz", "png")]
    plain = sweep(tiny_network, ["conv2:0", "conv1:3"], **SMALL)
    np.testing.assert_array_equal(made.images, plain.images)
    np.testing.assert_array_equal(made.scores, plain.scores)
    with np.load(folder / "0-channel-conv2-0.npz", allow_pickle=False) as archive:
        assert str(archive["objective"]) == "channel(conv2, 0)" and archive["score"] == made.scores[0]
        np.testing.assert_allclose(SMALL["param"].image(archive["latent"][None])[0], made[0], atol=1e-6)
    picture = folder / "1-channel-conv1-3.png"
    assert export.load_metadata(picture)["Objective"] == "channel(conv1, 3)"
    np.testing.assert_allclose(export.load_image(picture), made[1], atol=1 / 255)


def test_names_of_files_are_safe():
    from samplevis.results.sweep_store import unit_files

    def paths_of(names):
        return [file.path for file in unit_files("folder", names, {})]

    names = ["class_logit(logits, 'a/b\\c:d')", "..", "é" * 300, "x" * 300]
    found = [os.path.basename(path) for path in paths_of(names)]
    assert found == ["0-class-logit-logits-a-b-c-d.npz", "1-.npz", "2-.npz", f"3-{'x' * 60}.npz"]
    assert os.path.basename(paths_of(["a"] * 101)[7]) == "007-a.npz"


def test_what_is_there_is_not_made_again(tiny_network, tmp_path, monkeypatch, caplog):
    call = dict(folder=tmp_path, batch_size=2, **SMALL)
    first = sweep(tiny_network, "conv2", **call)
    before, made = first.images, []
    (tmp_path / "1-channel-conv2-1.npz").unlink()
    (tmp_path / "3-channel-conv2-3.npz").write_bytes((tmp_path / "3-channel-conv2-3.npz").read_bytes()[:-900])
    ascend = MODULE.ascend_smoothly
    monkeypatch.setattr(
        MODULE, "ascend_smoothly", lambda unit, *a, **k: made.append(str(unit.objective)) or ascend(unit, *a, **k)
    )
    again = sweep(tiny_network, "conv2", **call)
    assert made == ["each(channel(conv2, 1), channel(conv2, 3))"] and "3-channel-conv2-3.npz" in caplog.text
    np.testing.assert_allclose(again.images, before, atol=1e-5)
    np.testing.assert_allclose(again.scores, first.scores, rtol=1e-5)


def test_ctrl_c_keeps_what_there_is_and_the_same_call_goes_on(tiny_network, tmp_path, monkeypatch):
    call = dict(batch_size=2, folder=tmp_path, **SMALL)
    before = signal.getsignal(signal.SIGINT)
    ascend, batches = MODULE.ascend_smoothly, []

    def struck(*given, **settings):
        batches.append(1)
        if len(batches) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return ascend(*given, **settings)

    monkeypatch.setattr(MODULE, "ascend_smoothly", struck)
    part = sweep(tiny_network, "conv2", **call)
    # The second batch had 16 of its 20 steps.
    assert part.indices.tolist() == [0, 1, 2, 3] and not part.complete and repr(part).endswith("interrupted>")
    assert len(files_of(tmp_path)) == 4 and isinstance(part, Sweep)
    assert signal.getsignal(signal.SIGINT) is before
    whole = sweep(tiny_network, "conv2", **call)
    assert whole.complete and len(batches) == 2 + 2, "the first batch was not made again"
    np.testing.assert_allclose(whole.images, sweep(tiny_network, "conv2", **SMALL).images, atol=1e-4)
    assert np.abs(whole[2] - part[2]).max() > 1e-3


def scaled(factor):
    def score(T):
        return factor * tf.reduce_mean(T("conv2"), (1, 2, 3))

    return score


def test_another_sweep_is_refused(tiny_network, tmp_path, monkeypatch):
    units = ["conv2:0", objectives.direction("conv2", np.ones(5)), scaled(1.0)]
    call = dict(model=tiny_network, objectives=units, folder=tmp_path, **SMALL | dict(steps=1))
    sweep(**call)
    monkeypatch.setattr(MODULE, "ascend_smoothly", work)
    assert sweep(**call).complete, "nothing is left to do"
    image = keras.Input((16, 16, 3))
    other = Network(keras.Model(image, keras.layers.Conv2D(5, 3, name="conv2")(image)))
    for change, words in (
        (dict(seed=1), "seed: stored 0, received 1. Give the same arguments or another folder"),
        (dict(steps=2), "steps: stored 1, received 2"),
        (dict(optimizer=keras.optimizers.SGD(0.1)), "optimizer: stored .*SGD"),
        (dict(transforms=None), "transforms: stored "),
        (dict(model=other), "model: stored "),
        (dict(objectives=["conv2:1", *units[1:]]), r"objectives\[0\]: stored .*conv2, 0.*received .*conv2, 1"),
        (dict(objectives=units[:2]), r"objectives\[2\]: stored .*, received None"),
        (dict(objectives=[units[0], objectives.direction("conv2", -np.ones(5)), units[2]]), r"objectives\[1\]: stored"),
        (
            dict(objectives=[*units[:2], scaled(1.5)]),
            r"objectives\[2\]: stored .*score\(T\) code .*, received .*score\(T\) code ",
        ),
        (dict(objectives="conv2"), "folder: .*belongs to another run"),
    ):
        with pytest.raises(ValueError, match=words):
            sweep(**call | change)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            dict(objectives=[]),
            ValueError,
            "objectives: expected a layer, a channel .*, or a list of at least one.*\\[\\]",
        ),
        (dict(objectives="conv3"), ValueError, "no layer 'conv3'. Did you mean .*'conv2'"),
        (dict(objectives="conv2:7"), ValueError, "channel: .*0 to 4"),
        (dict(objectives="logits:1"), ValueError, r"'logits' has no positions. For 'logits:1' itself, give a list"),
        (dict(objectives="-conv2:1"), ValueError, "expected one channel 'layer:channel'. For '-conv2:1' itself"),
        (dict(objectives=["conv2:1", 3]), TypeError, "obj: expected an objective"),
        (dict(objectives=[objectives.diversity("conv2")]), ValueError, "a sweep needs a score of each image by itself"),
        (dict(param=param.shared(param.fourier(16), (8,))), ValueError, "a sweep needs images that do not depend"),
        (dict(steps=0), ValueError, "steps: expected a whole number >= 1. Received: 0"),
        (dict(redirect_steps=-1), ValueError, "redirect_steps: expected a whole number >= 0. Received: -1"),
        (dict(batch_size=0), ValueError, "batch_size: expected a whole number >= 1. Received: 0"),
        (dict(memory=0), ValueError, "memory: expected a finite number > 0. Received: 0"),
        (dict(optimizer="cma"), ValueError, "optimizer: a sweep takes Keras optimizers"),
        (dict(optimizer=3), TypeError, "optimizer: expected a keras.optimizers.Optimizer"),
        (dict(init=np.zeros((8, 8, 3))), ValueError, "init: expected images of shape"),
        (dict(seed=-1), ValueError, "seed"),
    ],
)
def test_bad_arguments_before_any_work(tiny_network, tmp_path, monkeypatch, change, error, words):
    monkeypatch.setattr(MODULE, "ascend_smoothly", work)
    with pytest.raises(error, match=words):
        sweep(**dict(model=tiny_network, objectives="conv2", folder=tmp_path / "new") | SMALL | change)
    assert not (tmp_path / "new").exists()


def test_the_command(tmp_path, tiny_network, capsys):
    tiny_network.model.save(tmp_path / "tiny.keras")
    arguments = ["sweep", str(tmp_path / "tiny.keras"), "conv2", "--out", str(tmp_path / "out"), "--size", "16"]
    arguments += ["--steps", "3", "--sheet", str(tmp_path / "sheet.png"), "--batch-size", "2", "--seed", "1", "--quiet"]
    assert cli.main(arguments) == 0
    assert "5 units" in capsys.readouterr().out and len(files_of(tmp_path / "out")) == 10
    same = optimize(tiny_network, "conv2:4", param=param.fourier(16), steps=3, seed=1, progress=False).images[0]
    np.testing.assert_allclose(export.load_image(tmp_path / "out" / "4-channel-conv2-4.png"), same, atol=2 / 255)
    assert (tmp_path / "sheet.png").stat().st_size > 0
    assert cli.main([*arguments, "--seed", "2"]) == 2 and "seed: stored 1, received 2" in capsys.readouterr().err


def test_the_command_after_ctrl_c(tmp_path, tiny_network, capsys, monkeypatch):
    tiny_network.model.save(tmp_path / "tiny.keras")
    interrupted = Sweep(("channel(conv2, 0)",), np.array([0]), np.zeros(1, np.float32), False, (np.zeros((16, 16, 3)),))
    monkeypatch.setattr(MODULE, "sweep", lambda *_, **__: interrupted)
    assert cli.main(["sweep", str(tmp_path / "tiny.keras"), "conv2", "--out", str(tmp_path / "out")]) == 130
    assert "the same command resumes" in capsys.readouterr().err
