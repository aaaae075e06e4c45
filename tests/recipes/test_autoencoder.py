"""Sparse autoencoders: formulas, planted dictionaries, files, and features as objectives."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import param, recipes
from samplevis.activation import make_activation
from samplevis.recipes.autoencoder import SparseAutoencoder, sparse
from samplevis.recipes.autoencoder_training import loss_and_gradient
from samplevis.runtime import seeds

CHANNELS, PLANTED, ROWS = 16, 24, 6000
# A cosine that none of the directions reaches by chance: its z-score in so many channels is 0.95 * sqrt(16) = 3.8.
NEAR = 0.95


def planted(seed=0):
    """Rows that are sums of three of 24 directions, and the directions."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(PLANTED, CHANNELS))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights = np.zeros((ROWS, PLANTED))
    for row in weights:
        row[random.choice(PLANTED, 3, replace=False)] = random.uniform(0.5, 1.5, 3)
    return (weights @ directions + 0.3).astype(np.float32), directions.astype(np.float32)


def found(sae, directions):
    """The cosine of each planted direction with the nearest of the dictionary."""
    return (directions @ sae.directions.T).max(1)


@pytest.mark.parametrize("options", [{}, {"top_k": 3}])
def test_a_planted_dictionary_is_found(options):
    """And not in Gaussian rows of the same mean and covariance, which have no directions."""
    rows, directions = planted()
    fit = {"num_features": PLANTED, "steps": 1500, "learning_rate": 4e-3, "progress": False} | options
    sae = recipes.sparse_autoencoder(rows, "conv2", **fit)
    assert np.mean(found(sae, directions) > NEAR) >= 0.9
    random = np.random.default_rng(1)
    control = random.multivariate_normal(rows.mean(0), np.cov(rows.T), ROWS).astype(np.float32)
    plain = recipes.sparse_autoencoder(control, "conv2", **fit)
    assert np.mean(found(plain, directions) > NEAR) < 0.2
    ours, theirs = sae.figures(rows), plain.figures(control)
    assert ours["explained"] > 0.9
    assert ours["explained"] / ours["active"] > 1.25 * theirs["explained"] / theirs["active"]


