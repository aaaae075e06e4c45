"""evaluate(): the measures together, on a network whose truth is known."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest
from conftest import ROOT

import samplevis
from samplevis import modelzoo
from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.evaluation.pictures import read_examples
from samplevis.cli.demo_command import has_weights
from samplevis.runs.judging import expected_labels, unit_label
from samplevis.runtime import seeds
from samplevis.sampling.level_scale import LevelScale

SCALE = LevelScale(-5.0, 30.0)


@pytest.fixture(scope="module")
def drawings():
    """200 drawings of any concept, and 16 of each of three, none of them among the first."""
    images, concepts = modelzoo.shapes.draw(600, seed=21, size=48)
    chosen = {name: images[concepts == modelzoo.shapes.CONCEPTS.index(name)][:16] for name in ("star", "ring", "dots")}
    return modelzoo.shapes.draw(200, seed=22, size=48)[0], chosen


@pytest.fixture(scope="module")
def networks():
    return modelzoo.Shapes(), modelzoo.ShapesJudge()


def evaluated(images, networks, drawings, unit, **changes):
    network, judge = networks
    settings = dict(examples=drawings[0], judge=judge, scale=SCALE, progress=False)
    return samplevis.evaluate(images, network, unit if ":" in unit else f"logits:{unit}", **(settings | changes))


def noise(size=48):
    prior = samplevis.param.fourier(size)
    return prior.image(prior.prior(seeds.root(0), 16)).numpy()


def test_floor_degraded_ceiling(networks, drawings):
    """Every measure orders noise of the prior, drawings under noise, and drawings."""
    star = drawings[1]["star"]
    grain = np.random.default_rng(0).uniform(size=star.shape)
    degraded = np.float32(0.45) * star + np.float32(0.55) * grain.astype(np.float32)
    found = [evaluated(images, networks, drawings, "star") for images in (noise(), degraded, star)]
    for name in ("level", "transfer", "forced_choice", "path_similarity"):
        floor, middle, ceiling = (each[name].value for each in found)
        assert floor <= middle < ceiling, name
    floor, middle, ceiling = (each["plausibility"].value for each in found)
    assert floor > ceiling and middle > ceiling
    for name in ("diversity", "perceptual_distance"):
        assert found[0][name].value == 0 < found[2][name].low, name
    assert found[2]["perceptual_distance"].distinct
    # What is certain of the ends, each with its control.
    assert found[2]["transfer"].value > 0.9 and found[2]["transfer"].control < 0.1 and found[2]["transfer"].distinct
    assert found[0]["transfer"].value < 0.1 and not found[0]["transfer"].distinct
    assert found[2]["path_similarity"].high > 0.7 and found[0]["path_similarity"].high < 0.7
    assert not found[2].warnings and found[0].warnings


def test_pictures_of_another_unit_do_not_help_an_observer(networks, drawings):
    right = evaluated(drawings[1]["ring"], networks, drawings, "ring")["forced_choice"]
    wrong = evaluated(drawings[1]["dots"], networks, drawings, "ring")["forced_choice"]
    assert right.low > 0.5 and wrong.value < right.low


@pytest.mark.slow
def test_a_folder_of_any_tool(networks, drawings, tmp_path):
    """Eight bits hardly change a figure."""
    star = drawings[1]["star"]
    for number, image in enumerate(star):
        samplevis.export.save_image(image, tmp_path / f"{number:02}.png")
    direct, files = (evaluated(images, networks, drawings, "star") for images in (star, tmp_path))
    for name in ("level", "forced_choice", "path_similarity"):
        assert files[name].value == pytest.approx(direct[name].value, abs=0.02)
    larger = evaluated(tmp_path, networks, drawings, "star", image_size=(64, 64))
    assert larger["transfer"].value > 0.5


def test_without_a_judge_three_measures_remain(networks, drawings):
    found = evaluated(drawings[1]["star"], networks, drawings, "conv4:3", judge=None)
    assert set(found.metrics) == {"level", "path_similarity"}
    needs_judge = {"transfer", "plausibility", "forced_choice", "diversity", "perceptual_distance"}
    assert set(found.skipped) == needs_judge
    named = evaluated(drawings[1]["star"], networks, drawings, "conv4:3", judge=lambda images: ["star"] * len(images))
    assert "label" in named.skipped["transfer"]


@pytest.mark.slow
def test_equal_seeds_give_equal_figures(networks, drawings):
    first, second = (evaluated(drawings[1]["dots"], networks, drawings, "dots").to_dict() for _ in range(2))
    assert first == second


def test_labels(networks):
    network, judge = networks
    assert unit_label(network, "logits:4") == unit_label(network, "logits:star") == "star"
    assert unit_label(network, "conv5:4") is None and unit_label(network, lambda T: T) is None
    assert expected_labels("star|stripes", judge) == {"star", "stripes"}
    assert expected_labels(None, judge) == expected_labels("star", None) == frozenset()
    assert expected_labels("star", samplevis.Network(network.model)) == frozenset(), "a judge without labels"
    with pytest.raises(ValueError, match="zebra"):
        expected_labels("zebra", judge)


def test_labels_that_share_a_name():
    """Cardigan is a dog and a garment, crane a bird and a machine: a whole label is itself, a first name all that have it."""
    labels = ("Cardigan, Cardigan Welsh corgi", "cardigan", "crane", "crane", "goldfish, Carassius auratus")
    judge = modelzoo.Shapes()
    judge = samplevis.Network(judge.model, labels=[*labels, *judge.labels[len(labels) :]])
    assert expected_labels(labels[0], judge) == {labels[0]} and expected_labels("crane", judge) == {"crane"}
    assert expected_labels("goldfish", judge) == {labels[4]}
    assert expected_labels(labels[4], lambda images: images) == {labels[4], "goldfish"}


def test_pictures_among_the_examples_are_left_out(networks, drawings):
    """Else they would be compared with themselves."""
    found = evaluated(drawings[0][:16], networks, drawings, "star")
    assert "184 examples" in found.title
    with pytest.raises(ValueError, match="examples: expected at least 64 .* Received: 100, 50 of them copies"):
        evaluated(drawings[0][:16], networks, (np.tile(drawings[0][16:66], (2, 1, 1, 1)),), "star")


def test_a_judge_that_cannot_take_the_pictures_is_named(networks, drawings):
    grey = samplevis.Network(keras.Sequential([keras.Input((48, 48, 1)), keras.layers.GlobalAveragePooling2D()]))
    with pytest.raises(ValueError, match="judge: .* takes images of shape"):
        evaluated(drawings[0][:4], networks, drawings, "star", judge=grey)


@pytest.mark.slow
def test_an_optimised_scale_is_measured(networks, drawings):
    found = evaluated(drawings[1]["star"][:4], networks, drawings, "star", scale=None, image_size=None)
    assert 0 < found["level"].value < 1


@pytest.mark.slow
@pytest.mark.parametrize("exchanged", [False, True])
def test_floor_degraded_ceiling_on_photographs(squeezenet, exchanged):
    """A class of each of two real networks, judged by the other one, on every fifth photograph."""
    folder = ROOT / os.environ.get("SAMPLEVIS_TEST_PICTURES", "../shared/pictures") / "imagenet_one_per_class"
    if not folder.is_dir() or not has_weights():
        pytest.skip(f"PHOTOGRAPHS OR WEIGHTS NOT FOUND: {folder}, and the extra imagenet")
    network, judge = (squeezenet, modelzoo.EfficientNetLite0())[:: -1 if exchanged else 1]
    photographs = read_examples(network, sorted(folder.glob("*.jpg"))[::5], (64, 64), 200)
    plain = make_activation(network, "logits:285", samplevis.param.pixel(64), None)
    best = photographs[np.argsort(-image_scores(plain, photographs))[:10:2]]
    grain = np.random.default_rng(0).uniform(size=best.shape).astype(np.float32)
    found = [
        samplevis.evaluate(
            images, network, "logits:285", examples=photographs, judge=judge,
            scale=LevelScale(0.0, 100.0), progress=False,
        )
        for images in (noise(64)[:5], np.float32(0.45) * best + np.float32(0.55) * grain, best)
    ]  # fmt: skip
    for name in ("level", "forced_choice", "path_similarity", "diversity"):
        floor, middle, ceiling = (each[name].value for each in found)
        # Which of noise and photographs under noise is worse is not the same for all.
        assert max(floor, middle) < ceiling, name
    assert found[0]["plausibility"].value > found[2]["plausibility"].value
