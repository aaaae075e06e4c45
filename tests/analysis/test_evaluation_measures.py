"""The measures of an evaluation, on features whose figures are known; beside each, a control that must fail."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis.analysis.evaluation import pictures as reading
from samplevis.analysis.evaluation.diversity import diversity
from samplevis.analysis.evaluation.forced_choice import Queries, forced_choice, share_right
from samplevis.analysis.evaluation.intervals import bootstrap_mean, jackknife, resample_weights
from samplevis.analysis.evaluation.level import level
from samplevis.analysis.evaluation.path_similarity import LayerFeatures, path_features, path_similarity
from samplevis.analysis.evaluation.perceptual_distance import perceptual_distance, perceptual_distances
from samplevis.analysis.evaluation.plausibility import band_of_parts, plausibility, squared_mmd
from samplevis.analysis.evaluation.result import Evaluation, Metric
from samplevis.analysis.evaluation.transfer import MEASURE, transfer
from samplevis.analysis.two_samples import kernel_matrix, mmd, split_mmds
from samplevis.objectives import as_objective
from samplevis.sampling.level_scale import LevelScale

F = 24


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def alone(count: int) -> np.ndarray:
    return np.arange(count)


# --- Intervals --------------------------------------------------------------------------------------------------------


def covered(groups: np.ndarray, repeats: int, noise: float) -> float:
    """How often the 90 % interval of a mean holds the truth, 0, when each group has `repeats` members with one value."""
    found = []
    for seed in range(100):
        values = np.repeat(normal(seed, 20), repeats) + noise * normal(1000 + seed, 20 * repeats)
        low, high = bootstrap_mean(values, groups, 0.9, np.random.default_rng(seed))
        found.append(low < 0 < high)
    return np.mean(found)


def test_intervals_of_groups_cover_and_those_that_ignore_them_do_not():
    # The percentile interval of 20 values is a little short; four standard errors of a share of 100 are .13.
    assert abs(covered(np.repeat(alone(20), 6), 6, 0.1) - 0.88) < 0.13
    assert covered(alone(120), 6, 0.1) < 0.7


@pytest.mark.parametrize("count", [3, 8])
def test_intervals_of_few_pictures_cover_and_percentiles_do_not(count):
    """A mean of normal values; the control is the interval of percentiles of the same resamples."""
    covers, percentiles, runs = [], [], 400
    for seed in range(runs):
        values = normal(seed, count)
        low, high = bootstrap_mean(values, alone(count), 0.9, np.random.default_rng(seed))
        ends = np.quantile(resample_weights(alone(count), np.random.default_rng(seed)) @ values, (0.05, 0.95))
        covers.append(low < 0 < high)
        percentiles.append(ends[0] < 0 < ends[1])
    error = np.sqrt(0.9 * 0.1 / runs)
    assert abs(np.mean(covers) - 0.9) < 4 * error and np.mean(percentiles) < 0.9 - 4 * error


def test_pictures_that_are_no_better_than_the_control_are_seldom_called_so():
    """Two intervals of 90 % that do not touch are rarer than one end of an interval of 90 %, one of 20."""
    found = [
        level(
            normal(s, 8), alone(8), normal(1000 + s, 8), np.ones(3), LevelScale(0.0, 1.0), 0.9, np.random.default_rng(s)
        )
        for s in range(200)
    ]
    assert np.mean([each.distinct for each in found]) < 0.05
    assert np.mean([each.low > each.control for each in found]) > 0.05, "a control without an error of its own"


def test_one_group_has_no_interval():
    assert np.isnan(bootstrap_mean(np.ones(3), np.zeros(3), 0.9, np.random.default_rng(0))).all()
    assert np.isnan(jackknife(len, np.array([0, 0, 1, 1]), 4.0, 0.9)).all()


def test_a_resample_has_whole_groups():
    groups = np.array([5, 5, 2, 2, 2, 9])
    weights = resample_weights(groups, np.random.default_rng(0))
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights[:, 0] == weights[:, 1]).all() and (np.ptp(weights[:, 2:5], axis=1) == 0).all()
    assert weights[:, 5].mean() == pytest.approx(1 / 6, abs=0.08), "its group is smaller than the others"


def test_jackknife_of_a_mean_is_its_standard_error():
    x = normal(0, 50)
    low, high = jackknife(lambda kept: x[kept].mean(), alone(50), x.mean(), 0.9)
    # 1.6765509 is Student's quantile for 49 degrees of freedom.
    assert (high - low) / 2 == pytest.approx(1.6765509 * x.std(ddof=1) / np.sqrt(50), rel=1e-6)


# --- Level and transfer -----------------------------------------------------------------------------------------------


def test_level_is_on_the_scale_of_prior_and_optimum():
    rng = np.random.default_rng(0)
    scores = np.array([4.0, 6.0, 4.0, 6.0])
    found = level(scores, alone(4), np.zeros(4), np.array([5.0]), LevelScale(2.0, 10.0), 0.9, rng)
    assert (found.value, found.control, found.examples) == (0.375, -0.25, 0.375)
    assert 0.2 < found.low < 0.25 and found.high == pytest.approx(0.75 - found.low) and found.distinct
    assert found.control_ends == (-0.25, -0.25) and found.text.startswith("50%")


def test_transfer_is_a_share_with_wilsons_interval():
    named = np.repeat([True, True, True, False], 5)
    found = transfer(named, alone(20), np.zeros(20, bool), np.ones(5, bool), "star", 0.9)
    chains = transfer(named, np.repeat(alone(4), 5), np.zeros(20, bool), np.ones(5, bool), "star", 0.9)
    assert found.value == chains.value == 0.75 and found.control == 0 and found.distinct
    assert chains.low < found.low, "twenty draws of four chains are worth four"
    assert not transfer(named, alone(20), named, named, "star", 0.9).distinct


# --- Plausibility -----------------------------------------------------------------------------------------------------


def test_mmd_against_the_sums_that_define_it():
    x, y = normal(0, 5, 3), normal(1, 7, 3)
    k = kernel_matrix(*[np.concatenate([x, y])] * 2)
    expected = np.mean([k[i, j] for i in range(5) for j in range(5) if i != j])
    expected += np.mean([k[i, j] for i in range(5, 12) for j in range(5, 12) if i != j])
    expected -= 2 * np.mean([k[i, j] for i in range(5) for j in range(5, 12)])
    assert mmd(k, alone(5), 5 + alone(7)) == pytest.approx(expected)
    assert mmd(k, alone(5), 5 + alone(7), alone(12)) == pytest.approx(expected)
    groups = np.array([0, 0, 1, 1, 2, *range(3, 10)])
    within = np.mean([k[i, j] for i in range(5) for j in range(5) if groups[i] != groups[j]])
    whole = np.mean([k[i, j] for i in range(5) for j in range(5) if i != j])
    assert mmd(k, alone(5), 5 + alone(7), groups) == pytest.approx(expected + within - whole)


def test_splits_at_once_are_those_one_by_one():
    x = normal(0, 20, 4)
    kernel = kernel_matrix(x, x)
    found = split_mmds(kernel, 6, np.random.default_rng(5))
    orders = np.random.default_rng(5).permuted(np.tile(alone(20)[:, None], len(found)), axis=0).T
    np.testing.assert_allclose(found, [mmd(kernel, order[:6], order[6:]) for order in orders])


def test_halves_of_real_pictures_lie_in_the_band_and_others_do_not():
    inside, shifted = [], []
    for seed in range(100):
        rng, real = np.random.default_rng(seed), normal(seed, 120, F)
        band = band_of_parts(real[60:], 30, rng)
        inside.append(squared_mmd(real[:30], real[60:]) <= band)
        shifted.append(squared_mmd(real[:30] + 0.4, real[60:]) <= band)
    # Four standard errors of 95 % of 100.
    assert np.mean(inside) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 100)
    assert np.mean(shifted) < 0.1


def test_draws_of_a_chain_do_not_look_less_plausible_for_being_alike():
    groups, found = np.repeat(alone(12), 5), []
    for seed in range(40):
        real, chains = normal(seed, 100, F), np.repeat(normal(1000 + seed, 12, F), 5, 0)
        found.append([squared_mmd(chains, real, groups), squared_mmd(chains, real)])
    mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(40)
    assert abs(mean[0]) < 4 * error[0] and mean[1] > 4 * error[1] > 0


def test_plausibility_tells_real_pictures_from_others():
    real, rng = normal(0, 300, F), np.random.default_rng(0)
    control, more = real[:50] + 1, normal(1, 40, F)
    near, far = (plausibility(x, alone(40), real, control, alone(30), 0.9, rng) for x in (more, more + 1))
    assert near.distinct and near.low < 0.01 < near.control and abs(near.examples) < 0.02
    assert not far.distinct and far.low > near.high and "outside" in far.text


def test_best_examples_are_not_compared_with_themselves():
    """On average they are at no distance from the others; compared with all, they look nearer than that."""
    others, all_of_them = [], []
    for seed in range(40):
        real = normal(seed, 64, F)
        found = plausibility(real[:4], alone(4), real, real[:4], alone(8), 0.9, np.random.default_rng(0))
        others.append(found.examples)
        all_of_them.append(squared_mmd(real[:8], real))
    errors = [np.std(each) / np.sqrt(40) for each in (others, all_of_them)]
    assert abs(np.mean(others)) < 4 * errors[0] and np.mean(all_of_them) < -4 * errors[1]


def test_one_chain_has_no_distance():
    found = plausibility(
        normal(0, 5, F), np.zeros(5), normal(1, 80, F), normal(2, 8, F), alone(8), 0.9, np.random.default_rng(0)
    )
    assert np.isnan(found.value) and "band" not in found.text and not found.distinct


# --- Forced choice ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_share_right_counts_pairs(strong, weak):
    expected = np.mean([(a > b) + 0.5 * (a == b) for a in strong for b in weak])
    assert share_right(np.array(strong, float), np.array(weak, float)) == pytest.approx(expected)
    assert np.isnan(share_right(np.array([*strong, np.nan]), np.array(weak, float)))


def test_forced_choice_of_a_units_own_pictures_and_of_another_units():
    # Real pictures of ten units, each a direction.
    unit = np.random.default_rng(0).integers(0, 10, 600)
    real = 6 * np.eye(10, F)[unit] + normal(1, 600, F)
    found = {}
    for shown in (0, 1):
        strong, weak = np.flatnonzero(unit == 0)[:20], np.flatnonzero(unit != 0)[:200]
        best = np.flatnonzero(unit == 0)[20:40]
        pictures = 6 * np.eye(10, F)[np.full(16, shown)] + normal(2, 16, F)
        found[shown] = forced_choice(
            pictures, alone(16), real, Queries(strong, weak, best), 0.9, np.random.default_rng(0)
        )
    assert found[0].low > 0.9 and found[0].distinct and found[0].examples > 0.9
    assert found[1].high < 0.6 and abs(found[0].control - 0.5) < 0.15


def test_activations_of_other_units_leave_the_observer_at_chance():
    rng, shares = np.random.default_rng(0), []
    real = normal(3, 300, F)
    for _ in range(30):
        order = rng.permutation(300)
        strong, best, weak = order[:15], order[15:30], order[150:]
        shares.append(forced_choice(real[best], alone(15), real, Queries(strong, weak, best), 0.9, rng).value)
    assert abs(np.mean(shares) - 0.5) < 4 * np.std(shares) / np.sqrt(30)


def test_random_pictures_explain_nothing_on_average():
    """The control is at chance, also where most real pictures are asked about: none of them explains itself."""
    shares = []
    for seed in range(100):
        real, rng = normal(seed, 64, F), np.random.default_rng(seed)
        queries = Queries(alone(4), 32 + alone(32), 4 + alone(4))
        shares.append(forced_choice(normal(1000 + seed, 32, F), alone(32), real, queries, 0.9, rng).control)
    assert abs(np.mean(shares) - 0.5) < 4 * np.std(shares) / np.sqrt(100)


def test_four_right_choices_are_no_certainty():
    real = np.concatenate([np.eye(1, F) + 0.01 * normal(0, 8, F), normal(1, 60, F) - 4 * np.eye(1, F)])
    queries = Queries(alone(4), 8 + alone(60), 4 + alone(4))
    found = forced_choice(np.eye(1, F) + 0.01 * normal(2, 9, F), alone(9), real, queries, 0.9, np.random.default_rng(0))
    assert found.value == 1 and found.high == 1 and found.low < 0.7
    one = forced_choice(np.eye(1, F).repeat(3, 0), np.zeros(3), real, queries, 0.9, np.random.default_rng(0))
    assert np.isnan([one.low, one.high]).all() and not one.distinct


# --- Path similarity --------------------------------------------------------------------------------------------------


def layer(pictures: np.ndarray, tells: float = 2.0) -> LayerFeatures:
    own, examples = (tells * np.eye(1, F) + normal(seed, 40, F) for seed in (10, 11))
    return LayerFeatures(pictures, own, examples, normal(12, 200, F), normal(13, 30, F))


def test_path_similarity_is_1_of_natural_pictures_and_0_of_noise():
    natural, noise = 2 * np.eye(1, F) + normal(0, 30, F), normal(1, 30, F)
    for pictures, truth in ((natural, 1.0), (noise, 0.0), (-natural, -1.0)):
        found = path_similarity({"a": layer(pictures)}, alone(30), 0.99, np.random.default_rng(0))
        assert found.low < truth < found.high and found.high - found.low < 1.2
        assert found.by_layer["a"][0] == found.value
    assert found.examples == pytest.approx(1, abs=0.25) and found.control == pytest.approx(0, abs=0.25)


def test_layers_that_do_not_tell_are_left_out():
    pictures, rng = normal(0, 30, F), np.random.default_rng(0)
    found = path_similarity({"early": layer(pictures, 0.0), "late": layer(pictures)}, alone(30), 0.9, rng)
    assert list(found.by_layer) == ["late"]
    nothing = path_similarity({"early": layer(pictures, 0.0)}, alone(30), 0.9, rng)
    assert np.isnan(nothing.value) and not nothing.by_layer and not nothing.distinct
    assert np.isnan(path_similarity({}, alone(30), 0.9, rng).value)


def test_a_caricature_is_above_1():
    """Without the scatter of single pictures, what the unit's pictures share is more than in any of them."""
    caricature = 10 * np.eye(1, F) + normal(0, 30, F)
    assert path_similarity({"a": layer(caricature)}, alone(30), 0.9, np.random.default_rng(0)).low > 1


