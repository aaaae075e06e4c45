"""TensorFlow's start without the lines that it logs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow's value for no lines at all. It applies once the logger is set up: what comes before ignores it.
SILENT = "3"
LOG_LINE = re.compile(
    rb"[IWEF]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IWEF] |WARNING: All log messages before absl|To enable the following instructions"
)


@contextlib.contextmanager
def held_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, also by C++.

    If the block fails, everything is shown afterwards; otherwise everything but TensorFlow's log.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            for line in held:
                if failed or not LOG_LINE.match(line):
                    os.write(2, line)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Import modules without TensorFlow's log, unless TensorFlow is there or the user asked for its log."""
    if "tensorflow" in sys.modules or os.environ.setdefault(LEVEL, SILENT) != SILENT:
        yield
        return
    with held_stderr():
        yield


def load_tensorflow() -> None:
    """Import TensorFlow and start its runtime, quietly: for commands, which use it at once."""
    with quiet_start():
        import tensorflow as tf

        # The first tensor looks for devices, and logs that, too.
        tf.zeros(())
