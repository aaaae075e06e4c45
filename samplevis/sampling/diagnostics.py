"""How far to trust draws: R-hat, effective sample sizes, E-BFMI, divergences, and two numbers about pictures."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from samplevis.param import spectrum

# R-hat, effective sample sizes, their errors and E-BFMI are those of ArviZ, to the last digits (a test compares them). They are
# computed here because arviz-stats needs Python 3.11 and SciPy, and takes a second to import.

#: Fewest draws of a chain for which these are defined: two in each half.
MIN_DRAWS = 4
#: Band of `power_slope`. Below 4 cycles per image the window smears the spectrum, above .4 cycles per pixel lie the corners.
MIN_CYCLES, MAX_FREQUENCY = 4.0, 0.4
POWER_BINS = 8
#: What `power_slope` finds in photographs.
PHOTOGRAPHS = -2.4
#: Rec. 709.
LUMINANCE = (0.2126, 0.7152, 0.0722)
# Bytes of images, as float64, that are worked on at a time: they may be mapped from a file that is larger than memory.
BLOCK = 2**24
#: Energy gained on a trajectory, in nats, above which it has diverged (Stan's default).
MAX_ENERGY_ERROR = 1000.0


def rhat(x: np.ndarray) -> float:
    """Rank-normalised split R-hat, the larger of the bulk's and the folded (Vehtari et al. 2021, equations 4 and 14).

    It is 1 if the chains agree in location and scale; above 1.01 they have not mixed.

    Args:
      x: [chain, draw].

    Returns:
      R-hat; nan for fewer than 2 chains or 4 draws, for values that are not finite and if all are equal.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(4, 1000))
      >>> round(rhat(x), 2)
      1.0
    """
    x = _checked(x)
    if len(x) < 2 or not _judgeable(x):
        return np.nan
    halves = _split(x)
    folded = np.abs(halves - np.median(halves))
    return max(potential_reduction(rank_normalised(halves)), potential_reduction(rank_normalised(folded)))


def two_ended_gap(optimized: np.ndarray, prior: np.ndarray) -> float:
    """Difference of the mean levels of chains that started at optimised images and at prior noise: 0 if they have met.

    Args:
      optimized: levels of the chains from optimised images, [chain, draw].
      prior: levels of the chains from prior noise, [chain, draw].

    Returns:
      The difference, positive if the optimised end is higher.

    Example:
      >>> round(two_ended_gap(np.full((2, 10), 0.7), np.full((2, 10), 0.5)), 2)
      0.2
    """
    return float(optimized.mean() - prior.mean())


def two_ended_rhat(optimized: np.ndarray, prior: np.ndarray) -> float:
    """R-hat over the chains of both ends; if one end has more draws than the other, over its last ones.

    Args:
      optimized, prior: as for `two_ended_gap`.

    Returns:
      R-hat; nan as for `rhat`.

    Example:
      >>> levels = np.random.default_rng(0).normal(size=(4, 100))
      >>> two_ended_rhat(levels[:2], levels[2:]) < 1.1, two_ended_rhat(levels[:2], levels[2:] + 5) > 1.5
      (True, True)
    """
    fewest = min(optimized.shape[1], prior.shape[1])
    return rhat(np.concatenate([end[:, -fewest:] for end in (optimized, prior)]))


def ess_bulk(x: np.ndarray) -> float:
    """Effective sample size of rank-normalised draws: how well the centre is known (Vehtari et al. 2021).

    Args:
      x: [chain, draw].

    Returns:
      Independent draws that these are worth; nan for fewer than 4 draws, values that are not finite and if all are equal.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(4, 1000))
      >>> round(ess_bulk(x))
      3926
    """
    x = _checked(x)
    return _ess(rank_normalised(_split(x))) if _judgeable(x) else np.nan


def ess_tail(x: np.ndarray) -> float:
    """The smaller effective sample size of the 5 % and the 95 % quantile (Vehtari et al. 2021, section 4.3).

    Args:
      x: [chain, draw].

    Returns:
      As `ess_bulk`.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(4, 1000))
      >>> round(ess_tail(x))
      4028
    """
    x = _checked(x)
    if not _judgeable(x):
        return np.nan
    return min(_ess(_split((x <= np.quantile(x, probability)).astype(np.float64))) for probability in (0.05, 0.95))


def mcse_mean(x: np.ndarray) -> float:
    """Monte Carlo standard error of the mean: the standard deviation over the root of the effective sample size.

    Args:
      x: [chain, draw].

    Returns:
      The error in the unit of `x`; nan as in `ess_bulk`.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(4, 1000))
      >>> round(mcse_mean(x), 3)
      0.016
    """
    x = _checked(x)
    return float(np.std(x, ddof=1) / np.sqrt(_ess(_split(x)))) if _judgeable(x) else np.nan


def ebfmi(energy: np.ndarray) -> np.ndarray:
    """Estimated Bayesian fraction of missing information (Betancourt 2016): mean squared step of the energy over its variance.

    Args:
      energy: total energies [chain, transition].

    Returns:
      [chain]; about 1 if momenta reach every energy level, below .3 if they do not; nan for fewer than 4 transitions.

    Example:
      >>> energy = np.random.default_rng(0).normal(size=(1, 1000))
      >>> ebfmi(energy).round(1), ebfmi(np.cumsum(energy, axis=1)).round(1)
      (array([2.]), array([0.]))
    """
    energy = _checked(energy)
    if energy.shape[1] < MIN_DRAWS:
        return np.full(len(energy), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1, ddof=1)


def diverging(energy_error: np.ndarray) -> np.ndarray:
    """Whether trajectories have diverged: their energy error is not finite, or above 1,000 nats.

    Args:
      energy_error: energies gained along trajectories, in nats, of any shape.

    Returns:
      bool, of the same shape.

    Example:
      >>> diverging(np.array([-2.0, 0.1, 1e4, np.nan]))
      array([False, False,  True,  True])
    """
    return ~np.isfinite(energy_error) | (np.asarray(energy_error) > MAX_ENERGY_ERROR)


def power_slope(images: np.ndarray, dimensions: int = 2) -> float:
    """Slope of the log of `power_spectrum` against the log frequency: 0 for white noise, about -2 for photographs.

    Args:
      images, dimensions: as for `power_spectrum`.

    Returns:
      The slope; nan for sides below 16 pixels or images without contrast.

    Example:
      >>> noise = np.random.default_rng(0).uniform(size=(8, 64, 64, 3))
      >>> abs(power_slope(noise)) < 0.1
      True
    """
    frequencies, power = power_spectrum(images, dimensions)
    if not len(power) or not np.all(np.isfinite(power)) or power.min() <= 0:
        return np.nan
    return float(np.polyfit(np.log(frequencies), np.log(power), 1)[0])


def power_spectrum(images: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Power of the luminance at each frequency, whatever its direction.

    Each image loses its mean and gets a Hann window; power is averaged over images and over 8 rings between 4 cycles per
    image (its shorter side) and .4 cycles per pixel, spaced evenly in the log frequency.

    Args:
      images: [N, H, W, C]; luminance is Rec. 709 for 3 channels, the mean of the channels otherwise.
      dimensions: 1 for signals [N, length, C] and 3 for volumes [N, depth, H, W, C], with rings of that many directions. Defaults
        to 2.

    Returns:
      Frequencies in cycles per pixel, rising, and the mean power at each: [rings], at most 8; none for sides below 16 pixels.

    Raises:
      ValueError: for images of another number of dimensions.

    Example:
      >>> frequencies, power = power_spectrum(np.random.default_rng(0).uniform(size=(8, 64, 64, 3)))
      >>> frequencies.shape, power.shape
      ((8,), (8,))
    """
    images = np.asarray(images)
    if images.ndim != dimensions + 2:
        shape = {1: "[N, length, C]", 2: "[N, H, W, C]", 3: "[N, depth, H, W, C]"}[dimensions]
        raise ValueError(f"images: expected shape {shape}. Received: {images.shape}")
    _, *size, channels = images.shape
    lowest = MIN_CYCLES / min(size)
    if not len(images) or min(size) < 16:
        return np.zeros(0), np.zeros(0)
    axes = tuple(range(1, 1 + dimensions))
    window = functools.reduce(np.multiply.outer, map(_hann, size))
    power = np.zeros(size)
    for block in blocks(images):
        luminance = block @ np.array(LUMINANCE) if channels == 3 else block.mean(axis=-1)
        luminance = luminance - luminance.mean(axis=axes, keepdims=True)
        power += np.sum(np.abs(np.fft.fftn(luminance * window, axes=axes)) ** 2, axis=0) / len(images)

    frequency = spectrum.frequency(size, half=False)
    edges = np.geomspace(lowest, MAX_FREQUENCY, POWER_BINS + 1)
    rings = [(edges[i] <= frequency) & (frequency < edges[i + 1]) for i in range(POWER_BINS)]
    rings = [ring for ring in rings if ring.any()]
    centres = np.exp([np.log(frequency[ring]).mean() for ring in rings])
    return centres, np.array([power[ring].mean() for ring in rings])


