"""Means over a bank, some transforms at a time: the same numbers in less memory."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import samplevis
from samplevis import param, transform
from samplevis.activation import make_activation
from samplevis.activation.batch_size import bytes_per_image, transforms_per_chunk
from samplevis.activation.chunked import chunked_mean, largest_divisor
from samplevis.runtime import seeds
from samplevis.sampling.kernels.base import value_and_gradient


@given(st.integers(1, 60), st.integers(1, 80))
def test_chunks_are_as_large_as_they_can_be(number, limit):
    size = largest_divisor(number, limit)
    assert size <= limit and number % size == 0
    assert not any(number % other == 0 for other in range(size + 1, min(number, limit) + 1))


def test_values_and_gradients_are_those_of_the_whole_bank(tiny_network):
    activation = make_activation(tiny_network, "conv2:1", param.fourier(16), transform.affine(2, 0.1, 8))
    z, bank = activation.param.prior(seeds.root(0), 3), activation.sample_transforms(seeds.root(1), 6)
    whole_value, whole = value_and_gradient(lambda z: tf.math.log(3 + activation.mean(z, bank)), z)
    for chunk_size in (1, 2, 4, 5):
        value, found = value_and_gradient(
            lambda z, size=chunk_size: tf.math.log(3 + chunked_mean(activation.scores, z, bank, size)), z
        )
        np.testing.assert_allclose(value, whole_value, rtol=1e-5)
        np.testing.assert_allclose(found, whole, atol=1e-5 * np.abs(whole).max())


def test_one_chunk_is_computed_at_a_time(tiny_network):
    activation = make_activation(tiny_network, "conv2:1", param.fourier(16), transform.jitter(2))
    z, bank, seen = activation.param.prior(seeds.root(0), 3), activation.sample_transforms(seeds.root(1), 6), []

    def scores(z, chunk):
        values = activation.scores(z, chunk)
        seen.append(values.shape.as_list())
        return values

    tf.function(lambda z: value_and_gradient(lambda z: chunked_mean(scores, z, bank, 2), z)).get_concrete_function(z)
    # The body of a loop, traced once or more, and nothing beside it.
    assert seen and all(shape == [3, 2] for shape in seen)


def test_a_budget_of_memory_decides_how_many(tiny_network):
    activation = make_activation(tiny_network, "conv2:1", param.fourier(16), transform.jitter(2))
    image = bytes_per_image(activation)
    assert transforms_per_chunk(activation, 2, 6, 12 * image) is None
    assert transforms_per_chunk(activation, 2, 6, 11 * image) == 5
    assert transforms_per_chunk(activation, 2, 6, 1) == 1


@pytest.mark.slow
def test_a_run_in_little_memory_draws_from_the_same_density(tiny_network):
    settings = dict(im_size=16, transforms=transform.jitter(2), optimize_steps=16, anneal_steps=25, progress=False)
    options = dict(num_results=1, num_burnin_steps=0, num_leapfrog_steps=2, num_chains=2, num_transforms=4)
    whole = samplevis.render(tiny_network, "conv2:1", options, **settings)
    chunked = samplevis.render(tiny_network, "conv2:1", options, memory=1, **settings)
    # One short trajectory from the same state: rounding has no time to grow.
    assert np.linalg.norm(chunked.latents - whole.latents) < 1e-3 * np.linalg.norm(whole.latents)
    np.testing.assert_allclose(chunked.activation, whole.activation, rtol=1e-3)
    assert chunked.latents.tobytes() != whole.latents.tobytes()
