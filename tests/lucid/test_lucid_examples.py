"""The examples in the docstrings of samplevis.lucid run."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
import tensorflow as tf

from samplevis.lucid.core.installation import modules

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
CORE = ("core.objective", "core.variables", "core.program", "optvis.transform")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*modules(), *CORE, ""} - {"optvis", "misc", "modelzoo"}))
def test_the_examples_run(name):
    module = importlib.import_module(f"samplevis.lucid.{name}".rstrip("."))
    runner, finder = doctest.DocTestRunner(optionflags=FLAGS), doctest.DocTestFinder()
    names = vars(module) | {"np": np, "tf": tf}
    # Functions made by decorators have their docstrings, too.
    made = {k: v for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__}
    tests = [*finder.find(module, extraglobs=names)]
    tests += [test for key, value in made.items() for test in finder.find(value, key, False, names)]
    for test in {each.name: each for each in tests if each.examples}.values():
        test.globs.update(names)
        runner.run(test)
    assert runner.failures == 0
