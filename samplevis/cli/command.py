"""The entry point: from words to an exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
import sys
import warnings
from collections.abc import Sequence

from samplevis.atlas.settings import AtlasSettings
from samplevis.cli.parser import make_parser
from samplevis.cli.wording import in_flags
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runtime.plain_text import PlainStream
from samplevis.runtime.progress import noticing
from samplevis.sampling.options import HMCOptions

BAD_ARGUMENT, FAILURE, INTERRUPTED = 2, 1, 130
# Arguments that have flags.
FIELDS = frozenset(
    field.name
    for options in (RenderOptions, RunOptions, HMCOptions, AtlasSettings)
    for field in dataclasses.fields(options)
) | {
    "size",
    "prior",
    "value_range",
    "bgr",
    "mean",
    "std",
    "labels",
    "bands",
    "steps",
    "sheet",
    "images",
    "weights",
    "examples",
    "scale",
    "extend",
    "out",
    "layers",
    "directions",
    "workers",
    "scheduler",
    "pictures",
    "judge",
    "label",
    "image_size",
}


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
    with (
        contextlib.redirect_stdout(PlainStream(sys.stdout)),
        contextlib.redirect_stderr(PlainStream(sys.stderr)),
    ):
        return _run(words)


def _run(words: Sequence[str]) -> int:
    """Runs the command, and returns its exit code."""
    options = make_parser().parse_args([readable(word) for word in words])
    options.command = shlex.join(["samplevis", *words])
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            with noticing(f"samplevis {words[0]}"):
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
    print(f"samplevis: {in_flags(str(error), FIELDS)}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, category: type[Warning], *place: object, **rest: object) -> None:
    if issubclass(category, UserWarning):
        print(f"samplevis: warning: {in_flags(str(message), FIELDS)}", file=sys.stderr)
