"""How many images, or transforms, at a time: as many as a budget of memory holds."""

from __future__ import annotations

import tensorflow as tf

from samplevis.activation.activation import Activation
from samplevis.runtime import seeds

# What a graph is given, or passes on as it is, takes no memory of its own.
GIVEN = ("Const", "Identity", "Placeholder", "ReadVariableOp", "Reshape", "VarHandleOp")


def bytes_per_image(activation: Activation) -> int:
    """Bytes of all arrays that the value and the gradient of one image make.

    They are never all held at once, so that this is more than an image takes. Weights, which a batch shares, are left out.

    Args:
      activation: what is computed; it is traced once, and not run.

    Returns:
      The number of bytes, >= 1.
    """
    compiled = activation.network.compiled
    key = "bytes per image", activation.key
    if key not in compiled:
        compiled[key] = max(1, sum(map(_size, _made(activation))))
    return compiled[key]


def images_per_batch(activation: Activation, count: int, memory: float, most: int) -> int:
    """The size of equal batches of `count` images, at most `most` at a time, that take at most `memory` bytes; at least 1."""
    limit = max(1, min(most, int(memory // bytes_per_image(activation))))
    batches = -(-count // limit)
    return -(-count // batches)


def transforms_per_chunk(activation: Activation, chains: int, members: int, memory: float) -> int | None:
    """How many transforms of a bank, for all chains, take at most `memory` bytes: None if all do, else at least 1."""
    most = max(1, int(memory // (chains * bytes_per_image(activation))))
    return most if most < members else None


def _made(activation: Activation) -> list[tf.Tensor]:
    def gradient(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            score = activation.paired(z, activation.sample_transforms(seeds.root(0), 1))
        return tape.gradient(score, z)

    spec = tf.TensorSpec((1, *activation.param.latent_shape), tf.float32)
    graph = tf.function(gradient, autograph=False).get_concrete_function(spec).graph
    return [tensor for op in graph.get_operations() if op.type not in GIVEN for tensor in op.outputs]


def _size(tensor: tf.Tensor) -> int:
    known = tensor.shape.is_fully_defined() and tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return tensor.shape.num_elements() * tensor.dtype.size if known else 0
