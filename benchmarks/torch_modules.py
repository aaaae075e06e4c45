"""What a PyTorch module costs as a network: `python -m benchmarks.torch_modules` prints ratios, `--json FILE` writes them.

The gradient of the mean of a channel in the images, of torchvision's ResNet-18 with random weights: in TensorFlow, eagerly and
compiled, over PyTorch by itself, which stops at the same layer and needs no gradient of the weights. All entries of a row run in
one process and take turns. Needs PyTorch and torchvision.

PyTorch comes before TensorFlow: where it has Triton, importing torchvision after TensorFlow ends the process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch  # isort: skip
import torchvision  # isort: skip

import numpy as np
import tensorflow as tf

from benchmarks.rows import run_parts
from benchmarks.timing import in_turn, ratio, seconds
from samplevis import Network

LAYERS = {"layer1": ("conv1", "bn1", "relu", "maxpool", "layer1"), "layer3": ()}
LAYERS["layer3"] = (*LAYERS["layer1"], "layer2", "layer3")
CHANNEL = 5


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="images at a time")
    parser.add_argument("--rounds", type=int, default=25, help="paired gradients")
    parser.add_argument("--json", type=Path, help="file for the results")
    run_parts(PARTS, parser.parse_args())


def gradients(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds of gradients, as ratios."""
    module = torchvision.models.resnet18(weights=None).eval()
    network = Network(module, value_range=(0, 1))
    for layer, parts in LAYERS.items():
        for batch in options.batches:
            images = np.random.default_rng(0).uniform(size=(batch, options.size, options.size, 3)).astype(np.float32)
            function = in_tensorflow(network, layer)
            runs = {
                "pytorch": in_pytorch(torch.nn.Sequential(*(getattr(module, part) for part in parts)), images),
                "eager": timed(function, images),
                "compiled": timed(tf.function(function), images),
            }
            times = in_turn(runs, options.rounds)
            yield {
                "layer": layer,
                "batch": batch,
                "milliseconds in pytorch": 1000 * float(np.median(times["pytorch"])),
                "eager over pytorch": ratio(times["eager"], times["pytorch"]),
                "compiled over pytorch": ratio(times["compiled"], times["pytorch"]),
            }


def in_tensorflow(network: Network, layer: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The gradient of a channel's mean."""
    cut = network.cut([layer])

    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_mean(cut(x)[layer][..., CHANNEL])
        return tape.gradient(score, x)

    return gradient


def timed(function: Callable[[tf.Tensor], tf.Tensor], images: np.ndarray) -> Callable[[], float]:
    """A call that returns the seconds of a gradient."""
    x = tf.constant(images)
    return lambda: seconds(lambda: function(x).numpy())


def in_pytorch(part: torch.nn.Module, images: np.ndarray) -> Callable[[], float]:
    """The same in PyTorch."""
    x = torch.tensor(np.moveaxis(images, -1, 1).copy())

    def gradient() -> torch.Tensor:
        leaf = x.requires_grad_()
        return torch.autograd.grad(part(leaf)[:, CHANNEL].mean(), leaf)[0]

    return lambda: seconds(gradient)


PARTS = {"gradients": gradients}

if __name__ == "__main__":
    main()
