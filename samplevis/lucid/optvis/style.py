"""Style as correlations of channels. Source: lucid/optvis/style.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def gram_style(a: tf.Tensor) -> tf.Tensor:
    """The mean over all positions, of the whole batch, of the products of channels.

    Args:
      a: activations [..., channels].

    Returns:
      Tensor [channels, channels].

    Example:
      >>> gram_style(tf.ones([1, 4, 4, 2])).numpy().tolist()
      [[1.0, 1.0], [1.0, 1.0]]
    """
    rows = tf.reshape(a, [-1, a.shape[-1]])
    return tf.matmul(rows, rows, transpose_a=True) / tf.cast(tf.shape(rows)[0], rows.dtype)


def mean_l1_loss(g1: tf.Tensor, g2: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference."""
    return tf.reduce_mean(tf.abs(g1 - g2))


def mean_l2_loss(g1: tf.Tensor, g2: tf.Tensor) -> tf.Tensor:
    """The root mean squared difference."""
    return tf.sqrt(tf.reduce_mean(tf.square(g1 - g2)))


class StyleLoss:
    """How far the style of some activations is from a picture's, in a graph program.

    Args:
      style_layers: activations, tensors of the graph.
      ema_decay: the loss sees a moving average of styles that decays by this factor in each step, and the gradient the current
        one. Defaults to none.
      style_func: from activations to style. Defaults to `gram_style`.
      loss_func: of two styles. Defaults to `mean_l1_loss`.

    Attributes:
      style_loss: the sum over the layers.
      style_losses: of each.
    """

    def __init__(
        self,
        style_layers: Sequence[tf.Tensor],
        ema_decay: float | None = None,
        style_func: Callable[[tf.Tensor], tf.Tensor] = gram_style,
        loss_func: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = mean_l1_loss,
    ):
        self.input_grams = [style_func(layer) for layer in style_layers]
        self.ema = None if ema_decay is None else tf.compat.v1.train.ExponentialMovingAverage(decay=ema_decay)
        self.effective_grams = self.input_grams if self.ema is None else self._averaged()
        self.target_vars = [tf.compat.v1.Variable(tf.zeros_like(gram), trainable=False) for gram in self.input_grams]
        pairs = zip(self.effective_grams, self.target_vars, strict=True)
        self.style_losses = [loss_func(gram, target) for gram, target in pairs]
        self.style_loss = tf.add_n(self.style_losses)

    def _averaged(self) -> list[tf.Tensor]:
        """Moving averages with the gradient of the current values."""
        with tf.control_dependencies([self.ema.apply(self.input_grams)]):
            return [gram + tf.stop_gradient(self.ema.average(gram) - gram) for gram in self.input_grams]

    def set_style(self, input_feeds: dict[tf.Tensor, Any]) -> None:
        """Sets the style to that of a picture; call it after the variables are initialised.

        Args:
          input_feeds: for `session.run`, so that the layers have the picture's activations.
        """
        session = tf.compat.v1.get_default_session()
        for target, gram in zip(self.target_vars, session.run(self.input_grams, input_feeds), strict=True):
            target.load(gram, session)
