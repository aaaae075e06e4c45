"""The softness that `render` chooses: small where a smoothed copy sees other things than the network."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import samplevis
from samplevis import Network
from samplevis.runs.faithfulness import MAX_HALVINGS

FAST = dict(im_size=16, optimize_steps=64, anneal_steps=50, transforms=None, progress=False)
HMC = dict(num_chains=2, num_results=2, num_burnin_steps=4, num_leapfrog_steps=4, num_transforms=1)
# Shifts of values add up over layers.
DEPTH = 8
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


def network(loud: float, seed: int) -> Network:
    """A network whose unit listens to quiet channels beside one that is `loud` times as large.

    A kink's width is measured on all channels of its layer: at softness .3, the loud one drowns what the quiet ones do at theirs.
    """
    keras.utils.set_random_seed(seed)
    gains = np.ones(8, np.float32)
    gains[0] = loud
    x = image = keras.Input((None, None, 3), name="image")
    for number in range(DEPTH):
        x = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer="he_normal", name=f"conv{number}")(x)
        x = keras.layers.ReLU(name=f"kink{number}")(keras.layers.Rescaling(gains)(x))
        x = keras.layers.Rescaling(np.where(gains > 1, 0.0, 1.0).astype(np.float32))(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(image, keras.layers.Dense(4, name="logits")(x), name="net")
    return Network(model, value_range=(0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_that_is_drowned_is_sharpened(seed):
    loud = samplevis.render(network(100.0, seed), "logits:1", HMC, **FAST)
    assert loud.options["smooth"] in [0.3 / 2**halvings for halvings in range(1, MAX_HALVINGS + 1)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_that_stands_for_the_network_stays_soft(seed):
    assert samplevis.render(network(1.0, seed), "logits:1", HMC, **FAST).options["smooth"] == 0.3


def test_a_softness_that_is_asked_for_is_kept():
    assert samplevis.render(network(100.0, 0), "logits:1", HMC, smooth=0.3, **FAST).options["smooth"] == 0.3


@pytest.mark.slow
def test_a_run_goes_on_with_the_softness_that_it_found(tmp_path):
    model, call = network(100.0, 0), FAST | dict(run_opts=dict(checkpoint=tmp_path))
    first = samplevis.render(model, "logits:1", HMC, **call)
    more = samplevis.render(model, "logits:1", HMC | dict(num_results=3), **call)
    assert more.options["smooth"] == first.options["smooth"] < 0.3
    np.testing.assert_array_equal(more.images[:, :2], first.images)


@pytest.mark.parametrize("bad", ["automatic", "", 0, -0.1, np.nan])
def test_other_values_are_refused(bad):
    with pytest.raises((ValueError, TypeError), match="smooth"):
        samplevis.render(network(1.0, 0), "logits:1", HMC, smooth=bad, **FAST)
