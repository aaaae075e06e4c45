"""What a run returns: images, and the figures that say how far to trust them."""

from __future__ import annotations

import dataclasses
import io
import json
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from samplevis import export
from samplevis._version import __version__
from samplevis.results import plots
from samplevis.results.arviz import to_arviz
from samplevis.results.film import film
from samplevis.results.report import save_report
from samplevis.results.summary import Summary, summarize
from samplevis.runtime import files
from samplevis.runtime.checks import brief, check_whole
from samplevis.runtime.deprecation import RenamedKeys, renamed_keys, renamed_property
from samplevis.runtime.draw_store import as_array, chosen
from samplevis.runtime.versions import versions
from samplevis.sampling.density import CLASSES, Density
from samplevis.sampling.kernels.stats import RENAMED_STATS, TransitionStats

FORMAT, VERSION = "samplevis-samples", 2
# Names in the files of earlier versions.
RENAMED = {"law_numbers": "density_params"}
ARRAYS = (
    "images",
    "latents",
    "activation",
    "fresh_activation",
    "network_levels",
    "strength",
    "optimized",
    "mean_images",
    "sd_images",
    "reached",
    "anneal_images",
)
# Statistics of each transition; all but two of each chain, too.
STATS = TransitionStats._fields
SHARED = ("step_size", "num_gradient_evals")
GROUPS = ("stats", "scalars")
# Draws of a chain that a grid shows unless told otherwise.
GRID_DRAWS = 10


