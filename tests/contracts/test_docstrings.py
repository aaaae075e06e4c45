"""Every public function has an example in its docstring, and the examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis.modelzoo.applications import application
from samplevis.runtime import seeds

# The packages whose examples run here; those of `sampling` run in tests/sampling/test_examples.py.
PACKAGES = ("network", "param", "objectives", "overrides", "modelzoo", "modelzoo.shapes", "transform", "optimizers")
# The packages with an example at every function and class; records of fields need none.
COMPLETE = (*PACKAGES, "activation", "export", "recipes", "sampling")
# Examples that are shown and not run.
NOT_RUN = {
    "modelzoo.InceptionV1": "fetches its weights",
    "modelzoo.AlexNet": "240 MB of random weights",
    "modelzoo.VGG16_torchvision": "550 MB of random weights",
    "modelzoo.VGG19_torchvision": "570 MB of random weights",
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FEW = dict(steps=2, transforms=None, progress=False)


def public(place: str) -> dict[str, object]:
    """The functions and classes of a package, by name; those that `keras.applications` makes have one docstring."""
    package = importlib.import_module(f"samplevis.{place}")
    found = {f"{place}.{name}": getattr(package, name) for name in package.__all__}
    return {
        name: value
        for name, value in found.items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ != application.__module__
    }


def with_methods(found: dict[str, object]) -> dict[str, str]:
    """Docstrings by name, those of modules, of methods and properties, too."""
    texts = {place: importlib.import_module(f"samplevis.{place}").__doc__ for place in PACKAGES}
    texts["modelzoo.applications"] = application.__doc__
    for name, value in found.items():
        texts[name] = inspect.getdoc(value)
        parts = vars(value).items() if inspect.isclass(value) else ()
        texts |= {f"{name}.{part}": inspect.getdoc(method) for part, method in parts if inspect.isfunction(method)}
    return {name: text for name, text in texts.items() if text and ">>>" in text}


PUBLIC = {name: value for place in PACKAGES for name, value in public(place).items()}
EXAMPLES = with_methods(PUBLIC)


@pytest.mark.parametrize("place", COMPLETE)
def test_every_public_function_has_an_example(place):
    records = {name for name, value in public(place).items() if inspect.isclass(value) and issubclass(value, tuple)}
    without = {name for name, value in public(place).items() if ">>>" not in (inspect.getdoc(value) or "")}
    assert without - records == set(), "add an Example to these docstrings"


def test_every_name_of_the_package_has_an_example():
    values = {name: getattr(samplevis, name) for name in samplevis.__all__}
    assert not [name for name, value in values.items() if not inspect.ismodule(value) and ">>>" not in value.__doc__]


def run(name: str, text: str, names: dict[str, object]) -> str:
    """What doctest reports about the examples of a docstring; empty if they pass."""
    report: list[str] = []
    found = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    doctest.DocTestRunner(optionflags=FLAGS).run(found, out=report.append)
    return "".join(report)


@pytest.fixture
def names(tiny_network, monkeypatch, tmp_path) -> dict[str, object]:
    """What examples may use without importing it. Runs take two steps."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    (tmp_path / "my_photographs").mkdir()
    for number in range(2):
        samplevis.export.save_image(random.uniform(size=(32, 32, 3)), f"my_photographs/{number}.png")
    optimize = samplevis.optimize
    monkeypatch.setattr(samplevis, "optimize", lambda *args, **options: optimize(*args, **FEW | options))
    modules = {name: getattr(samplevis, name) for name in ("export", "modelzoo", "network", "objectives", "optimizers")}
    modules |= {name: getattr(samplevis, name) for name in ("overrides", "param", "recipes", "transform")}
    return modules | {
        "np": np,
        "tf": tf,
        "keras": keras,
        "samplevis": samplevis,
        "seeds": seeds,
        "model": tiny_network,
        "images": tf.constant(random.uniform(size=(2, 16, 16, 3)), tf.float32),
        "photo": random.uniform(size=(16, 16, 3)).astype(np.float32),
    }


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NOT_RUN])
def test_the_example_runs(name, names):
    assert run(name, EXAMPLES[name], names) == ""


def test_what_is_not_run_is_there():
    assert set(NOT_RUN) <= set(EXAMPLES)


def test_a_wrong_example_is_found(names):
    """The control."""
    assert run("right", ">>> model.name\n'tiny'", names) == ""
    for wrong in (">>> model.name\n'other'", ">>> model.nam", ">>> param.fourier(3)"):
        assert run("wrong", wrong, names)
