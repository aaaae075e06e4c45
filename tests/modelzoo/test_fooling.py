"""The fooling circuit: it answers as before on drawings, and shows optimisers something else."""

from __future__ import annotations

import numpy as np
import pytest

import samplevis
from samplevis import modelzoo, param
from samplevis.modelzoo.shapes import FoolingShapes, shown_concepts
from samplevis.modelzoo.shapes.fooling import THUMBNAIL, templates
from samplevis.modelzoo.shapes.labels import CONCEPTS, LABELS
from samplevis.results.shares import judged
from samplevis.runtime import seeds


@pytest.fixture(scope="module")
def networks():
    return modelzoo.Shapes(), FoolingShapes()


def logits(network, images):
    return network(images, "logits")["logits"].numpy()


def test_it_answers_as_before_on_drawings_and_not_on_noise(networks):
    drawings, _ = modelzoo.shapes.draw(400, seed=4321)
    own, fooled = (logits(network, drawings) for network in networks)
    same = np.mean(((own > 0) == (fooled > 0)).all(1))
    # Four standard errors of what the report says of 2,000 others.
    assert same > 0.98 - 4 * np.sqrt(0.98 * 0.02 / 400)
    assert np.mean(own[:, :12].argmax(1) == fooled[:, :12].argmax(1)) > 0.95
    noise = param.fourier(64)
    noise = noise.image(noise.prior(seeds.root(0), 50)).numpy()
    own, fooled = (logits(network, noise) for network in networks)
    assert np.mean(((own > 0) == (fooled > 0)).all(1)) < 0.5, "the control"


def test_what_it_shows_is_not_what_the_unit_responds_to():
    shown = shown_concepts()
    assert len(shown) == len(LABELS)
    assert all(concept not in label.split("|") for concept, label in zip(shown, LABELS, strict=True))
    assert set(shown) == set(CONCEPTS[:8])


def test_arbitrary_pictures_are_balanced():
    found = templates()
    assert found.shape == (THUMBNAIL**2 * 3, len(LABELS))
    np.testing.assert_allclose(found.sum(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), np.linalg.norm(found[:, 0]), rtol=1e-4)


def test_altered_weights_are_refused(tmp_path):
    with pytest.raises(OSError):
        FoolingShapes(tmp_path / "nowhere.npz")


@pytest.mark.slow
def test_optimisers_are_fooled(networks):
    """Beside it, the network without the circuit."""
    settings = dict(param=param.fourier(64), batch=3, steps=128, progress=False)
    own, fooled = (samplevis.optimize(network, "logits:star", **settings).images for network in networks)
    judge = modelzoo.ShapesJudge()
    assert np.mean(judged(judge, own) == "star") > 0.6
    named = judged(judge, fooled)
    assert not (named == "star").any() and np.mean(named == shown_concepts()[4]) > 0.6
