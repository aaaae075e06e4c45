"""The benchmarks' own figures, on data whose figures are known."""

from __future__ import annotations

import numpy as np

from benchmarks import optimize, quality, sampling, timing


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
