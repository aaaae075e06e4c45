"""How well the sampler mixes, and at what cost: `python -m benchmarks.sampling` prints results, `--json FILE` writes them.

SqueezeNet at 96 pixels and the bundled network. `--parts` selects parts. About two hours on 2 cores with the defaults. The
weights come from the folder SAMPLEVIS_TEST_DATA (default ../shared/models).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.quality import SIZE, squeezenet
from benchmarks.rows import run_parts
from benchmarks.timing import in_turn, ratio, seconds
from samplevis import export, modelzoo, param
from samplevis.activation import Activation, make_activation
from samplevis.overrides.smooth import smoothed
from samplevis.runtime import seeds
from samplevis.sampling import diagnostics
from samplevis.sampling.kernels.base import value_and_gradient
from samplevis.sampling.kernels.integrator import IntegratorState, integrate
from samplevis.sampling.level_scale import mean_activation, of_draws
from samplevis.transform import robust_transforms

UNITS = ("logits:285", "logits:1", "logits:967", "fire9:10")
LEVEL = 0.7
LAG = 1000
# The share of the activation that a diversity term costs if all images are equal.
SHARES = (0.5, 0.2, 0.1, 0.05, 0.03, 0.01)
# The layer of the diversity term; the other layers are controls, in which images are not asked to differ.
DIVERSE_LAYER = "fire8"
FEATURE_LAYERS = ("fire5", DIVERSE_LAYER, "fire9")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--units", nargs="+", default=UNITS)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--gradients", type=int, default=2000, help="gradients per chain after warm-up")
    parser.add_argument("--leapfrog-steps", type=int, default=40)
    parser.add_argument(
        "--warm-up", type=int, default=24, help="transitions of warm-up, by default enough to forget annealing"
    )
    parser.add_argument("--smooth", type=float, default=0.3, help="softness of the smoothed network")
    parser.add_argument("--restarts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9, help="paired runs in timings")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument(
        "--save",
        type=Path,
        default=Path("runs"),
        help="folder for the long runs (default: runs)",
    )
    run_parts(PARTS, parser.parse_args())


def mixing(options: argparse.Namespace):
    """Long chains of the adjusted kernel."""
    for unit in options.units:
        yield {"unit": unit, "kernel": "split_hmc"} | figures(long_run(unit, options, "split_hmc"))


def ends(options: argparse.Namespace):
    """Chains from noise, and Langevin dynamics, on the target density of the chains saved by `mixing`."""
    for unit in options.units:
        adjusted = samplevis.Samples.load(path(unit, options, "split_hmc", "optimize").with_suffix(".npz"))
        # The level scale of the first run: other chains have another best optimised image.
        span = adjusted.optimum_activation - adjusted.prior_activation
        quarter = adjusted.activation.shape[1] // 4
        other = long_run(
            unit, options, "split_hmc", options.gradients // 4, init="prior", density=adjusted.target_density
        )
        gap = adjusted.fresh_activation[:, -quarter:].mean() - other.fresh_activation.mean()
        yield {"unit": unit, "two_ended_gap": float(gap / span)}
        langevin = long_run(unit, options, "langevin", density=adjusted.target_density)
        # Each on the transforms that its density averages over: the bank, or all of them.
        gap = on_many_transforms(unit, langevin, options.smooth) - adjusted.activation[:, quarter:].mean()
        yield {"unit": unit, "kernel": "langevin", "level_less_adjusted": float(gap / span)} | figures(langevin)


def on_many_transforms(unit: str, samples: samplevis.Samples, smooth: float) -> float:
    """Mean activation on 256 fresh transforms of eight draws per chain, without the first quarter of the chain."""
    activation = make_activation(smoothed(squeezenet(), smooth), unit, param.fourier(SIZE), robust_transforms)
    draws = samples.latents.shape[1]
    latents = samples.latents[:, np.linspace(draws // 4, draws - 1, 8).astype(int)]
    return float(
        of_draws(mean_activation(activation, activation.sample_transforms(seeds.root(1), 256)), latents).mean()
    )


def long_run(
    unit: str,
    options: argparse.Namespace,
    kernel: str,
    gradients: int | None = None,
    init: str = "optimize",
    **settings: Any,
) -> samplevis.Samples:
    """A run without thinning."""
    steps = options.leapfrog_steps
    samples = samplevis.render(
        squeezenet(),
        unit,
        dict(
            num_results=(gradients or options.gradients) // steps,
            num_chains=options.chains,
            kernel=kernel,
            num_leapfrog_steps=steps,
            num_burnin_steps=options.warm_up,
        ),
        im_size=SIZE,
        level=LEVEL,
        init=init,
        smooth=options.smooth,
        progress=False,
        **settings,
    )
    options.save.mkdir(parents=True, exist_ok=True)
    stem = path(unit, options, kernel, init)
    samples.save_grid(stem.with_suffix(".png"), draws=6, scale=2)
    samples.save(stem.with_suffix(".npz"))
    return samples


def path(unit: str, options: argparse.Namespace, *parts: str) -> Path:
    """The path of a run's samples or images, without the suffix."""
    return options.save / "_".join((unit.replace(":", "-"), *parts))


