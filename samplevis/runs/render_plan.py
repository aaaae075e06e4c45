"""What `render` is going to do: everything checked and put together before any work."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import Activation, make_activation
from samplevis.activation.batch_size import transforms_per_chunk
from samplevis.activation.devices import check_devices
from samplevis.activation.memory import sampler_sizes
from samplevis.export.bands import bands_of
from samplevis.network import Network, fingerprint
from samplevis.objectives import Objective
from samplevis.objectives.identity import identity
from samplevis.optimizers.ascent import first_latents
from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed
from samplevis.param import Parameterization
from samplevis.runs.example_level import ExampleLevel, ExamplesLike, level_of_examples
from samplevis.runs.options import AUTO, EXAMPLES, RenderOptions, RunOptions
from samplevis.runs.tolerance import weakened
from samplevis.runtime import seeds
from samplevis.runtime.draw_store import DrawStore, InMemory, OnDisk
from samplevis.runtime.memory import Sizes
from samplevis.sampling.density import Density, check_density
from samplevis.sampling.independent import BATCH_SIZE
from samplevis.sampling.kernels.free_moves import named_moves
from samplevis.sampling.options import HMCOptions
from samplevis.transform import Transform

# The sampler that a stopped run needs to go on. Chains of the first one saw other banks, the target of the second was a level on
# the copy that was sampled, and level 1 of the third was the best image of the first batch: their densities were others.
SAMPLER = 4
# Updates of the optimiser, and pixels of an image from which the fewer do.
FEW_STEPS, MANY_STEPS, SMALL_IMAGE = 128, 512, 48**2

Transforms = Transform | Sequence[Transform] | str | None


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a kind of run defaults to.

    Attributes:
      make_param: makes the default parameterization.
      transforms: what "robust", the default, stands for.
      smooths: whether the network is smoothed.
    """

    make_param: Callable[..., Parameterization]
    transforms: str | None
    smooths: bool


DEFAULT_PRESET = Preset(parameterizations.fourier, "robust", True)
# The control: uniform pixels without transforms on the network as it is, as in 2018.
OF_2018 = Preset(parameterizations.uniform, None, False)


def preset_of(density: str | Density) -> Preset:
    """The preset of a density, or of the name of one.

    Args:
      density: a name, or a density.

    Returns:
      A `Preset`.

    Raises:
      ValueError: for another name.
    """
    return OF_2018 if check_density(density) == "activation" else DEFAULT_PRESET


@dataclasses.dataclass(frozen=True, eq=False)
class RenderPlan:
    """The parts of a run.

    Attributes:
      activation: what is sampled, on the smoothed network if there is one.
      exact_activation: the same on the network itself.
      renderer: what is optimised for the first images: `activation`, but for the control of 2018.
      hmc: options of the sampler.
      options: what is sampled, and how it gets there.
      run: where the run is computed and saved.
      starts: latents of the user's images, [chain, *latent_shape]; None if chains start elsewhere.
      by_default: whether the transforms are the default set, which weakens where the unit does not tolerate it.
      example: the user's pictures, and the one whose activation is the level if that is "examples"; None without pictures.
    """

    activation: Activation
    exact_activation: Activation
    renderer: Activation
    hmc: HMCOptions
    options: RenderOptions
    run: RunOptions
    starts: tf.Tensor | None
    by_default: bool
    example: ExampleLevel | None = None

    @property
    def seed(self) -> tf.Tensor:
        """Stateless seed of the run, int32 [2]."""
        return seeds.root(self.options.seed)

    @property
    def param(self) -> Parameterization:
        return self.activation.param

    @property
    def is_2018(self) -> bool:
        """Whether this is the control of 2018."""
        return self.renderer is not self.activation

    @property
    def asks_for_level(self) -> bool:
        """Whether a level was asked for: a density or a strength that is given says nothing of one."""
        return not (self.is_2018 or self.options.beta is not None or isinstance(self.options.density, Density))

    @property
    def smooths(self) -> bool:
        """Whether what is sampled is the smoothed network."""
        return self.activation.network is not self.exact_activation.network

    @property
    def softness(self) -> float | str | None:
        """Softness of the kinks of what is sampled, or "auto" as long as it is not known; None for the network as it is."""
        smooth = self.options.smooth
        if not self.smooths:
            return None
        return smooth if isinstance(smooth, str) else float(smooth)

    @property
    def batch_sizes(self) -> list[int]:
        """Chains of each batch."""
        chains, size = self.hmc.num_chains, self.hmc.batch_size
        if self.hmc.is_independent:
            return [chains]  # All draws are one population.
        return [min(size, chains - first) for first in range(0, chains, size)]

    def memory_sizes(self) -> Sizes:
        """The arguments that decide how much memory the run takes."""
        argument = "batch_size" if len(self.batch_sizes) > 1 else "num_chains"
        return sampler_sizes(self.activation, self.batch_sizes[0], self.hmc.num_transforms, argument)

    @property
    def init(self) -> str:
        """Where the chains start: "optimize", "prior" or "images"."""
        return self.options.init if self.starts is None else "images"

    def draw_store(self) -> DrawStore:
        """A new store for the draws."""
        return OnDisk(self.run.checkpoint) if self.run.storage == "disk" else InMemory()

    def config(self) -> dict[str, Any]:
        """What made the samples, in plain types."""
        options = self.options
        of_examples = {"examples_quantile": float(options.examples_quantile)} if options.level == EXAMPLES else {}
        bands = bands_of(self.activation.network.image_shape[-1])
        return (
            vars(self.hmc)
            | of_examples
            | ({} if bands is None else {"bands": bands})
            | {
                "level": options.level if options.level == EXAMPLES else float(options.level),
                "smooth": self.softness,
                "param": repr(self.param),
                "transforms": repr(self.activation.transform),
                "optimize_steps": int(options.optimize_steps),
                "anneal_steps": int(options.anneal_steps),
            }
        )

    def run_id(self) -> dict[str, Any]:
        """What tells this run from others, in plain types. A run with more draws is the same run."""
        options, activation = self.options, self.activation
        placement = {
            "storage": self.run.storage,
            # Where a chain is computed changes nothing; that it is computed by itself changes last bits.
            "chain by chain": bool(activation.devices),
            "transforms at a time": activation.chunk_size,
        }
        config = {name: value for name, value in self.config().items() if name not in ("num_results", "batch_size")}
        if len(self.batch_sizes) > 1:
            config["batch_size"] = self.hmc.batch_size
        return (
            config
            | placement
            | {
                "sampler": SAMPLER,
                "model": fingerprint.weights(self.exact_activation.network),
                "obj": identity(activation.objective),
                "density": fingerprint.text(options.density),
                "beta": options.beta,
                **({"example": fingerprint.array(self.example.image)} if options.level == EXAMPLES else {}),
                "init": options.init if self.starts is None else fingerprint.array(self.starts),
                "seed": int(options.seed),
            }
        )

    def with_examples(self, examples: ExamplesLike) -> RenderPlan:
        """The same run with the user's pictures, if there are any.

        Raises:
          ValueError: if they do not fit the unit, or the level needs some.
        """
        if examples is None and self.options.level != EXAMPLES:
            return self
        found = level_of_examples(self.exact_activation, examples, self.options.examples_quantile)
        return dataclasses.replace(self, example=found)

    def weakened(self, amplitude: float) -> RenderPlan:
        """The same run under the default transforms of another amplitude, a fraction of theirs."""
        sampled, exact = (weakened(each, amplitude) for each in (self.activation, self.exact_activation))
        return dataclasses.replace(self, activation=sampled, exact_activation=exact, renderer=sampled)

    def with_softness(self, softness: float) -> RenderPlan:
        """The same run on a copy of the network with kinks of another softness."""
        copy = smoothed(self.exact_activation.network, softness)
        sampled = dataclasses.replace(self.activation, network=copy)
        options = dataclasses.replace(self.options, smooth=softness)
        return dataclasses.replace(self, activation=sampled, renderer=sampled, options=options)

    def with_num_results(self, num_results: int) -> RenderPlan:
        """The same run with another number of draws."""
        return dataclasses.replace(self, hmc=dataclasses.replace(self.hmc, num_results=num_results))


