"""The benchmarks' own figures, on data whose figures are known."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import gpu, optimize, quality, sampling, timing
from samplevis import Network


def chains(memory, draws=400, shape=(6, 6, 2)):
    """Autoregressive chains whose correlation one draw later is `memory`."""
    random = np.random.default_rng(0)
    x = [random.normal(size=(2, *shape))]
    for _ in range(draws - 1):
        x.append(memory * x[-1] + np.sqrt(1 - memory**2) * random.normal(size=(2, *shape)))
    return np.stack(x, 1)


def test_correlation_of_a_known_process():
    for memory, lag in ((0.9, 1), (0.9, 5), (0.0, 3), (1.0, 7)):
        # About 400 / 19 independent stretches of 70 numbers in two chains.
        assert abs(sampling.correlation(chains(memory), lag) - memory**lag) < 4 / np.sqrt(2 * 70 * 400 / 19)


def test_correlation_ignores_the_mean_of_each_channel():
    x = chains(0.0)
    assert abs(sampling.correlation(x + np.array([100.0, -100.0]), 1)) < 0.1


def test_rows_are_written_whole(tmp_path):
    quality.write([{"unit": "a", "level_fresh": 0.5}], tmp_path / "rows.json")
    assert (tmp_path / "rows.json").read_text().startswith("[")
    quality.write([], None)


def test_runs_take_turns_and_a_first_round_is_left_out():
    called = []

    def run(name):
        return lambda: called.append(name) or len(called)

    times = timing.in_turn({name: run(name) for name in "ab"}, 2)
    assert called == ["b", "a", "a", "b", "b", "a"], "each round begins with another"
    assert times["a"].tolist() == [3, 6] and times["b"].tolist() == [4, 5]


def test_ratios_are_those_of_pairs():
    # A machine that is busy for one round slows both down.
    found = timing.ratio(np.array([2.0, 20.0, 4.0]), np.array([1.0, 10.0, 2.0]))
    assert found == {"ratio": 2.0, "low": 2.0, "high": 2.0}
    found = timing.ratio(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.ones(5))
    assert found == {"ratio": 3.0, "low": 2.0, "high": 4.0}
    assert timing.show(found) == "     3.00 (2.00-4.00)"[-20:] and timing.show(None).strip() == "-"


def test_a_peer_that_is_missing_is_known(monkeypatch):
    monkeypatch.setitem(optimize.PACKAGES, optimize.xplique, "no_such_package")
    assert optimize.missing(optimize.xplique)
    monkeypatch.setitem(optimize.PACKAGES, optimize.xplique, "numpy")
    assert not optimize.missing(optimize.xplique)


@pytest.fixture
def tiny_model(monkeypatch):
    """A network in place of those of `keras.applications`, and the setting of TF32 put back."""

    def build(model, size):
        layers = [keras.Input((size, size, 3)), keras.layers.Conv2D(8, 3), keras.layers.GlobalAveragePooling2D()]
        return Network(keras.Sequential(layers, name="tiny"))

    monkeypatch.setattr(gpu, "build", build)
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def test_the_table_of_a_machine_without_a_gpu(tiny_model, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu.tf.config, "list_physical_devices", lambda kind=None: [])
    file = tmp_path / "rows.json"
    gpu.main(["--models", "VGG16", "--chains", "1", "2", "--size", "8", "--rounds", "1", "--json", str(file)])
    head, columns, *rows, last = capsys.readouterr().out.splitlines()
    assert head.startswith("no GPU, TensorFlow ") and "TF32" not in columns
    names = ("float32", "bfloat16", "float32 + XLA", "bfloat16 + XLA")
    assert all(name in columns for name in names) and columns.split()[:2] == ["model", "chains"]
    assert [row.split()[:2] for row in rows] == [["VGG16", "1"], ["VGG16", "2"]]
    assert all(len(row.split()) == 6 and row.count("*") >= 1 for row in rows)
    assert last.startswith("VGG16: float32 saturates from ")
    found = json.loads(file.read_text())
    assert [row["chains"] for row in found] == [1, 2]
    assert all(row[name] > 0 for row in found for name in names)


def test_a_gpu_has_columns_for_tf32():
    assert [str(setting) for setting in gpu.settings(has_gpu=True)] == [
        *("float32", "TF32", "bfloat16"),
        *("float32 + XLA", "TF32 + XLA", "bfloat16 + XLA"),
    ]


def test_lines_of_the_table():
    row = {
        "model": "VGG16",
        "chains": 4,
        "device": "x",
        "float32": 2.0,
        "bfloat16": 1.0,
        "float32 + XLA": "OutOfRangeError",
    }
    assert gpu.line(row).split() == ["VGG16", "4", "2.00", "1.00*", "OutOfRangeError"]
    rows = [row | {"chains": count, "float32": time} for count, time in ((1, 9.0), (4, 2.1), (16, 2.0), (64, "Error"))]
    assert gpu.saturation(rows) == "float32 saturates from 4 chains"
    assert gpu.saturation([row | {"float32": "Error"}]) == "no batch could be computed"
