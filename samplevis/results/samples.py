"""Samples: the draws of a run, with the diagnostics that tell how far to trust them."""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from samplevis._version import __version__
from samplevis.export.bands import BandsLike
from samplevis.results import plots
from samplevis.results.arviz import to_arviz
from samplevis.results.colors import in_colors
from samplevis.results.film import save_animation, save_gif
from samplevis.results.report import save_report
from samplevis.results.sample_checks import SHARED, check_samples, present_arrays
from samplevis.results.sample_file import damaged, read_fields, write_samples
from samplevis.results.sample_grid import sample_grid, save_sample_grid, show_sample_grid
from samplevis.results.shares import shares
from samplevis.results.summary import Summary, summarize
from samplevis.runtime.checks import brief, check_whole
from samplevis.runtime.deprecation import RenamedKeys, renamed_property
from samplevis.runtime.draw_store import as_array, chosen
from samplevis.runtime.plain_text import printable
from samplevis.runtime.versions import versions
from samplevis.sampling.density import CLASSES, Density
from samplevis.sampling.kernels.stats import RENAMED_STATS
from samplevis.sampling.level_scale import LevelScale


class Stats(RenamedKeys):
    """Sampler statistics by name; the names of samplevis 0.1 work for one more release."""

    names = RENAMED_STATS


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Samples(Sequence):
    """Draws from a density over images: a sequence of images [H, W, C] in [0, 1], those of chain 0 first.

    Where the network takes signals or volumes, its images are [length, channels] or [depth, height, width, channels].

    Attributes:
      images: float32 [chain, draw, *image] in [0, 1], where an image is [H, W, C], [length, C] or [depth, H, W, C]. If the run
        stored its draws on disk, these and the latents are read-only memory maps.
      latents: float32 [chain, draw, ...].
      activation: on the bank of transforms that the chains saw, [chain, draw].
      fresh_activation: on transforms that no chain has seen, [chain, draw].
      network_levels: levels on the network itself, on fresh transforms, [chain, draw]; also `levels`. They differ from
        `sampled_levels` if the density is that of a smoothed copy. 1 is the best optimised image; nan if no image excites the unit
        there.
      strength: force that the density puts on the activation, nats per unit, [chain, draw].
      optimized: the optimised image of each chain, [chain, *image].
      prior_activation: mean activation under the prior on the network that is sampled, level 0 there.
      optimum_activation: activation of the best optimised image there, on fresh transforms: level 1.
      level: level asked for, on the network itself; None if a strength or a density was given.
      beta: the density's strength, nats per unit.
      seed: seed of the run.
      objective: the objective, as it is printed.
      model: name of the network.
      density: name of the density.
      density_params: parameters of the density; `target_density` is the density itself.
      init: where the chains started, "optimize", "prior" or "images".
      kernel: name of the kernel.
      options: all other settings of the run, as plain values.
      stats: "acceptance_rate", "is_accepted", "energy_error", "energy", "log_density", "temperature", "move_acceptance_rate"
        [chain, transition]; "step_size", "num_gradient_evals" (of the longest chain) [transition]. See
        `samplevis.sampling.TransitionStats`.
      scalars: functions of the draws whose mixing is judged: name -> [chain, transition], see `sampling.scalars`.
      kernel_checks: what shows a broken kernel: name -> [chain]. "still" is the share of the coordinates that are equal in all
        draws; "gradient_error" that of the kernel's last gradient; "force", "force_low", "force_middle" and "force_high" are
        the products of each chain's mean force with that of the others, per coordinate, see `sampling.balance`. Empty for
        independent draws, and in files of versions that did not store them.
      chain_means: mean of each chain over all transitions after warm-up, also those between draws, [chain, *image]. The large
        shapes that a chain keeps, without the grain that the unit does not care about; no draws of the density.
      sd_images: standard deviation of every pixel over them, [chain, *image].
      gradients: gradients per chain, in annealing, warm-up and sampling. One gradient on a bank of K transforms counts as K.
      seconds: stage -> wall time.
      reached: whether annealing brought the chain to the level, bool [chain].
      anneal_images: images of the chains before annealing and after every 25 steps of it, uint8 [chain, frame, *image] from 0 to
        255. No frames if the run did not anneal, or in files of versions that did not store them.
      features: deep features of the draws, float32 [chain, draw, F], see `activation.features`; None in files of versions that did
        not store them.
      versions: package -> version that made the run. Empty in files of versions that did not store them.

    Example:
      >>> samples = samplevis.render(model, "fire9:10")
      >>> print(samples.summary())
      >>> samples.save("fire9.npz")
    """

    images: np.ndarray
    latents: np.ndarray
    activation: np.ndarray
    fresh_activation: np.ndarray
    network_levels: np.ndarray
    strength: np.ndarray
    optimized: np.ndarray
    prior_activation: float
    optimum_activation: float
    level: float | None
    beta: float
    seed: int
    objective: str
    model: str
    density: str
    density_params: dict[str, float]
    init: str
    kernel: str
    options: dict[str, Any]
    stats: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    chain_means: np.ndarray
    sd_images: np.ndarray
    gradients: int
    seconds: dict[str, float]
    reached: np.ndarray
    anneal_images: np.ndarray | None = None
    features: np.ndarray | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=versions)
    kernel_checks: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    # The run that made these samples, for another number of draws. Files and copies are without it.
    rerun: Callable[[int], Samples] | None = None

    # Functions that take the samples first.
    grid = sample_grid
    save_grid = save_sample_grid
    show = show_sample_grid
    save_animation = save_animation
    save_gif = save_gif
    report = save_report
    plot_samples = plots.plot_samples
    plot_trace = plots.plot_trace
    plot_energy = plots.plot_energy
    plot_spectrum = plots.plot_spectrum
    plot_autocorrelation = plots.plot_autocorrelation
    to_arviz = to_arviz
    shares = shares

    law = renamed_property("law", "target_density")
    law_numbers = renamed_property("law_numbers", "density_params")
    lost = renamed_property("lost", "nonfinite_chains")
    mean_images = renamed_property("mean_images", "chain_means")

    def __post_init__(self) -> None:
        if self.anneal_images is None:
            chain, _, *image = np.shape(self.images) if np.ndim(self.images) >= 2 else (0, 0)
            object.__setattr__(self, "anneal_images", np.zeros((chain, 0, *image), np.uint8))
        for name in present_arrays(self):
            object.__setattr__(self, name, as_array(getattr(self, name)))
        for name in ("objective", "model"):
            object.__setattr__(self, name, printable(getattr(self, name)))
        object.__setattr__(self, "stats", Stats(self.stats))
        check_samples(self)

    def __len__(self) -> int:
        return self.images.shape[0] * self.images.shape[1]

    def __getitem__(self, index: int | slice) -> np.ndarray:
        """The image [H, W, C] at an index, or the images [N, H, W, C] of a slice; signals and volumes likewise."""
        return self._flat[index if isinstance(index, slice) else operator.index(index)]

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "rerun"}

    def __repr__(self) -> str:
        chain, draw, *size, _ = self.images.shape
        level = "" if self.level is None else f" at level {self.level:g}"
        return (
            f"<Samples of {self.objective} in {self.model}{level}: {chain} chains x {draw} draws, "
            f"{' x '.join(map(str, size))} {'values' if self.dimensions == 1 else 'pixels'}; see summary()>"
        )

    @property
    def dimensions(self) -> int:
        """1 if the images are signals, 2 if they are pictures, 3 if they are volumes."""
        return self.images.ndim - 3

    @property
    def _flat(self) -> np.ndarray:
        return self.images.reshape(-1, *self.images.shape[2:])

    @property
    def non_finite(self) -> int:
        """Number of transitions whose proposal was not finite (and was rejected)."""
        return int(np.sum(~np.isfinite(self.stats["energy_error"])))

    @property
    def nonfinite_chains(self) -> np.ndarray:
        """Chains with an activation that is not finite, bool [chain]; the summary's figures leave them out."""
        return ~(np.isfinite(self.activation) & np.isfinite(self.fresh_activation)).all(1)

    def of_chains(self, chains: np.ndarray) -> Samples:
        """Selects chains.

        Args:
          chains: bool [chain], at least one True.

        Returns:
          Samples of these chains, in the same order.

        Raises:
          ValueError: for another array, or if no chain is selected.

        Example:
          >>> finite = samples.of_chains(~samples.nonfinite_chains)
        """
        chains = np.asarray(chains)
        if chains.dtype != bool or chains.shape != self.reached.shape or not chains.any():
            raise ValueError(
                f"chains: expected {len(self.reached)} times True or False, at least one True. Received: {brief(chains.tolist())}"
            )
        changes: dict[str, Any] = {"rerun": None} | {
            name: chosen(getattr(self, name), chains) for name in present_arrays(self)
        }
        changes["stats"] = {name: a if name in SHARED else a[chains] for name, a in self.stats.items()}
        for group in ("scalars", "kernel_checks"):
            changes[group] = {name: values[chains] for name, values in getattr(self, group).items()}
        return dataclasses.replace(self, **changes)

    def extend(self, n: int) -> Samples:
        """The same run with more draws, made by the kernel as it was frozen; only their transitions are run.

        It repeats the call of `render` that made these samples, in this process and with a checkpoint, for more `num_results`.
        They are bit for bit the draws of a run that asked for all of them at once.

        Args:
          n: draws to add to each chain, >= 1.

        Returns:
          Samples of the draws that are here, followed by `n` more of each chain; after Ctrl-C, by fewer.

        Raises:
          ValueError: if `n` is out of range; if these samples are without checkpoint, were loaded or are a copy, so that what
            made them is not known; or if the checkpoint has more draws already.

        Example:
          >>> samples = samplevis.render(modelzoo.Shapes(), "logits:star", im_size=64, checkpoint="star-run")
          >>> samples = samples.extend(20)
        """
        check_whole("n", n, 1)
        draws = self.images.shape[1] + int(n)
        if self.rerun is None:
            raise ValueError(
                "n: expected samples as render(..., checkpoint=FOLDER) returned them in this process. For others, call render "
                f"with the same arguments, the checkpoint of the run and num_results={draws}; a run without one starts again"
            )
        return self.rerun(draws)

    @property
    def target_density(self) -> Density:
        """The density that was sampled, after calibration: `render(..., density=samples.target_density)` samples it again."""
        return CLASSES[self.density](**self.density_params)

    @property
    def scale(self) -> LevelScale:
        """Activations of levels 0 and 1 on the network that is sampled."""
        return LevelScale(self.prior_activation, self.optimum_activation)

    @property
    def levels(self) -> np.ndarray:
        """Level of each draw on the network itself, on fresh transforms, [chain, draw]: 0 is the prior's mean, 1 the optimum."""
        return self.network_levels

    @property
    def sampled_levels(self) -> np.ndarray:
        """Level of each draw on the network that is sampled, which may be a smoothed copy, on fresh transforms, [chain, draw]."""
        return self.scale.levels(self.fresh_activation)

    def false_colors(self, bands: BandsLike | None = None) -> Samples:
        """The samples as pictures, where the network takes images of other than 1 or 3 channels.

        Sheets, animations and reports of such samples do this by themselves, with thirds of the bands for red, green and blue.

        Args:
          bands: three bands, for red, green and blue; "pca" or "grid", see `export.false_colors`. Defaults to thirds of all
            bands; of four, to the first three.

        Returns:
          `Samples` whose images are pictures; everything else is unchanged.

        Raises:
          ValueError, TypeError: if `bands` are not three bands of the images.

        Example:
          >>> samples.false_colors((4, 2, 1)).save_grid("bands.png")
        """
        return in_colors(self, bands)

    def summary(self) -> Summary:
        """Summarises the run: its figures, and in words what is wrong with them.

        Returns:
          A `Summary`, which prints as a table.

        Example:
          >>> print(samples.summary())
        """
        return summarize(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes all fields to one .npz file atomically.

        Args:
          path: file to write, .npz.

        Raises:
          TypeError: if an option is no plain value.
          ValueError: if the path ends in something else.
          OSError: if the file cannot be written.

        Example:
          >>> samples.save("star.npz")
        """
        write_samples(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Samples:
        """Reads what `save` wrote, bit for bit.

        Args:
          path: file that this version or an earlier one wrote.

        Returns:
          The samples.

        Raises:
          OSError: if the file cannot be read.
          ValueError: if it is damaged, something else, or written by a later version.

        Example:
          >>> samples = samplevis.Samples.load("star.npz")
        """
        fields = read_fields(path)
        try:
            return cls(**fields)
        except (TypeError, ValueError) as error:
            raise damaged(path, error) from error

    @property
    def metadata(self) -> dict[str, object]:
        """What a saved picture says of its making: objective, model, seed and software; `export.load_metadata` reads it."""
        return {
            "Objective": self.objective,
            "Model": self.model,
            "Seed": self.seed,
            "Software": f"samplevis {__version__}",
        }