def figures(samples: samplevis.Samples) -> dict[str, float]:
    """The cost of an effective draw, how much chains forget, and how much they overfit."""
    x, evals = samples.activation, samples.stats["num_gradient_evals"]
    effective = [diagnostics.ess_bulk(chain[None]) for chain in x]
    lag = min(round(LAG / evals.mean()), x.shape[1] - 1)
    half = x.shape[1] // 2
    last = x.shape[1] * 3 // 4
    prior = samples.prior_activation
    pixels = param.fourier(SIZE)
    before = np.stack([pixels.pre_image(tf.constant(chain)).numpy() for chain in samples.latents])
    summary = samples.summary().figures
    return {
        "gradients_per_effective_draw": float(evals.sum() / np.mean(effective)),
        "lag_gradients": float(lag * evals.mean()),
        "latent_correlation": correlation(samples.latents, lag),
        "image_correlation": correlation(before, lag),
        "level_fresh": float(samples.levels[:, last:].mean()),
        "level_network": float(samples.network_levels[:, last:].mean()),
        "fresh_over_bank": float(
            (samples.fresh_activation[:, last:].mean() - prior) / (samples.activation[:, last:].mean() - prior)
        ),
        "rhat_within": max(diagnostics.rhat(chain[: 2 * half].reshape(2, half)) for chain in x),
        "rhat_across": diagnostics.rhat(x),
        "acceptance": summary["acceptance"],
        "step_size": summary["step_size"],
        "temperature": summary["temperature"],
        "radius": float(samples.scalars["radius"][:, last:].mean()),
        "seconds": sum(samples.seconds.values()),
    }


def correlation(states: np.ndarray, lag: int) -> float:
    """Mean autocorrelation of [chain, draw, ...] at a lag in draws, after subtracting the mean of each channel of each image."""
    x = states.astype(np.float64)
    x = x - x.mean((2, 3), keepdims=True)
    x = x.reshape(*x.shape[:2], -1)
    first, second = x[:, : x.shape[1] - lag], x[:, lag:]
    norms = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    return float(np.mean((first * second).sum(-1) / norms))


def sizes(options: argparse.Namespace):
    """The acceptance rate at one step size, for images of 64 to 224 pixels."""
    network = squeezenet()
    for size in (64, 96, 128, 160, 224):
        settings = dict(num_chains=2, num_transforms=4, num_leapfrog_steps=8, step_size=0.06, adapt_mass=False)
        samples = samplevis.render(
            network, "fire5:7", dict(num_results=12, num_burnin_steps=0) | settings, im_size=size, progress=False
        )
        yield {"size": size, "acceptance": float(samples.stats["acceptance_rate"].mean())}


