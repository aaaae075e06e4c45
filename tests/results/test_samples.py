"""Samples: a sequence, a file, a table that says what is wrong."""

from __future__ import annotations

import builtins
import dataclasses
import json
import re
import sys
import types

import imageio.v3 as imageio
import numpy as np
import pytest
from conftest import made_samples

import samplevis
from samplevis import Samples, export
from samplevis.results.sample_file import VERSION
from samplevis.sampling import diagnostics

CHAINS, DRAWS, SIZE = 4, 40, 16


def _with_stats(**stats) -> Samples:
    good = made_samples()
    return dataclasses.replace(good, stats=good.stats | stats)


@pytest.fixture(scope="module")
def good() -> Samples:
    return made_samples()


def _assert_same(one: Samples, other: Samples) -> None:
    for field in dataclasses.fields(Samples):
        a, b = getattr(one, field.name), getattr(other, field.name)
        pairs = (
            zip(a.items(), b.items(), strict=True)
            if field.name in ("stats", "scalars")
            else [((field.name, a), (field.name, b))]
        )
        for (name, x), (other_name, y) in pairs:
            assert name == other_name
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes(), name
            else:
                assert x == y and type(x) is type(y), name


def test_is_a_sequence_of_images_chain_after_chain(good):
    assert len(good) == CHAINS * DRAWS
    np.testing.assert_array_equal(np.stack(list(good)), np.concatenate(list(good.images)))
    np.testing.assert_array_equal(good[DRAWS + 3], good.images[1, 3])
    np.testing.assert_array_equal(good[np.int64(-1)], good.images[-1, -1])
    np.testing.assert_array_equal(good[2 : 2 * DRAWS : 7], np.concatenate(list(good.images))[2 : 2 * DRAWS : 7])


@pytest.mark.parametrize("index, error", [(CHAINS * DRAWS, IndexError), (1.0, TypeError), ("0", TypeError)])
def test_other_indices_are_refused(good, index, error):
    with pytest.raises(error):
        good[index]


def test_repr_is_short_and_says_what_it_is(good):
    text = repr(good)
    assert len(text) < 200 and "\n" not in text
    for word in ("logits:goldfish", "SqueezeNet", "0.7", "4 chains", "40 draws", "16 x 16"):
        assert word in text


@pytest.mark.parametrize(
    "name, value",
    [
        ("images", np.zeros((4, 40, 16))),
        ("latents", np.zeros((4, 39, 8))),
        ("activation", np.zeros((40, 4))),
        ("optimized", np.zeros((4, 8, 8, 3))),
        ("reached", np.ones(3, bool)),
    ],
)
def test_shapes_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        made_samples(**{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("acceptance_rate", np.zeros((DRAWS, CHAINS))),
        ("energy", np.zeros((CHAINS, DRAWS - 1))),
        ("step_size", np.float32(0.03)),
        ("step_size", np.zeros(0)),
    ],
)
def test_shapes_of_statistics_are_checked(name, value):
    with pytest.raises(ValueError, match="stats: expected '.*Received: "):
        _with_stats(**{name: value})


def test_a_missing_statistic_is_named(good):
    with pytest.raises(ValueError, match="stats: expected acceptance_rate, .*Missing: energy$"):
        made_samples(stats={name: array for name, array in good.stats.items() if name != "energy"})


@pytest.mark.parametrize("optimum", [-2.0, -3.0, float("nan")])
def test_a_scale_has_its_optimum_above_the_prior(optimum):
    with pytest.raises(ValueError, match="optimum_activation: expected more than the prior's -2.0. Received: "):
        made_samples(optimum_activation=optimum)


def test_round_trip_is_exact(good, tmp_path):
    good.save(tmp_path / "a.npz")
    _assert_same(good, Samples.load(tmp_path / "a.npz"))


