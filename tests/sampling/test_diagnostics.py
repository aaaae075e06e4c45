"""Diagnostics against ArviZ, closed forms, and chains that must be flagged."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_probability as tfp
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis.sampling import diagnostics

AXES = {"chain_axis": 0, "draw_axis": 1}
SHAPES = [(1, 4), (2, 5), (2, 9), (3, 10), (4, 50), (4, 101)]


def _chains(kind: str, chains: int, draws: int) -> np.ndarray:
    x = np.random.default_rng([chains, draws]).normal(size=(chains, draws))
    return {
        "independent": x,
        "random walk": np.cumsum(x, axis=1),
        "tied": np.round(2 * x),
        "antithetic": x * (-1.0) ** np.arange(draws) + np.where(np.arange(draws) % 2, 3, -3),
        "shifted": x + np.arange(chains)[:, None],
        "rejecting": np.repeat(x, 2, axis=1)[:, :draws],
    }[kind]


KINDS = ["independent", "random walk", "tied", "antithetic", "shifted", "rejecting"]


def _ar1(phi: float, chains: int, draws: int, seed: int = 0) -> np.ndarray:
    """Stationary AR(1) chains of unit variance."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws)) * np.sqrt(1 - phi**2)
    noise[:, 0] /= np.sqrt(1 - phi**2)
    x = noise.copy()
    for i in range(1, draws):
        x[:, i] += phi * x[:, i - 1]
    return x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_agrees_with_arviz(kind, shape):
    stats = pytest.importorskip("arviz_stats.base").array_stats
    x = _chains(kind, *shape)
    ours = [
        diagnostics.rhat(x),
        diagnostics.ess_bulk(x),
        diagnostics.ess_tail(x),
        diagnostics.mcse_mean(x),
        *diagnostics.ebfmi(x),
    ]
    theirs = [
        stats.rhat(x, **AXES),
        stats.ess(x, method="bulk", **AXES),
        stats.ess(x, method="tail", prob=(0.05, 0.95), **AXES),
        stats.mcse(x, method="mean", **AXES),
        *stats.bfmi(x, **AXES),
    ]
    np.testing.assert_allclose(ours, np.array(theirs, float), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5, 0.8])
def test_effective_draws_of_ar1(phi):
    x = _ar1(phi, 4, 5000)
    time = (1 + phi) / (1 - phi)
    # Sokal 1997: relative variance 2 (2 M + 1) / N of an autocorrelation time summed over a window of M lags.
    window = 4 * max(time, 1 / time)
    tolerance = 4 * np.sqrt(2 * (2 * window + 1) / x.size)
    assert diagnostics.ess_bulk(x) == pytest.approx(x.size / time, rel=tolerance)
    assert diagnostics.mcse_mean(x) == pytest.approx(np.sqrt(time / x.size), rel=tolerance)


def test_effective_draws_of_ar1_are_not_the_number_of_draws():
    assert diagnostics.ess_bulk(_ar1(0.8, 4, 5000)) < 20000 / 5


def test_mcse_is_the_spread_of_means():
    runs = [_ar1(0.5, 4, 250, seed) for seed in range(200)]
    spread = np.std([x.mean() for x in runs], ddof=1)
    # A standard deviation from 200 runs has a relative standard error of 1 / sqrt(2 * 199).
    assert np.mean([diagnostics.mcse_mean(x) for x in runs]) == pytest.approx(spread, rel=4 / np.sqrt(398))


def test_rhat_passes_mixed_chains():
    assert 0.99 < diagnostics.rhat(np.random.default_rng(0).normal(size=(4, 1000))) < 1.01


def test_rhat_flags_a_chain_of_another_scale():
    x = np.random.default_rng(0).normal(size=(4, 1000))
    x[3] *= 5
    halves = diagnostics._split(x)
    # The control: the location alone does not see it.
    assert diagnostics.potential_reduction(diagnostics.rank_normalised(halves)) < 1.01
    assert float(tfp.mcmc.potential_scale_reduction(x.T, split_chains=True)) < 1.01
    assert diagnostics.rhat(x) > 1.2


