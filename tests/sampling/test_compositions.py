"""Compositions, Vendi scores and R-hat of thumbnails on pictures whose modes are known."""

from __future__ import annotations

import numpy as np
import pytest

from samplevis.sampling.compositions import (
    effective_pictures,
    group_compositions,
    thumbnail_rhat,
    thumbnails,
    vendi_of_pictures,
    vendi_score,
)

SIZE = 32


def pictures(random: np.random.Generator, *lead: int) -> np.ndarray:
    """Noise with the spectrum 1/f^1.2 of the default prior, [*lead, SIZE, SIZE, 3], of unit variance."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    frequency[0, 0] = 1 / SIZE
    found = np.fft.irfft2(np.fft.rfft2(random.normal(size=(*lead, 3, SIZE, SIZE))) * frequency**-1.2)
    return np.moveaxis(found, -3, -1) / found.std()


def run(random: np.random.Generator, signs: list[int], draws: int, memory: float = 0.0) -> np.ndarray:
    """Chains that hold one picture, some of them its negative, under noise with the autocorrelation `memory`."""
    state, drawn = pictures(random, len(signs)), []
    for _ in range(draws):
        state = memory * state + np.sqrt(1 - memory**2) * pictures(random, len(signs))
        drawn.append(state)
    mode = pictures(np.random.default_rng(99), 1)[0]
    return np.stack(drawn, 1) + np.array(signs)[:, None, None, None, None] * mode


@pytest.mark.parametrize("memory", [0.0, 0.9])
@pytest.mark.parametrize("draws", [4, 40])
def test_opposite_modes_are_two_compositions_and_one_mode_is_one(memory, draws):
    for seed in range(3):
        signs = [1, -1, 1, 1, -1, 1]
        small = thumbnails(run(np.random.default_rng(seed), signs, draws, memory))
        np.testing.assert_array_equal(group_compositions(small) == 0, np.array(signs) == 1)
        control = thumbnails(run(np.random.default_rng(seed), [1] * 6, draws, memory))
        assert group_compositions(control).max() == 0


def test_draws_that_keep_nothing_are_one_group_and_pictures_of_their_own_many():
    random = np.random.default_rng(0)
    assert group_compositions(thumbnails(run(random, [0] * 6, 20))).max() == 0
    slow = group_compositions(thumbnails(run(random, [0] * 6, 4, memory=0.95)))
    np.testing.assert_array_equal(slow, np.arange(6))


def test_thumbnails_see_what_symmetric_modes_hide():
    """R-hat of the activation and of band powers is 1 for opposite modes; shuffled draws are the control."""
    for seed in range(3):
        found = thumbnail_rhat(thumbnails(run(np.random.default_rng(seed), [1, -1, 1, -1], 40)))
        assert found.rhat > 1.5 > 1.2 > found.control
        one_mode = thumbnail_rhat(thumbnails(run(np.random.default_rng(seed), [1] * 4, 40)))
        assert one_mode.rhat < 1.1


def test_noise_exceeds_its_shuffles_as_often_as_it_should():
    """1 of 200 by construction, whatever the number of draws: of 60 runs, at most 3 with probability .9999."""
    random = np.random.default_rng(1)
    for draws in (4, 8):
        found = [thumbnail_rhat(random.normal(size=(12, draws, 16, 3))) for _ in range(60)]
        assert sum(one.rhat > one.control for one in found) <= 3


def test_few_chains_or_draws_cannot_be_judged():
    random = np.random.default_rng(0)
    for shape in ((1, 40, 16, 3), (4, 3, 16, 3)):
        assert np.isnan(thumbnail_rhat(random.normal(size=shape)).rhat)
    assert np.isnan(effective_pictures(random.normal(size=(4, 4, 16, 3))))
    assert np.isnan(thumbnail_rhat(np.ones((4, 40, 16, 3))).rhat)


def test_effective_pictures_are_not_those_of_the_activation():
    independent = effective_pictures(thumbnails(run(np.random.default_rng(0), [0] * 4, 40)))
    assert independent > 80
    assert effective_pictures(thumbnails(run(np.random.default_rng(0), [1, -1, 1, -1], 40))) < 20


def test_vendi_score_of_known_kernels():
    assert vendi_score(np.eye(5)) == 5 and vendi_score(np.ones((5, 2))) == 1
    # Two groups of orthogonal items: the entropy of (1/4, 3/4).
    groups = np.eye(2)[[0, 1, 1, 1]]
    assert vendi_score(groups) == pytest.approx(np.exp(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75))))
    assert np.isnan(vendi_score(np.zeros((2, 3)))) and np.isnan(vendi_score(np.full((2, 3), np.nan)))
    # A colour that all share is no likeness; a picture that all share is.
    noise = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)) * 0.1
    assert vendi_of_pictures(noise + [0.5, 0.2, 0.1]) > 3.9
    assert vendi_of_pictures(noise + np.random.default_rng(1).uniform(size=(16, 16, 3))) < 1.2


@pytest.mark.parametrize("shape, cells", [((2, 3, 70, 1), 64), ((2, 3, 5, 9, 3), 40), ((2, 3, 8, 9, 10, 1), 64)])
def test_thumbnails_are_means_over_cells(shape, cells):
    images = np.random.default_rng(0).uniform(size=shape)
    small = thumbnails(images)
    assert small.shape == (2, 3, cells, shape[-1])
    np.testing.assert_allclose(thumbnails(np.ones(shape)), 1)
    first = tuple(
        slice(0, size // min(size, side))
        for size, side in zip(shape[2:-1], {1: (64,), 2: (8, 8), 3: (4, 4, 4)}[len(shape) - 3], strict=True)
    )
    np.testing.assert_allclose(small[1, 2, 0], images[(1, 2, *first)].mean(tuple(range(len(first)))))
