"""The benchmarks' own figures, on data whose figures are known."""

from __future__ import annotations

import numpy as np

from benchmarks import quality, sampling


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
