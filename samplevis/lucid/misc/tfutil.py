"""Sessions of graph programs. Source: lucid/misc/tfutil.py."""

from __future__ import annotations

import tensorflow as tf


def create_session(target: str = "", timeout_sec: float = 10) -> tf.compat.v1.Session:
    """A session that takes memory of a GPU as it needs it, for a new graph.

    What follows builds that graph, as in TensorFlow 1, until the session is closed.

    Args:
      target: of the session. Defaults to this process.
      timeout_sec: after how long an operation fails. Defaults to 10.

    Returns:
      An interactive session: it and its graph are the default ones until it is closed.

    Example:
      >>> sess = create_session()
      >>> float(tf.constant(2.0).eval())
      2.0
      >>> sess.close()
    """
    config = tf.compat.v1.ConfigProto(operation_timeout_in_ms=int(timeout_sec * 1000))
    config.gpu_options.allow_growth = True
    return tf.compat.v1.InteractiveSession(target, graph=tf.Graph(), config=config)
