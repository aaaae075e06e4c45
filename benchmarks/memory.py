"""Memory growth over many calls, and peak memory of sampling: `python -m benchmarks.memory`, or `--json FILE` to write the results.

Each part runs in its own processes. About five minutes on 2 cores with the defaults; the requirement for `growth` holds for
`--calls 1000`. Linux only, because it reads /proc. SqueezeNet's weights come from the folder SAMPLEVIS_TEST_DATA (default
../shared/models).

- `growth`: megabytes after all calls minus megabytes after ten; another channel and seed in each call. Required: at most 5.
- `peak`: peak memory of a sampling run, divided by that of values and gradients alone for the same network and bank; once for the
  whole process, once for the memory beyond the loaded network. Required of the first ratio: at most 1.5.
- `flow`: peak memory of a gradient through `param.flow` of 4, 16 and 64 steps, beyond the loaded network; and, as a control,
  through the same 64 steps under a tape that stores every activation. Required: from 4 to 64 steps it grows by at most twice
  the places where steps begin, which are stored, plus 16 MB.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.rows import run_parts

FIRST = 10
SIZE, BANK, CHAINS = 96, 8, 4
UNIT = "logits:1"
FLOW_STEPS, FLOW_SIZE, FLOW_CHANNELS, FLOW_BATCH = (4, 16, 64), 32, 32, 8


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--calls", type=int, default=200, help="calls in `growth`")
    parser.add_argument("--json", type=Path, help="file for the results")
    run_parts(PARTS, parser.parse_args())


def growth(options: argparse.Namespace):
    """Many calls of `render` and of `optimize` on a small network."""
    for kind in ("render", "optimize"):
        first, last = in_process(grown, kind, options.calls)
        yield {"calls": options.calls, "of": kind, "megabytes": last - first, "after_ten": first}


def peak(options: argparse.Namespace):
    """A sampling run of SqueezeNet, compared with its values and gradients alone."""
    (bare, loaded), (whole, before) = in_process(bare_peak), in_process(sampling_peak)
    yield {"sampling_over_bare": whole / bare, "on_top_of_loaded": (whole - before) / (bare - loaded)}


def in_process(function: Callable, *arguments: Any) -> Any:
    """The result of a function, called in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident(highest: bool = False) -> float:
    """The resident memory of the process in megabytes, now or at its peak."""
    gc.collect()
    name = "VmHWM" if highest else "VmRSS"
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def grown(kind: str, calls: int) -> tuple[float, float]:
    """Resident megabytes after ten calls and after all calls."""
    import keras

    import samplevis

    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv1")(image)
    x = keras.layers.Conv2D(8, 3, name="conv2")(keras.layers.MaxPooling2D()(x))
    network = samplevis.Network(keras.Model(image, x))
    short = dict(num_results=1, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=2, num_transforms=2)

    def render(n: int) -> None:
        samplevis.render(
            network, f"conv2:{n % 8}", short, im_size=16, optimize_steps=48, anneal_steps=25, seed=n, progress=False
        )

    def optimize(n: int) -> None:
        settings = dict(param=samplevis.param.fourier(16), steps=2, seed=n, progress=False)
        samplevis.optimize(network, f"conv2:{n % 8}", **settings)

    call = {"render": render, "optimize": optimize}[kind]
    for n in range(FIRST):
        call(n)
    first = resident()
    for n in range(FIRST, calls):
        call(n)
    return first, resident()


def bare_peak() -> tuple[float, float]:
    """Peak megabytes of values and gradients, and megabytes of the loaded network."""
    import tensorflow as tf

    from benchmarks.quality import squeezenet
    from samplevis import param
    from samplevis.activation import make_activation
    from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed
    from samplevis.runtime import seeds
    from samplevis.sampling.kernels.base import value_and_gradient
    from samplevis.transform import robust_transforms

    network = smoothed(squeezenet(), DEFAULT_SOFTNESS)
    loaded = resident()
    activation = make_activation(network, UNIT, param.fourier(SIZE), robust_transforms)
    bank, state = activation.sample_transforms(seeds.root(1), BANK), activation.param.prior(seeds.root(0), CHAINS)

    @tf.function(autograph=False)
    def bare(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return value_and_gradient(lambda z: tf.reduce_mean(activation.scores(z, bank), 1), z)

    for _ in range(5):
        bare(state)[0].numpy()
    return resident(highest=True), loaded


def sampling_peak() -> tuple[float, float]:
    """Peak megabytes of a whole run, and megabytes of the loaded network."""
    import samplevis
    from benchmarks.quality import squeezenet
    from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed

    network = squeezenet()
    smoothed(network, DEFAULT_SOFTNESS)
    before = resident()
    short = dict(num_results=2, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=CHAINS, num_transforms=BANK)
    samplevis.render(network, UNIT, short, im_size=SIZE, optimize_steps=16, anneal_steps=25, progress=False)
    return resident(highest=True), before


def flow(options: argparse.Namespace):
    """Gradients through flows of several lengths."""
    for steps in FLOW_STEPS:
        yield {"steps": steps, "stored": "places", "megabytes": in_process(flow_peaks, [(steps, False)])[0]}
    yield {"steps": steps, "stored": "activations", "megabytes": in_process(flow_peaks, [(steps, True)])[0]}


def stored_places(steps: int) -> float:
    """Megabytes of the places where the steps of `flow_peaks` begin."""
    return steps * FLOW_BATCH * FLOW_SIZE**2 * 3 * 4 / 2**20


def flow_peaks(runs: list[tuple[int, bool]]) -> list[float]:
    """Peak megabytes of gradients through flows, beyond what was resident before the first: the highest so far after each.

    Args:
      runs: (steps, whether a tape stores all activations), the ones that need least memory first.
    """
    import keras
    import tensorflow as tf

    from samplevis import param
    from samplevis.runtime import seeds

    place, time = keras.Input((FLOW_SIZE, FLOW_SIZE, 3)), keras.Input((1,))
    x = place + keras.layers.Reshape((1, 1, 3))(keras.layers.Dense(3)(time))
    for _ in range(4):
        x = keras.layers.Conv2D(FLOW_CHANNELS, 3, padding="same", activation="tanh")(x)
    model = keras.Model([place, time], keras.layers.Conv2D(3, 3, padding="same")(x))

    def gradient(steps: int, is_taped: bool) -> Callable[[tf.Tensor], tf.Tensor]:
        prior = param.flow(model, steps=steps)

        def end(z: tf.Tensor) -> tf.Tensor:
            if not is_taped:
                return prior.end(z)
            for number in range(steps):
                z = prior._step(z, tf.constant(number))
            return z

        @tf.function(autograph=False)
        def run(z: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(z)
                total = tf.reduce_sum(tf.sin(end(z)))
            return tape.gradient(total, z)

        return run

    compiled = [gradient(*settings) for settings in runs]
    z = tf.random.stateless_normal((FLOW_BATCH, FLOW_SIZE, FLOW_SIZE, 3), seeds.root(0))
    for run in compiled:
        run.get_concrete_function(z)
    # What convolutions need once, for any flow.
    gradient(1, False)(z).numpy()
    before, peaks = resident(highest=True), []
    for run in compiled:
        run(z).numpy()
        peaks.append(resident(highest=True) - before)
    return peaks


PARTS: dict[str, Any] = {"growth": growth, "peak": peak, "flow": flow}

if __name__ == "__main__":
    main()
