"""Path similarity beside a run: draws that the network processes unlike the user's pictures are warned of."""

from __future__ import annotations

import numpy as np
import pytest

import samplevis
from samplevis import modelzoo, param
from samplevis.modelzoo.shapes import FoolingShapes
from samplevis.objectives import as_objective
from samplevis.results.checks import OFF_PATH
from samplevis.runs.sample_paths import path_of_samples
from samplevis.runtime import seeds

UNIT, SIZE, CHAINS = "logits:star", 64, 6


@pytest.fixture(scope="module")
def drawings():
    return modelzoo.shapes.draw(400, seed=3, size=SIZE)


@pytest.fixture(scope="module")
def stars():
    pictures, labels = modelzoo.shapes.draw(400, seed=4, size=SIZE)
    return pictures[labels == modelzoo.shapes.LABELS.index("star")][:CHAINS, None]


def path(network, images, pictures, **ends):
    examples = samplevis.collect(network, UNIT, pictures, **(dict(top=20, bottom=64) | ends))
    objective = as_objective(UNIT).resolve(network, (SIZE, SIZE), (SIZE, SIZE, 3))
    return path_of_samples(network, objective, images, examples, np.random.default_rng(0)).get("path_similarity")


def test_drawings_of_the_unit_are_on_its_path_and_noise_is_not(drawings, stars):
    network, fooling = modelzoo.Shapes(), FoolingShapes()
    noise = param.fourier(SIZE)
    noise = noise.image(noise.prior(seeds.root(0), CHAINS)).numpy()[:, None]
    for each in (network, fooling):
        value, low, high = path(each, stars, drawings[0])
        assert low <= value <= high and high > OFF_PATH and value > 0.7
        assert path(each, noise, drawings[0])[2] < value


def test_pictures_of_a_network_that_lies_are_off_its_path(drawings):
    found = [
        samplevis.optimize(network, UNIT, param=param.fourier(SIZE), batch=CHAINS, steps=64, progress=False).images
        for network in (FoolingShapes(), modelzoo.Shapes())
    ]
    lying, honest = (
        path(network, images[:, None], drawings[0])
        for network, images in zip((FoolingShapes(), modelzoo.Shapes()), found, strict=True)
    )
    assert lying[2] < OFF_PATH < honest[2]


def test_what_cannot_tell_is_left_out(drawings, stars):
    network = modelzoo.Shapes()
    assert path(network, stars, drawings[0][:63]) is None
    assert path(network, stars, drawings[0], bottom=0) is None
    assert path(network, stars, drawings[0], top=9) is None
    assert path(network, stars[:1], drawings[0]) is None
    assert path(network, stars, drawings[0]) is not None
