"""The examples in the docstrings of the sampling layer run and show what they say."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis import param, sampling
from samplevis.runtime import seeds

MODULES = (
    "compositions", "density", "diagnostics", "mass", "options", "populations", "scalars", "smc", "stationarity", "tail",
    "kernels.free_moves", "kernels.langevin", "kernels.redrawn_hmc", "kernels.registry", "kernels.split_hmc",
)  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(f"samplevis.sampling.{name}")
    names = {name: getattr(sampling, name) for name in sampling.__all__}
    names |= dict(np=np, tf=tf, tfp=tfp, param=param, seeds=seeds) | vars(module)
    examples = [test for test in doctest.DocTestFinder().find(module, globs=names) if test.examples]
    assert examples
    for example in examples:
        lines = []
        failed, _ = doctest.DocTestRunner().run(example, out=lines.append)
        assert not failed, "".join(lines)
