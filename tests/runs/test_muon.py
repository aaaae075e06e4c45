"""Muon: steps of kernels are orthogonal, other steps are Adam's."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from samplevis.runs.muon import Muon


def step(optimizer, gradient):
    variable = keras.Variable(np.zeros(gradient.shape, "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return variable.numpy()


@pytest.mark.parametrize("shape", [(3, 3, 4, 6), (1, 1, 5, 20), (12, 7)])
def test_a_kernel_moves_along_an_orthogonal_matrix(shape):
    """Five iterations bring the singular values to .7 to 1.2 (Jordan et al. 2024), however unequal those of the gradient are."""
    rng = np.random.default_rng(0)
    left, _, right = np.linalg.svd(rng.standard_normal((np.prod(shape[:-1]), shape[-1])), full_matrices=False)
    values = np.geomspace(1, 0.02, right.shape[0])
    gradient = (left * values @ right).reshape(shape).astype("float32")
    moved = step(Muon(0.01), gradient).reshape(-1, shape[-1])
    # The root mean square of all weights is .2, as that of Adam's steps is.
    unit = 0.01 * 0.2 * np.sqrt(max(moved.shape))
    found = np.linalg.svd(moved / unit)[1]
    assert found.min() > 0.65 and found.max() < 1.25, found
    plain = np.linalg.svd(step(keras.optimizers.SGD(1.0), gradient).reshape(-1, shape[-1]))[1]
    assert plain.min() < 0.05 * plain.max(), "the control keeps the gradient's"
    assert np.sum(moved * gradient.reshape(moved.shape)) < 0, "downwards"


@pytest.mark.parametrize("shape", [(5,), (4, 2, 3)])
def test_other_variables_have_adams_steps(shape):
    gradient = np.random.default_rng(1).standard_normal(shape).astype("float32")
    expected = step(keras.optimizers.Adam(0.01, beta_2=0.99), gradient)
    np.testing.assert_allclose(step(Muon(0.01, adam_beta_2=0.99), gradient), expected, rtol=1e-5)
