"""The command: what it writes, and one-line errors with exit codes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import samplevis
from samplevis import cli, export, modelzoo
from samplevis.cli import demo_command, render_command
from samplevis.cli.command import FIELDS, readable
from samplevis.cli.wording import in_flags
from samplevis.results.film import DEFAULT_FPS, MEAN_FRAMES

ROOT = Path(__file__).parents[2]

QUICK = ["--chains", "2", "--draws", "4", "--warmup", "3", "--leapfrog-steps", "3", "--transforms", "2"]
QUICK += ["--optimize-steps", "16", "--quiet"]


@pytest.fixture
def model_file(tmp_path, tiny_network):
    path = tmp_path / "tiny.keras"
    tiny_network.model.save(path)
    return path


def fails(capsys, code, *arguments):
    assert cli.main([str(a) for a in arguments]) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("samplevis: ") and "Traceback" not in error[0]
    return error[0]


@pytest.mark.slow
def test_demo_writes_what_it_says(tmp_path, capsys):
    out = tmp_path / "demo"
    assert cli.main(["demo", "heart", "--out", str(out), *QUICK]) == 0
    printed = capsys.readouterr().out
    for name in ("samples.gif", "samples.png", "samples.npz", "report.html"):
        assert f"wrote {out / name}" in printed and (out / name).stat().st_size > 0
    samples = samplevis.Samples.load(out / "samples.npz")
    assert samples.images.shape == (2, 4, 64, 64, 3) and str(samples.summary()) in printed
    animation = Image.open(out / "samples.gif")
    # Equal neighbouring frames become one that is shown longer: 4 draws and a mean of 6 frames, 3 a second, in hundredths.
    durations = []
    for frame in range(animation.n_frames):
        animation.seek(frame)
        durations.append(animation.info["duration"])
    assert sum(durations) == pytest.approx(1000 * (4 + MEAN_FRAMES) / DEFAULT_FPS, abs=10 * (4 + MEAN_FRAMES))
    assert np.array_equal(np.asarray(Image.open(out / "samples.png")), samples.grid())


@pytest.mark.slow
def test_render_a_file_with_its_preprocessing(tmp_path, model_file):
    arguments = ["render", str(model_file), "conv2:1", "--size", "16", "--out", str(tmp_path / "out"), *QUICK]
    assert cli.main([*arguments, "--value-range", "-1", "1"]) == 0
    samples = samplevis.Samples.load(tmp_path / "out" / "samples.npz")
    assert samples.model == "tiny" and samples.objective == "channel(conv2, 1)"


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        (["-conv2:1"], "-channel(conv2, 1)"),
        (["--", "-conv2:1"], "-channel(conv2, 1)"),
        (["-conv2:1 - conv1:0"], "(-channel(conv2, 1) - channel(conv1, 0))"),
        (["-logits:star"], "-class_logit(logits, 'star')"),
    ],
)
def test_a_negative_unit_is_no_option(monkeypatch, words, objective):
    asked = []
    monkeypatch.setattr(render_command, "run_render", asked.append)
    assert cli.main(["render", "Shapes", *words]) == 0
    assert str(samplevis.objectives.as_objective(asked[0].objective)) == objective


def test_only_negative_units_are_read_as_units():
    words = ["-fire9:3", "--out=C:/x", "-h", "--level", "-1", "a:b"]
    assert [readable(word) for word in words] == [" -fire9:3", *words[1:]]


def test_layers(model_file, capsys):
    assert cli.main(["layers", str(model_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["conv1", "conv2", "features", "logits"]


@pytest.mark.parametrize("ending", [".keras", ".h5", ""])
def test_every_format_of_a_model(tmp_path, tiny_network, capsys, ending):
    """A folder is that of a SavedModel, which a TFSMLayer reads, too."""
    path = tmp_path / f"model{ending}"
    if ending:
        tiny_network.model.save(path)
    else:
        tiny_network.model.export(path, verbose=False)
        assert "conv2_1" in samplevis.Network(keras.layers.TFSMLayer(str(path))).layers
    assert cli.main(["layers", str(path)]) == 0
    found = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"conv1", "conv2", "logits"} <= {name.removesuffix("_1") for name in found}
    if ending != ".h5":
        words = ["describe", str(path), "--value-range", "-1", "1", "--size", "16"]
        assert cli.main(words) == 0 and "black is -1, white is 1" in capsys.readouterr().out


def test_a_frozen_graph_that_says_what_it_expects(tmp_path, capsys):
    written = {"input_name": "image", "image_shape": [None, None, 3], "image_value_range": [-117, 138]}
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, name="image")
        kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
        tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"), name="conv")
        tf.constant(json.dumps(written), name="lucid_metadata_json")
    path = tmp_path / "lucid.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    assert cli.main(["describe", str(path), "--size", "16"]) == 0
    printed = capsys.readouterr().out
    assert "black is -117, white is 138" in printed and "conv" in printed and "lucid_metadata_json" not in printed


def test_files_that_bring_code_are_refused(tmp_path, capsys):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x + 1, name="hostile")])
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"hostile{ending}")
        assert "ambda" in fails(capsys, 2, "layers", tmp_path / f"hostile{ending}")


def test_version_and_help(capsys):
    for flag, word in (("--version", samplevis.__version__), ("--help", "samplevis render SqueezeNet")):
        with pytest.raises(SystemExit) as stop:
            cli.main([flag])
        assert stop.value.code == 0 and word in capsys.readouterr().out


def test_bad_arguments_exit_with_2(capsys, tmp_path, model_file):
    out = ["--out", tmp_path / "out"]
    assert "Shapes" in fails(capsys, 2, "layers", "Shape")
    assert "conv2" in fails(capsys, 2, "render", model_file, "conv3:1", *out)
    assert "0 to 4" in fails(capsys, 2, "render", model_file, "conv2:9", *out)
    assert "--draws: " in fails(capsys, 2, "render", model_file, "conv2:1", "--draws", 0, *out)
    assert "--step-size: " in fails(capsys, 2, "render", model_file, "conv2:1", "--step-size", -1, *out)
    assert "stars" in fails(capsys, 2, "demo", "stars", *out)
    with pytest.raises(SystemExit) as stop:
        cli.main(["render"])
    assert stop.value.code == 2


def test_failures_exit_with_1(capsys, tmp_path, model_file):
    assert "nowhere.keras" in fails(capsys, 1, "layers", tmp_path / "nowhere.keras")
    (tmp_path / "file").write_text("")
    assert "file" in fails(capsys, 1, "demo", "--out", tmp_path / "file" / "out")
    (tmp_path / "bad.keras").write_bytes(b"no model")
    assert "bad.keras" in fails(capsys, 2, "layers", tmp_path / "bad.keras")


def test_weights_that_are_not_finite(capsys, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    model.layers[0].set_weights([np.full((3, 3, 3, 2), np.nan), np.zeros(2)])
    model.save(tmp_path / "nan.keras")
    assert "conv" in fails(capsys, 2, "render", tmp_path / "nan.keras", "conv:0", "--out", tmp_path / "out")


def test_a_unit_that_does_not_exist_leaves_no_folder(capsys, tmp_path, model_file):
    for words in (["render", model_file, "conv2:9"], ["demo", "hart"], ["render", "Shapes", "logits:hart"]):
        fails(capsys, 2, *words, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()


WITHOUT_TENSORFLOW = """
import sys
from samplevis import cli
print(cli.main({words}), "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "hart"], "heart"),
        (["render", "Shapes", "logits:hart"], "Did you mean 'heart'"),
        (["render", "Shappes", "logits:heart"], "Did you mean 'Shapes'"),
        (["layers", "nowhere.keras"], "model: there is no file nowhere.keras"),
        (["render", "Shapes", "logits:heart", "--draws", "0"], "--draws: expected a whole number"),
    ],
)
def test_mistakes_are_told_before_tensorflow_is_loaded(words, said, tmp_path):
    code = WITHOUT_TENSORFLOW.format(words=words)
    # Without a cache of ImageNet's labels, and without the extra that the demo looks for.
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.stdout.split()[1:] == ["False"] and len(done.stderr.splitlines()) == 1
    if words != ["demo", "hart"]:
        assert said in done.stderr


