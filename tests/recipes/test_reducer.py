"""ChannelReducer is scikit-learn's decomposition on the last axis."""

from __future__ import annotations

import sys

import numpy as np
import pytest

sklearn_decomposition = pytest.importorskip("sklearn.decomposition")

from samplevis.recipes import ChannelReducer  # noqa: E402

ACTIVATIONS = np.random.default_rng(0).gamma(1.0, size=(3, 4, 5, 6))
ROWS = ACTIVATIONS.reshape(-1, 6)


@pytest.mark.parametrize(("name", "options"), [("NMF", {"max_iter": 2000}), ("PCA", {}), ("TruncatedSVD", {})])
def test_equals_scikit_learn(name, options):
    reducer = ChannelReducer(2, name, **options)
    direct = getattr(sklearn_decomposition, name)(2, random_state=0, **options)
    expected = direct.fit_transform(ROWS)
    weights = reducer.fit_transform(ACTIVATIONS)
    np.testing.assert_allclose(weights, expected.reshape(3, 4, 5, 2), atol=1e-6)
    np.testing.assert_allclose(reducer.directions, direct.components_, atol=1e-6)
    np.testing.assert_allclose(
        reducer.transform(ACTIVATIONS[1]), direct.transform(ROWS[20:40]).reshape(4, 5, 2), atol=1e-6
    )
    np.testing.assert_allclose(
        reducer.inverse_transform(weights), direct.inverse_transform(expected).reshape(ACTIVATIONS.shape), atol=1e-6
    )


@pytest.mark.parametrize("shape", [(30, 6), (5, 6, 6), (2, 3, 4, 2, 6)])
def test_any_rank(shape):
    values = np.random.default_rng(1).gamma(1.0, size=shape)
    assert ChannelReducer(2, max_iter=2000).fit_transform(values).shape == (*shape[:-1], 2)
    assert ChannelReducer(2, max_iter=2000).fit(values).transform(values[0]).shape == (*shape[1:-1], 2)


def test_nmf_finds_the_groups_that_made_the_data():
    generator = np.random.default_rng(0)
    groups = np.kron(np.eye(3), [1.0, 1.0])
    weights = generator.gamma(1.0, size=(8, 8, 3)) * (generator.uniform(size=(8, 8, 3)) < 0.5)
    reducer = ChannelReducer(3, max_iter=2000, tol=1e-8).fit(weights @ groups)
    found = reducer.directions / reducer.directions.max(1, keepdims=True)
    np.testing.assert_allclose(found[np.argsort(found.argmax(1))], groups, atol=1e-3)
    np.testing.assert_allclose(
        reducer.inverse_transform(reducer.transform(weights @ groups)), weights @ groups, atol=1e-2
    )


def test_a_class_and_seeds():
    by_class = ChannelReducer(2, sklearn_decomposition.PCA).fit_transform(ACTIVATIONS)
    np.testing.assert_array_equal(by_class, ChannelReducer(2, "PCA").fit_transform(ACTIVATIONS))
    one, two, other = (
        ChannelReducer(3, init="random", max_iter=50, tol=0.5, seed=s).fit(ROWS).directions for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3


def test_unknown_attributes_are_errors():
    with pytest.raises(AttributeError, match="componets"):
        ChannelReducer(2).componets  # noqa: B018


def test_before_fitting():
    for call in (lambda r: r.directions, lambda r: r.transform(ROWS), lambda r: r.inverse_transform(ROWS)):
        with pytest.raises(RuntimeError, match="fit"):
            call(ChannelReducer(2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ChannelReducer(0), "n_components"),
        (lambda: ChannelReducer(2, "NFM"), "Did you mean 'NMF'"),
        (lambda: ChannelReducer(2, dict), "does not reduce"),
        (lambda: ChannelReducer(2, seed=-1), "seed"),
        (lambda: ChannelReducer(2).fit(-ROWS), "algorithm='PCA'"),
        (lambda: ChannelReducer(2).fit(ROWS[0, 0]), r"\[..., channels\]"),
        (lambda: ChannelReducer(2).fit(np.full((3, 3), np.nan)), "finite"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(ImportError, match=r"samplevis\[reduce\]"):
        ChannelReducer(2)


def test_nmf_leaves_out_the_little_below_zero_of_smooth_rectifiers():
    x = np.random.default_rng(2).normal(1, 1.5, size=(40, 6))
    silu = x / (1 + np.exp(-x))
    reducer, positive = ChannelReducer(2, max_iter=2000), ChannelReducer(2, max_iter=2000)
    assert silu.min() < -0.2
    np.testing.assert_array_equal(reducer.fit_transform(silu), positive.fit_transform(silu.clip(0)))
    # Once fitted, an activation that is all below 0 is in no group.
    np.testing.assert_array_equal(reducer.transform(np.full((1, 6), -0.2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="NMF needs values >= 0"):
        ChannelReducer(2).fit(x - 2)