def test_rhat_flags_a_shifted_chain():
    x = np.random.default_rng(0).normal(size=(4, 1000))
    x[0] += 3
    assert diagnostics.rhat(x) > 1.2


def test_rhat_flags_chains_that_drift_together():
    x = np.random.default_rng(0).normal(size=(4, 1000)) + np.linspace(0, 4, 1000)
    # The control: whole chains agree; their halves do not.
    assert diagnostics.potential_reduction(x) < 1.01
    assert diagnostics.rhat(x) > 1.2


def test_rhat_of_stuck_chains_is_infinite():
    assert diagnostics.rhat(np.repeat([[0.0], [1.0]], 20, axis=1)) == np.inf


def test_tail_sees_what_the_bulk_does_not():
    """Independent signs, but a size that hardly moves: the tails are visited in one stretch, the centre is not."""
    signs = np.sign(np.random.default_rng(0).normal(size=(4, 1000)))
    x = signs * np.exp(_ar1(0.99, 4, 1000))
    assert diagnostics.ess_bulk(x) > 2000
    assert diagnostics.ess_tail(x) < 1000


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((4, 3)),
        np.ones((4, 20)),
        np.full((4, 20), np.nan),
        np.array([[1.0, 2, 3, np.inf]] * 2),
        np.zeros((4, 0)),
    ],
    ids=["too few draws", "constant", "nan", "infinite", "no draws"],
)
def test_what_cannot_be_judged_is_nan(x):
    figures = [diagnostics.rhat, diagnostics.ess_bulk, diagnostics.ess_tail, diagnostics.mcse_mean]
    assert np.isnan([figure(x) for figure in figures]).all()


def test_one_chain_has_no_rhat_but_effective_draws():
    x = np.random.default_rng(0).normal(size=(1, 100))
    assert np.isnan(diagnostics.rhat(x)) and diagnostics.ess_bulk(x) > 50


def test_shape_is_checked():
    with pytest.raises(ValueError, match=r"\[chain, draw\].*\(3,\)"):
        diagnostics.rhat(np.zeros(3))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), chains=st.integers(2, 4), draws=st.integers(4, 40), octaves=st.integers(-9, 9))