def plan_render(
    network: Network,
    obj: Objective | str | Callable,
    hmc: HMCOptions,
    options: RenderOptions,
    run: RunOptions,
    param: Parameterization,
    transforms: Transforms,
) -> RenderPlan:
    """Checks the arguments of `render` and puts the parts together.

    Args:
      network: the network.
      obj, param, transforms: as in `render`.
      hmc, options, run: its options.

    Returns:
      A `RenderPlan`.

    Raises:
      ValueError, TypeError: if an argument is out of range, or the parts do not fit each other.
    """
    preset, seed = preset_of(options.density), seeds.root(options.seed)
    if isinstance(transforms, str) and transforms == "robust":
        transforms = preset.transforms
    by_default = isinstance(transforms, str) and transforms == "robust"
    devices = check_devices(run.devices)
    exact = make_activation(network, obj, param, transforms)
    if options.optimize_steps is None:
        options = dataclasses.replace(options, optimize_steps=_optimize_steps(param.image_shape))
    named_moves(param, hmc.moves)
    exact.check_sampled()
    starts = None if isinstance(options.init, str) else first_latents(param, hmc.num_chains, options.init, seed)
    sampled = exact
    # Rejection follows no gradient: it takes the network as it is.
    if preset.smooths and options.smooth is not None and hmc.kernel != "rejection":
        softness = DEFAULT_SOFTNESS if options.smooth == AUTO else float(options.smooth)
        sampled = make_activation(smoothed(network, softness), obj, param, transforms)
    chunk_size = transforms_per_chunk(sampled, _at_a_time(hmc), hmc.num_transforms, run.memory)

    def placed(activation: Activation) -> Activation:
        return dataclasses.replace(activation, devices=devices, chunk_size=chunk_size)

    sampled, exact = placed(sampled), placed(exact)
    renderer = placed(_renderer_of_2018(network, obj, param)) if preset is OF_2018 else sampled
    return RenderPlan(sampled, exact, renderer, hmc, options, run, starts, by_default)


def _at_a_time(hmc: HMCOptions) -> int:
    """The largest number of latents whose activation is computed at a time."""
    if hmc.kernel == "smc":
        return hmc.num_chains * hmc.num_results
    return max(hmc.num_chains, BATCH_SIZE) if hmc.is_independent else min(hmc.num_chains, hmc.batch_size)


def _optimize_steps(image_shape: Sequence[int]) -> int:
    """The default number of updates: small images are far from their optimum after those that larger ones need, and cheap."""
    return FEW_STEPS if math.prod(image_shape[:-1]) >= SMALL_IMAGE else MANY_STEPS


def _renderer_of_2018(network: Network, obj: Objective | str | Callable, param: Parameterization) -> Activation:
    """What first images come from: in 2018, too, a renderer with a Fourier parameterization and random transforms."""
    *size, channels = param.image_shape
    return make_activation(network, obj, parameterizations.fourier(tuple(size), channels=channels), "robust")
