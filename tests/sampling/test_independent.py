"""Independent draws by rejection and SMC: against a closed form, and as samples of render."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

import samplevis
from samplevis import param
from samplevis.results.shares import shares, wilson
from samplevis.sampling.density import Conditioned, Tilted
from samplevis.sampling.independent import default_density
from samplevis.sampling.level_scale import LevelScale
from samplevis.sampling.options import HMCOptions

SIZE = 4


def plane_model():
    """The mean of the image: under white pixels, a Gaussian activation."""
    x = keras.Input((SIZE, SIZE, 1), name="x")
    return samplevis.Network(
        keras.Model(x, keras.layers.Reshape((1,), name="mean")(keras.layers.GlobalAveragePooling2D()(x))),
        value_range=(0, 1),
    )


@dataclasses.dataclass(frozen=True)
class White(param.Parameterization):
    """Pixels .5 + .1 z, hardly ever outside of [0, 1]."""

    image_shape: tuple[int, ...] = (SIZE, SIZE, 1)

    def image(self, z):
        return tf.clip_by_value(0.5 + 0.1 * z, 0.0, 1.0)

    def latent(self, images):
        return (images - 0.5) / 0.1


# Of the mean of 16 pixels.
SD = 0.1 / SIZE
TARGET = 0.5 + 1.2 * SD
DENSITY = Conditioned(TARGET, 0.05 * SD, 80 / SD)


@pytest.fixture(scope="module", params=["rejection", "smc"])
def samples(request):
    return samplevis.render(
        plane_model(), "mean:0", dict(kernel=request.param, num_chains=4, num_results=100), param=White(), transforms=None,
        density=DENSITY, optimize_steps=8, smooth=None, progress=False,
    )  # fmt: skip


def test_draws_are_those_of_the_truncated_gaussian(samples):
    standard = (samples.activation.ravel() - 0.5) / SD
    exact = norm.pdf(1.2) / norm.sf(1.2)
    deviation = np.sqrt(1 + 1.2 * exact - exact**2)
    families = np.unique(samples.stats["ancestor"], return_counts=True)[1]
    error = deviation / np.sqrt(families.sum() ** 2 / np.square(families).sum())
    # The edge is a twentieth of a deviation wide.
    assert abs(standard.mean() - exact) < 4 * error + 0.02
    assert abs(0.0 - exact) > 4 * error + 0.02, "the control must fail: the prior"
    # SMC may reject all moves of a draw, which then is a copy of another.
    assert len(np.unique(samples.latents.reshape(400, -1), axis=0)) >= (400 if samples.kernel == "rejection" else 380)


def test_the_summary_takes_them_for_draws(samples):
    summary = samples.summary()
    assert samples.level is None
    assert summary.averages.verdict in ("usable", "approximate")
    assert not [w for w in summary.warnings if "nan" in w]
    assert "nan" not in summary.verdict


def test_shares_of_a_known_event(samples, tmp_path):
    found = samples.shares(lambda images: np.where(images[:, 0, 0, 0] > images[:, -1, -1, 0], "up", "down"))
    for label in ("up", "down"):
        assert abs(found[label] - 0.5) < 4 * 0.5 / np.sqrt(found.num_independent)
    assert found["sideways"] == 0
    assert all(low < share < high for low, share, high in zip(found.low, found.share, found.high, strict=True))
    samples.save(tmp_path / "s.npz")
    again = samplevis.Samples.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(again.stats["ancestor"], samples.stats["ancestor"])
    # A population of few families tells no shares.
    cousins = samples.stats | {"ancestor": np.arange(400).reshape(4, 100) % 5}
    with pytest.raises(ValueError, match="descend from 5 draws of the prior and are worth 5 independent"):
        shares(dataclasses.replace(samples, stats=cousins), lambda images: ["x"] * len(images))
    chains = {name: values for name, values in samples.stats.items() if name != "ancestor"}
    with pytest.raises(ValueError, match="expected independent draws, of the kernel 'rejection' or 'smc'"):
        shares(dataclasses.replace(samples, stats=chains), lambda images: ["x"] * len(images))


def test_intervals_cover():
    rng = np.random.default_rng(0)
    found = rng.binomial(40, 0.15, 4000) / 40
    low, high = wilson(found, 40, 0.9)
    assert 0.87 < np.mean((low < 0.15) & (0.15 < high)) < 0.95
    low, high = wilson(found, 400, 0.9)
    assert np.mean((low < 0.15) & (0.15 < high)) < 0.87, "the control must fail: more draws than there were"


def test_default_densities():
    scale = LevelScale(1.0, 3.0)
    density = default_density("conditioned", scale, 0.5, None)
    assert density.target == 2.0
    tilt = density.tilt(tf.constant([1.9, 2.0, 2.2])).numpy()
    assert tilt[0] < -15 and abs(tilt[1] + 4 * np.log(2)) < 1e-3 and tilt[2] > -0.01
    with pytest.raises(ValueError, match="density: expected 'conditioned'"):
        default_density("tilted", scale, 0.5, None)


def test_rejection_refuses_what_it_cannot_do():
    settings = dict(param=White(), transforms=None, optimize_steps=4, smooth=None, progress=False)
    with pytest.raises(ValueError, match="rejection needs a conditioned one"):
        samplevis.render(plane_model(), "mean:0", dict(kernel="rejection"), density=Tilted(1.0), **settings)
    with pytest.raises(ValueError, match="moves"):
        HMCOptions(kernel="smc", moves=("shift",))
    with pytest.raises(ValueError, match="Did you mean 'rejection'"):
        HMCOptions(kernel="rejektion")


def test_rejection_says_what_an_event_costs(monkeypatch):
    monkeypatch.setattr("samplevis.sampling.independent.MAX_PROPOSALS", 128)
    with pytest.raises(RuntimeError, match="accepted 0 of 128 draws of the prior: the event costs more than 5 nats"):
        samplevis.render(
            plane_model(), "mean:0", dict(kernel="rejection", num_chains=1), param=White(), transforms=None,
            density=dataclasses.replace(DENSITY, target=0.5 + 9 * SD), optimize_steps=4, smooth=None, progress=False,
        )  # fmt: skip