def test_round_trip_of_what_json_and_files_find_hard(tmp_path):
    odd = _with_stats(energy_error=np.full((CHAINS, DRAWS), np.nan))
    odd = dataclasses.replace(
        odd,
        level=None,
        beta=float("inf"),
        objective="Ünit «金魚»",
        prior_activation=-1 / 3,
        latents=odd.latents[..., 0],
    )
    odd.save(tmp_path / "run.npz")
    _assert_same(odd, Samples.load(tmp_path / "run.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_numpy_numbers_become_plain(tmp_path):
    samples = made_samples(prior_activation=np.float32(-2.5), seed=np.int64(3), options={"step_size": np.float64(0.5)})
    samples.save(tmp_path / "a.npz")
    back = Samples.load(tmp_path / "a.npz")
    assert (back.prior_activation, back.seed, back.options) == (-2.5, 3, {"step_size": 0.5})


def test_the_same_samples_are_the_same_bytes(good, tmp_path):
    good.save(tmp_path / "a.npz")
    Samples.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_file_is_plain_arrays_and_json(good, tmp_path):
    good.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        metadata = json.loads(str(archive["metadata"]))
        np.testing.assert_array_equal(archive["stats.energy"], good.stats["energy"])
    assert (metadata["format"], metadata["version"], metadata["level"]) == ("samplevis-samples", VERSION, 0.7)


def test_the_old_file_survives_a_failing_disk(good, tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    good.save(path)
    old = path.read_bytes()

    def half(file, **_):
        file.write(old[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="No space"):
        good.save(path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.9, 0.9999])
def test_a_file_cut_short_is_damaged(good, part, tmp_path):
    path = tmp_path / "a.npz"
    good.save(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match="a.npz.*damaged"):
        Samples.load(path)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.6])
def test_a_flipped_bit_is_damage(good, part, tmp_path):
    path = tmp_path / "a.npz"
    good.save(path)
    content = bytearray(path.read_bytes())
    content[int(part * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Samples.load(path)


def _rewrite(path, drop=(), **changes) -> None:
    """Changes metadata or arrays in a saved file."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name not in drop}
    metadata = json.loads(str(arrays["metadata"]))
    metadata |= {name: value for name, value in changes.items() if not isinstance(value, np.ndarray)}
    arrays |= {name: value for name, value in changes.items() if isinstance(value, np.ndarray)}
    np.savez(path, **(arrays | {"metadata": np.array(json.dumps(metadata))}))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({}, None),
        ({"version": VERSION + 1}, f"version {VERSION}.*Received.*version {VERSION + 1}"),
        ({"format": "other"}, "Received: other"),
        ({"drop": ["latents"]}, "latents"),
        ({"drop": ["stats.energy"]}, "damaged.*Missing: energy"),
        ({"surplus": 1}, "surplus"),
        ({"activation": np.zeros((2, 2))}, "activation"),
        ({"latents": np.array([{"a": 1}], object)}, "damaged"),
    ],
    ids=["control", "version", "format", "missing", "missing statistic", "surplus", "shape", "pickle"],
)
def test_other_contents_are_refused(good, changes, message, tmp_path):
    path = tmp_path / "a.npz"
    good.save(path)
    _rewrite(path, **changes)
    if message is None:
        _assert_same(good, Samples.load(path))
        return
    with pytest.raises(ValueError, match=message):
        Samples.load(path)


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "text").write_text("hello")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=f"{path.name}.*not saved samples"):
            Samples.load(path)


def test_a_file_that_cannot_be_opened_is_an_os_error(good, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.npz"):
        Samples.load(tmp_path / "nothing.npz")
    with pytest.raises(OSError, match="nowhere"):
        good.save(tmp_path / "nowhere" / "a.npz")


def test_levels_run_from_the_prior_to_the_optimum():
    draws = np.linspace(-2, 8, DRAWS, dtype=np.float32) * np.ones((CHAINS, 1), np.float32)
    samples = made_samples(fresh_activation=draws)
    np.testing.assert_allclose(samples.sampled_levels[0], np.linspace(0, 1, DRAWS), atol=1e-6)
    np.testing.assert_array_equal(samples.levels, samples.network_levels)


def test_a_good_run_has_no_warnings(good):
    summary = good.summary()
    assert summary.warnings == []
    assert "No warnings" in str(summary)


def test_a_hot_chain_and_an_approximate_kernel_are_named():
    assert any(
        "temperature is 1.10" in w for w in _with_stats(temperature=np.full((CHAINS, DRAWS), 1.1)).summary().warnings
    )
    assert any("langevin is approximate" in w for w in made_samples(kernel="langevin").summary().warnings)
    assert not any("approximate" in w or "temperature" in w for w in made_samples().summary().warnings)


def test_the_worst_scalar_is_named():
    apart = np.random.default_rng(0).normal(size=(CHAINS, DRAWS)) + 10 * np.arange(CHAINS)[:, None]
    good = made_samples()
    bad = dataclasses.replace(good, scalars=good.scalars | {"power_low": apart})
    assert bad.summary().figures["rhat_worst"] == diagnostics.rhat(apart) > 2
    assert "(power_low)" in str(bad.summary())
    with pytest.raises(ValueError, match="scalars: expected 'radius' of shape"):
        dataclasses.replace(good, scalars={"radius": apart[:, 1:]})


def test_figures_are_what_they_say(good):
    figures = good.summary().figures
    assert all(type(value) is float for value in figures.values())
    level = (good.fresh_activation.astype(float).mean() + 2) / 10
    # Draws that are better than independent ones are still no more than their number.
    bulk, tail = (min(size(good.activation), CHAINS * DRAWS) for size in (diagnostics.ess_bulk, diagnostics.ess_tail))
    assert diagnostics.ess_bulk(good.activation) > CHAINS * DRAWS
    expected = {
        "level_asked": 0.7,
        "level_fresh": good.network_levels.astype(float).mean(),
        "level_sampled": level,
        "level_bank": level + 0.01,
        "fresh_over_bank": level / (level + 0.01),
        "acceptance": good.stats["acceptance_rate"].mean(),
        "acceptance_worst": min(chain.mean() for chain in good.stats["acceptance_rate"]),
        "temperature": 1.0,
        "step_size": 0.03,
        "gradients": 12000,
        "gradients_per_effective_draw": 12000 * CHAINS / bulk,
        "strength": 2.5,
        "rhat": diagnostics.rhat(good.activation),
        "ess_bulk": bulk,
        "ess_tail": tail,
        "bfmi_worst": diagnostics.ebfmi(good.stats["energy"]).min(),
        "non_finite": 0,
        "divergences": 0,
        "energy_error_95": np.quantile(np.abs(good.stats["energy_error"]), 0.95, method="higher"),
        "rhat_worst": max(diagnostics.rhat(x) for x in good.scalars.values()),
        "pixel_correlation": diagnostics.pixel_correlation(good.images),
        "power_slope": diagnostics.power_slope(good[:]),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_the_worst_chain_is_the_one_furthest_from_the_level():
    levels = np.full((CHAINS, DRAWS), 0.7, np.float32)
    levels[2] = 0.9
    levels[3] = 0.6
    assert made_samples(network_levels=levels).summary().figures["level_fresh_worst"] == pytest.approx(0.9)


def test_the_table_shows_the_figures(good):
    text = str(good.summary())
    for word in ("0.70", "R-hat", "E-BFMI", "acceptance", "12,000", "logits:goldfish", "0.03", "seed 11"):
        assert word in text
    assert max(map(len, text.splitlines())) < 120


def _one_bad_chain(shift: float) -> dict:
    activation = np.random.default_rng(3).normal(5, 0.3, (CHAINS, DRAWS)).astype(np.float32)
    activation[0] += shift
    activation[1] -= shift
    return {"activation": activation, "fresh_activation": activation}


def _walk() -> np.ndarray:
    steps = np.random.default_rng(5).normal(size=(CHAINS, DRAWS))
    return 1e5 + np.cumsum(steps, axis=1)


BAD_RUNS = {
    "level": (lambda: made_samples(level=0.85), "asked for was 0.85"),
    "bank": (
        lambda: made_samples(fresh_activation=made_samples().activation - 1),
        "overfit their bank of transforms by 1[45]%",
    ),
    "a chain of noise": (
        lambda: made_samples(fresh_activation=made_samples().fresh_activation * [[1], [1], [1], [-0.3]]),
        r"chain 3 is at 0\.0\d\.",
    ),
    "annealing": (
        lambda: made_samples(
            fresh_activation=made_samples().fresh_activation * [[1], [0.5], [1], [0.6]],
            reached=np.array([True, False, True, False]),
        ),
        "chains 1, 3 are at .* Annealing did not bring them there",
    ),
    "low acceptance": (lambda: _with_stats(acceptance_rate=np.full((CHAINS, DRAWS), 0.5)), "50%"),
    "one low acceptance": (
        lambda: _with_stats(acceptance_rate=np.where(np.arange(CHAINS)[:, None] == 2, 0.1, 0.9) * np.ones(DRAWS)),
        "A chain accepts only 10%",
    ),
    "disagreement": (lambda: made_samples(**_one_bad_chain(1.0)), "chains disagree"),
    "small effective sample size": (
        lambda: made_samples(activation=made_samples().activation[:, :8].repeat(5, axis=1)),
        "effective sample size is only",
    ),
    "energy": (lambda: _with_stats(energy=_walk()), "E-BFMI"),
    "non-finite": (
        lambda: _with_stats(energy_error=np.where(np.arange(DRAWS) < 3, np.inf, 0.0) * np.ones((CHAINS, 1))),
        "12 proposals were not finite",
    ),
    "standing still": (
        lambda: made_samples(activation=np.repeat(np.arange(CHAINS, dtype=np.float32)[:, None], DRAWS, 1)),
        "R-hat is over 1000",
    ),
    "too few draws": (lambda: made_samples(draws=3), "too few to judge"),
    "one chain": (lambda: made_samples(chains=1), "One chain has no other"),
    "stuck": (lambda: made_samples(activation=np.full((CHAINS, DRAWS), 5.0, np.float32)), "chains are stuck"),
    "nan on the bank": (
        lambda: made_samples(activation=made_samples().activation * np.nan),
        "activations are not finite",
    ),
    "one nan on fresh transforms": (
        lambda: made_samples(fresh_activation=np.where(np.arange(DRAWS) == 9, np.nan, made_samples().activation)),
        "activations are not finite",
    ),
}


@pytest.mark.parametrize("name", BAD_RUNS)
@pytest.mark.filterwarnings("error")
def test_a_bad_run_is_told_in_words(name):
    make, words = BAD_RUNS[name]
    summary = make().summary()
    found = [text for text in summary.warnings if re.search(words, text)]
    assert len(found) == 1, summary.warnings
    assert found[0] in str(summary)


def test_a_disagreement_is_the_only_thing_wrong_with_its_run():
    """The control: the same chains without the shift pass."""
    assert made_samples(**_one_bad_chain(0.0)).summary().warnings == []


def test_a_run_that_accepts_every_proposal_is_sound():
    assert _with_stats(acceptance_rate=np.full((CHAINS, DRAWS), 1.0)).summary().warnings == []


@pytest.mark.filterwarnings("error")
def test_a_run_without_a_level_or_mixing_still_has_a_table():
    samples = made_samples(chains=1, draws=1, level=None)
    summary = samples.summary()
    assert np.isnan([summary.figures[name] for name in ("level_asked", "rhat", "ess_bulk", "pixel_correlation")]).all()
    assert "none" in str(summary) and "too few" in str(summary)


@pytest.mark.filterwarnings("error")
def test_an_optimum_of_zero_is_no_trouble():
    summary = made_samples(prior_activation=-20.0, optimum_activation=0.0, level=None).summary()
    assert np.isnan(summary.figures["activation_over_optimum"]) and "nan" not in str(summary)


def test_rows_whose_figures_cannot_be_told_are_left_out(good):
    """Images too small for a slope, and of one chain."""
    tiny = np.random.default_rng(0).uniform(size=(1, DRAWS, 8, 8, 3)).astype(np.float32)
    parts = dict.fromkeys(("optimized", "chain_means", "sd_images"), tiny[:, 0])
    summary = made_samples(chains=1, images=tiny, **parts).summary()
    assert "pictures" not in summary.rows and "-; -" not in str(summary)
    assert "pictures" in good.summary().rows


def test_non_finite_counts_proposals():
    error = np.zeros((CHAINS, DRAWS))
    error[0, 0], error[1, 2], error[3, 1] = np.inf, np.nan, -np.inf
    assert _with_stats(energy_error=error).non_finite == 3


@pytest.mark.parametrize("layout, frames, width", [("chains", 5, 4 * SIZE + 6), ("sweep", 20, SIZE)])
def test_save_gif(layout, frames, width, tmp_path):
    made_samples(draws=5).save_gif(tmp_path / "a.gif", layout=layout, scale=2, captions=False)
    assert imageio.imread(tmp_path / "a.gif", index=...).shape[:3] == (frames, 2 * SIZE, 2 * width)


def test_save_gif_names_a_bad_layout(good, tmp_path):
    with pytest.raises(ValueError, match="layout: expected one of 'chains', 'anneal', 'sweep'. Received: 'chain'"):
        good.save_gif(tmp_path / "a.gif", layout="chain")


def test_save_animation_goes_by_the_suffix_and_says_what_made_it(good, tmp_path):
    few = made_samples(draws=5)
    few.save_animation(tmp_path / "a.gif", fps=4)
    few.save_gif(tmp_path / "b.gif", fps=4)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    few.save_animation(tmp_path / "a.png", layout="sweep", scale=1, captions=False)
    assert imageio.imread(tmp_path / "a.png", index=...).shape == (20, SIZE, SIZE, 3)
    few.save_grid(tmp_path / "grid.png")
    for name in ("a.png", "grid.png"):
        said = export.load_metadata(tmp_path / name)
        assert said == {
            "Objective": few.objective,
            "Model": few.model,
            "Seed": str(few.seed),
            "Software": f"samplevis {samplevis.__version__}",
        }


def test_arviz_statistics_are_those_of_the_draws_kept(monkeypatch):
    samples = made_samples(draws=5, thin=3)
    module = types.ModuleType("arviz_base")
    module.from_dict = lambda groups: groups
    monkeypatch.setitem(sys.modules, "arviz_base", module)
    groups = samples.to_arviz()
    np.testing.assert_array_equal(groups["posterior"]["activation"], samples.activation)
    np.testing.assert_array_equal(groups["posterior"]["radius"], samples.scalars["radius"][:, 2::3])
    assert {array.shape for array in groups["posterior"].values()} == {(CHAINS, 5)}, "named scalars only"
    stats = groups["sample_stats"]
    assert {array.shape for array in stats.values()} == {(CHAINS, 5)}
    # After two transitions that are left out comes the one that makes the draw.
    np.testing.assert_array_equal(stats["energy"], samples.stats["energy"][:, [2, 5, 8, 11, 14]])
    np.testing.assert_array_equal(stats["acceptance_rate"], samples.stats["acceptance_rate"][:, 2::3])
    assert not stats["diverging"].any()


def test_arviz_gets_the_divergences_of_the_summary(monkeypatch):
    samples = made_samples(draws=5)
    errors = samples.stats["energy_error"].copy()
    errors[0, :3] = 2000, np.inf, np.nan
    samples = dataclasses.replace(samples, stats=samples.stats | {"energy_error": errors})
    module = types.ModuleType("arviz_base")
    module.from_dict = lambda groups: groups
    monkeypatch.setitem(sys.modules, "arviz_base", module)
    diverging = samples.to_arviz()["sample_stats"]["diverging"]
    assert diverging[0, :3].all() and diverging.sum() == samples.summary().figures["divergences"] == 3


def test_arviz_itself_takes_the_draws():
    pytest.importorskip("arviz_base")
    samples = made_samples(draws=5)
    tree = samples.to_arviz()
    assert tree["posterior"].sizes["chain"] == CHAINS and tree["posterior"].sizes["draw"] == 5
    np.testing.assert_array_equal(tree["posterior"]["activation"].values, samples.activation)


def test_without_arviz_the_error_says_what_to_install(good, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("arviz"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install samplevis\[arviz\]"):
        good.to_arviz()


def test_a_lost_chain_is_named_and_left_out_of_the_figures():
    good = made_samples()
    activation = good.activation.copy()
    activation[2, 4:] = np.nan
    broken = made_samples(activation=activation, network_levels=activation)
    assert broken.nonfinite_chains.tolist() == [i == 2 for i in range(CHAINS)] and not good.nonfinite_chains.any()
    others = broken.of_chains(~broken.nonfinite_chains)
    assert others.images.tobytes() == good.images[~broken.nonfinite_chains].tobytes()
    assert others.stats["acceptance_rate"].shape[0] == others.scalars["radius"].shape[0] == CHAINS - 1
    assert others.stats["step_size"].shape == good.stats["step_size"].shape
    summary = broken.summary()
    assert summary.warnings[0].startswith("The activation of chain 2 is not finite")
    for name, value in others.summary().figures.items():
        np.testing.assert_equal(summary.figures[name], value)
    # The control: they are not the figures of all chains.
    assert summary.figures["level_fresh"] != good.summary().figures["level_fresh"]
