"""Ctrl-C at random moments of commands and calls: it stops at the next step, and leaves nothing that is half written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from interrupting import INTERRUPTED, WHOLE, check_files, run_with_presses
from PIL import Image

import samplevis
from samplevis import Network, cli, param, recipes

SIZE = 16
CHAINS = ["--chains", "2", "--draws", "4", "--warmup", "4", "--leapfrog-steps", "2", "--transforms", "2"]
CHAINS += ["--optimize-steps", "48", "--anneal-steps", "50", "--size", str(SIZE), "--quiet"]
RENDER = dict(num_chains=2, num_results=4, num_burnin_steps=4, num_leapfrog_steps=2, num_transforms=2, im_size=SIZE)
RENDER |= dict(optimize_steps=48, anneal_steps=50, progress=False)
OPTIMIZE = dict(im_size=SIZE, steps=48, progress=False)
ATLAS = ["--size", str(SIZE), "--optimize-steps", "16", "--chains", "2", "--anneal-steps", "25", "--transitions", "2"]
ATLAS += ["--exact-share", "0", "--units-per-part", "2", "--batch-size", "4", "--quiet"]
# Moments of each command and call, spread over its time.
MOMENTS = 40


class Setting:
    """What runs need: a network as a file and as it is, made anew for each so that nothing is compiled; pictures; a folder.

    Args:
      given: folder of the model and of the pictures.
      folder: for what the run writes.
    """

    def __init__(self, given: Path, folder: Path):
        self.given, self.folder = given, folder
        folder.mkdir()

    def network(self) -> Network:
        return Network(keras.models.load_model(self.model), value_range=(0, 1), labels=("a", "b", "c"))

    @property
    def model(self) -> str:
        return str(self.given / "own.keras")

    @property
    def pictures(self) -> str:
        return str(self.given / "pictures")

    def out(self, name: str) -> str:
        return str(self.folder / name)


def _command(*words: str) -> Callable[[Setting], int]:
    """A command, whose words MODEL, PICTURES and OUT/... are replaced."""

    def run(setting: Setting) -> int:
        replaced = {"MODEL": setting.model, "PICTURES": setting.pictures}
        return cli.main(
            [setting.out(word[4:]) if word.startswith("OUT/") else replaced.get(word, word) for word in words]
        )

    return run


def _call(call: Callable[[Setting], object], whole: Callable[[object], bool] = lambda found: True):
    """A call; a result that is not whole counts as interrupted."""

    def run(setting: Setting) -> int:
        return WHOLE if whole(call(setting)) else INTERRUPTED

    return run


def _picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(SIZE, SIZE, 3)).astype(np.float32)


def _pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(count, SIZE, SIZE, 3)).astype(np.float32)


def _is_whole(samples: samplevis.Samples) -> bool:
    return "interrupted" not in samples.options


RUNS = {
    "samplevis render": _command("render", "MODEL", "conv2:1", *CHAINS, "--out", "OUT/run"),
    "samplevis render --checkpoint": _command(
        "render", "MODEL", "conv2:1", *CHAINS, "--out", "OUT/run", "--checkpoint", "OUT/state"
    ),
    "samplevis render, batches": _command(
        "render", "MODEL", "conv2:1", *CHAINS, "--batch-size", "1", "--out", "OUT/run"
    ),
    "samplevis optimize": _command(
        "optimize", "MODEL", "conv2:1", "--size", "16", "--steps", "48", "--quiet", "--out", "OUT/one.png"
    ),
    "samplevis sweep": _command(
        "sweep", "MODEL", "conv2", "--size", "16", "--steps", "48", "--batch-size", "2", "--quiet", "--out", "OUT/sweep"
    ),
    "samplevis atlas": _command("atlas", "MODEL", "--layers", "conv2", *ATLAS, "--out", "OUT/atlas"),
    "samplevis fit-prior": _command(
        "fit-prior", "PICTURES", "--size", "16", "--steps", "60", "--no-check", "--quiet", "--out", "OUT/prior.keras"
    ),
    "samplevis fit-prior --checkpoint": _command(
        *("fit-prior", "PICTURES", "--size", "16", "--steps", "60", "--no-check", "--quiet"),
        *("--out", "OUT/prior.keras", "--preview", "OUT/preview.png", "--checkpoint", "OUT/state"),
    ),
    "samplevis evaluate": _command(
        *("evaluate", "MODEL", "conv2:1", "PICTURES", "--examples", "PICTURES", "--size", "16", "--quiet"),
        *("--json", "OUT/found.json"),
    ),
    "samplevis examples": _command("examples", "MODEL", "conv2:1", "PICTURES", "--size", "16", "--out", "OUT/top.png"),
    "samplevis describe": _command("describe", "MODEL", "--size", "16"),
    "render": _call(lambda s: samplevis.render(s.network(), "conv2:1", **RENDER), _is_whole),
    "render, checkpoint": _call(
        lambda s: samplevis.render(
            s.network(), "conv2:1", checkpoint=s.out("state"), checkpoint_interval=0, storage="disk", **RENDER
        ),
        _is_whole,
    ),
    "two_ended": _call(lambda s: samplevis.two_ended(s.network(), "conv2:1", **RENDER)),
    "surprisal": _call(
        lambda s: samplevis.surprisal(
            s.network(), "conv2:1", im_size=SIZE, population=8, repeats=2, num_transforms=2, progress=False
        )
    ),
    "optimize": _call(
        lambda s: samplevis.optimize(s.network(), "conv2:1", **OPTIMIZE), lambda found: len(found.history) == 48
    ),
    "sweep": _call(
        lambda s: samplevis.sweep(s.network(), "conv2", folder=s.out("sweep"), batch_size=2, **OPTIMIZE),
        lambda found: found.complete,
    ),
    "fit_prior": _call(
        lambda s: samplevis.fit_prior(
            _pictures(80), SIZE, steps=60, path=s.out("prior.keras"), checkpoint=s.out("state"), progress=False
        )
    ),
    "caricature": _call(
        lambda s: recipes.caricature(s.network(), _picture(), ["conv1", "conv2"], steps=32, progress=False),
        lambda found: len(found.layers) == 2,
    ),
    "deep_dream": _call(
        lambda s: recipes.deep_dream(s.network(), "conv2:1", _picture(), octaves=2, steps=8, progress=False),
        lambda found: len(found.history) == 16,
    ),
    "activation_grid": _call(
        lambda s: recipes.activation_grid(s.network(), "conv2", _picture(), cell=SIZE, steps=16, progress=False)
    ),
    "interaction_grid": _call(
        lambda s: recipes.interaction_grid(s.network(), ["conv2:0", "conv2:1", "conv2:2"], batch_size=2, **OPTIMIZE),
        lambda found: bool(np.isfinite(found.activation).all()),
    ),
    "compare": _call(lambda s: recipes.compare(s.network(), "conv2:1", **RENDER)),
    "accentuate": _call(
        lambda s: recipes.accentuate(s.network(), "conv2:1", _picture(), **RENDER),
        lambda found: _is_whole(found.samples),
    ),
}
# One of each kind in the tests that everybody runs.
QUICK = ("samplevis sweep", "compare")


@pytest.fixture(scope="session")
def given(tmp_path_factory):
    """A classifier with kinks and a softmax, and pictures."""
    folder = tmp_path_factory.mktemp("given")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(image)
    alive = keras.initializers.Constant(0.5)
    x = layers.Conv2D(5, 3, 2, padding="same", activation="relu6", bias_initializer=alive, name="conv2")(x)
    x = layers.Dense(3, activation="softmax", name="out")(layers.GlobalAveragePooling2D(name="features")(x))
    keras.Model(image, x, name="own").save(folder / "own.keras")
    (folder / "pictures").mkdir()
    for n, picture in enumerate(_pictures(80)):
        Image.fromarray(np.uint8(255 * picture)).save(folder / "pictures" / f"{n}.png")
    return folder


def check_moments(name: str, given: Path, folder: Path, moments: int) -> str:
    """Presses Ctrl-C in so many runs, and checks each; returns what was found, in a line."""
    # The first run of a process loads and warms up what the others find.
    for which in ("first", "whole"):
        setting = Setting(given, folder / which)
        whole = run_with_presses(lambda at=setting: RUNS[name](at))
        assert whole.status == WHOLE
    complete = check_files(setting.folder)
    # What a step takes, and the writing of results, is the unit in which a run can stop.
    bound, random = 2 + 2 * whole.slowest, np.random.default_rng(abs(hash_of(name)))
    found = []
    for number in range(moments):
        setting = Setting(given, folder / str(number))
        delay = whole.seconds * (number + random.uniform()) / moments
        outcome = run_with_presses(lambda at=setting: RUNS[name](at), delay)
        place = f"{name}, Ctrl-C after {delay:.2f} of {whole.seconds:.2f} s: {outcome}"
        names = check_files(setting.folder)
        assert outcome.status in (WHOLE, INTERRUPTED), place
        if outcome.status == WHOLE:
            # It came too late to make a difference.
            assert names == complete, place
        if not outcome.pressed:
            # The machine was faster than the first time.
            continue
        assert outcome.updates <= 1, f"{place}: more than the step under way"
        assert outcome.seconds <= bound, f"{place}, bound {bound:.1f} s"
        found.append(outcome)
    stopped = sum(outcome.status == INTERRUPTED for outcome in found)
    seconds = np.sort([outcome.seconds for outcome in found])
    assert len(found), "no run was interrupted"
    return (
        f"{name}: {len(found)} of {moments} presses came in time, {stopped} interrupted, the others whole; "
        f"seconds to the end: median {np.median(seconds):.2f}, most {seconds[-1]:.2f}; "
        f"slowest part of the whole run {whole.slowest:.2f} of {whole.seconds:.1f}"
    )


def hash_of(name: str) -> int:
    """The same number in every process."""
    return int.from_bytes(name.encode()[-8:], "big")


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_ctrl_c_at_random_moments(name, given, tmp_path):
    print(check_moments(name, given, tmp_path, MOMENTS))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_ctrl_c_at_some_moments(name, given, tmp_path):
    check_moments(name, given, tmp_path, 3)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(given, tmp_path):
    """Of a run whose step takes a second: the first waits for its end, the second does not."""
    import time

    def slow(name: str, callback_time: float) -> Callable[[], int]:
        class Sleeper(samplevis.Callback):
            def on_step(self, stage, done, total, figures):
                for _ in range(100):
                    time.sleep(callback_time / 100)

        setting = Setting(given, tmp_path / name)
        transforms = dict(transforms=None, param=param.fourier(SIZE), callbacks=[Sleeper()])
        settings = {name: value for name, value in OPTIMIZE.items() if name != "im_size"} | transforms
        return lambda: WHOLE if samplevis.optimize(setting.network(), "conv2:1", **settings) else INTERRUPTED

    whole = run_with_presses(slow("whole", 0.0)).seconds
    assert run_with_presses(slow("once", 6.0), whole + 1).updates == 0
    twice = run_with_presses(slow("twice", 6.0), whole + 1, whole + 1.5)
    assert twice.status == INTERRUPTED and twice.seconds < 5