def test_figures_do_not_depend_on_units_or_order_of_chains(seed, chains, draws, octaves):
    x = np.random.default_rng(seed).normal(size=(chains, draws))
    # Powers of two are exact: rounding would break the tie of the two draws beside the median.
    factor = 2.0**octaves
    for figure in (diagnostics.rhat, diagnostics.ess_bulk, diagnostics.ess_tail):
        assert figure(factor * x[::-1]) == pytest.approx(figure(x), rel=1e-9)
    assert diagnostics.mcse_mean(factor * x) == pytest.approx(factor * diagnostics.mcse_mean(x), rel=1e-9)
    assert diagnostics.ess_bulk(np.exp(x)) == pytest.approx(diagnostics.ess_bulk(x), rel=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_ebfmi_of_ar1_energies(rho):
    draws = 20000
    # 2 (1 - rho); the estimate of rho has the variance (1 - rho^2) / N.
    tolerance = 4 * 2 * np.sqrt((1 - rho**2) / draws)
    energy = 1e5 + _ar1(rho, 2, draws)
    np.testing.assert_allclose(diagnostics.ebfmi(energy), 2 * (1 - rho), atol=tolerance)


def test_ebfmi_of_too_few_transitions_is_nan():
    np.testing.assert_array_equal(diagnostics.ebfmi(np.zeros((2, 3))), [np.nan, np.nan])
    assert np.isnan(diagnostics.ebfmi(np.ones((1, 10)))).all()


def _field(exponent: float, count: int, size: int, seed: int = 0) -> np.ndarray:
    """Periodic Gaussian fields [count, size, size, 1] with the amplitude 1 / f^exponent."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = 1
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(count, size, size)))
    return np.fft.irfft2(noise * frequency**-exponent, s=(size, size))[..., None]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.5])
def test_power_slope_of_a_field(exponent):
    images = _field(exponent, 24, 64)
    spread = np.std([diagnostics.power_slope(image[None]) for image in images], ddof=1)
    assert diagnostics.power_slope(images) == pytest.approx(-2 * exponent, abs=4 * spread / np.sqrt(24))
    assert spread < 0.5


def test_power_slope_ignores_that_images_do_not_wrap():
    noise = np.random.default_rng(0).normal(size=(16, 64, 64, 1))
    ramp = np.linspace(0, 10, 64)[:, None, None]
    assert diagnostics.power_slope(noise + ramp) == pytest.approx(diagnostics.power_slope(noise), abs=0.1)


def test_power_slope_ignores_brightness_and_contrast():
    images = _field(1.0, 4, 32)
    assert diagnostics.power_slope(0.5 + 0.01 * images) == pytest.approx(diagnostics.power_slope(images), abs=1e-6)


def test_power_slope_is_that_of_the_luminance():
    white, pink = 20 * _field(0.0, 16, 64, 1), _field(1.0, 16, 64, 2)
    weights = np.array([0.2126, 0.7152, 0.0722])
    # Red cancels the white noise of green: only pink noise is left in the luminance.
    images = np.concatenate([pink - white * weights[1] / weights[0], pink + white, pink], axis=-1)
    assert diagnostics.power_slope(images) == pytest.approx(diagnostics.power_slope(pink), abs=1e-6)
    # The control: a plain mean of the channels keeps the white noise.
    assert diagnostics.power_slope(images.mean(axis=-1, keepdims=True)) > diagnostics.power_slope(pink) + 0.5


def test_power_slope_of_nothing_is_nan():
    assert np.isnan(diagnostics.power_slope(np.full((2, 64, 64, 3), 0.5)))
    assert np.isnan(diagnostics.power_slope(np.random.default_rng(0).uniform(size=(2, 8, 8, 3))))
    with pytest.raises(ValueError, match=r"\[N, H, W, C\]"):
        diagnostics.power_slope(np.zeros((64, 64, 3)))


def test_pixel_correlation_is_the_mean_over_pairs():
    images = np.random.default_rng(0).uniform(size=(3, 2, 8, 8, 3)) + np.linspace(0, 1, 8)[:, None]
    flat = (images - images.mean(axis=(2, 3), keepdims=True)).reshape(3, 2, -1)
    pairs = [
        np.corrcoef(flat[a, i], flat[b, j])[0, 1]
        for a in range(3)
        for b in range(3)
        if a != b
        for i in range(2)
        for j in range(2)
    ]
    assert diagnostics.pixel_correlation(images) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert np.mean(pairs) > 0.1


def test_pixel_correlation_of_copies_negatives_and_strangers():
    x = np.random.default_rng(0).uniform(size=(1, 1, 32, 32, 3))
    assert diagnostics.pixel_correlation(np.concatenate([x, 0.3 + 0.5 * x])) == pytest.approx(1)
    assert diagnostics.pixel_correlation(np.concatenate([x, 1 - x])) == pytest.approx(-1)
    strangers = np.random.default_rng(1).uniform(size=(2, 1, 32, 32, 3))
    assert abs(diagnostics.pixel_correlation(strangers)) < 4 / np.sqrt(32 * 32 * 3)


def test_a_colour_in_common_is_not_a_picture_in_common():
    x = np.random.default_rng(1).uniform(size=(2, 1, 32, 32, 3)) + np.array([0.0, 3.0, 9.0])
    assert np.corrcoef(x.reshape(2, -1))[0, 1] > 0.9
    assert abs(diagnostics.pixel_correlation(x)) < 4 / np.sqrt(32 * 32 * 3)


def test_pixel_correlation_of_one_chain_or_of_grey_is_nan():
    assert np.isnan(diagnostics.pixel_correlation(np.random.default_rng(0).uniform(size=(1, 5, 8, 8, 3))))
    assert np.isnan(diagnostics.pixel_correlation(np.full((2, 5, 8, 8, 3), 0.5)))


def test_divergences_are_too_much_energy_or_none_that_is_finite():
    errors = np.array([[-5.0, 0.0, 1000.0], [1000.1, np.inf, np.nan], [-np.inf, -1e6, 3.0]])
    expected = [[False, False, False], [True, True, True], [True, False, False]]
    np.testing.assert_array_equal(diagnostics.diverging(errors), expected)
