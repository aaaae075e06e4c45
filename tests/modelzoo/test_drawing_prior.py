"""The prior of the drawings: what is computed has the laws of `draw`, what is learned has been."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import samplevis
from samplevis import modelzoo
from samplevis.modelzoo.shapes import drawing, flow_prior
from samplevis.modelzoo.shapes.network import FOLDER, read_report, save_weights
from samplevis.param.unet import unet
from samplevis.runtime import seeds

NUM_DRAWS = 400


class KnownFigures:
    """Stands for the flow: the masks that it learns from, in bytes of its range, chosen by the latent."""

    value_range = (-2.0, 2.0)

    def __init__(self, masks: np.ndarray):
        self._masks = tf.constant(4 * masks[..., None] - 2, tf.float32)

    def end(self, z: tf.Tensor) -> tf.Tensor:
        rank = 0.5 * tf.math.erfc(-z[:, 0, 0, 0] * np.float32(np.sqrt(0.5)))
        return tf.gather(self._masks, tf.cast(rank * (len(self._masks) - 1e-3), tf.int32))


def known(masks: np.ndarray) -> flow_prior.DrawingPrior:
    return flow_prior.DrawingPrior(KnownFigures(masks))


@pytest.fixture(scope="module")
def drawings():
    return modelzoo.shapes.draw(2 * NUM_DRAWS, seed=9020)[0]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A prior whose flow leaves its noise as it is."""
    path = tmp_path_factory.mktemp("prior") / "prior.npz"
    model = unet((32, 32), 1, (8, 8))
    save_weights(model, path, {"widths": [8, 8], "value_range": [-2, 2], "verdict": "Untrained."}, np.float16)
    return modelzoo.shapes.prior(steps=2, weights=path)


def checked(prior, drawings):
    return samplevis.check_prior(
        prior,
        drawings,
        network=modelzoo.Shapes(),
        judge=modelzoo.ShapesJudge(),
        units=[f"logits:{name}" for name in modelzoo.shapes.LABELS],
        draws=NUM_DRAWS,
    )


@pytest.mark.slow
def test_with_the_figures_of_drawings_draws_are_like_drawings(drawings):
    """The laws of everything but the figures, by every comparison; with other figures they fail."""
    masks = drawing.figures(2000, 777, flow_prior.FIGURE_SIZE, flow_prior.EDGE)
    check = checked(known(masks), drawings)
    assert check.passed, check.verdict
    shifted = checked(known(np.roll(masks, 8, axis=2)), drawings)
    assert not shifted.passed
    few = checked(known(masks[:8]), drawings)
    assert not few["labels"].passed and not few["features"].passed


def test_enlarged_masks_are_those_of_the_drawings():
    """Edges are where they are in masks of 64 pixels: off by less than a tenth of a pixel along a figure's outline."""
    small = drawing.figures(200, 3, flow_prior.FIGURE_SIZE, flow_prior.EDGE)
    prior = known(small)
    z = np.zeros((len(small), *prior.latent_shape), np.float32)
    z[:, 0] = stats.norm.ppf((np.arange(len(small)) + 0.5) / len(small))
    large = drawing.figures(200, 3)
    gap = prior.masks(tf.constant(z)).numpy()[..., 0] - large
    assert np.sqrt(np.mean(gap**2)) < 0.03
    # The control: masks that were enlarged and not sharpened.
    blurred = tf.image.resize(small[..., None], (64, 64)).numpy()[..., 0]
    assert np.sqrt(np.mean((blurred - large) ** 2)) > 0.1