def test_the_path_to_a_unit_before_its_rectifier_ends_at_its_layer(tiny_network):
    images = LayerFeatures(*[np.random.default_rng(0).uniform(size=(3, 16, 16, 3)).astype(np.float32)] * 5)
    after, before = (
        set(path_features(tiny_network, as_objective(unit).resolve(tiny_network), images))
        for unit in ("conv2:1", "conv2/pre:1")
    )
    assert after == before < set(tiny_network.layers)


# --- Diversity --------------------------------------------------------------------------------------------------------


def test_diversity_counts_pictures_that_are_active_enough():
    features, real = 5 * np.repeat(np.eye(4, F), 3, 0), np.zeros((2, F))
    strong, copies = np.ones(12, bool), np.repeat(features[:1], 12, 0)
    found = diversity(features, alone(12), strong, real, copies, features, 0.9)
    assert found.value == pytest.approx(4) and found.control == pytest.approx(1) and found.distinct
    weak = strong & (np.arange(12) < 6)
    assert diversity(features, alone(12), weak, real, copies, features, 0.9).value == pytest.approx(2)
    none = diversity(features, alone(12), ~strong, real, copies, features, 0.9)
    assert none.value == 0 and not none.distinct


def test_perceptual_distances_are_those_of_the_formula():
    """LPIPS (Zhang et al. 2018, equation 1) with equal weights, place by place; lengths do not count."""
    layers = [normal(0, 3, 4, 5, 6), normal(1, 3, 2, 7)]
    expected = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        for layer in layers:
            x, y = (layer[k] / np.linalg.norm(layer[k], axis=-1, keepdims=True) for k in (i, j))
            expected[i, j] += np.square(x - y).sum(-1).mean() / 2
    found = perceptual_distances(layers)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(perceptual_distances([3.0 * layers[0], layers[1]]), found, atol=1e-12)
    # What has no activation anywhere has no direction: its distance from the others is 1, and 0 from itself.
    np.testing.assert_allclose(perceptual_distances([np.array([[[0.0, 0.0]], [[0.0, 2.0]]])]), 1 - np.eye(2))