@pytest.mark.parametrize("top_k", [None, 2])
def test_the_gradient_is_tensorflows(top_k):
    random = np.random.default_rng(0)
    shapes = {"encoder": (7, 4), "encoder_bias": (7,), "decoder": (7, 4), "bias": (4,)}
    weights = {name: random.normal(size=shape) for name, shape in shapes.items()}
    x = random.normal(size=(5, 4))
    tensors = {name: tf.constant(value) for name, value in weights.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        pre = (x - tensors["bias"]) @ tf.transpose(tensors["encoder"]) + tensors["encoder_bias"]
        if top_k:
            least = tf.math.top_k(pre, top_k).values[:, -1:]
            pre = tf.where(pre >= least, pre, 0)
        features = tf.nn.relu(pre)
        error = features @ tensors["decoder"] + tensors["bias"] - x
        loss = tf.reduce_mean(tf.reduce_sum(error**2, 1))
        loss += 0.0 if top_k else 0.3 * 2 * tf.reduce_mean(tf.reduce_sum(features, 1))
    _, value, gradient, _ = loss_and_gradient(weights, x, top_k, 0.3)
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    for name, slope in tape.gradient(loss, tensors).items():
        np.testing.assert_allclose(gradient[name], slope, atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_only_the_largest_stay(rows, top_k, seed):
    pre = np.random.default_rng(seed).normal(size=(rows, 8))
    kept = sparse(pre, top_k)
    for before, after in zip(pre, kept, strict=True):
        best = np.sort(before)[::-1][:top_k]
        np.testing.assert_array_equal(np.sort(after[after > 0])[::-1], best[best > 0])


def made(top_k=None, seed=0):
    random = np.random.default_rng(seed)
    arrays = random.normal(size=(9, 5)), random.normal(size=9), random.normal(size=(9, 5)), random.normal(size=5)
    return SparseAutoencoder("conv2", *(array.astype(np.float32) for array in arrays), top_k)


def test_features_by_hand():
    sae, x = made(top_k=3), np.random.default_rng(1).normal(size=(2, 3, 5)).astype(np.float32)
    pre = np.einsum("fc,...c->...f", sae.encoder, x - sae.bias) + sae.encoder_bias
    np.testing.assert_allclose(sae.pre_activations(x), pre, atol=1e-5)
    features = sae.encode(x)
    assert ((features > 0).sum(-1) <= 3).all()
    np.testing.assert_allclose(
        sae.decode(features), np.einsum("...f,fc->...c", features, sae.decoder) + sae.bias, atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.norm(sae.directions, axis=1), 1, atol=1e-5)


def test_figures_of_known_cases():
    """The identity explains all; a silent encoder explains what the bias does, and all of it is dead."""
    rows = np.random.default_rng(0).uniform(0.1, 1, (50, 5)).astype(np.float32)
    eye, zero = np.eye(5), np.zeros(5)
    assert SparseAutoencoder("a", eye, zero, eye, zero).figures(rows) == {
        "explained": pytest.approx(1),
        "active": 5.0,
        "dead": 0.0,
    }
    silent = SparseAutoencoder("a", -eye, zero, eye, rows.mean(0) * 0).figures(rows)
    assert silent["active"] == 0 and silent["dead"] == 1 and silent["explained"] < 0
    mean = SparseAutoencoder("a", 0 * eye, zero - 1, eye, rows.mean(0)).figures(rows)
    assert mean["explained"] == pytest.approx(0, abs=1e-5)


def test_a_feature_scores_its_pre_activation(tiny_network, images):
    sae = made()
    values = tiny_network(images, "conv2")["conv2"].numpy()
    expected = sae.pre_activations(values)[..., 4].mean((1, 2))
    activation = make_activation(tiny_network, sae.feature(4), param.pixel((16, 12)), None)
    np.testing.assert_allclose(activation.of_images(tf.constant(images), ()), expected, atol=1e-4)
    assert repr(sae.feature(4)) == "feature(conv2, 4)"


def test_a_silent_feature_has_a_gradient(tiny_network):
    sae = SparseAutoencoder("conv2", np.eye(5), np.full(5, -100.0), np.eye(5), np.zeros(5))
    activation = make_activation(tiny_network, sae.feature(0), param.fourier(16), None)
    z = activation.param.prior(seeds.root(0), 1)
    with tf.GradientTape() as tape:
        tape.watch(z)
        score = activation.mean(z, ())
    assert float(score[0]) < 0 < float(tf.norm(tape.gradient(score, z)))
    assert not sae.encode(np.zeros((1, 5))).any()


def test_features_of_an_autoencoder_share_compiled_code():
    assert made().feature(0).structure == made().feature(1).structure


def test_directions_are_a_layer_of_an_atlas(tiny_network):
    from samplevis.atlas.layers import plan_layers

    sae = made()
    (layer,) = plan_layers(tiny_network, None, {"sae": (sae.layer, sae.directions)})
    assert (layer.count, layer.layer) == (9, "conv2")


def test_files(tmp_path):
    pytest.importorskip("safetensors", reason="SAFETENSORS NOT FOUND: pip install 'samplevis[safetensors]'")
    from safetensors.numpy import save_file

    sae, x = made(top_k=2), np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    sae.save(tmp_path / "a.safetensors")
    sae.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    again = SparseAutoencoder.load(tmp_path / "a.safetensors")
    assert (again.layer, again.top_k) == ("conv2", 2)
    np.testing.assert_array_equal(again.encode(x), sae.encode(x))
    linear = {"encoder.weight": sae.encoder, "encoder.bias": sae.encoder_bias}
    linear |= {"decoder.weight": sae.decoder.T.copy(), "decoder.bias": sae.bias}
    save_file(linear, tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="does not say which layer"):
        SparseAutoencoder.load(tmp_path / "c.safetensors")
    plain = SparseAutoencoder.load(tmp_path / "c.safetensors", layer="conv2")
    np.testing.assert_allclose(plain.pre_activations(x), x @ sae.encoder.T + sae.encoder_bias, atol=1e-5)
    np.testing.assert_array_equal(plain.decoder, sae.decoder)
    centred = SparseAutoencoder.load(tmp_path / "c.safetensors", layer="conv2", centred=True)
    np.testing.assert_allclose(centred.pre_activations(x), sae.pre_activations(x), atol=1e-5)
    arrays = {"W_enc": sae.encoder.T.copy(), "b_enc": sae.encoder_bias, "W_dec": sae.decoder, "b_dec": sae.bias}
    save_file(arrays | {"threshold": np.ones(9, np.float32)}, tmp_path / "f.safetensors")
    with pytest.raises(ValueError, match="and no others: an autoencoder with thresholds"):
        SparseAutoencoder.load(tmp_path / "f.safetensors")
    save_file({"W_enc": np.zeros((2, 2), np.float32)}, tmp_path / "d.safetensors")
    with pytest.raises(ValueError, match="expected the arrays W_enc"):
        SparseAutoencoder.load(tmp_path / "d.safetensors")
    (tmp_path / "e.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="is not a .safetensors file"):
        SparseAutoencoder.load(tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match="ends in .safetensors"):
        sae.save(tmp_path / "a.npz")


def test_the_same_seed_gives_the_same_numbers():
    rows = planted()[0][:500]
    fit = {"num_features": 20, "steps": 40, "progress": False}
    a, b, c = (recipes.sparse_autoencoder(rows, "a", seed=seed, **fit) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.encoder, b.encoder)
    assert not np.array_equal(a.encoder, c.encoder)


def test_units_of_the_activations_do_not_matter():
    rows = planted()[0][:1000]
    fit = {"num_features": 20, "steps": 60, "progress": False}
    a, b = (recipes.sparse_autoencoder(scale * rows, "a", **fit) for scale in (1, 64))
    np.testing.assert_allclose(64 * a.encode(rows), b.encode(64 * rows), atol=0.05)


def test_dead_features_start_again():
    """With an encoder far from all rows every feature is dead; after resampling most are used."""
    from samplevis.recipes.autoencoder_training import Fit

    rows = planted()[0]
    rows = (rows - rows.mean(0)) / rows.std()
    fit = Fit(rows, 40, None, 0.1, np.random.default_rng(0))
    fit.weights["encoder_bias"][:20] = -100
    everything = np.arange(len(rows))
    fit.update(everything, 0.0)
    fit.resample()
    assert (fit.weights["encoder_bias"][:20] == 0).all()
    *_, features = loss_and_gradient(fit.weights, rows, None, 0.1)
    assert (features[:, :20] > 0).any(0).all()


def test_bad_arguments():
    rows = np.zeros((5, 3), np.float32)
    with pytest.raises(ValueError, match="activations: expected some that vary"):
        recipes.sparse_autoencoder(rows, "a")
    with pytest.raises(ValueError, match="top_k: expected a whole number from 1 to 4"):
        recipes.sparse_autoencoder(rows + np.eye(5, 3), "a", 4, top_k=5)
    with pytest.raises(ValueError, match="decoder: expected finite numbers"):
        SparseAutoencoder("a", np.eye(2), np.zeros(2), np.eye(3), np.zeros(2))
    with pytest.raises(ValueError, match="k: expected a whole number from 0 to 8"):
        made().feature(9)