def autocorrelation(x: np.ndarray) -> np.ndarray:
    """Autocorrelation of each chain at every lag.

    Args:
      x: [chain, draw].

    Returns:
      [chain, lag]: 1 at lag 0; nan for a chain that does not move.

    Example:
      >>> autocorrelation(np.array([[1.0, -1.0, 1.0, -1.0]])).round(2)
      array([[ 1.  , -0.75,  0.5 , -0.25]])
    """
    covariance = _autocovariance(_checked(x))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / covariance[:, :1]


def pixel_correlation(images: np.ndarray) -> float:
    """Mean correlation of the pixels of two images from different chains: near 1 if all chains hold one picture.

    Each image loses its mean colour first, channel by channel.

    Args:
      images: [chain, draw, H, W, C], or [chain, draw, length, C], or [chain, draw, depth, H, W, C].

    Returns:
      The mean over all pairs; nan for one chain or images without contrast.

    Raises:
      ValueError: for images of another number of dimensions.

    Example:
      >>> image = np.random.default_rng(0).uniform(size=(1, 1, 32, 32, 3))
      >>> round(pixel_correlation(np.concatenate([image, 1 - image])), 2)
      -1.0
    """
    images = np.asarray(images)
    if images.ndim not in (4, 5, 6):
        raise ValueError(f"images: expected shape [chain, draw, H, W, C]. Received: {images.shape}")
    chains = len(images)
    if chains < 2 or not images.size:
        return np.nan
    # The correlation is a dot product of unit vectors, so that the mean over draws may be taken first.
    means = np.stack([_mean_direction(chain) for chain in images])
    if not np.all(np.isfinite(means)):
        return np.nan
    between = np.sum(means.sum(axis=0) ** 2) - np.sum(means**2)
    return float(between / (chains * (chains - 1)))