def overhead(options: argparse.Namespace):
    """Time of a leapfrog step, relative to a value and gradient alone, and with XLA relative to without."""
    activation = make_activation(squeezenet(), "logits:1", param.fourier(SIZE), robust_transforms)
    target, state = target_on_bank(activation, 8), activation.param.prior(seeds.root(0), 4)

    def bare(z: tf.Tensor) -> tf.Tensor:
        return z + 1e-6 * value_and_gradient(target, z)[1]

    runs = {"leapfrog": leapfrog_steps(target, state, 5), "bare": repeated(bare, state, 5)}
    # XLA stays off unless it saves more than its first call costs.
    runs["xla"] = leapfrog_steps(target, state, 5, xla=True)
    compiling = seconds(runs["xla"])
    times = in_turn(runs, options.rounds)
    for name, over, under in (("leapfrog_over_bare", "leapfrog", "bare"), ("xla_over_leapfrog", "xla", "leapfrog")):
        yield {f"{name}_{key}": value for key, value in ratio(times[over], times[under]).items()}
    yield {"xla_first_call_over_a_step": compiling / float(np.median(times["leapfrog"]))}


def pixels(options: argparse.Namespace):
    """Growth of a leapfrog step's time with image size, relative to that of the network's own forward and backward passes."""
    network, num_transforms, chains = squeezenet(), 4, 2
    layer, channel = "logits", 1
    runs = {}
    for size in (64, 128, 256):
        activation = make_activation(network, f"{layer}:{channel}", param.fourier(size), robust_transforms)
        state = activation.param.prior(seeds.root(0), chains)
        images = tf.repeat(activation.param.image(state), num_transforms, axis=0)

        def own(x: tf.Tensor) -> tf.Tensor:
            return x + 1e-6 * value_and_gradient(lambda x: network.cut((layer,))(x)[layer][:, channel], x)[1]

        runs |= {
            f"leapfrog_{size}": leapfrog_steps(target_on_bank(activation, num_transforms), state, 2),
            f"network_{size}": repeated(own, images, 2),
        }
    times = in_turn(runs, options.rounds)
    over = {size: times[f"leapfrog_{size}"] / times[f"network_{size}"] for size in (64, 128, 256)}
    for size in (128, 256):
        grown = {f"growth_over_network_{name}": value for name, value in ratio(over[size], over[64]).items()}
        yield {"sizes": [64, size], "leapfrog_over_network": float(np.median(over[size]))} | grown


