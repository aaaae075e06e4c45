"""The benchmarks of visualizations: their tables, resuming, and a quick run."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import accentuation, fooling, leaderboard, learned_priors, visualizations
from benchmarks.visualizations import ROWS
from samplevis import modelzoo, param
from samplevis.sampling.level_scale import LevelScale


def cell(network, row, unit, value):
    values = {name: value for name in leaderboard.COLUMNS}
    return {"network": network, "row": row, "unit": unit, "gradients": 256.0, "values": values, "picture": "a.png"}


def cells():
    found = [cell("Shapes", row, unit, 0.1 * n) for row in ("optimised", "<MACO>") for n, unit in enumerate("abc")]
    return {leaderboard.key(c["network"], c["row"], c["unit"]): c for c in found}


def test_a_table_has_means_over_the_units_that_all_rows_have():
    found = cells()
    text = leaderboard.table(found)
    assert "3 of 12 units (a, b, c)" in text and "| optimised | **0.10** | **0.10** |" in text and "| 256 |" in text
    del found["Shapes/optimised/a"]
    assert "2 of 12 units (b, c)" in leaderboard.table(found)
    found["Shapes/optimised/b"]["values"]["transfer"] = None
    assert "| optimised | **0.15** | **0.20** |" in leaderboard.table(found)


def test_the_best_of_the_methods_is_bold_and_the_ends_are_not():
    """The floor and the ceiling compete with nobody; low distances are good; a row that was begun does not take units away."""
    found = {}
    for row, value in {"draws of the prior": 0.0, "optimised": 0.5, "MACO": 0.2, "best dataset examples": 1.0}.items():
        found |= {leaderboard.key("Shapes", row, unit): cell("Shapes", row, unit, value) for unit in "abc"}
    found[leaderboard.key("Shapes", "VITAL", "a")] = cell("Shapes", "VITAL", "a", 0.9)
    lines = leaderboard.table(found).splitlines()
    assert lines[0].startswith("**Shapes**: 3 of 12 units") and not any("VITAL" in line for line in lines)
    assert lines[4].startswith("| draws of the prior | 0.00 | 0.00 | 0.00 |")
    assert lines[5].startswith("| optimised | **0.50** | **0.50** | 0.50 | **0.50**")
    assert lines[6].startswith("| MACO | 0.20 | 0.20 | **0.20** |")
    assert lines[7].startswith("| best dataset examples | 1.00 |")


def test_samples_are_compared_unit_by_unit():
    """Better in b and c, as good in a; for the distance from real pictures, the lower value is better."""
    found = {}
    for row, values in {leaderboard.OURS: (0.5, 0.5, 0.5), "MACO": (0.5, 0.1, 0.2)}.items():
        for unit, value in zip("abc", values, strict=True):
            found[leaderboard.key("Shapes", row, unit)] = cell("Shapes", row, unit, value)
    lines = leaderboard.against(found, "Shapes", [leaderboard.OURS, "MACO"], ["a", "b", "c"])
    assert lines[2] == "| MACO | 2.5 | 2.5 | 0.5 | 2.5 | 2.5 | 2.5 | 2.5 |"


def test_an_exaggerated_path_is_no_better_than_a_natural_one():
    values = {"above": 1.3, "near": 0.8, "far": 0.5, "missing": np.nan}
    order = sorted(values, key=lambda name: leaderboard.merit(values[name], "path_similarity"))
    assert order == ["missing", "far", "above", "near"]
    assert leaderboard._best(list(values.values()), "path_similarity") == 0.8
    assert leaderboard._best(list(values.values()), "level") == 1.3


def test_cells_of_another_number_of_pictures_are_refused(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"a": {"count": 4}}))
    assert leaderboard.read(tmp_path, 4) and not leaderboard.read(tmp_path / "none", 8)
    with pytest.raises(ValueError, match="--count: .* Received: 8"):
        leaderboard.read(tmp_path, 8)


def test_the_page_escapes_and_shows_every_cell():
    page = leaderboard.page(cells())
    assert page.count("<img") == 6 and "<MACO>" not in page and "&lt;MACO&gt;" in page


def test_the_table_of_the_fooling_circuit():
    row = {"unit": "star", "named_unit": 1.0, "named_arbitrary": 0.0, "path_similarity": 0.5, "warned": True}
    rows = [row | {"network": name, "method": "MACO, 1/f spectrum"} for name in fooling.NETWORKS]
    rows += [
        row | {"network": "Shapes", "method": "MACO, 1/f spectrum", "unit": "ring", "named_unit": 0.5, "warned": False}
    ]
    lines = fooling.table(rows).splitlines()
    assert lines[2] == "| MACO, 1/f spectrum | `Shapes` | 75% | 0% | 0.50 | 1 of 2 | 2 |"
    assert lines[3] == "| MACO, 1/f spectrum | `FoolingShapes` | 100% | 0% | 0.50 | 1 of 1 | 1 |"


def test_pictures_of_every_method_are_in_the_folder(tmp_path):
    places = {visualizations.picture_file(tmp_path, "Shapes", "star", method) for method in fooling.METHODS}
    assert {place.parent for place in places} == {tmp_path} and len(places) == len(fooling.METHODS)


def test_a_stopped_picture_is_the_first_that_reaches_the_level(monkeypatch):
    """One is slow, one twice as fast; one never reaches it, and is the last."""
    speeds = np.array([1.0, 2.0, 0.1])[:, None, None, None] / visualizations.BUDGET
    snapshots = {stop: np.tile(stop * speeds, (1, 8, 8, 3)) for stop in visualizations.STOPS}
    monkeypatch.setattr(visualizations, "_optimised_result", lambda *_, **__: SimpleNamespace(snapshots=snapshots))
    monkeypatch.setattr(visualizations, "image_scores", lambda _, images, __: images.mean((1, 2, 3)))
    network = modelzoo.Shapes()
    case = visualizations.Case(network, "logits:star", 8, 3, np.zeros(0), param.fourier(8), LevelScale(0.0, 1.0), 0)
    found = visualizations.stopped(case)
    levels = found.images.mean((1, 2, 3))
    np.testing.assert_allclose(levels, [192 / 256, 2 * 96 / 256, 0.1], rtol=1e-6)
    assert found.gradients == (192 + 96 + 256) / 3


@pytest.mark.slow
def test_a_quick_leaderboard_orders_floor_and_ceiling_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["leaderboard", "--quick", "--out", str(tmp_path)])
    leaderboard.main()
    found = json.loads((tmp_path / "results.json").read_text())
    floor, ceiling = (
        next(c for c in found.values() if c["row"] == row) for row in ("draws of the prior", list(ROWS)[-1])
    )
    for name in ("level", "transfer", "forced_choice", "path_similarity", "diversity", "perceptual_distance"):
        assert floor["values"][name] < ceiling["values"][name], name
    assert floor["values"]["plausibility"] > ceiling["values"]["plausibility"]
    assert all((tmp_path / c["picture"]).is_file() for c in found.values())
    assert (tmp_path / "table.md").read_text().startswith("**Shapes**: 1 of 12")
    before = (tmp_path / "results.json").read_bytes()
    leaderboard.main()
    assert (tmp_path / "results.json").read_bytes() == before


def accentuated(noise, sign=1, number=3, gain=1.0):
    activations = [[10 + gain * noise, 10 + gain * noise], [10 + 1.5 * gain * noise, 10 + 1.5 * gain * noise]]
    return {
        "class": number, "name": "shark", "sign": sign, "noise": noise, "returned": 2e-4, "photo_activation": 10.0,
        "activations": activations, "distances": [[noise, noise], [1.5 * noise, 1.5 * noise]], "random_activations": [9.0, 9.5],
        "random_distances": [0.1], "other_photo": 4.0, "other": [5.0, 5.0], "other_random": [4.0],
    }  # fmt: skip


def test_the_table_of_accentuation():
    rows = [accentuated(noise) for noise in (0.05, 0.3, 0.5)]
    middle, low, high = accentuation.correlation(rows)
    assert middle == pytest.approx(1) and 0.5 < low <= high <= 1
    assert accentuation.correlation([accentuated(noise, gain=-1) for noise in (0.05, 0.3, 0.5)])[0] < -0.9
    lines = accentuation.table([*rows, accentuated(0.3, -1)]).splitlines()
    assert lines[2].startswith("| own class | 0.05 | 1 | 0.0625 | 0.1 | 0.0625 | -0.75 | 1 | 0 |")
    assert lines[5].startswith("| - own class | 0.3 | 1 |")
    assert "comes back to 0.0002" in lines[7] and lines[-1].startswith("| shark | 1.00 (")


def test_the_table_of_learned_priors():
    inside = np.arange(1000) < 100
    labels = np.where(np.arange(1000) < 75, "star", "stripes")
    drawings = learned_priors.event(inside, labels[inside], "star|stripes")
    assert drawings["nats"][0] == pytest.approx(np.log(10)) and drawings["shares"][0][0] == 0.75
    assert drawings["nats"][1] < np.log(10) < drawings["nats"][2], "interval"
    none = learned_priors.event(np.zeros(1000, bool), labels[:0], "star|stripes")
    assert none["nats"][0] is None and none["shares"] is None
    event = {"part": "rejection", "unit": "star|stripes", "quantile": 0.9, "drawings": drawings}
    pictures = {"part": "pictures", "prior": "flow", "unit": "star|stripes", "images": 8, "right": 0.75, "rank": 0.9}
    whole = {"part": "pictures", "prior": "flow", "unit": "all", "images": 8, "mmd": 0.01, "band": 0.02}
    lines = learned_priors.table([event | {"prior": drawings}, event | {"prior": none}, pictures, whole]).splitlines()
    assert lines[2].startswith("| star\\|stripes | 10% | 2.30 | 2.30 (2.1") and "| 0.750 | 0.750 (0.6" in lines[2]
    assert "∞ (" in lines[3] and "- (0 draws)" in lines[3]
    assert lines[-1] == "| flow | 75% | 90% | 0.010 (0.020) | 8 |"
