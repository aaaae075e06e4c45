"""Text for terminals and pages, whatever the names of models, units and labels hold."""

from __future__ import annotations

import html
import re
from typing import Any, TextIO

# Controls, C0 and C1; marks that turn the direction of text; separators of lines; characters that nobody sees; halves of a pair.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: object, lines: bool = False) -> str:
    r"""Shows characters that would steer a terminal or a page, such as those that clear the screen, as their escapes.

    Args:
      text: the text, or anything else, as it is printed.
      lines: whether line breaks and tabs stay as they are, in text of several lines. Defaults to False, for names.

    Returns:
      The text, which this function leaves unchanged when it is applied again.

    Example:
      >>> from samplevis.runtime.plain_text import printable
      >>> print(printable("star\x1b[2J"))
      star\x1b[2J
    """

    def shown(found: re.Match[str]) -> str:
        character = found[0]
        return character if lines and character in "\n\t" else character.encode("unicode_escape").decode()

    return _STEERING.sub(shown, str(text))


def as_html(text: object) -> str:
    """Text for HTML: printable, and without markup."""
    return html.escape(printable(text, lines=True))


class PlainStream:
    """A stream of text that writes to another one what is printable.

    Args:
      stream: the other one.

    Attributes:
      stream: the other one, for what moves the cursor on purpose, as a progress bar does.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes a text of any number of lines."""
        return self.stream.write(printable(text, lines=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def cursor_stream(stream: TextIO) -> TextIO:
    """The stream behind a `PlainStream`; any other stream as it is."""
    return stream.stream if isinstance(stream, PlainStream) else stream