def test_perceptual_distance_is_of_active_pictures_from_different_groups():
    distances = np.array([[0.0, 0.1, 1.0, 9.0], [0.1, 0.0, 1.2, 9.0], [1.0, 1.2, 0.0, 9.0], [9.0, 9.0, 9.0, 0.0]])
    groups, strong = np.array([0, 0, 1, 2]), np.array([True, True, True, False])
    copies, examples = np.full((3, 3), 0.2), np.full((3, 3), 2.0)
    found = perceptual_distance(distances, groups, strong, copies, examples, 0.9)
    assert found.value == pytest.approx(1.1) and found.control == pytest.approx(0.2) and found.examples == 2
    assert perceptual_distance(distances, alone(4), strong, copies, examples, 0.9).value == pytest.approx(2.3 / 3)
    one = perceptual_distance(distances, groups, np.array([True, True, False, False]), copies, examples, 0.9)
    assert one.value == 0 and not one.distinct
    alike = perceptual_distance(distances, groups, strong, copies, np.zeros((1, 1)), 0.9)
    assert alike.examples == 0 and "alike" in alike.text


# --- Pictures and result ----------------------------------------------------------------------------------------------


def test_random_phases_keep_colour_and_spectrum():
    images = (0.5 + 0.02 * normal(0, 3, 16, 12, 3)).astype(np.float32)
    found = reading.random_phases(images, np.random.default_rng(0))
    np.testing.assert_allclose(found.mean((1, 2)), images.mean((1, 2)), atol=1e-5)
    power = [np.abs(np.fft.fft2(x, axes=(1, 2))) for x in (images, found)]
    np.testing.assert_allclose(*power, atol=1e-3)
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, found, strict=True)]
    assert np.abs(correlations).max() < 4 / np.sqrt(16 * 12)