def test_the_numbers_of_a_drawing_have_the_ranges_of_draw():
    white = tf.random.stateless_normal((4000, 1), seeds.root(0))
    found = flow_prior._uniform(white, drawing.CONTRASTS).numpy().ravel()
    low, high = drawing.CONTRASTS
    assert stats.kstest(found, "uniform", (low, high - low)).pvalue > 1e-3
    assert stats.kstest(found, "uniform", (low, high)).pvalue < 1e-3
    tries = tf.constant(np.random.default_rng(0).standard_normal((500, drawing.NUM_TRIES, 3)), tf.float32)
    colors = np.random.default_rng(1).uniform(*drawing.MEANS, (500, 3)).astype(np.float32)
    distances = np.linalg.norm(flow_prior._contrasting(tries, tf.constant(colors)).numpy() - colors, axis=1)
    assert distances.min() >= drawing.FAR
    # Where no try is far enough, the last one is taken, as in `draw`.
    near = tf.repeat(tf.constant(stats.norm.ppf(colors), tf.float32)[:, None], drawing.NUM_TRIES, 1)
    np.testing.assert_allclose(flow_prior._contrasting(near, tf.constant(colors)), colors, atol=1e-4)


def test_the_steps_of_the_flow_are_even_in_the_log_of_image_over_noise():
    rows = flow_prior._schedule(8)
    assert rows.shape == (9, 3)
    np.testing.assert_allclose(rows[[0, -1]], [[0, 0, 1], [1, 1, 0]])
    ratios = np.log(rows[1:-1, 1] / rows[1:-1, 2])
    np.testing.assert_allclose(ratios, np.linspace(*flow_prior.LOG_RATIOS, 7))
    assert len(modelzoo.shapes.prior(steps=1).figures.rows) == 2
    with pytest.raises(ValueError, match="steps: expected"):
        modelzoo.shapes.prior(steps=0)


def test_the_background_of_a_latent_is_found_again(untrained):
    parts = flow_prior._parts(untrained.prior(seeds.root(1), 3))
    parts["grey"] = tf.fill((3, 1), -8.0)
    background = flow_prior._background(parts)
    noise = background - tf.reduce_mean(background, (1, 2), keepdims=True)
    white, wanted = flow_prior._whitened(noise).numpy(), parts["background"].numpy()
    wanted = wanted - wanted.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(white, wanted / wanted.std((2, 3), keepdims=True), atol=1e-3)


@pytest.mark.slow
def test_runs_can_start_from_drawings(untrained):
    """Also where the flow does not know the figure: the grain has what nothing else explains."""
    drawings, _ = modelzoo.shapes.draw(4, seed=77)
    gap = untrained.image(untrained.latent(drawings)).numpy() - drawings
    assert np.sqrt(np.mean(gap**2, axis=(1, 2, 3))).max() < 1e-2


def test_the_two_colours_of_a_drawing_are_told_apart():
    masks = tf.constant(drawing.figures(12, 0)[..., None])
    masks = tf.boolean_mask(masks, tf.reduce_max(masks, (1, 2, 3)) > 0)
    colors = np.array([[0.2, 0.3, 0.6], [0.7, 0.3, 0.4]], np.float32)
    background, figure, share = flow_prior._two_colors(colors[0] + masks * (colors[1] - colors[0]))
    # Where a texture has most of the border, its colours are exchanged.
    right = np.linalg.norm(background.numpy() - colors[0], axis=1) < 0.25
    assert right.mean() > 0.7
    np.testing.assert_allclose(share.numpy()[right], masks.numpy()[right], atol=0.1)
    np.testing.assert_allclose(figure.numpy()[right], np.tile(colors[1], (right.sum(), 1)), atol=0.1)
    # No figure.
    assert flow_prior._two_colors(tf.fill((1, 64, 64, 3), 0.4))[2].numpy().max() == 0


def test_a_missing_file_is_named(tmp_path, untrained):
    assert untrained.verdict == "Untrained." and untrained.image_shape == (64, 64, 3)
    assert untrained.bands().shape == untrained.latent_shape
    with pytest.raises(OSError, match="train_shapes_prior"):
        modelzoo.shapes.prior(weights=tmp_path / "missing.npz")


@pytest.mark.slow
def test_draws_of_the_bundled_prior_are_like_drawings(drawings):
    check = checked(modelzoo.shapes.prior(), drawings)
    assert check.passed, check.verdict
    assert read_report(FOLDER / "prior.npz")["verdict"].startswith("The draws of this prior are like the pictures")
    # The control: with a solver of two steps, figures are not finished.
    assert not checked(modelzoo.shapes.prior(steps=2, solver="euler"), drawings).passed