def target_on_bank(activation: Activation, num_transforms: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from states to their mean activation on a bank."""
    bank = activation.sample_transforms(seeds.root(1), num_transforms)
    return lambda z: tf.reduce_mean(activation.scores(activation.param.rotate(z), bank), 1)


def leapfrog_steps(
    target: Callable[[tf.Tensor], tf.Tensor], state: tf.Tensor, steps: int, xla: bool = False
) -> Callable[[], float]:
    """A timed trajectory, for `in_turn`."""

    @tf.function(autograph=False, jit_compile=xla or None)
    def run(z: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        start = IntegratorState.start(z, tf.ones_like(z), tf.zeros(z.shape[:1]), tf.zeros_like(z))
        return integrate(target, start, 0.01, steps).state

    return lambda: seconds(lambda: run(state, tf.constant(steps)).numpy(), steps)


def repeated(function: Callable[[tf.Tensor], tf.Tensor], state: tf.Tensor, steps: int) -> Callable[[], float]:
    """A timed compiled loop that applies a function to its own result, for `in_turn`."""

    @tf.function(autograph=False)
    def run(x: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        start = tf.constant(0), x
        return tf.while_loop(lambda i, _: i < steps, lambda i, x: (i + 1, function(x)), start, parallel_iterations=1)[1]

    return lambda: seconds(lambda: run(state, tf.constant(steps)).numpy(), steps)


def either_or(options: argparse.Namespace):
    """Share of the rarer concept of an either-or unit: in optimised images, in diverse ones, and in samples that start there."""
    network, judge = modelzoo.Shapes(), modelzoo.ShapesJudge()
    count = options.restarts
    for label in [name for name in network.labels if "|" in name]:
        unit = samplevis.objectives.class_logit("logits", label)
        settings = dict(param=param.fourier(64), transforms=robust_transforms, batch=count, progress=False)
        plain = samplevis.optimize(network, unit, **settings)
        diverse = samplevis.optimize(network, apart(unit, "conv5", plain), **settings)
        found = {"optimised": plain.images, "optimised_diverse": diverse.images}
        hmc = dict(num_results=1, num_chains=count)
        found["samples"] = samplevis.render(network, unit, hmc, im_size=64, init=diverse.images, progress=False)[:]
        row = {"unit": label}
        for name, images in found.items():
            named = np.array(judge.labels)[judge.activations(images, "logits")["logits"].numpy().argmax(1)]
            shares = [float(np.mean(named == concept)) for concept in label.split("|")]
            row |= {f"{name}_shares": shares, f"{name}_rarer": min(shares)}
        yield row


def apart(unit: samplevis.Objective, layer: str, plain: samplevis.Optimized, share: float = 0.5) -> samplevis.Objective:
    """The unit minus Lucid's diversity term, which costs `share` of the activation if all images are equal."""
    weight = share * float(plain.history[-1].mean()) / (len(plain.images) - 1)
    return unit - weight * samplevis.objectives.diversity(layer)


def diversity(options: argparse.Namespace):
    """Mean distance of features between samples, and between optimised images of the same activation."""
    network = squeezenet()
    options.save.mkdir(parents=True, exist_ok=True)
    for unit in options.units:
        objective = samplevis.objectives.as_objective(unit)
        settings = dict(param=param.fourier(SIZE), transforms=robust_transforms, batch=options.restarts, steps=128)
        settings |= dict(thresholds=list(range(4, 128, 4)), progress=False)
        plain = samplevis.optimize(network, objective, **settings)
        terms = [apart(objective, DIVERSE_LAYER, plain, share) for share in SHARES]
        diverse = [samplevis.optimize(network, term, **settings) for term in terms]
        hmc = dict(num_results=1, num_chains=options.restarts, num_burnin_steps=8)
        inits = {"from_noise": "prior", "from_diverse": diverse[0].images}
        drawn = {
            name: samplevis.render(network, unit, hmc, im_size=SIZE, init=init, level=LEVEL, progress=False)[:]
            for name, init in inits.items()
        }
        layer, channel = unit.split(":")

        def level(images: np.ndarray, layer: str = layer, channel: str = channel) -> float:
            values = network.activations(images, layer)[layer].numpy()[..., int(channel)]
            return float(values.reshape(len(images), -1).mean())

        for name, images in drawn.items():
            wanted, sets = level(images), {"samples": images}
            for other, runs in (("optimised", [plain]), ("optimised_diverse", diverse)):
                # The first snapshot as active as the samples, on clean images, with the largest weight that reaches it.
                snapshots = (snapshot for run in runs for snapshot in run.snapshots.values())
                matched = next((snapshot for snapshot in snapshots if level(snapshot) >= wanted), None)
                if matched is not None:
                    sets[other] = matched
            row = {"unit": unit, "chains": name}
            for key, pictures in sets.items():
                distances = feature_distances(network, pictures)
                row |= {f"{key}_{place}": distance for place, distance in distances.items()}
                sheet = export.grid(pictures, columns=8, title=f"{unit}, {name}, {key}")
                export.save_png(sheet, path(unit, options, name, key).with_suffix(".png"))
            yield row


def feature_distances(network: samplevis.Network, images: np.ndarray) -> dict[str, float]:
    """Mean cosine distance between the images' features, averaged over positions, in each of `FEATURE_LAYERS`."""
    distances = {}
    for layer, features in network.activations(images, FEATURE_LAYERS).items():
        features = features.numpy().mean((1, 2))
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        cosine = features @ features.T
        distances[layer] = float(1 - cosine[np.triu_indices(len(cosine), 1)].mean())
    return distances


PARTS: dict[str, Any] = {
    "mixing": mixing,
    "ends": ends,
    "sizes": sizes,
    "overhead": overhead,
    "pixels": pixels,
    "either_or": either_or,
    "diversity": diversity,
}

if __name__ == "__main__":
    main()