@pytest.mark.slow
def test_the_command_prints_no_log_lines_of_tensorflow(tmp_path):
    """Beside it, a plain import does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "CUDA_"))}
    run = functools.partial(subprocess.run, capture_output=True, text=True, cwd=ROOT, env=environment)
    command = [sys.executable, "-m", "samplevis.cli", "layers", "Shapes"]
    assert run(command).stderr == ""
    assert run([sys.executable, "-c", "import tensorflow as tf; tf.zeros(())"]).stderr != ""


def test_the_demo_takes_the_real_network_if_it_is_installed(monkeypatch):
    asked = []
    monkeypatch.setattr(demo_command, "_sample_bundled", lambda concept, options: asked.append(concept))
    monkeypatch.setattr(demo_command, "_sample_imagenet", lambda *unit: asked.append(unit[:2]))
    for installed in (True, False):
        monkeypatch.setattr(demo_command, "has_weights", lambda installed=installed: installed)
        for words in ([], ["heart"]):
            assert cli.main(["demo", *words]) == 0
    assert asked == [("volcano", 980), "heart", "heart", "heart"]


@pytest.mark.slow
def test_the_demo_samples_a_class_and_a_channel(tmp_path, monkeypatch, capsys):
    if not demo_command.has_weights():
        pytest.skip("REAL WEIGHTS NOT FOUND: needs the extra imagenet")
    monkeypatch.setattr(demo_command, "SIZES", {"class": 48, "channel": 48})
    monkeypatch.setattr(demo_command, "PREVIEW_STEPS", 2)
    assert cli.main(["demo", "zebra", "--out", str(tmp_path), "--anneal-steps", "25", *QUICK]) == 0
    for name in ("first.png", "sheet.png", "report.html", "channel/report.html", "channel/samples.npz"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert samplevis.Samples.load(tmp_path / "samples.npz").objective == "channel(logits, 340)"
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"Open {tmp_path / 'report.html'} (zebra)")


def test_classes_of_the_demo(monkeypatch):
    monkeypatch.setattr("samplevis.modelzoo.imagenet.local_labels", lambda weights=None: None)
    assert demo_command.class_number("zebra") == 340 and demo_command.class_number("7") == 7
    with pytest.raises(ValueError, match="Did you mean 'volcano'"):
        demo_command.class_number("vulcano")
    with pytest.raises(ValueError, match="concept: expected a whole number from 0 to 999"):
        demo_command.class_number("1000")
    monkeypatch.setattr("samplevis.modelzoo.imagenet.local_labels", lambda weights=None: ["tench", "goldfish, carp"])
    assert demo_command.class_number("carp") == 1


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("hmc_opts['num_burnin_steps']: expected a number", "--warmup: expected a number"),
        ("optimize_steps: expected a number", "--optimize-steps: expected a number"),
        ("Pass samplevis.Network(model, value_range=(0, 255)) to confirm", "Pass --value-range 0 255 to confirm"),
        (
            "Pass samplevis.Network(model, value_range=(0, 255), bgr=True, mean=(1, 2, 3)).",
            "Pass --value-range 0 255 --bgr --mean 1 2 3.",
        ),
        ("label: none of the 3 classes", "label: none of the 3 classes"),
    ],
)
def test_messages_name_flags(message, shown):
    assert in_flags(message, FIELDS) == shown


def test_evaluate_prints_a_table_and_writes_its_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("samplevis.runs.evaluation.SCALE_STEPS", 2)
    drawings, _ = modelzoo.shapes.draw(80, seed=3, size=32)
    for number, image in enumerate(drawings):
        folder = tmp_path / ("examples" if number < 72 else "pictures")
        folder.mkdir(exist_ok=True)
        export.save_image(image, folder / f"{number:02}.png")
    out = tmp_path / "found.json"
    words = ["evaluate", "Shapes", "conv4:3", str(tmp_path / "pictures"), "--examples", str(tmp_path / "examples")]
    assert cli.main([*words, "--judge", "ShapesJudge", "--quiet", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "path similarity" in shown and "transfer was left out" in shown and shown.endswith(f"wrote {out}\n")
    assert set(json.loads(out.read_text())["metrics"]) >= {"level", "plausibility", "forced_choice", "diversity"}