def test_nothing_is_compared_with_itself():
    images = normal(0, 6, 4, 4, 1)
    found = reading.without_copies(images[[0, 1, 2, 1, 3, 0, 4]], images[[2, 5]])
    np.testing.assert_array_equal(found, images[[0, 1, 3, 4]])


def test_chains_are_groups(tiny_network):
    from conftest import made_samples

    samples = made_samples(chains=3, draws=4)
    found = reading.read_evaluated(tiny_network, samples)
    assert found.images.shape == (12, 16, 16, 3) and found.groups.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_result_prints_and_escapes():
    metric = Metric(
        MEASURE._replace(label="<b>"), 0.5, 0.4, 0.6, 0.3, (0.1, 0.45), np.nan, "text & more", {"a": (1.0, np.nan, 2.0)}
    )
    found = Evaluation("a < b", {"transfer": metric}, {"level": "no <judge>"}, ("<!>",), 0.9)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["metrics"]["transfer"]["by_layer"] == {"a": [1.0, None, 2.0]}
    assert plain["metrics"]["transfer"]["examples"] is None and not plain["metrics"]["transfer"]["distinct"]
    assert "0.5 ?" in str(found) and "! <!>" in str(found)
    html = found._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;" in html and "text &amp; more" in html and "&lt;!&gt;" in html
