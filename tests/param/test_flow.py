"""param.flow: the law of a known flow, conditioned exactly; gradients, memory, inverse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import ndtr

from benchmarks import memory
from samplevis import param
from samplevis.param.inverse import closest_latents
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling.chains import ChainProblem, run_chains
from samplevis.sampling.diagnostics import mcse_mean
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.smc import sequential_monte_carlo

# A mixture of three Gaussians in the plane, and the event: the sum of the coordinates along a direction, seen with some noise.
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-1.5, 0.0], [1.0, 1.0], [1.0, -1.2]])
SD, SEEN, NOISE, DIRECTION = 0.35, 0.3, 0.5, np.array([0.8, 0.6])


def mixture(weights, means, sd):
    """The velocity and the posterior mean of the data for a mixture of Gaussians, of x and the time."""
    log_weights, means = tf.constant(np.log(weights), tf.float32), tf.constant(means, tf.float32)

    def parts(x, time):
        t = tf.reshape(time, (-1, 1, 1))
        variance = (1 - t) ** 2 + t**2 * sd**2
        gap = x[:, None] - t * means
        share = tf.nn.softmax(log_weights - tf.reduce_sum(gap**2, -1) / (2 * variance[..., 0]), -1)[..., None]
        data = tf.reduce_sum(share * (means + t * sd**2 / variance * gap), 1)
        return data, tf.reduce_sum(share * (1 - t) / variance * gap, 1)

    def velocity(x, time):
        data, noise = parts(x, time)
        return data - noise

    return velocity, lambda x, time: parts(x, time)[0]


def planar_flow(steps=32, solver="heun"):
    return param.flow(mixture(WEIGHTS, MEANS, SD)[0], (2,), steps, solver=solver)


def event(x):
    """The tilt of the event, [N, 2] -> [N]."""
    along = (x @ tf.constant(DIRECTION, tf.float32)[:, None])[:, 0]
    return -tf.square((along - SEEN) / NOISE) / 2


def posterior():
    """Weights and means given the event, and the log of its probability, in closed form."""
    along, variance = MEANS @ DIRECTION, SD**2 + NOISE**2
    log_weights = np.log(WEIGHTS) - (SEEN - along) ** 2 / (2 * variance) + np.log(NOISE / np.sqrt(variance))
    total = np.log(np.exp(log_weights).sum())
    means = MEANS + SD**2 / variance * (SEEN - along)[:, None] * DIRECTION
    return np.exp(log_weights - total), means, total


def mode_shares(x):
    nearest = np.square(x[:, None] - MEANS).sum(-1).argmin(1)
    return np.bincount(nearest, minlength=len(MEANS)) / len(x)


# The law


@pytest.mark.parametrize("solver, order", [("euler", 1), ("heun", 2)])
def test_the_map_is_the_quantile_function_up_to_a_discretisation_error_that_falls(solver, order):
    """In one dimension the flow is monotone, so that the exact map is known: quantiles of noise to quantiles of data."""
    weights, means, sd = np.array([0.6, 0.4]), np.array([[-1.0], [1.2]]), 0.4
    velocity, _ = mixture(weights, means, sd)
    shares = np.linspace(0.02, 0.98, 97)
    grid = np.linspace(-3, 3, 20_001)
    cdf = (weights * ndtr((grid[:, None] - means[:, 0]) / sd)).sum(1)
    exact = np.interp(shares, cdf, grid)
    z = np.interp(shares, ndtr(np.linspace(-4, 4, 20_001)), np.linspace(-4, 4, 20_001))[:, None]
    errors = []
    for steps in (8, 16, 32, 64):
        flow = param.flow(velocity, (1,), steps, solver=solver)
        errors.append(np.abs(flow.end(tf.constant(z, tf.float32)).numpy()[:, 0] - exact).mean())
    ratios = np.array(errors[:-1]) / errors[1:]
    assert np.all(ratios > 0.8 * 2**order), errors
    assert errors[-1] < (0.02 if order == 1 else 2e-3)


@pytest.mark.slow
def test_hmc_samples_the_flow_given_a_linear_event():
    flow = planar_flow(12)
    # Chains start with the weights of the prior and change mode rarely: after a burn-in of 25, they are still 3 errors away.
    options = HMCOptions(
        num_results=60, num_burnin_steps=200, num_leapfrog_steps=5, step_size=0.35, target_accept_prob=0.7
    )
    problem = ChainProblem(lambda z: event(flow.end(z)))
    states = run_chains(problem, flow.prior(seeds.root(3), 96), options, RunContext(seeds.root(1))).states
    x = flow.end(tf.constant(states.reshape(-1, 2))).numpy().reshape(60, 96, 2).swapaxes(0, 1)
    weights, means, _ = posterior()
    exact = weights @ means
    errors = np.array([mcse_mean(x[..., i]) for i in range(2)])
    assert np.all(np.abs(x.mean((0, 1)) - exact) < 4 * errors)
    share = (np.square(x[..., None, :] - MEANS).sum(-1).argmin(-1) == 1).astype(float)
    assert abs(share.mean() - weights[1]) < 4 * mcse_mean(share)
    # The control: the same flow, guided by the same event, without correction.
    guided = guidance(4000)
    assert np.any(np.abs(guided.mean(0) - exact) > 4 * np.maximum(guided.std(0) / np.sqrt(4000), errors))


def guidance(count, steps=64):
    """DPS (Chung et al. 2023): the velocity of the flow, plus the gradient of the event at the predicted data."""
    velocity, data = mixture(WEIGHTS, MEANS, SD)
    x = tf.random.stateless_normal((count, 2), (5, 6))
    for number in range(steps):
        t = max(number / steps, 1e-2)
        time = tf.fill([count], np.float32(t))
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = event(data(x, time))
        # The velocity of a Gaussian path is t^-1 x + (1 - t) / t score.
        x = x + (velocity(x, time) + (1 - t) / t * tape.gradient(score, x)) / steps
    return x.numpy()


@pytest.mark.slow
def test_smc_finds_the_weights_of_the_modes():
    flow = planar_flow(16)
    prior = flow.prior(seeds.root(7), 4000)
    result = sequential_monte_carlo(
        lambda z: event(flow.end(z)), lambda value, temperature: temperature * value, prior, 4, seeds.root(8)
    )
    shares = mode_shares(flow.end(tf.constant(result.state)).numpy())
    weights, _, log_probability = posterior()
    # Modes overlap a little: both are judged by the nearest mean, which at this distance misses 1 in 1,000.
    assert np.abs(shares - weights).max() < 0.03
    assert np.abs(shares - WEIGHTS).max() > 0.03, "the control must fail: the weights without the event"
    assert abs(result.log_z - log_probability) < 0.05


@pytest.mark.parametrize("predicts", ["velocity", "noise", "image"])
def test_what_the_model_predicts_does_not_matter(predicts):
    velocity, data = mixture(WEIGHTS, MEANS, SD)

    def model(x, time):
        t = tf.minimum(time, 1 - 1e-4)[:, None]
        image = data(x, t[:, 0])
        return {"velocity": velocity(x, time), "image": image, "noise": (x - t * image) / (1 - t)}[predicts]

    rows = [(t, t, 1 - t) for t in np.linspace(0.01, 0.99, 17)]
    z = planar_flow().prior(seeds.root(0), 16)
    found = param.flow(model, (2,), schedule=rows, predicts=predicts, solver="euler").end(z)
    expected = param.flow(velocity, (2,), schedule=rows, solver="euler").end(z)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_diffusion_model_of_a_gaussian_has_its_variance():
    """Data N(0, 0.25), noise predicted on the cosine schedule: DDIM must shrink the latents to half."""

    def noise(x, time):
        image, sigma = (f(np.pi / 2 * time)[:, None] for f in (tf.sin, tf.cos))
        return sigma * x / (sigma**2 + 0.25 * image**2)

    z = tf.constant([[1.0], [-2.0]])
    coarse, fine = (
        param.flow(noise, (1,), steps, predicts="noise", schedule="cosine", solver="euler").end(z)
        for steps in (20, 200)
    )
    np.testing.assert_allclose(fine, 0.5 * z, rtol=0.03)
    assert abs(fine[0, 0] - 0.5) < abs(coarse[0, 0] - 0.5)


# Gradients and memory


def small_model(size=8, seed=0):
    x, time = keras.Input((size, size, 3), name="x"), keras.Input((1,), name="time")
    start = keras.initializers.RandomNormal(stddev=0.3, seed=seed)
    h = keras.layers.Conv2D(6, 3, padding="same", activation="tanh", kernel_initializer=start)(x)
    h = h * keras.layers.Reshape((1, 1, 6))(keras.layers.Dense(6, kernel_initializer=start)(time) + 1.0)
    return keras.Model([x, time], keras.layers.Conv2D(3, 3, padding="same", kernel_initializer=start)(h))


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_gradients_are_those_of_finite_differences(solver):
    flow = param.flow(small_model(), steps=5, solver=solver)
    z, way = (tf.random.stateless_normal((1, 8, 8, 3), (0, i)) for i in range(2))
    way /= tf.norm(way)

    def value(distance):
        return float(tf.reduce_sum(tf.sin(tf.cast(flow.end(z + distance * way), tf.float64))))

    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(tf.sin(flow.end(z)))
    found = float(tf.reduce_sum(tape.gradient(total, z) * way))
    h = 0.2
    # The error of Richardson's second step is of order h^6; that of float32 about 1e-5.
    first, second, third = ((value(s) - value(-s)) / (2 * s) for s in (h, h / 2, h / 4))
    finite = (64 * third - 20 * second + first) / 45
    assert found == pytest.approx(finite, rel=1e-4, abs=1e-4)


def nodes(steps):
    flow = param.flow(small_model(), steps=steps)

    @tf.function
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = tf.reduce_sum(flow.image(z))
        return tape.gradient(total, z)

    graph = gradient.get_concrete_function(tf.TensorSpec((2, 8, 8, 3))).graph.as_graph_def()
    every = [node.op for node in graph.node] + [node.op for f in graph.library.function for node in f.node_def]
    return len(every), sum(op.startswith(("TensorListPushBack", "StackPush")) for op in every)


def test_memory_is_flat_in_steps():
    """One body of a loop, for any number of steps, that pushes no activation to a stack for its gradient."""
    few, many = nodes(2), nodes(40)
    assert few == many
    assert many[1] == 0


@pytest.mark.slow
def test_peak_memory_is_flat_in_steps():
    few, many, control = memory.in_process(memory.flow_peaks, [(4, False), (64, False), (64, True)])
    most = 2 * memory.stored_places(64) + 16
    assert many - few < most, "megabytes"
    assert control - few > 8 * most, "the control must fail: a tape that stores all activations"


# Files, inverse, other inputs


@pytest.mark.slow
def test_round_trip_of_images_that_the_flow_makes():
    flow = param.flow(small_model(), value_range=(-4, 4))
    images = flow.image(0.5 * flow.prior(seeds.root(0), 3))
    latents, error = flow.round_trip(images)
    assert error.max() < 1e-2
    np.testing.assert_allclose(flow.image(flow.latent(images)), images, atol=0.05)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_the_reverse_flow_undoes_expanding_and_shrinking_steps(solver):
    """A Gaussian with deviations of 1/50 and of 20: the first steps expand the one, and the last shrink the other."""
    variance = tf.constant([0.02, 0.3, 20.0]) ** 2

    def velocity(x, time):
        t = time[:, None]
        return (t * variance - (1 - t)) / ((1 - t) ** 2 + t**2 * variance) * x

    flow = param.flow(
        velocity, (3,), 16, solver=solver, decode=lambda x: x[:, None, None] * 2, encode=lambda y: y[:, 0, 0] / 2
    )  # fmt: skip
    z = flow.prior(seeds.root(0), 8)
    images = flow.decode(flow.end(z)) / 2 + 0.5
    np.testing.assert_allclose(flow.reverse(images), z, atol=2e-3)


@pytest.mark.slow
def test_images_that_the_flow_does_not_make_are_reported():
    flow = param.flow(
        lambda x, time: 0.0 * x, (2,), 1, solver="euler", value_range=(-1, 1),
        decode=lambda x: tf.reduce_mean(x, 1)[:, None, None, None] * tf.ones((1, 4, 4, 1)),
    )  # fmt: skip
    chess = (np.indices((4, 4)).sum(0) % 2).astype(np.float32)[None, ..., None]
    with pytest.warns(UserWarning, match="1 of 1 images are not among those of the flow: .* up to 0.5"):
        latents = flow.latent(chess)
    # The nearest that it makes is grey.
    np.testing.assert_allclose(flow.image(latents), 0.5, atol=0.01)


def test_a_decoder_finds_the_latents_of_its_own_images():
    start = keras.initializers.RandomNormal(stddev=0.4, seed=1)
    layers = [keras.Input((6,)), keras.layers.Dense(8 * 8 * 3, "tanh", kernel_initializer=start)]
    decoder = param.decoder(keras.Sequential([*layers, keras.layers.Reshape((8, 8, 3))]), value_range=(-1, 1))
    z = decoder.prior(seeds.root(0), 4)
    found = decoder.latent(decoder.image(z))
    assert np.abs(decoder.image(found) - decoder.image(z)).max() < 1e-2
    np.testing.assert_allclose(found, z, atol=0.05)


@pytest.mark.slow
def test_the_inverse_prefers_probable_latents():
    # Two coordinates of which the image shows the sum: the shortest latent has equal ones.
    found = closest_latents(lambda z: tf.reduce_sum(z, 1, keepdims=True), tf.constant([[1.0]]), (2,))
    np.testing.assert_allclose(found, [[0.5, 0.5]], atol=1e-3)


def test_fixed_inputs_and_decode():
    x, time, text = keras.Input((4,), name="x"), keras.Input((), name="time"), keras.Input((4,), name="text")
    model = keras.Model([x, time, text], 0.0 * x + text)
    flow = param.flow(
        model,
        steps=3,
        fixed_inputs={"text": [1.0, 2, 3, 4]},
        decode=lambda x: tf.reshape(x, (-1, 2, 2, 1)),
        value_range=(0, 8),
    )
    assert flow.latent_shape == (4,) and flow.image_shape == (2, 2, 1)
    image = flow.image(tf.zeros((1, 4))).numpy()
    np.testing.assert_allclose(image.ravel(), np.arange(1, 5) / 8, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(model=3), "expected a Keras model, a function or a file"),
        (dict(model=lambda x, t: x), "shape: expected"),
        (dict(shape=(8, 0, 3)), "shape: expected a whole number >= 1"),
        (dict(steps=0), "steps: expected"),
        (dict(solver="rk4"), "solver: expected one of"),
        (dict(predicts="score"), "predicts: expected one of"),
        (dict(schedule="sigmoid"), "schedule: expected one of"),
        (dict(schedule=[(0, 0, 1)]), "at least two rows"),
        (dict(schedule=[(0, 1, 0.5), (1, 0, 1)]), "image / noise must rise"),
        (dict(value_range=(1, 1)), "value_range: expected"),
        (dict(fixed_inputs={"text": 1.0}), "Received the inputs"),
        (dict(decode=lambda x: x[:, 0, 0]), "decode: expected images"),
        (dict(encode=lambda x: x), "encode: expected with decode"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        param.flow(**{"model": small_model()} | arguments)


def test_another_file_is_refused(tmp_path):
    small_model().save(tmp_path / "other.keras")
    (tmp_path / "text.keras").write_text("no archive")
    for name in ("other", "text"):
        with pytest.raises(ValueError, match="not a file of samplevis.fit_prior"):
            param.flow(tmp_path / f"{name}.keras")
    with pytest.raises(OSError):
        param.flow(tmp_path / "missing.keras")
