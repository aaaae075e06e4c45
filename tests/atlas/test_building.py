"""An atlas from plan to table: what is stored, resumed, refused and named."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

# Loud where the extra is missing, so that nobody takes a skipped room for a tested one.
pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED: pip install samplevis[atlas]")

import samplevis  # noqa: E402
from samplevis import Network, atlas, modelzoo  # noqa: E402
from samplevis.atlas import building, draft_rows, rows  # noqa: E402
from samplevis.atlas.layers import default_layers  # noqa: E402
from samplevis.atlas.store import Store  # noqa: E402
from samplevis.sampling.level_scale import LevelScale  # noqa: E402

QUICK = {"size": 32, "methods": ["optimize"], "optimize_steps": 4, "units_per_part": 4, "batch_size": 4}
HOSTILE = ("<script>alert(1)</script>", "../../x", "a" * 10_000, "\u202e\0 'quoted\"")


def digests(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def quick(folder: Path | str, layers: tuple[str, ...] = ("logits:2-9",), **changes) -> atlas.Atlas:
    return atlas.build(modelzoo.Shapes(), folder, list(layers), settings=QUICK | changes, progress=False)


@pytest.mark.slow
def test_an_atlas_has_everything_of_every_unit(small_atlas):
    found = atlas.open(small_atlas)
    assert len(found) == 6 and found.to_pandas().status.isin(["reached", "off"]).all()
    unit = found["logits:4"]
    assert unit.images("optimized").shape == (1, 32, 32, 3) and unit.images().shape == (2, 32, 32, 3)
    assert unit.record["name"] == modelzoo.Shapes().labels[4]
    assert ((unit.percentiles() >= 0) & (unit.percentiles() <= 100)).all()
    assert list(found) == [*(f"logits:{n}" for n in range(2, 6)), "mixed:0", "mixed:1"]
    assert len(found.nearest("logits:4", 3)) == 3


@pytest.mark.slow
def test_its_optimised_picture_is_that_of_optimize(tmp_path):
    found = quick(tmp_path, optimize_steps=16)
    param = samplevis.activation.default_param(modelzoo.Shapes(), 32)
    options = dict(param=param, transforms="robust", steps=16, redirect_steps=16, progress=False)
    alone = samplevis.optimize(modelzoo.Shapes(), "logits:4", **options).images[0]
    # WebP of quality 90 moves a pixel by a few of 255 levels; another unit's picture is far away.
    near, far = (np.abs(found[key].images("optimized")[0] / 255.0 - alone).mean() for key in ("logits:4", "logits:5"))
    assert near < 0.05 and far > 2 * near


def test_units_come_in_the_order_of_the_network(tmp_path, no_compute):
    # Three parts of each layer, whose files are named by digests.
    found = quick(tmp_path, ("logits:0-9", "conv5:0-11"))
    keys = [*(f"conv5:{n}" for n in range(12)), *(f"logits:{n}" for n in range(10))]
    assert list(found) == keys
    for pictures in (False, True):
        frame = found.to_pandas(pictures)
        assert [f"{row.group}:{row.unit}" for row in frame.itertuples()] == keys
    assert [unit.record["unit"] for unit in found.units(["logits:3"])] == [3]


def test_dataset_examples_are_those_of_collect(plain_atlas, pictures):
    found = atlas.open(plain_atlas)
    for key in ("logits:4", "logits:2"):
        alone = samplevis.collect(modelzoo.Shapes(), key, pictures, top=3, bottom=3)
        row = found[key].examples
        assert [str(n) for n in row["top"]] == list(alone.top_names)
        assert [str(n) for n in row["bottom"]] == list(alone.bottom_names)
        np.testing.assert_allclose(row["top_activations"], alone.top_activations, rtol=1e-4)
        np.testing.assert_allclose(row["responses"], alone.activations, rtol=1e-4, atol=1e-5)


def test_the_same_call_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch, no_compute):
    quick(tmp_path / "whole")
    run_task = building.run_task

    def stopping(network, task, folder, progress):
        if task.units[0] == 6:
            raise KeyboardInterrupt
        return run_task(network, task, folder, progress)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(building, "run_task", stopping)
        quick(tmp_path / "stopped")
    assert len(atlas.open(tmp_path / "stopped")) == 4 and len(no_compute) == 3
    assert len(quick(tmp_path / "stopped")) == 8 and len(no_compute) == 4
    assert digests(tmp_path / "stopped") == digests(tmp_path / "whole")
    quick(tmp_path / "stopped")
    assert len(no_compute) == 4, "nothing is done twice"


class Steps(samplevis.Callback):
    """Notes what the bar shows, and presses Ctrl-C once so many units are done."""

    def __init__(self, press_at: float = np.inf):
        self.press_at, self.done = press_at, []

    def on_step(self, stage, done, total, figures):
        self.done.append(done)
        if done >= self.press_at:
            raise KeyboardInterrupt


def test_the_bar_shows_parts_of_units_and_ctrl_c_abandons_them(tmp_path, tiny_network):
    settings = QUICK | {"size": 16, "optimize_steps": 48, "units_per_part": 3}
    whole, pressed = Steps(), Steps(4)

    def build(folder: str, steps: Steps) -> atlas.Atlas:
        options = dict(settings=settings, progress=False, callbacks=[steps])
        return atlas.build(tiny_network, tmp_path / folder, ["conv2"], **options)

    build("whole", whole)
    # Of three units after 16, 24, 32 and 48 steps, and when they are stored; then of two, padded to three.
    assert whole.done == [1, 1.5, 2, 3, 3, 3.67, 4, 4.33, 5, 5]
    assert len(build("stopped", pressed)) == 3 and pressed.done == [1, 1.5, 2, 3, 3, 3.67, 4]
    build("stopped", again := Steps())
    assert again.done == [3.67, 4, 4.33, 5, 5] and digests(tmp_path / "stopped") == digests(tmp_path / "whole")


@pytest.mark.slow
def test_drafts_come_to_the_level_of_the_network_itself(tmp_path, monkeypatch):
    """With kinks that are rounded far more than by default; without a comparison of the networks they are somewhere else."""
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2D(6, 3, activation="relu", bias_initializer=keras.initializers.Constant(-0.3), name="conv")
    out = keras.layers.Conv2D(3, 3, name="out")
    model = keras.Sequential([keras.Input((16, 16, 3)), conv, out], name="rounded")
    settings = {"size": 16, "num_chains": 2, "batch_size": 6, "optimize_steps": 64, "num_transitions": 2, "smooth": 2.0}
    settings |= {"exact_share": 0.0, "units_per_part": 3, "methods": ["optimize", "draft"]}

    def misses(folder: str) -> np.ndarray:
        network = Network(model, value_range=(0, 1))
        found = atlas.build(network, tmp_path / folder, ["out"], settings=settings, progress=False)
        for unit in (found[key] for key in found):
            miss = np.abs(np.array(unit.record["levels"]) - 0.7)
            assert (unit.status == "reached") == bool((miss <= 0.1).all())
        return np.abs([found[key].record["level"] - 0.7 for key in found])

    assert misses("compared").max() < 0.1
    monkeypatch.setattr(draft_rows, "_comparison", lambda *arguments: None)
    assert misses("sampled").max() > 0.1


@pytest.mark.slow
def test_a_unit_is_made_again_from_its_row(small_atlas):
    found = atlas.open(small_atlas)
    # Texts, in which nan equals nan.
    assert repr(found.remake("logits:3", modelzoo.Shapes()).record) == repr(found["logits:3"].record)
    with pytest.raises(ValueError, match="not those of the atlas"):
        found.remake("logits:3", modelzoo.ShapesJudge())


def test_parts_of_another_model_or_other_settings_are_refused(tmp_path, tiny_network, no_compute):
    quick(tmp_path)
    with pytest.raises(ValueError, match=r"another atlas: settings.seed is 0 there, and 1 here"):
        quick(tmp_path, seed=1)
    with pytest.raises(ValueError, match="model.name is .Shapes. there, and .tiny. here"):
        atlas.build(tiny_network, tmp_path, ["conv2"], settings=QUICK, progress=False)
    with pytest.raises(FileNotFoundError, match="no atlas"):
        atlas.open(tmp_path / "nowhere")


def two_faced(kind: str) -> Network:
    """A network of two channels, of which channel 1 is dead, or gives nan."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(2, 3, name="conv", kernel_initializer=keras.initializers.RandomNormal(seed=0))(image)
    if kind == "dead":
        x = x * np.array([1.0, 0.0], np.float32)
    else:
        x = keras.layers.Concatenate()([x[..., :1], keras.ops.log(-1.0 - keras.ops.square(x[..., 1:]))])
    return Network(keras.Model(image, keras.layers.Activation("linear", name="out")(x), name=kind), value_range=(0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "status"), [("dead", "dead"), ("nan", "failed")])
