"""Free moves: exact, and refused where the prior has none."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import param
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling.chains import ChainProblem, run_chains
from samplevis.sampling.kernels.free_moves import FreeMoves, named_moves
from samplevis.sampling.options import HMCOptions

PRIORS = [param.fourier(8), param.pyramid(8), param.pixel(8), param.uniform(8)]


def run(target, moves, results=400, chains=16, shape=(4, 4, 1), **settings):
    state = 0.3 * tf.random.stateless_normal((chains, *shape), [3, 4]) + settings.pop("start", 0.0)
    settings = dict(step_size=0.3, num_leapfrog_steps=4, num_burnin_steps=20) | settings
    problem, options = ChainProblem(target, moves=moves), HMCOptions(num_results=results, **settings)
    return run_chains(problem, state, options, RunContext(seeds.root(0)))


def modes(x):
    """Two modes at +5 and -5 along the mean of the picture, as likely as each other."""
    along = 5 * tf.reduce_sum(x, (1, 2, 3)) / 4
    return along + tf.math.softplus(-2 * along)


def test_inversion_crosses_between_modes_that_mirror_each_other():
    invert = named_moves(param.pixel((4, 4), channels=1), ["invert"])
    chains = run(modes, invert, start=1.25)
    positive = chains.states.sum((2, 3, 4)) > 0
    # The move is always accepted: every transition changes the sign.
    np.testing.assert_allclose(chains.stats.move_acceptance_rate, 1, atol=1e-4)
    assert positive.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose((chains.states**2).sum((2, 3, 4)).mean(), 16 + 25, rtol=0.02)
    # The control: without moves the chains never leave.
    alone = run(modes, (), start=1.25)
    assert np.all(alone.states.sum((2, 3, 4)) > 0) and np.isnan(alone.stats.move_acceptance_rate).all()


def corner(x):
    """Likes one corner bright: a picture that is shifted away loses."""
    return 6 * x[:, 0, 0, 0]


@pytest.mark.parametrize(
    "names", with_slow([["shift"], ["mirror"], ["shift", "mirror", "invert"]], [["shift"], ["mirror"]])
)
def test_moves_leave_the_density_alone(names):
    chains = run(corner, named_moves(param.pixel((4, 4), channels=1), names), results=800)
    corners, others = chains.states[:, :, 0, 0, 0], chains.states[:, :, 1:, 1:, 0]
    # N(6, 1) in the corner and N(0, 1) elsewhere; errors from chains that are independent of each other.
    for values, truth in ((corners, 6), (corners**2, 37), (others, 0), (others**2, 1)):
        means = values.reshape(800, 16, -1).mean((0, 2))
        assert abs(means.mean() - truth) < 4 * means.std(ddof=1) / 4
    offered = chains.stats.move_acceptance_rate
    assert 0 < offered.mean() < 0.9, "most shifts are refused"


def test_a_broken_move_is_rejected():
    """The control: a move that stretches the state does change N(0, I)."""
    chains = run(corner, [lambda x, seed: 1.2 * x], results=800)
    assert (chains.states[:, :, 1:, 1:, 0] ** 2).mean() > 1.5


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_moves_of_priors_are_orthonormal_and_do_what_they_say(prior):
    z = prior.prior(seeds.root(0), 2)
    image = prior.image(z).numpy()
    moved = {name: move(z, seeds.root(5)) for name, move in prior.symmetries().items()}
    for there in moved.values():
        np.testing.assert_allclose(tf.reduce_sum(there**2), tf.reduce_sum(z**2), rtol=1e-5)
    np.testing.assert_allclose(prior.image(moved["mirror"]), np.flip(image, 2), atol=1e-5)
    np.testing.assert_allclose(prior.image(moved["invert"]), 1 - image, atol=1e-5)
    shifts = [np.roll(image, (i, j), (1, 2)) for i in range(8) for j in range(8)]
    assert min(np.abs(prior.image(moved["shift"]) - shifted).max() for shifted in shifts) < 1e-5


def test_all_shifts_are_as_likely():
    z = tf.one_hot([[0]], 1)[..., None] * tf.one_hot([0], 6)[:, None, :, None] * tf.one_hot([0], 6)[:, :, None, None]
    shift = param.pixel((6, 6), channels=1).symmetries()["shift"]
    where = [int(np.argmax(shift(z, seeds.fold(seeds.root(0), i)))) for i in range(1440)]
    counts = np.bincount(where, minlength=36)
    # Chi-square with 35 degrees of freedom: 66.6 is the .1 % point.
    assert ((counts - 40) ** 2 / 40).sum() < 66.6


def test_moves_are_gradients_that_are_counted():
    chains = run(corner, named_moves(param.pixel((4, 4), channels=1), ["mirror"]), results=40)
    assert (chains.stats.num_gradient_evals.min(), chains.stats.num_gradient_evals.max()) == (3, 7)


def test_render_takes_names(tiny_network):
    options = dict(num_results=3, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)
    settings = dict(im_size=16, optimize_steps=8, anneal_steps=25, progress=False)
    samples = samplevis.render(tiny_network, "conv1:1", options | dict(moves=["shift", "mirror"]), **settings)
    assert np.isfinite(samples.stats["move_acceptance_rate"]).all()


def test_refusals(tiny_network):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(768), keras.layers.Reshape((16, 16, 3))])
    with pytest.raises(ValueError, match="moves.*'shift' is no move.*latents are no pictures"):
        samplevis.render(tiny_network, "conv1:1", dict(moves=["shift"]), param=param.decoder(model), init="prior")
    with pytest.raises(ValueError, match="moves.*'turn' is no move.*'shift', 'mirror', 'invert'"):
        named_moves(param.fourier(8), ["turn"])
    with pytest.raises(ValueError, match="moves.*expected a list of names"):
        HMCOptions(moves="shift")
    with pytest.raises(ValueError, match="moves.*split_hmc or malt"):
        HMCOptions(moves=("shift",), kernel="nuts")
    with pytest.raises(ValueError, match="moves: expected at least one"):
        FreeMoves(corner, None, [])
