"""Chains on several devices: the same bytes as on one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis.activation.devices import check_devices, per_device


def output_of(script):
    """What a script of this folder prints in a separate process."""
    command = [sys.executable, str(Path(__file__).with_name(script))]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.fixture(scope="module")
def found():
    """The output of a process with four logical devices."""
    return output_of("four_devices.py")


@pytest.mark.slow
def test_four_devices_give_the_bytes_of_one(found):
    assert found["four"] == found["one"]


@pytest.mark.slow
def test_a_last_bit_that_depends_on_the_device_is_seen(found):
    assert found["broken"] != found["one"]


@pytest.mark.slow
def test_each_device_computes_its_values_and_its_gradients(found):
    kinds = ("Conv2D", "Conv2DBackpropInput")
    assert found["places"] == sorted(f"{kind} CPU:{number}" for kind in kinds for number in range(4))


def test_values_and_gradients_are_those_of_the_batch():
    weights = tf.Variable([1.0, 2.0, 3.0])
    z, transform_params = tf.random.stateless_normal([3, 3], [1, 2]), {"scale": tf.random.stateless_normal([6], [3, 4])}

    def function(z, transform_params):
        scale = tf.reshape(transform_params["scale"], [z.shape[0], 2])
        return tf.reduce_sum(weights * z**2, 1)[:, None] * scale

    with tf.GradientTape() as tape:
        tape.watch(z)
        values = per_device(function, z, transform_params, ("CPU:0",))
    upstream = tf.constant([[1.0, 2.0]] * 3)
    gradient = tape.gradient(values, z, upstream)
    np.testing.assert_allclose(values, function(z, transform_params), rtol=1e-6)
    scale = tf.reduce_sum(tf.reshape(transform_params["scale"], [3, 2]) * upstream, 1, keepdims=True)
    np.testing.assert_allclose(gradient, 2 * weights * z * scale, rtol=1e-5)


def test_names_of_devices():
    assert check_devices(None) == ()
    assert check_devices(["CPU:0", "/device:CPU:0"]) == ("CPU:0", "/device:CPU:0")
    for names, message in (([], "none"), (["GPU:7"], "'GPU:7'"), (["CPU:0", "0"], "'0'")):
        with pytest.raises(ValueError, match=f"devices: expected some of 'CPU:0'.* Received: {message}"):
            check_devices(names)
    for names in ("CPU:0", 3, [0]):
        with pytest.raises(TypeError, match="devices: expected a list of names such as 'GPU:0'. Received: "):
            check_devices(names)


@pytest.mark.long
def test_two_processes_give_the_bytes_of_one():
    alone, together = output_of("two_processes.py")
    assert alone == together


def test_an_unknown_device_is_refused_before_any_work(tiny_network):
    with pytest.raises(ValueError, match="devices: expected some of"):
        samplevis.render(tiny_network, "conv2:1", devices=["TPU:0"])