def test_a_unit_that_is_dead_or_not_finite_is_named_and_the_others_go_on(tmp_path, kind, status):
    settings = {"size": 16, "num_chains": 2, "batch_size": 4, "anneal_steps": 25, "num_transitions": 1}
    settings |= {"optimize_steps": 4, "exact_share": 0.0, "units_per_part": 2}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = atlas.build(two_faced(kind), tmp_path, ["out"], settings=settings, progress=False)
    assert found["out:0"].status in ("reached", "off")
    assert found["out:1"].status == status and found["out:1"].record["error"]
    assert any("out:1" in str(each.message) for each in caught)
    alone = atlas.build(two_faced(kind), tmp_path / "alone", ["out:0"], settings=settings, progress=False)
    assert repr(alone["out:0"].record) == repr(found["out:0"].record)


def test_pictures_have_the_size_that_the_network_takes_or_none_is_begun(tmp_path, no_compute):
    def fixed(*sides: int | None) -> Network:
        image = keras.Input((*sides, 3))
        return Network(keras.Model(image, keras.layers.Conv2D(2, 3, name="out")(image)), value_range=(0, 1))

    for sides, size in (((16, 16), 16), ((None, None), 64), ((None, 16), 16)):
        assert atlas.plan_atlas(fixed(*sides)).settings.size == size
    with pytest.raises(ValueError, match="size: pictures of an atlas have equal sides, .* takes images of 16 x 24"):
        atlas.build(fixed(16, 24), tmp_path, progress=False)
    with pytest.raises(ValueError, match="size: .* takes images of 16 x 16. Received: 64"):
        atlas.build(fixed(16, 16), tmp_path, settings=dict(size=64), progress=False)
    assert not no_compute and not list(tmp_path.iterdir())


