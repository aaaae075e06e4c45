"""Side by side with Xplique, where it is right: colours, spectra, scores and penalties."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives, param
from samplevis.param import color, spectrum

REASON = "PEER NOT FOUND: Xplique. Install it beside TensorFlow: pip install --no-deps xplique"
preconditioning = pytest.importorskip("xplique.features_visualizations.preconditioning", reason=REASON)
theirs = pytest.importorskip("xplique.features_visualizations.objectives", reason=REASON)
penalties = pytest.importorskip("xplique.features_visualizations.regularizers", reason=REASON)

Z = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)


def test_colours_are_theirs_with_channels_of_equal_contrast():
    """Xplique scales Lucid's matrix as a whole; here each channel keeps its contrast."""
    matrix = preconditioning.recorrelate_colors(np.eye(3, dtype=np.float32)[:, None, None]).numpy()[:, 0, 0]
    scaled = matrix / np.linalg.norm(matrix, axis=0)
    # One component in, three channels out.
    found = color.correlate(tf.eye(3)).numpy()
    np.testing.assert_allclose(found, scaled, atol=1e-5)
    assert np.abs(found - scaled.T).max() > 0.1, "the control: the transposed matrix"


@pytest.mark.parametrize("size", [16, 24, 33])
@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_the_spectrum_is_theirs_up_to_a_factor(size, slope):
    filter_ = np.real(preconditioning.get_fft_scale(size, size, slope).numpy())[:, : size // 2 + 1]
    ratio = spectrum.amplitude((size, size), slope) / filter_
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_a_fourier_image_is_theirs_up_to_a_factor():
    half = spectrum.of(tf.constant(Z))
    buffer = tf.stack([tf.math.real(half), tf.math.imag(half)])
    image = preconditioning.fft_to_rgb(Z.shape, buffer, preconditioning.get_fft_scale(16, 16)).numpy()
    plain = param.fourier(16, decorrelate=False).pre_image(tf.constant(Z)).numpy()
    factor = np.sum(plain * image) / np.sum(image**2)
    np.testing.assert_allclose(plain, factor * image, atol=1e-5)


def test_a_maco_image_is_theirs():
    """Xplique standardises phases first: these have mean 0 and standard deviation 1 already."""
    phase = np.angle(np.fft.rfft2(Z[0, :, :, 0]))
    # Frequencies that are their own conjugates are real; the columns between them are free.
    phase[np.abs(np.abs(phase) - np.pi) < 1e-6] = 0
    phase[:, 1:-1] -= phase.sum() / phase[:, 1:-1].size
    phase = (phase / phase.std()).astype(np.float32)
    base = param.fourier(16, channels=1, contrast=1.0)
    # So large that the 1e-5 which they add to the deviation is nothing.
    magnitude = np.float32(1e3 * base.amplitude())[None]
    picture = preconditioning.maco_image_parametrization(magnitude, phase[None], (0, 1)).numpy()
    z = np.fft.irfft2(np.exp(1j * phase), (16, 16)).astype(np.float32)
    found = param.maco(base).pre_image(tf.constant(z[None, ..., None])).numpy()[0]
    np.testing.assert_allclose(tf.sigmoid(found / found.std()), picture, atol=3e-5)
    # The contrast that is declared is theirs but for the constant component, which they take off afterwards.
    assert found.std() == pytest.approx(1, abs=0.2)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 12, 3))
    x = keras.layers.Conv2D(5, 3, activation="tanh", name="conv")(image)
    return Network(keras.Model(image, keras.layers.Dense(4, name="logits")(keras.layers.Flatten()(x))))


def their_score(objective, images):
    """The sum of an objective's masks, one image at a time: their directions mix the images of a batch."""
    model, function, _, _ = objective.compile()
    return np.array([np.sum(function(tf.expand_dims(model(image[None]), 0))) for image in images])


def our_score(objective, network, images):
    values = network.activations(images, ["conv", "logits"])
    return objective.resolve(network)(values.__getitem__).numpy()


VECTOR = np.array([1.0, -2.0, 0.5, 1.5], np.float32)


@pytest.mark.parametrize(
    ("kind", "arguments", "objective", "count"),
    [
        # They average over the channels too, of which all but one are masked out.
        ("channel", ("conv", 3), objectives.channel("conv", 3), 5),
        ("channel", ("logits", 1), objectives.class_logit("logits", 1), 4),
        ("neuron", ("conv", (7 * 10 + 2) * 5 + 3), objectives.neuron("conv", 3, x=7, y=2), 14 * 10 * 5),
        ("layer", ("conv", "magnitude"), objectives.deepdream("conv"), 1),
        ("direction", ("logits", VECTOR, 1.0, 0.0), objectives.direction("logits", VECTOR), 1),
        ("direction", ("logits", VECTOR, 1.0, 2.0), objectives.direction("logits", VECTOR, 2), 1),
    ],
)
def test_scores_are_theirs_up_to_the_number_of_channels(network, images, kind, arguments, objective, count):
    expected = count * their_score(getattr(theirs.Objective, kind)(network.model, *arguments), images)
    np.testing.assert_allclose(our_score(objective, network, images), expected, rtol=2e-3, atol=1e-5)


def test_weighted_units_alone_are_theirs(network, images):
    """One weight is right there; two are not, see `test_defects`."""
    expected = 4 * their_score(3.0 * theirs.Objective.channel(network.model, "logits", 2), images)
    found = our_score(3.0 * objectives.class_logit("logits", 2), network, images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "objective", "root"),
    [
        ("l1_reg", objectives.L1(), 1),
        ("l2_reg", objectives.L2(), 2),
        ("total_variation_reg", objectives.total_variation(), None),
    ],
)
def test_penalties_are_theirs_up_to_the_number_of_values(network, images, name, objective, root):
    known = objective.resolve(network)({"input": tf.constant(images)}.__getitem__).numpy()
    scale = images[0].size ** (1 / root) if root else 1
    np.testing.assert_allclose(known / scale, getattr(penalties, name)(1.0)(tf.constant(images)).numpy(), rtol=1e-5)
