"""The registry of kernels: one entry for each, from which options, messages and documentation follow."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import samplevis
from samplevis import sampling
from samplevis.runtime import seeds
from samplevis.sampling.kernels.registry import KERNELS, KernelName, KernelSpec, check_kernel
from samplevis.sampling.kernels.stats import TransitionStats

ROOT = Path(__file__).parents[2]


def linear(x):
    return tf.reduce_sum(x, 1)


def test_names_are_the_keys():
    assert typing.get_args(KernelName) == tuple(KERNELS)
    assert all(name == spec.name for name, spec in KERNELS.items())


@pytest.mark.parametrize("spec", KERNELS.values(), ids=KERNELS)
def test_every_file_has_the_functions_that_are_called(spec):
    module = importlib.import_module(f"samplevis.sampling.kernels.{spec.module}")
    for name in ("make", "trace", "gradient"):
        expected = list(inspect.signature(getattr(KernelSpec, name)).parameters)[1:]
        assert list(inspect.signature(getattr(module, name)).parameters) == expected


@pytest.mark.parametrize("spec", KERNELS.values(), ids=KERNELS)
def test_kernels_are_what_the_registry_says(spec):
    state = tf.random.stateless_normal((3, 4), [0, 1])
    kernel = spec.make(linear, lambda seed: linear, 0.1, 2, tf.ones(4), ())
    assert isinstance(kernel, tfp.mcmc.TransitionKernel) and kernel.is_calibrated == spec.exact
    state, results = kernel.one_step(state, kernel.bootstrap_results(state), seed=seeds.root(0))
    stats = spec.trace(2, state, results)
    assert isinstance(stats, TransitionStats)
    for name, value in stats._asdict().items():
        assert np.shape(value) == (() if name in ("step_size", "num_gradient_evals") else (3,)), name
    if not spec.adapts_step_size:
        np.testing.assert_array_equal(stats.acceptance_rate, 1)


@pytest.mark.parametrize("spec", [spec for spec in KERNELS.values() if spec.unit_mass], ids=lambda spec: spec.name)
def test_a_unit_mass_means_states_divided_by_the_preconditioner(spec):
    preconditioner = tf.constant([0.5, 1.0, 2.0, 1.0])
    seen = []
    kernel = spec.make(lambda x: seen.append(x) or linear(x), None, 0.1, 2, preconditioner)
    kernel.bootstrap_results(tf.ones((1, 4)))
    np.testing.assert_array_equal(seen[0], preconditioner[None])


def test_defaults_come_from_the_registry():
    for name, spec in KERNELS.items():
        options = sampling.HMCOptions(kernel=name)
        assert (options.step_size, options.num_transforms) == (spec.step_size, spec.num_transforms)


def test_unknown_names_are_refused():
    assert check_kernel("malt") is KERNELS["malt"]
    for name in ("HMC", None, ["malt"]):
        with pytest.raises(ValueError, match="kernel: expected one of 'split_hmc', 'malt'"):
            check_kernel(name)


@pytest.mark.parametrize("names", ["HMCOptions", "KERNELS"])
def test_options_and_registry_need_no_tensorflow(names):
    code = f"import sys; from samplevis.sampling import {names}; print({{'tensorflow', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_of_the_sampling_layer():
    """The imports for type checkers are the table that names are found by, and each name exists."""
    source = (ROOT / "samplevis" / "sampling" / "__init__.py").read_text(encoding="utf-8")
    block = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    typed = {
        alias.name: None if node.module == "samplevis.sampling" else node.module.removeprefix("samplevis.sampling.")
        for node in block.body
        for alias in node.names
    }
    assert typed == sampling._SOURCES
    assert all(hasattr(sampling, name) for name in sampling.__all__) and set(sampling.__all__) <= set(dir(sampling))
    assert sampling.sample is samplevis.sample
    with pytest.raises(AttributeError, match="'samplevis.sampling' has no attribute 'smaple'"):
        sampling.smaple  # noqa: B018


def test_old_names_of_arguments_still_work():
    for make in (sampling.SplitHMC, sampling.RedrawnHMC):
        with pytest.warns(DeprecationWarning, match="scale is now preconditioner"):
            assert make(linear, 0.1, 2, scale=0.5).parameters["preconditioner"] == 0.5
