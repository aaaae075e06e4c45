"""Latin hypercubes of transforms: exact marginals, every stratum once, smaller variance; each check beside a control that fails."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from samplevis import activation, modelzoo, param, transform
from samplevis.runtime import seeds
from samplevis.transform.base import stratified_params
from samplevis.transform.variates import uniform, uniform_int

K, GROUPS, COLUMNS = 4, 3000, 3
# Of a test that holds, with a fixed seed.
LEAST_P = 1e-3


def hypercubes(strata=K, seed=1, low=0.0, high=1.0):
    """[group, row, column]."""
    numbers = uniform(seeds.root(seed), (GROUPS * K, COLUMNS), low, high, strata)
    return numbers.numpy().reshape(GROUPS, K, COLUMNS)


def centred(numbers):
    """The control: the middle of each stratum, which is hit once, too."""
    return (np.floor(numbers * K) + 0.5) / K


def test_every_number_is_uniform():
    # Rows of one hypercube depend on each other; a row of each and a column are independent numbers.
    numbers = hypercubes()
    for row, column in ((0, 0), (K - 1, 1)):
        assert stats.kstest(numbers[:, row, column], "uniform").pvalue > LEAST_P
        assert stats.kstest(centred(numbers)[:, row, column], "uniform").pvalue < 1e-9
    assert numbers.min() >= 0 and numbers.max() < 1
    ranged = hypercubes(low=-8, high=8)
    assert stats.kstest(ranged[:, 1, 2], stats.uniform(-8, 16).cdf).pvalue > LEAST_P


def test_each_stratum_is_hit_once_in_every_column():
    def hits_once(numbers):
        return np.all(np.sort(np.floor(numbers * K), axis=1) == np.arange(K)[:, None], axis=1)

    assert hits_once(hypercubes()).all()
    # The control: independent numbers do so in 4! of 4^4 cases.
    found = hits_once(hypercubes(strata=1)).mean()
    assert abs(found - 24 / 256) < 4 * np.sqrt(24 / 256 / (GROUPS * COLUMNS))


def test_columns_groups_and_seeds_are_independent():
    numbers = hypercubes()
    ranks, others = np.floor(numbers * K), np.floor(hypercubes(seed=2) * K)

    def independent(a, b):
        counts = np.histogram2d(a.ravel(), b.ravel(), K)[0]
        return stats.chi2_contingency(counts).pvalue > LEAST_P

    assert independent(ranks[:, 0, 0], ranks[:, 0, 1]), "columns"
    assert independent(ranks[:-1, 0, 0], ranks[1:, 0, 0]), "hypercubes"
    assert independent(ranks[:, 0, 0], others[:, 0, 0]), "seeds"
    assert independent(ranks[:, 0, 0], np.floor(numbers[:, 0, 0] * K * K) % K), "place within the stratum"
    # The control: rows of one hypercube avoid each other.
    assert not independent(ranks[:, 0, 0], ranks[:, 1, 0])


def test_a_mean_has_the_variance_of_theory():
    """Of sums of functions of one column: the variance within a stratum, 1 / (12 K^2) for the number itself, over K."""
    means, plain = hypercubes().sum(2).mean(1), hypercubes(strata=1).sum(2).mean(1)
    error = 4 * np.sqrt(2 / GROUPS)
    assert abs(means.var() / (COLUMNS / (12 * K**3)) - 1) < error
    assert abs(plain.var() / (COLUMNS / (12 * K)) - 1) < error
    # A product of columns, both of mean zero, is no such sum: little is lost (at most K / (K - 1); Owen 1997).
    product = (hypercubes() - 0.5)[..., :2].prod(2).mean(1)
    assert product.var() * 144 * K < K / (K - 1) * (1 + error)


@pytest.mark.parametrize(("low", "high", "strata"), [(0, 4, 4), (-2, 3, 4), (0, 17, 32), (0, 1, 8)])
def test_whole_numbers_are_uniform_and_spread(low, high, strata):
    groups = 2000
    numbers = uniform_int(seeds.root(3), (groups * strata, 2), low, high, strata).numpy()
    assert numbers.dtype == np.int32 and numbers.min() == low and numbers.max() == high - 1
    if high - low > 1:
        first = numbers.reshape(groups, strata, 2)[:, 0, 0]
        assert stats.chisquare(np.bincount(first - low, minlength=high - low)).pvalue > LEAST_P
    counts = np.stack([(numbers.reshape(groups, strata, 2) == value).sum(1) for value in range(low, high)])
    # Each value has its share, up to the strata that reach over its two ends.
    assert np.abs(counts - strata / (high - low)).max() < 2


def test_one_stratum_is_what_it_was():
    seed = seeds.root(5)
    np.testing.assert_array_equal(uniform(seed, (6, 2), -1, 3), tf.random.stateless_uniform((6, 2), seed, -1, 3))
    np.testing.assert_array_equal(
        uniform_int(seed, (6, 2), -1, 3), tf.random.stateless_uniform((6, 2), seed, -1, 3, tf.int32)
    )


def test_strata_divide_the_batch():
    for strata in (0, 4, 12):
        with pytest.raises(ValueError, match=f"strata: expected a divisor of the 6 transforms. Received: {strata}"):
            uniform(seeds.root(0), (6, 2), strata=strata)


# Name of a parameter and its place between 0 and 1, for each transform with uniform parameters.
PARTS = {
    "affine": (transform.affine(8, 0.1, 8), lambda p: (p["shift"][:, 0] + 8) / 16),
    "affine scale": (transform.affine(8, 0.1, 8), lambda p: (np.log(p["scale"]) + 0.1) / 0.2),
    "affine angle": (transform.affine(8, 0.1, 8), lambda p: np.degrees(p["angle"]) / 16 + 0.5),
    "gain": (transform.gain(6), lambda p: (20 * np.log10(p["factor"]) + 6) / 12),
    "jitter": (transform.jitter(3), lambda p: (p["offset"][:, 1] + 0.5) / 4),
    "pad": (transform.pad(2, "uniform"), lambda p: p["value"]),
    "resize": (transform.random_resize([0.8, 0.9, 1.0, 1.1]), lambda p: (p["which"] + 0.5) / 4),
    "rotate": (transform.random_rotate([-3, -1, 1, 3], "radians"), lambda p: (p["angle"] + 4) / 8),
    "scale": (transform.random_scale([1, 2, 3, 4]), lambda p: (p["scale"] - 0.5) / 4),
    "shift": (transform.shift(8), lambda p: (p["shift"][:, 1] + 8.5) / 17),
}


@pytest.mark.parametrize("name", PARTS)
def test_transforms_are_stratified_in_groups(name):
    kind, place = PARTS[name]
    once = []
    for seed in range(8):
        drawn = kind.sample_params(seeds.root(seed), 2 * K, (24, 24, 3), K)
        for group in (slice(0, K), slice(K, None)):
            part = {key: values.numpy()[group] for key, values in drawn.items()}
            once.append(np.sort(np.floor(np.float64(place(part)) * K)).tolist() == list(range(K)))
    # 17 shifts in 4 strata: those in the middle of the range lie in two of them.
    assert np.mean(once) >= (0.25 if name == "shift" else 1.0)


def test_half_of_the_images_are_mirrored():
    flips = transform.mirror().sample_params(seeds.root(0), 50 * K, (8, 8, 3), K)["flip"].numpy().reshape(50, K)
    assert np.all(flips.sum(1) == K // 2) and len({tuple(row) for row in flips}) > 4


@dataclasses.dataclass(frozen=True)
class Brightness(transform.Transform):
    """A user's, as the documentation of 0.1.0 has it: its parameters take no strata."""

    def sample_params(self, seed, batch, image_shape):
        return {"offset": tf.random.stateless_uniform([batch], seed)}

    def apply(self, params, images):
        return images + params["offset"][:, None, None, None]


def test_a_transform_without_strata_stays_independent():
    whole = transform.compose([Brightness(), [Brightness(), transform.affine()]])
    first, (second, third) = stratified_params(whole, seeds.root(0), K, (8, 8, 3), K)
    plain, (other, independent) = stratified_params(whole, seeds.root(0), K, (8, 8, 3), 1)
    np.testing.assert_array_equal(first["offset"], plain["offset"])
    np.testing.assert_array_equal(second["offset"], other["offset"])
    assert np.any(third["shift"] != independent["shift"])
    assert sorted(np.floor((third["shift"][:, 0].numpy() + 8) / 4)) == [0, 1, 2, 3]


def test_an_activation_draws_a_hypercube_for_each_latent():
    a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(16), transform.affine(4))
    found = a.sample_transforms(seeds.root(0), 3 * K, K)
    places = np.sort(np.floor((found["shift"].numpy().reshape(3, K, 2) + 4) / 2), axis=1)
    np.testing.assert_array_equal(places, np.broadcast_to(np.arange(K)[:, None], (3, K, 2)))
