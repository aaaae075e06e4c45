"""Caricatures: values against NumPy, and a layer's activations come back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from samplevis import export, objectives, optimize, param, recipes, transform
from samplevis.optimizers.keras_stepper import number_of_traces

SMALL = dict(steps=8, progress=False)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Smooth blobs of 16 x 12 pixels."""
    noise = tf.random.stateless_normal((1, 16, 12, 3), (0, 3))
    return param.fourier((16, 12), contrast=2.0).image(noise)[0].numpy()


def _by_hand(a: np.ndarray, b: np.ndarray, power: float) -> float:
    dot = norm_a = norm_b = 0.0
    for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        dot, norm_a, norm_b = dot + x * y, norm_a + x * x, norm_b + y * y
    return dot * max(0.1, dot / (norm_a * norm_b) ** 0.5) ** power


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_values_against_a_loop(tiny_network, photo, images, layer, power):
    target = tiny_network.activations(photo[None], layer)[layer].numpy()[0]
    values = tiny_network.activations(images, layer)
    objective = objectives.dot_compare(layer, photo, power).resolve(tiny_network, (16, 12))
    scores = objective(values.__getitem__).numpy()
    expected = [_by_hand(activations, target, power) for activations in values[layer].numpy()]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    plain = [np.vdot(activations, target) for activations in values[layer].numpy()]
    assert np.allclose(scores, plain, rtol=1e-4) == (power == 0)
    # Below the floor the power is of a tenth; a silent layer has a finite gradient.
    opposite = objective({layer: tf.constant(-target[None])}.__getitem__)
    np.testing.assert_allclose(opposite, [-np.vdot(target, target) * 0.1**power], rtol=1e-4)
    silent = tf.zeros((1, *target.shape))
    with tf.GradientTape() as tape:
        tape.watch(silent)
        score = objective({layer: silent}.__getitem__)
    assert score.numpy() == 0 and np.isfinite(tape.gradient(score, silent)).all()


def test_one_image_for_each_layer_beside_the_reference(tiny_network, photo, tmp_path):
    made = recipes.caricature(tiny_network, photo, ["conv1", "conv2"], **SMALL)
    assert made.layers == ("conv1", "conv2") and made.images.shape == (2, 16, 12, 3)
    np.testing.assert_array_equal(made.reference, photo)
    target = tiny_network.activations(photo[None], "conv2")["conv2"].numpy()[0]
    alone = optimize(
        tiny_network, objectives.dot_compare("conv2", photo), param=param.fourier((16, 12)),
        transforms=(transform.affine(shift=4, scale=0.05, rotate=4),), **SMALL,
    )  # fmt: skip
    np.testing.assert_array_equal(made.images[1], alone.images[0])
    own = tiny_network.activations(alone.images, "conv2")["conv2"].numpy()
    cosine = (own * target).sum() / np.linalg.norm(own) / np.linalg.norm(target)
    np.testing.assert_allclose(made.cosine[1], cosine, rtol=1e-5)
    expected = export.grid(
        np.concatenate([photo[None], made.images]), 3,
        labels=["reference", f"conv1, {made.cosine[0]:.2f}", f"conv2, {cosine:.2f}"],
    )  # fmt: skip
    np.testing.assert_array_equal(made.grid(), expected)
    made.save_grid(tmp_path / "caricature.png", columns=2)
    assert repr(made) == "<Caricature by conv1, conv2>"


def test_another_reference_needs_no_other_trace(tiny_network, photo):
    tiny_network.compiled.clear()
    settings = SMALL | dict(transforms=())
    first, second = (recipes.caricature(tiny_network, image, "conv2", **settings) for image in (photo, 1 - photo))
    assert number_of_traces(tiny_network) == 1 and first.images.tobytes() != second.images.tobytes()


def test_a_power_brings_the_activations_back_and_its_absence_exaggerates(tiny_network, photo):
    settings = dict(transforms=(), steps=150, progress=False)
    exaggerated = recipes.caricature(tiny_network, photo, "conv1", **settings)
    faithful = recipes.feature_inversion(tiny_network, photo, "conv1", 20.0, **settings)
    assert faithful.cosine[0] > exaggerated.cosine[0] + 0.02 and faithful.cosine[0] > 0.98
    loudness = [
        np.linalg.norm(tiny_network.activations(images, "conv1")["conv1"])
        for images in (exaggerated.images, photo[None])
    ]
    assert loudness[0] > 1.1 * loudness[1]


def test_ctrl_c_keeps_the_layers_so_far(tiny_network, photo, monkeypatch):
    import signal
    import sys

    from samplevis.recipes import caricature

    module = sys.modules["samplevis.recipes.caricature"]

    calls = []

    def interrupted(*arguments, **settings):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return optimize(*arguments, **settings)

    monkeypatch.setattr(module, "optimize", interrupted)
    made = caricature(tiny_network, photo, ["conv1", "conv2"], **SMALL)
    assert made.layers == ("conv1",) and len(made.images) == len(made.cosine) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(layers=[]), "layers: expected at least one"),
        (dict(layers="conv3"), "no layer 'conv3'"),
        (dict(cossim_pow=-1.0), "cossim_pow: expected a finite number >= 0. Received: -1.0"),
        (dict(cossim_pow=float("nan")), "cossim_pow: .*nan"),
        (
            dict(image=np.zeros((1, 16, 12, 3))),
            r"image: expected \[height, width, 3\]. Received shape: \(1, 16, 12, 3\)",
        ),
        (dict(image=np.full((16, 12, 3), 2.0)), "image: expected finite values in"),
        (
            dict(param=param.fourier(16)),
            r"param: expected the shape of the image, \(16, 12, 3\). Received: \(16, 16, 3\)",
        ),
        (
            dict(transforms=transform.standard_transforms),
            r"transforms: expected transforms that keep the size .*\(28, 24, 3\)",
        ),
    ],
)
def test_bad_arguments(tiny_network, photo, arguments, words):
    with pytest.raises(ValueError, match=words):
        recipes.caricature(tiny_network, **dict(image=photo, layers="conv1") | SMALL | arguments)
