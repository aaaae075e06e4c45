"""First convolutions with a stride, computed on blocks of pixels: processors multiply rows of two or three channels badly."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from samplevis.network.prepared.folding import FoldedLayer, Folding

# Up to this many channels, and from these sides of the kernel on, blocks were faster on a processor: a gradient of 7 x 7 x 3
# kernels at stride 2 takes .57 of the time, of 11 x 11 at stride 4 .5, of patches of 16 x 16 .3. 5 x 5 kernels gain a tenth, too
# little of a network for other bits; 3 x 3 kernels lose, and so do convolutions of 16 channels
# (`python -m benchmarks.prepared --parts strides`).
MAX_CHANNELS, MIN_KERNEL, MIN_PATCH = 4, 6, 4


def takes_blocks(layer: Any) -> bool:
    """Whether a layer is a convolution with a stride that is computed faster on blocks of pixels, and gives the same."""
    if type(layer) is not keras.layers.Conv2D or getattr(layer, "data_format", None) != "channels_last":
        return False
    plain = layer.padding in ("same", "valid") and set(layer.dilation_rate) == {1} and layer.groups == 1
    down, across = layer.strides
    patches = set(layer.kernel_size) == {down} and down >= MIN_PATCH
    return (
        plain
        and down == across > 1
        and (patches or max(layer.kernel_size) >= MIN_KERNEL)
        and tf.convert_to_tensor(layer.kernel).shape[-2] <= MAX_CHANNELS
        # What a graphics processor makes of it was not measured.
        and not tf.config.list_physical_devices("GPU")
    )


class BlockedLayer(FoldedLayer):
    """A convolution with stride s as one of stride 1 on the image whose pixels are blocks of s x s pixels.

    Args:
      folding: of a layer that `takes_blocks`, with or without affine layers around it. Its layers stay as they are.
    """

    def __init__(self, folding: Folding):
        self._block, self._sides = folding.layer.strides[0], folding.layer.kernel_size
        super().__init__(folding)

    def _weights(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        kernels, bias = super()._weights()
        return {name: blocks_of(kernel, self._block) for name, kernel in kernels.items()}, bias

    def _linear(self, inputs: tf.Tensor) -> tf.Tensor:
        (kernel,) = self._kernels.values()
        for axis, side in zip((1, 2), self._sides, strict=True):
            inputs = _fitted(inputs, axis, side, self._block, self.folding.layer.padding)
        return tf.nn.conv2d(tf.nn.space_to_depth(inputs, self._block), kernel, 1, "VALID")


def blocks_of(kernel: tf.Tensor, block: int) -> tf.Tensor:
    """A kernel for blocks of pixels.

    Args:
      kernel: [height, width, channels, outputs].
      block: side of a block.

    Returns:
      [blocks, blocks, block * block * channels, outputs], zeros beyond the kernel's own sides.

    Example:
      >>> import tensorflow as tf
      >>> blocks_of(tf.ones([7, 7, 3, 96]), 2).shape
      TensorShape([4, 4, 12, 96])
    """
    height, width, channels, outputs = kernel.shape
    rows, columns = -(-height // block), -(-width // block)
    padded = tf.pad(kernel, [[0, rows * block - height], [0, columns * block - width], [0, 0], [0, 0]])
    split = tf.reshape(padded, [rows, block, columns, block, channels, outputs])
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [rows, columns, block * block * channels, outputs])


def _fitted(images: tf.Tensor, axis: int, side: int, block: int, padding: str) -> tf.Tensor:
    """Images padded, or cut at their end, along an axis, so that the windows of the kernel begin at the blocks."""
    length = images.shape[axis]
    known = length is not None
    length = length if known else tf.shape(images)[axis]
    largest = max if known else tf.maximum
    if padding == "same":
        outputs = (length + block - 1) // block
        before = largest((outputs - 1) * block + side - length, 0) // 2
    else:
        outputs, before = (length - side) // block + 1, 0
    needed = (outputs - 1) * block + -(-side // block) * block
    # At the end of the image there may be pixels that no window reaches.
    kept = min(length, needed - before) if known else tf.minimum(length, needed - before)
    ends = [slice(None)] * axis + [slice(0, kept)]
    pads = [[0, 0] if n != axis else [before, needed - before - kept] for n in range(4)]
    return tf.pad(images[tuple(ends)], pads)
