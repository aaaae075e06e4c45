"""Charts of a run with matplotlib, an optional dependency. Each function takes Axes or makes new ones, and returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from samplevis.runtime.checks import check_whole
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.sampling import diagnostics

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Chains that matplotlib's usual colours tell apart.
COLORS = 10


@renamed_keywords(columns="draws")
def plot_samples(samples: Samples, ax: Any = None, draws: int | None = None) -> Any:
    """Plots the grid of optimised images, draws and chain means.

    Args:
      samples: the run.
      ax: matplotlib Axes. Defaults to new ones.
      draws: as in `Samples.grid`.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samples.plot_samples()
    """
    ax = _axes(ax)
    ax.imshow(samples.grid(draws))
    ax.set_title(f"{samples.objective}, {samples.model}")
    ax.set_axis_off()
    return ax


def plot_trace(samples: Samples, ax: Any = None) -> Any:
    """Plots the level of every draw on fresh transforms, one line per chain, and the level asked for.

    Args:
      samples: the run.
      ax: matplotlib Axes. Defaults to new ones.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samples.plot_trace()
    """
    ax = _axes(ax)
    for chain, levels in enumerate(samples.levels):
        ax.plot(levels, label=_chain_label(samples, chain), color=f"C{chain}")
    if samples.level is not None:
        ax.axhline(samples.level, color="0.5", linestyle="--", label="asked for")
    ax.set(xlabel="draw", ylabel="level: 0 prior, 1 optimum", title="Do the chains agree on the level?")
    _legend(ax)
    return ax


def plot_two_ended(optimized: Samples, prior: Samples, ax: Any = None) -> Any:
    """Plots the levels of chains from optimised images (solid lines) and from prior noise (dotted lines).

    Args:
      optimized: samples of chains from optimised images.
      prior: samples of the same density from prior noise.
      ax: matplotlib Axes. Defaults to new ones.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samplevis.results.plots.plot_two_ended(ends.optimized, ends.prior)
    """
    ax = _axes(ax)
    for samples, style, name in ((optimized, "-", "from optimised images"), (prior, ":", "from prior noise")):
        for chain, levels in enumerate(samples.levels):
            ax.plot(levels, style, color=f"C{chain}", label=name if not chain else None)
    ax.set(xlabel="draw", ylabel="level: 0 prior, 1 optimum", title="Do the two ends meet?")
    ax.legend()
    return ax


def plot_energy(samples: Samples, ax: Any = None, bins: int = 30) -> Any:
    """Plots the distribution of energies, and that of their change in one transition.

    If the momenta explore all energies, the two are alike; a narrower distribution of changes is a low E-BFMI (Betancourt 2016).

    Args:
      samples: the run.
      ax: matplotlib Axes. Defaults to new ones.
      bins: bins of the histograms, >= 1. Defaults to 30.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samples.plot_energy()
    """
    check_whole("bins", bins, 1)
    ax = _axes(ax)
    energy = samples.stats["energy"]
    spread, change = (energy - energy.mean(axis=1, keepdims=True)).ravel(), np.diff(energy, axis=1).ravel()
    for values, name in ((spread, "energy less its chain's mean"), (change, "change in a transition")):
        ax.hist(values[np.isfinite(values)], bins, density=True, alpha=0.5, label=name)
    ax.set(xlabel="nats", ylabel="density", title="Do the momenta explore the energies?")
    ax.legend()
    return ax


def plot_spectrum(samples: Samples, ax: Any = None) -> Any:
    """Plots the power spectra of draws and optimised images, and the slope that photographs have.

    Images with a side below 16 pixels have no spectrum.

    Args:
      samples: the run.
      ax: matplotlib Axes. Defaults to new ones.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samples.plot_spectrum()
    """
    ax = _axes(ax)
    for images, name in ((samples[:], "draws"), (samples.optimized, "optimised")):
        frequencies, power = diagnostics.power_spectrum(images, samples.dimensions)
        ax.loglog(frequencies, power, label=name)
    frequencies, power = photographs(samples)
    ax.loglog(frequencies, power, "--", color="0.5", label=f"photographs, slope {diagnostics.PHOTOGRAPHS:g}")
    ax.set(xlabel="cycles per pixel", ylabel="power", title="Do the images have the spectrum of photographs?")
    ax.legend()
    return ax


def plot_autocorrelation(samples: Samples, ax: Any = None) -> Any:
    """Plots the autocorrelation of the activation over draws, one line per chain.

    Args:
      samples: the run.
      ax: matplotlib Axes. Defaults to new ones.

    Returns:
      The Axes.

    Raises:
      ImportError: if matplotlib is not installed.

    Example:
      >>> samples.plot_autocorrelation()
    """
    ax = _axes(ax)
    for chain, values in enumerate(diagnostics.autocorrelation(samples.activation)):
        ax.plot(values, label=_chain_label(samples, chain), color=f"C{chain}")
    ax.axhline(0, color="0.5", linewidth=1)
    ax.set(
        xlabel="lag (draws)",
        ylabel="autocorrelation of the activation",
        title="How soon does a chain forget its activation?",
    )
    _legend(ax)
    return ax


def photographs(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and powers of a line with the slope of photographs, through the middle of the spectrum of the draws."""
    frequencies, power = diagnostics.power_spectrum(samples[:], samples.dimensions)
    shape = frequencies**diagnostics.PHOTOGRAPHS
    with np.errstate(divide="ignore"):
        offset = np.mean(np.log(power) - np.log(shape)) if len(power) else 0.0
    return frequencies, shape * np.exp(offset)


def _chain_label(samples: Samples, chain: int) -> str:
    """What the legend says of a chain: nothing if there are more chains than colours, so that a name would not single it out."""
    return f"chain {chain}" if len(samples.images) <= COLORS else "_"


def _legend(ax: Any) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend()


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib: pip install samplevis[plots]; Samples.report needs nothing more"
        ) from error
    return pyplot.subplots()[1]
