"""Old names: they work and warn, both names together are an error, and the new ones are silent."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tensorflow as tf
from conftest import made_samples

import samplevis
from samplevis import transform
from samplevis.runtime import deprecation
from samplevis.runtime.deprecation import renamed_keys, renamed_keywords, renamed_property, warn_renamed


@renamed_keywords(keep="storage", how="placement")
def run(number, storage="memory", placement="first"):
    """What a run returns."""
    return number, storage, placement


def silent(call):
    """What a call returns; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


def test_old_keywords_work_and_warn_in_the_users_line():
    with pytest.warns(
        DeprecationWarning, match="keep is now storage; the old name goes with the next release"
    ) as found:
        assert run(1, keep="disk") == (1, "disk", "first")
    assert len(found) == 1 and found[0].filename == __file__
    with pytest.warns(DeprecationWarning) as found:
        assert run(2, keep="disk", how="last") == (2, "disk", "last")
    assert [str(warning.message).split()[0] for warning in found] == ["keep", "how"]


def test_new_keywords_are_silent():
    assert silent(lambda: run(1, storage="disk")) == silent(lambda: run(1, "disk")) == (1, "disk", "first")
    assert run.__name__ == "run" and run.__doc__ == "What a run returns."


def test_both_names_are_an_error():
    with pytest.raises(TypeError, match="keep: .*storage"):
        run(1, keep="disk", storage="disk")
    with pytest.raises(TypeError, match="storag"):
        run(1, storag="disk")


class Result:
    doubts = renamed_property("doubts", "issues")
    issues = ("slow",)


def test_old_attributes_work_and_warn():
    with pytest.warns(DeprecationWarning, match="Result.doubts is now issues") as found:
        assert Result().doubts == ("slow",)
    assert found[0].filename == __file__
    assert silent(lambda: Result().issues) == ("slow",)
    with pytest.raises(AttributeError):
        Result().doubts = ()


def test_the_level_of_the_stack_is_the_callers():
    def inner():
        warn_renamed("old", "new", stacklevel=2)

    with pytest.warns(DeprecationWarning, match="old is now new") as found:
        inner()
    assert found[0].filename == __file__


def test_keys_of_old_files_keep_their_order_and_values():
    stored = {"a": 1, "law_numbers": {"beta": 2.0}, "z": 3}
    assert list(renamed_keys(stored, {"law_numbers": "density_params", "lost": "nonfinite_chains"}).items()) == [
        ("a", 1),
        ("density_params", {"beta": 2.0}),
        ("z", 3),
    ]
    assert "law_numbers" in stored, "the original stays as it is"


def test_old_keys_can_be_read():
    class Stats(deprecation.RenamedKeys):
        names = {"accept": "acceptance_rate", "gone": "nowhere"}

    stats = Stats(acceptance_rate=0.8)
    with pytest.warns(DeprecationWarning, match="'accept'. is now 'acceptance_rate'") as found:
        assert stats["accept"] == 0.8
    assert found[0].filename == __file__
    assert silent(lambda: stats["acceptance_rate"]) == 0.8 and list(stats) == ["acceptance_rate"]
    for missing in ("gone", "other"):
        with pytest.raises(KeyError, match=missing):
            stats[missing]


def test_samples_have_their_old_attributes():
    samples = made_samples(2, 4)
    for old, new in (("law_numbers", "density_params"), ("lost", "nonfinite_chains")):
        with pytest.warns(DeprecationWarning, match=f"Samples.{old} is now {new}"):
            found = getattr(samples, old)
        np.testing.assert_array_equal(found, silent(lambda name=new: getattr(samples, name)))


def test_summaries_have_their_old_attributes():
    summary = made_samples().summary()
    for old, new in (("doubts", "issues"), ("judged", "checked")):
        with pytest.warns(DeprecationWarning, match=f"Summary.{old} is now {new}"):
            assert getattr(summary, old) == getattr(summary, new)


def test_transforms_written_with_the_old_name_still_draw():
    with pytest.warns(DeprecationWarning, match="Brighter.draw is now sample_params"):

        class Brighter(transform.Transform):
            def draw(self, seed, batch, image_shape):
                return tf.fill([batch], 0.25)

            def apply(self, params, images):
                return images + params[:, None, None, None]

    np.testing.assert_allclose(Brighter()(tf.zeros([2, 4, 4, 3]), tf.constant([1, 2])), 0.25)
    with pytest.warns(DeprecationWarning, match="draw is now sample_params"):
        jitter = transform.jitter(2).draw
    seed = tf.constant([1, 2])
    for old, new in zip(
        tf.nest.flatten(jitter(seed, 3, (8, 8, 3))),
        tf.nest.flatten(silent(lambda: transform.jitter(2).sample_params(seed, 3, (8, 8, 3)))),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)


def test_runs_take_their_old_keyword(tiny_network):
    with pytest.warns(DeprecationWarning, match="keep is now storage") as found:
        with pytest.raises(ValueError, match="storage: expected one of .*'disc'"):
            samplevis.render(tiny_network, "conv2:1", keep="disc")
    assert found[0].filename == __file__
    with pytest.raises(TypeError, match="keep: .*storage"):
        samplevis.render(tiny_network, "conv2:1", keep="disc", storage="disc")


def test_networks_take_their_old_keyword(tiny_network):
    with pytest.warns(DeprecationWarning, match="given is now fixed_inputs"):
        assert samplevis.Network(tiny_network.model, given={}).layers
    with pytest.raises(TypeError, match="given: .*fixed_inputs"):
        samplevis.Network(tiny_network.model, given={}, fixed_inputs={})
    with pytest.warns(DeprecationWarning, match="Network.on is now with_model"):
        assert tiny_network.on == tiny_network.with_model