def _mean_direction(images: np.ndarray) -> np.ndarray:
    """Mean of the images [N, ..., C] of a chain, each without its mean colour and of unit length; nan if one has no contrast."""
    # A unit may demand a colour: pictures that share one are not yet one picture.
    axes, total = tuple(range(1, images.ndim - 1)), 0.0
    for block in blocks(images):
        pixels = (block - block.mean(axis=axes, keepdims=True)).reshape(len(block), -1)
        norms = np.linalg.norm(pixels, axis=-1, keepdims=True)
        total += np.sum(pixels / np.where(norms > 1e-9, norms, np.nan), axis=0)
    return total / len(images)


def blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Images [N, ...] in turn, some at a time, as float64."""
    some = max(BLOCK // (8 * images[0].size), 1)
    for first in range(0, len(images), some):
        yield np.asarray(images[first : first + some], np.float64)


def _checked(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    if x.ndim != 2:
        raise ValueError(f"x: expected an array [chain, draw]. Received shape: {x.shape}")
    return x


def _judgeable(x: np.ndarray) -> bool:
    return x.shape[1] >= MIN_DRAWS and len(x) > 0 and bool(np.all(np.isfinite(x))) and float(np.ptp(x)) > 0


def _split(x: np.ndarray) -> np.ndarray:
    """First and last half of every chain, as chains; an odd draw in the middle is left out."""
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


def rank_normalised(x: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks, ties sharing their mean rank; offset 3/8 (Blom 1958)."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(x.shape)]
    return tf.math.ndtri(tf.constant((ranks - 0.375) / (x.size + 0.25), tf.float64)).numpy()


def potential_reduction(x: np.ndarray) -> float:
    """R-hat: root of the pooled variance over that within the chains."""
    draws = x.shape[1]
    within = np.var(x, axis=1, ddof=1).mean()
    between = np.var(x.mean(axis=1), ddof=1)
    if within == 0:
        return np.inf if between > 0 else np.nan
    return float(np.sqrt((draws - 1) / draws + between / within))


def _ess(x: np.ndarray) -> float:
    """Effective sample size of several chains, with Geyer's initial monotone sequence (1992)."""
    chains, draws = x.shape
    if np.ptp(x) < 1e-15:
        return float(x.size)
    covariance = _autocovariance(x).mean(axis=0)
    within = covariance[0] * draws / (draws - 1)
    pooled = covariance[0] + (np.var(x.mean(axis=1), ddof=1) if chains > 1 else 0.0)
    correlation = 1 - (within - covariance) / pooled
    correlation[0] = 1.0

    # Sums of neighbours (even and odd lag) are positive and fall for a reversible chain: the first that is not is noise.
    usable = max((draws - 1) // 2, 1)
    even, odd = correlation[: 2 * usable : 2], correlation[1 : 2 * usable : 2]
    pairs = even + odd
    negative = np.flatnonzero(pairs <= 0)
    last = int(negative[0]) if len(negative) else usable - 1
    rest = even[last] if pairs[last] >= 0 else max(even[last], 0.0)
    time = -1 + 2 * np.sum(np.minimum.accumulate(pairs[:last])) + rest
    # Antithetic chains may beat independent draws, but their estimate has no bound (Vehtari et al. 2021, section 3.2).
    return float(x.size / max(time, 1 / np.log10(x.size)))


def _autocovariance(x: np.ndarray) -> np.ndarray:
    """Biased autocovariance of each chain at every lag, by a padded FFT."""
    draws = x.shape[1]
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), n=2 * draws, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, n=2 * draws, axis=1)[:, :draws] / draws


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