def _plain(value: Any) -> Any:
    """NumPy numbers as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"options: expected plain values. Received: {value!r}")


class Stats(RenamedKeys):
    """Sampler statistics by name; the names of samplevis 0.1 work for one more release."""

    names = RENAMED_STATS


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Samples(Sequence):
    """Draws from a density over images: a sequence of images [H, W, C] in [0, 1], those of chain 0 first.

    Where the network takes signals or volumes, its images are [length, channels] or [depth, height, width, channels].

    Attributes:
      images: float32 [chain, draw, *image] in [0, 1], where an image is [H, W, C], [length, C] or [depth, H, W, C]. Of a run
        that keeps its draws on disk, these and the latents are maps of files that can only be read.
      latents: float32 [chain, draw, ...].
      activation: on the bank of transforms that the chains saw, [chain, draw].
      fresh_activation: on transforms that no chain has seen, [chain, draw].
      network_levels: levels on the network itself, on fresh transforms, [chain, draw]; other than `levels` where the density is
        that of a smoothed network. 1 is the best optimised image.
      strength: force that the density puts on the activation, nats per unit, [chain, draw].
      optimized: the optimised image of each chain, [chain, *image].
      prior_activation: mean activation under the prior, level 0.
      optimum_activation: activation of the best optimised image on fresh transforms, level 1.
      level: activation asked for on that scale; None if a strength was asked for.
      beta: the density's strength, nats per unit.
      seed: seed of the run.
      objective: what was maximised, in words.
      model: name of the network.
      density: name of the density.
      density_params: its numbers; `target_density` is the density itself.
      init: where the chains started, "optimize", "prior" or "images".
      kernel: name of the kernel.
      options: everything else that made the run, in plain values.
      stats: "acceptance_rate", "is_accepted", "energy_error", "energy", "log_density", "temperature", "move_acceptance_rate"
        [chain, transition]; "step_size", "num_gradient_evals" (of the longest chain) [transition]. See
        `samplevis.sampling.TransitionStats`.
      scalars: by which mixing is judged: name -> [chain, transition], see `sampling.scalars`.
      mean_images: mean of each chain over all transitions after warm-up, also those between draws, [chain, *image].
      sd_images: standard deviation of every pixel over them, [chain, *image].
      gradients: gradients of one chain: annealing, warm-up and sampling, each member of the bank counting once.
      seconds: stage -> wall time.
      reached: whether annealing brought the chain to the level, bool [chain].
      anneal_images: images of the chains before annealing and after every 25 steps of it, uint8 [chain, frame, *image] from 0 to
        255; no frames where there was none, and in files of before it was kept.
      versions: name -> version of what made the run; empty in files of before it was kept.

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
    mean_images: np.ndarray
    sd_images: np.ndarray
    gradients: int
    seconds: dict[str, float]
    reached: np.ndarray
    anneal_images: np.ndarray | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=versions)

    # The run that made these samples, for another number of draws. Files and copies are without it.
    rerun: Callable[[int], Samples] | None = None

    # Pictures of the run: functions of `export` that take the samples first.
    report = save_report
    plot_samples = plots.plot_samples
    plot_trace = plots.plot_trace
    plot_energy = plots.plot_energy
    plot_spectrum = plots.plot_spectrum
    plot_autocorrelation = plots.plot_autocorrelation
    to_arviz = to_arviz

    law = renamed_property("law", "target_density")
    law_numbers = renamed_property("law_numbers", "density_params")
    lost = renamed_property("lost", "nonfinite_chains")

    def __post_init__(self) -> None:
        if self.anneal_images is None:
            chain, _, *image = np.shape(self.images) if np.ndim(self.images) >= 2 else (0, 0)
            object.__setattr__(self, "anneal_images", np.zeros((chain, 0, *image), np.uint8))
        for name in ARRAYS:
            object.__setattr__(self, name, as_array(getattr(self, name)))
        object.__setattr__(self, "stats", Stats(self.stats))
        if self.images.ndim not in (4, 5, 6):
            raise ValueError(
                "images: expected shape [chain, draw, H, W, C], or [chain, draw, length, C] for signals, [chain, draw, depth, H, "
                f"W, C] for volumes. Received: {self.images.shape}"
            )
        chain, draw, *image = self.images.shape
        expected = dict.fromkeys(("activation", "fresh_activation", "network_levels", "strength"), (chain, draw))
        expected |= {name: (chain, *image) for name in ("optimized", "mean_images", "sd_images")} | {
            "reached": (chain,),
            "anneal_images": (chain, *self.anneal_images.shape[1:2], *image),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: expected shape {shape}. Received: {getattr(self, name).shape}")
        if self.latents.shape[:2] != (chain, draw):
            raise ValueError(f"latents: expected shape [{chain}, {draw}, ...]. Received: {self.latents.shape}")
        self._check_stats(chain)
        # Written so that nan fails.
        if not self.optimum_activation > self.prior_activation:
            raise ValueError(
                f"optimum_activation: expected more than the prior's {self.prior_activation!r}. "
                f"Received: {self.optimum_activation!r}"
            )

    def _check_stats(self, chain: int) -> None:
        missing = [name for name in STATS if name not in self.stats]
        if missing:
            raise ValueError(f"stats: expected {', '.join(STATS)}. Missing: {', '.join(missing)}")
        transitions = np.size(self.stats["step_size"])
        for name in STATS:
            expected = (transitions,) if name in SHARED else (chain, transitions)
            if not transitions or np.shape(self.stats[name]) != expected:
                raise ValueError(
                    f"stats: expected {name!r} of shape {expected}. Received: {np.shape(self.stats[name])}"
                )
        for name, values in self.scalars.items():
            if np.shape(values) != (chain, transitions):
                raise ValueError(
                    f"scalars: expected {name!r} of shape {(chain, transitions)}. Received: {np.shape(values)}"
                )

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
            f"{' x '.join(map(str, size))} {'values' if self.dimensions == 1 else 'pixels'}; summary() says how good>"
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
        """Transitions whose proposal was not finite (and was rejected)."""
        return int(np.sum(~np.isfinite(self.stats["energy_error"])))

    @property
    def nonfinite_chains(self) -> np.ndarray:
        """Chains that have a draw whose activation is not finite, bool [chain]; the summary's figures leave them out."""
        return ~(np.isfinite(self.activation) & np.isfinite(self.fresh_activation)).all(1)

    def of_chains(self, chains: np.ndarray) -> Samples:
        """The samples of some of the chains.

        Args:
          chains: bool [chain], at least one True.

        Returns:
          Samples of these chains, in the same order.

        Raises:
          ValueError: for another array, or no chain.
        """
        chains = np.asarray(chains)
        if chains.dtype != bool or chains.shape != self.reached.shape or not chains.any():
            raise ValueError(
                f"chains: expected {len(self.reached)} times True or False, at least one True. Received: {brief(chains.tolist())}"
            )
        changes: dict[str, Any] = {"rerun": None} | {name: chosen(getattr(self, name), chains) for name in ARRAYS}
        changes["stats"] = {name: a if name in SHARED else a[chains] for name, a in self.stats.items()}
        changes["scalars"] = {name: a[chains] for name, a in self.scalars.items()}
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
    def levels(self) -> np.ndarray:
        """Level of each draw on fresh transforms, [chain, draw]: 0 for the prior's mean, 1 for the optimum."""
        return (self.fresh_activation - self.prior_activation) / (self.optimum_activation - self.prior_activation)

    def summary(self) -> Summary:
        """The figures of the run, and in words what is wrong with them; print it.

        Returns:
          A `Summary`.
        """
        return summarize(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes everything to one .npz file, whole or not at all.

        Args:
          path: file to write.

        Raises:
          OSError: if it cannot be written.
        """
        arrays = {name: getattr(self, name) for name in ARRAYS}
        for group in GROUPS:
            arrays |= {f"{group}.{name}": array for name, array in getattr(self, group).items()}
        plain = {"format": FORMAT, "version": VERSION}
        for field in dataclasses.fields(self):
            if field.name not in (*ARRAYS, *GROUPS, "rerun"):
                plain[field.name] = getattr(self, field.name)
        metadata = np.array(json.dumps(plain, default=_plain))
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, metadata=metadata, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Samples:
        """Reads what `save` wrote, bit for bit.

        Args:
          path: the file.

        Returns:
          The samples.

        Raises:
          OSError: if it cannot be read.
          ValueError: if it is damaged, something else, or written by a later version.
        """
        path = files.check_path(path)
        with open(path, "rb") as file:
            content = io.BytesIO(file.read())
        try:
            # Once the bytes are read, whatever fails is their fault.
            with np.load(content, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            plain = json.loads(str(arrays.pop("metadata")))
            found, version = plain.pop("format"), plain.pop("version")
        except Exception as error:
            raise ValueError(f"path: {os.fspath(path)!r} is damaged or not saved samples ({error})") from error
        if found != FORMAT or version not in range(1, VERSION + 1):
            raise ValueError(
                f"path: expected {FORMAT} version {VERSION} in {os.fspath(path)!r}. Received: {found} version {version}"
            )
        groups = {
            group: {
                name.removeprefix(f"{group}."): arrays.pop(name)
                for name in list(arrays)
                if name.startswith(f"{group}.")
            }
            for group in GROUPS
        }
        groups["stats"] = renamed_keys(groups["stats"], RENAMED_STATS)
        try:
            return cls(**{"versions": {}} | renamed_keys(plain, RENAMED), **arrays, **groups)
        except (TypeError, ValueError) as error:
            raise ValueError(f"path: {os.fspath(path)!r} is damaged or not saved samples ({error})") from error

    def save_gif(
        self,
        path: str | os.PathLike,
        fps: float = 5,
        layout: str = "chains",
        scale: int = 1,
        captions: bool | None = None,
    ) -> None:
        """Writes the draws as a GIF. A signal is drawn over time; a volume is a film through its slices, draw after draw.

        Args:
          path: file to write.
          fps: frames in a second, from 0.1 to 50. Defaults to 5.
          layout: "chains" (side by side), "sweep" (one after the other) or "anneal" (side by side, first while they are annealed).
            Defaults to "chains".
          scale: whole-number enlargement, >= 1. Defaults to 1.
          captions: whether a line above each frame says what it is. Defaults to "anneal" only.

        Raises:
          ValueError: if an argument is out of range.
          OSError: if the file cannot be written.
        """
        export.save_gif(film(self, layout, captions, scale), path, fps)

    def save_animation(
        self,
        path: str | os.PathLike,
        fps: float = 5,
        layout: str = "chains",
        scale: int = 1,
        captions: bool | None = None,
    ) -> None:
        """Writes the draws in the format that the path ends in, signals and volumes as in `save_gif`; PNG files say what made them.

        Args:
          path: file to write: .gif, .png, .apng, .webp or .mp4, see `export.save_animation`.
          fps: frames in a second, from 0.1 to 50 (.gif) or 1000. Defaults to 5.
          layout: "chains" (side by side), "sweep" (one after the other) or "anneal" (side by side, first while they are annealed).
            Defaults to "chains".
          scale: whole-number enlargement, >= 1. Defaults to 1.
          captions: whether a line above each frame says what it is. Defaults to "anneal" only.

        Raises:
          ValueError: if an argument is out of range.
          ImportError: for .mp4 without imageio-ffmpeg.
          OSError: if the file cannot be written.
        """
        metadata = self._made_by if os.path.splitext(files.check_path(path))[1].lower() in (".png", ".apng") else None
        export.save_animation(film(self, layout, captions, scale), path, fps, metadata=metadata)

    @property
    def _made_by(self) -> dict[str, object]:
        """What a picture says of its making."""
        return {
            "Objective": self.objective,
            "Model": self.model,
            "Seed": self.seed,
            "Software": f"samplevis {__version__}",
        }

    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        """One row for each chain: its optimised image, then its draws. Signals are drawn over time, volumes as slices.

        Args:
          columns: draws in a row, evenly spaced from the first to the last, >= 1. Defaults to all, at most 10.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].

        Raises:
          ValueError: if an argument is out of range.
        """
        chains, draws = self.images.shape[:2]
        columns = min(draws, GRID_DRAWS) if columns is None else columns
        check_whole("columns", columns, 1, draws)
        shown = np.linspace(0, draws - 1, columns).round().astype(int) if columns > 1 else np.array([draws - 1])
        cells = np.concatenate([self.optimized[:, None], self.images[:, shown]], axis=1)
        return export.grid(
            export.as_pictures(cells, self.dimensions),
            row_labels=[f"chain {i}" for i in range(chains)],
            column_labels=["optimised", *(f"draw {i}" for i in shown)],
            scale=scale,
        )

    def save_grid(self, path: str | os.PathLike, columns: int | None = None, scale: int = 1) -> None:
        """Writes `grid(columns, scale)` as a PNG file that says what made it; `export.load_metadata` reads that.

        Args:
          path: file to write, .png.
          columns: as in `grid`.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Raises:
          ValueError: if an argument is out of range.
          OSError: if the file cannot be written.
        """
        export.save_png(self.grid(columns, scale), path, self._made_by)

    def show(self, columns: int | None = None, scale: int = 1) -> Any:
        """Shows `grid(columns, scale)` in a notebook; elsewhere returns it as a Pillow image.

        Args:
          columns: as in `grid`.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          A picture that the notebook displays, or a Pillow image.
        """
        return export.show(self.grid(columns, scale))
