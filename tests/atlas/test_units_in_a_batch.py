"""Many units in one batch: what a unit gets does not depend on its neighbours, and nothing is traced twice."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from samplevis.activation import default_param, make_activation
from samplevis.atlas.draft import draft_units
from samplevis.atlas.draft_path import UnitProblem
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.unit_rows import layer_activation, unit_rows, unit_seeds, with_units
from samplevis.objectives import channel, direction
from samplevis.runtime import seeds
from samplevis.sampling.kernels.langevin import LangevinState, langevin_step
from samplevis.sampling.level_scale import LevelScale

SETTINGS = AtlasSettings(size=16, num_chains=2, batch_size=4, anneal_steps=25, num_transitions=1)


@pytest.fixture(scope="module")
def activation(tiny_network):
    return layer_activation(tiny_network, "conv2", default_param(tiny_network, 16), "robust")


def problems(activation, *channels: int) -> list[UnitProblem]:
    vectors, starts = np.eye(5, dtype=np.float32), activation.param.prior(seeds.root(5), SETTINGS.num_chains).numpy()
    scales = [LevelScale(0.0, 0.2 + 0.1 * n) for n in range(5)]
    return [UnitProblem(f"conv2:{n}", vectors[n], scales[n], (1 + 0.1 * n) * starts) for n in channels]


def drafts(activation, *channels: int):
    keys = [f"conv2:{n}" for n in channels]
    return draft_units(activation, problems(activation, *channels), unit_seeds(0, keys), SETTINGS)


def test_a_row_scores_its_own_unit(tiny_network, activation):
    z = activation.param.prior(seeds.root(3), 4)
    bank = activation.sample_bank(seeds.root(4), 3)
    rows = np.eye(5, dtype=np.float32)[[1, 4, 0, 1]]
    found = with_units(activation, rows).mean(z, bank).numpy()
    for n, unit in enumerate((1, 4, 0, 1)):
        alone = make_activation(tiny_network, channel("conv2", unit), activation.param, "robust")
        np.testing.assert_allclose(found[n], alone.mean(z, bank).numpy()[n], rtol=1e-6)


def test_a_row_of_numbers_is_a_direction(tiny_network, activation):
    z, bank = activation.param.prior(seeds.root(3), 1), activation.sample_bank(seeds.root(4), 3)
    vector = np.array([0.3, -1, 0, 2, 0.5], np.float32)
    alone = make_activation(tiny_network, direction("conv2", vector), activation.param, "robust").mean(z, bank)
    np.testing.assert_allclose(with_units(activation, vector[None]).mean(z, bank), alone, rtol=1e-5)


def test_a_unit_gets_the_same_bytes_beside_any_other_and_the_same_draft_in_any_place(activation):
    alone = drafts(activation, 3, 3)[0]
    among, moved = drafts(activation, 3, 0)[0], drafts(activation, 2, 3)[1]
    for name in ("latents", "images", "chain_means", "reached"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(among, name), err_msg=name)
        # Some processors sum the rows of a batch in an order of each row's own, by which 25 steps come apart by rounding.
        np.testing.assert_allclose(getattr(alone, name), getattr(moved, name), rtol=0, atol=1e-4, err_msg=name)
    assert (alone.strength, alone.gradients) == (among.strength, among.gradients)
    assert alone.strength == pytest.approx(moved.strength, rel=1e-4) and alone.gradients == moved.gradients
    # Otherwise the test would pass on anything that ignores the unit.
    assert np.abs(alone.latents - drafts(activation, 0, 3)[0].latents).max() > 0.1


def test_one_seed_for_the_whole_batch_would_make_neighbours_matter():
    """The control: noise of a seed that is not the unit's own depends on the place in the batch."""
    state = tf.zeros([4, 3])
    now = LangevinState(state, state, tf.zeros(4), tf.zeros(4))

    def step(seed: tf.Tensor) -> np.ndarray:
        return langevin_step(now, lambda z, _: tf.reduce_sum(z, 1), tf.zeros_like, seed, 0.5, 1.0).state.numpy()

    own = unit_seeds(0, ["a", "b"])
    np.testing.assert_array_equal(step(own)[2:], step(tf.reverse(own, [0]))[:2])
    assert (step(seeds.root(0))[2:] != step(seeds.root(0))[:2]).any()


def test_further_batches_of_a_layer_trace_nothing(activation):
    drafts(activation, 0, 1)
    compiled = [
        each for each in activation.network.compiled.values() if hasattr(each, "experimental_get_tracing_count")
    ]
    before = sum(each.experimental_get_tracing_count() for each in compiled)
    drafts(activation, 4, 2)
    assert sum(each.experimental_get_tracing_count() for each in compiled) == before > 0


def test_unit_rows_couple_the_images_of_a_batch():
    assert unit_rows("conv2", np.eye(5, dtype=np.float32)).coupled
