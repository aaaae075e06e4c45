"""A frozen graph with the node names, the operations and the range of Lucid's InceptionV1, and random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

# Channels of the towers of every mixed layer: 1x1, 3x3_bottleneck, 3x3, 5x5_bottleneck, 5x5, pool_reduce.
MIXED = {
    **{"mixed3a": (64, 96, 128, 16, 32, 32), "mixed3b": (128, 128, 192, 32, 96, 64)},
    **{"mixed4a": (192, 96, 204, 16, 48, 64), "mixed4b": (160, 112, 224, 24, 64, 64)},
    **{"mixed4c": (128, 128, 256, 24, 64, 64), "mixed4d": (112, 144, 288, 32, 64, 64)},
    **{"mixed4e": (256, 160, 320, 32, 128, 128), "mixed5a": (256, 160, 320, 48, 128, 128)},
    "mixed5b": (384, 192, 384, 48, 128, 128),
}
POOLED_BEFORE = {"mixed4a", "mixed5a"}
CLASSES = 1008


class _Builder:
    """Adds layers to the default graph; `divisor` makes them thinner."""

    def __init__(self, divisor: int):
        self.random, self.divisor = np.random.RandomState(0), divisor

    def conv(self, x: tf.Tensor, name: str, size: int, channels: int, stride: int = 1) -> tf.Tensor:
        channels = max(channels // self.divisor, 2)
        shape = (size, size, x.shape[-1], channels)
        weights = self.random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        with tf.name_scope(f"{name}_pre_relu/"):
            x = tf.nn.conv2d(x, np.float32(weights), stride, "SAME", name="conv")
        bias = np.float32(self.random.standard_normal(channels) * 0.1)
        return tf.nn.relu(tf.nn.bias_add(x, bias, name=f"{name}_pre_relu"), name=name)

    def mixed(self, x: tf.Tensor, name: str) -> tf.Tensor:
        one, small, three, thin, five, pool = MIXED[name]
        pooled = tf.nn.max_pool2d(x, 3, 1, "SAME", name=f"{name}_pool")
        towers = [
            self.conv(x, f"{name}_1x1", 1, one),
            self.conv(self.conv(x, f"{name}_3x3_bottleneck", 1, small), f"{name}_3x3", 3, three),
            self.conv(self.conv(x, f"{name}_5x5_bottleneck", 1, thin), f"{name}_5x5", 5, five),
            self.conv(pooled, f"{name}_pool_reduce", 1, pool),
        ]
        return tf.raw_ops.Concat(concat_dim=3, values=towers, name=name)


def graph_def(divisor: int = 1) -> tf.compat.v1.GraphDef:
    """The graph; `divisor` divides the channels of all layers."""
    build = _Builder(divisor)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        # Random weights see values of the size of those that trained ones see.
        x = build.conv(x / 128, "conv2d0", 7, 64, 2)
        x = tf.nn.lrn(tf.nn.max_pool2d(x, 3, 2, "SAME", name="maxpool0"), name="localresponsenorm0")
        x = build.conv(build.conv(x, "conv2d1", 1, 64), "conv2d2", 3, 192)
        x = tf.nn.max_pool2d(tf.nn.lrn(x, name="localresponsenorm1"), 3, 2, "SAME", name="maxpool1")
        for number, name in enumerate(MIXED):
            if name in POOLED_BEFORE:
                x = tf.nn.max_pool2d(x, 3, 2, "SAME", name=f"maxpool{number}")
            x = build.mixed(x, name)
        x = tf.reduce_mean(x, [1, 2], name="avgpool0")
        weights = np.float32(build.random.standard_normal((x.shape[-1], CLASSES)) * 0.1)
        tf.nn.softmax(tf.matmul(x, weights, name="softmax2_pre_activation"), name="softmax2")
    return graph.as_graph_def()


def write(folder: Path, divisor: int = 1) -> Path:
    """Writes the graph and its labels as `samplevis.modelzoo.InceptionV1` reads them; returns the path of the graph."""
    path = folder / "tensorflow_inception_graph.pb"
    path.write_bytes(graph_def(divisor).SerializeToString())
    labels = ["dummy", *(f"class {number}" for number in range(1, CLASSES))]
    (folder / "imagenet_comp_graph_label_strings.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    return path
