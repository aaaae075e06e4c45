"""Batch sizes: how many images, or transforms of a bank, fit in a given amount of memory."""

from __future__ import annotations

import tensorflow as tf

from samplevis.activation.activation import Activation
from samplevis.runtime import seeds

# Operations of a graph whose outputs take no memory of their own: inputs, weights, and other names of the same array.
NO_MEMORY_OPS = ("Const", "Identity", "Placeholder", "ReadVariableOp", "Reshape", "VarHandleOp")


def bytes_per_image(activation: Activation) -> int:
    """Estimates the memory that the value and the gradient of one image take.

    The estimate is the size of all arrays that they compute. It is an upper bound, since the arrays are never all held at once.
    Weights, which a batch shares, are left out.

    Args:
      activation: the function to estimate; it is traced once and not run.

    Returns:
      Number of bytes, >= 1.
    """
    compiled = activation.network.compiled
    key = "bytes per image", activation.key
    if key not in compiled:
        compiled[key] = max(1, sum(map(_num_bytes, _computed_tensors(activation))) + _hidden_bytes(activation))
    return compiled[key]


def images_per_batch(activation: Activation, num_images: int, memory: float, max_batch_size: int) -> int:
    """Chooses the size of equal batches.

    Args:
      activation: the function to compute.
      num_images: number of images to divide, >= 1.
      memory: bytes that a batch may take, > 0.
      max_batch_size: maximum size, >= 1.

    Returns:
      Images per batch, >= 1; a single image may take more than `memory`.
    """
    limit = max(1, min(max_batch_size, int(memory // bytes_per_image(activation))))
    num_batches = -(-num_images // limit)
    return -(-num_images // num_batches)


def transforms_per_chunk(activation: Activation, num_chains: int, num_transforms: int, memory: float) -> int | None:
    """Chooses how many transforms of a bank to compute at a time.

    Args:
      activation: the function to compute.
      num_chains: number of latents that are computed at once, >= 1.
      num_transforms: size of the bank, >= 1.
      memory: bytes that a chunk may take for all chains, > 0.

    Returns:
      Transforms per chunk, >= 1, or None if all fit.
    """
    limit = max(1, int(memory // (num_chains * bytes_per_image(activation))))
    return limit if limit < num_transforms else None


def _hidden_bytes(activation: Activation) -> int:
    """What the network takes outside the graph, at the size that the transforms leave."""
    layers = activation.layers
    *size, _ = activation.transform.output_shape(activation.param.image_shape)
    return activation.network.prepared.hidden_bytes(layers, tuple(size))


def _computed_tensors(activation: Activation) -> list[tf.Tensor]:
    """All tensors that the graph of one image's value and gradient computes."""

    def gradient(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            score = activation.paired(z, activation.sample_transforms(seeds.root(0), 1))
        return tape.gradient(score, z)

    spec = tf.TensorSpec((1, *activation.param.latent_shape), tf.float32)
    graph = tf.function(gradient, autograph=False).get_concrete_function(spec).graph
    return [tensor for op in graph.get_operations() if op.type not in NO_MEMORY_OPS for tensor in op.outputs]


def _num_bytes(tensor: tf.Tensor) -> int:
    known = tensor.shape.is_fully_defined() and tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return tensor.shape.num_elements() * tensor.dtype.size if known else 0