def test_a_unit_that_only_the_smoothed_network_leaves_cold_is_not_dead():
    assert draft_rows.judged(LevelScale(0.2, 0.1), True)[0] == "dead"
    status, error = draft_rows.judged_for_draft(LevelScale(0.2, 0.1))
    assert status == "off" and "smoothed network" in error
    assert draft_rows.judged_for_draft(LevelScale(0.1, 0.2)) == ("optimized", "")
    assert draft_rows.judged_for_draft(LevelScale(0.1, float("nan")))[0] == "failed"


@pytest.mark.slow
def test_a_unit_that_is_silent_at_first_gets_a_draft(tmp_path):
    """A rectified brightness that noise never reaches, also where its kink is rounded."""
    image = keras.Input((16, 16, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(2, 1, activation="relu", name="unit")(image), name="silent")
    model.get_layer("unit").set_weights([np.ones((1, 1, 3, 2)) / 3, np.array([-0.7, 0.0])])
    settings = {"size": 16, "num_chains": 2, "batch_size": 4, "anneal_steps": 25, "num_transitions": 1, "smooth": 0.02}
    settings |= {"optimize_steps": 64, "exact_share": 1.0, "units_per_part": 2}
    found = atlas.build(Network(model, value_range=(0, 1)), tmp_path, ["unit"], settings=settings, progress=False)
    for unit in ("unit:0", "unit:1"):
        assert found[unit].status == "reached", found[unit].record["error"]
        assert abs(found[unit].record["exact_level"] - 0.7) < 0.1


def test_hostile_names_stay_in_the_folder_and_come_back_whole(tmp_path, tiny_network, no_compute):
    labels = [*HOSTILE[:2], HOSTILE[2]]
    network = Network(tiny_network.model, value_range=(0, 1), labels=labels)
    directions = {name: ("conv2", np.eye(5)[:1]) for name in HOSTILE}
    settings = QUICK | {"size": 16, "optimize_steps": 1}
    found = atlas.build(network, tmp_path / "in", ["logits"], directions=directions, settings=settings, progress=False)
    assert [found[f"logits:{n}"].record["name"] for n in range(3)] == labels
    assert all(f"{name}:0" in found for name in HOSTILE)
    assert os.listdir(tmp_path) == ["in"]
    for path in (tmp_path / "in").rglob("*"):
        assert len(path.name) < 80 and path.name.isascii()


def test_an_atlas_in_another_file_system(no_compute):
    found = atlas.build(modelzoo.Shapes(), "memory://there", ["logits:4"], settings=QUICK, progress=False)
    assert len(atlas.open("memory://there")) == len(found) == 1
    assert atlas.publish("memory://there").endswith("site/index.html")


def test_a_store_that_comes_back_is_tried_again(monkeypatch):
    store, calls = Store("memory://away"), []
    monkeypatch.setattr("samplevis.atlas.store.FIRST_WAIT", 0.001)
    put = store._files.pipe_file

    def away(*arguments):
        calls.append(arguments)
        if len(calls) < 3:
            raise ConnectionError("no route")
        return put(*arguments)

    monkeypatch.setattr(store._files, "pipe_file", away, raising=False)
    store.write("x", b"there")
    assert store.read("x") == b"there" and len(calls) == 3


def test_a_full_disk_is_named_and_ends_the_run_with_what_is_finished(tmp_path, monkeypatch, no_compute):
    write = Store._write_local

    def full(self, name, data):
        if name.startswith("parts/") and len(list(Path(tmp_path).rglob("*.parquet"))) >= 1:
            raise OSError(28, f"cannot write {name!r}: No space left on device")
        write(self, name, data)

    monkeypatch.setattr(Store, "_write_local", full)
    with pytest.raises(OSError, match="No space left"):
        quick(tmp_path, ("logits",), units_per_part=2)
    assert len(atlas.open(tmp_path)) == 2
    monkeypatch.setattr(Store, "_write_local", write)
    assert len(quick(tmp_path, ("logits",), units_per_part=2)) == 18


def test_the_store_holds_no_pickles_and_damage_is_an_error(tmp_path, no_compute):
    quick(tmp_path)
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert {Path(name).suffix for name in names} == {".json", ".parquet"}
    (tmp_path / "atlas.json").write_text("{")
    with pytest.raises(ValueError, match=r"atlas.json cannot be used"):
        atlas.open(tmp_path)


def test_default_layers_are_those_that_a_person_would_name(tiny_network):
    assert default_layers(tiny_network)[-1] == "logits"
    assert "conv2" in default_layers(tiny_network)


def test_a_plan_says_what_it_costs():
    plan = atlas.plan_atlas(modelzoo.Shapes(), ["logits"], settings={"size": 32, "exact_share": 1.0})
    text = str(plan)
    assert "18 units" in text and "gradients" in text and plan.cost.exact == 18
    assert plan.cost.gradients["optimize"] == 18 * 256
    assert plan.cost.gradients["draft"] == 18 * (4 * 128 + 4 * (150 + 16 * 6 * 4))
    assert set(plan.tasks()[0].exact) == set(plan.tasks()[0].units)


def test_every_column_of_a_row_has_a_type(plain_atlas):
    assert set(atlas.open(plain_atlas).to_arrow(pictures=True).column_names) == set(rows.SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 2}, "model: other processes load it themselves"),
        ({"scheduler": "tcp://there:8786"}, "expected an address tls://"),
        ({"workers": -1}, "workers: expected a whole number"),
        ({"settings": {"sise": 3}}, "Did you mean 'size'"),
        ({"settings": {"methods": ["draft"]}}, "'draft' needs 'optimize'"),
        ({"layers": ["logits:3-99"]}, "expected channels from 0 to 17"),
        ({"directions": {"x": ("logits", np.eye(3))}}, r"an array \[directions, 18\]"),
    ],
)
def test_bad_arguments_are_errors_before_any_work(tmp_path, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        atlas.build(modelzoo.Shapes(), tmp_path / "no", **{"progress": False} | arguments)
    assert not (tmp_path / "no").exists()


def test_several_ranges_of_a_layer_are_one_layer():
    plan = atlas.plan_atlas(modelzoo.Shapes(), ["logits:9-10", "logits:4", "logits:3-5"], settings=QUICK)
    assert [(layer.name, layer.units) for layer in plan.layers] == [("logits", (3, 4, 5, 9, 10))]
    task = plan.tasks()[1]
    assert task.units == (10,) and task.names == (modelzoo.Shapes().labels[10],)
    np.testing.assert_array_equal(task.directions(18), np.eye(18)[10:11])
