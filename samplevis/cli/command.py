"""The entry point: from words to an exit code."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence

from samplevis.cli.parser import make_parser

BAD_ARGUMENT, FAILURE, INTERRUPTED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      arguments: words after the command's name. Defaults to the process's own.

    Returns:
      Exit code: 0, 1 for a failure, 2 for a bad argument, 130 after Ctrl-C.

    Example:
      >>> main(["report", "nowhere"])
      1
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = make_parser().parse_args([readable(word) for word in words])
    options.command = shlex.join(["samplevis", *words])
    # TensorFlow's start-up lines are of no use here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options.run(options)
    except (ValueError, TypeError) as error:
        return _fail(error, BAD_ARGUMENT)
    except (OSError, ImportError, FloatingPointError, MemoryError) as error:
        return _fail(error, FAILURE)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "interrupted", INTERRUPTED)
    return 0


def readable(word: str) -> str:
    """A negative unit such as -fire9:10 gets a leading blank, without which the parser would take it for a flag."""
    return f" {word}" if re.match("-[^-].*:", word) else word


def _fail(error: object, code: int) -> int:
    print(f"samplevis: {' '.join(str(error).split())}", file=sys.stderr)
    return code
