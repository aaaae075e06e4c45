"""The parts under `render`: densities, the level scale, annealing, kernels, chains and diagnostics.

Each can be used by itself; docs/howto/render_by_hand.md puts them together. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplevis.runtime.lazy import lazy_exports

# ruff: noqa: F401 - What editors and type checkers read; `_SOURCES` says the same to Python.
if TYPE_CHECKING:
    from samplevis.sampling import diagnostics
    from samplevis.sampling.annealing import Annealed, anneal
    from samplevis.sampling.chains import ChainProblem, ChainResult, Monitors, RunContext, run_chains
    from samplevis.sampling.density import Conditioned, Density, LogActivation, Tilted
    from samplevis.sampling.kernels.free_moves import FreeMoves, named_moves
    from samplevis.sampling.kernels.langevin import Langevin, LangevinResults
    from samplevis.sampling.kernels.redrawn_hmc import RedrawnHMC
    from samplevis.sampling.kernels.registry import KERNELS, KernelSpec
    from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitHMCResults
    from samplevis.sampling.kernels.stats import TransitionStats
    from samplevis.sampling.level_scale import LevelScale, measure_scale
    from samplevis.sampling.options import HMCOptions, hmc_options
    from samplevis.sampling.sampler import SampleResult, sample
    from samplevis.sampling.smc import SMCResult, sequential_monte_carlo
    from samplevis.sampling.tuning import Tuning

# Public name -> the module that it comes from, None for a module; imported when it is first used.
_SOURCES = {
    "Annealed": "annealing",
    "ChainProblem": "chains",
    "ChainResult": "chains",
    "Conditioned": "density",
    "Density": "density",
    "FreeMoves": "kernels.free_moves",
    "HMCOptions": "options",
    "KERNELS": "kernels.registry",
    "KernelSpec": "kernels.registry",
    "Langevin": "kernels.langevin",
    "LangevinResults": "kernels.langevin",
    "LevelScale": "level_scale",
    "LogActivation": "density",
    "Monitors": "chains",
    "RedrawnHMC": "kernels.redrawn_hmc",
    "RunContext": "chains",
    "SMCResult": "smc",
    "SampleResult": "sampler",
    "SplitHMC": "kernels.split_hmc",
    "SplitHMCResults": "kernels.split_hmc",
    "Tilted": "density",
    "TransitionStats": "kernels.stats",
    "Tuning": "tuning",
    "anneal": "annealing",
    "diagnostics": None,
    "hmc_options": "options",
    "measure_scale": "level_scale",
    "named_moves": "kernels.free_moves",
    "run_chains": "chains",
    "sample": "sampler",
    "sequential_monte_carlo": "smc",
}

__getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
