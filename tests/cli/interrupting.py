"""Ctrl-C at given moments of a run in this process, and what is in its folder afterwards."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from samplevis.runtime.files import PARTIAL
from samplevis.runtime.progress import Progress

WHOLE, INTERRUPTED = 0, 130


@dataclasses.dataclass
class Outcome:
    """What became of a run.

    Attributes:
      pressed: whether Ctrl-C came before the end.
      status: 0 for a whole result, 130 after Ctrl-C.
      seconds: from Ctrl-C to the end; from the beginning if there was none.
      updates: steps and draws that were reported after Ctrl-C.
      slowest: seconds of the longest part of the run without a report.
    """

    pressed: bool
    status: int
    seconds: float
    updates: int
    slowest: float


def run_with_presses(run: Callable[[], int], *delays: float) -> Outcome:
    """Runs something, and presses Ctrl-C so many seconds after its beginning, as long as it runs.

    Programs in the background of a shell ignore Ctrl-C from their start; here nobody does.

    Args:
      run: returns 0, or 130 if it was interrupted; or raises KeyboardInterrupt.
      *delays: in seconds, ascending.

    Returns:
      An `Outcome`.
    """
    reach, reports, presses = Progress.reach, [time.monotonic()], []
    ended = threading.Event()

    def reported(self: Progress, *arguments: float, **figures: float) -> None:
        reports.append(time.monotonic())
        reach(self, *arguments, **figures)

    def press() -> None:
        for delay in delays:
            if ended.wait(max(0.0, reports[0] + delay - time.monotonic())):
                return
            presses.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press, daemon=True)
    Progress.reach = reported
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    finally:
        ended.set()
        Progress.reach = reach
    end = time.monotonic()
    thread.join()
    assert signal.signal(signal.SIGINT, previous) is signal.default_int_handler, "the handler is back in its place"
    since = presses[0] if presses else reports[0]
    updates = sum(report > since for report in reports[1:])
    return Outcome(bool(presses), status, end - since, updates, float(np.diff([*reports, end]).max()))


def check_files(folder: Path) -> list[str]:
    """Reads every file of a folder to its end; returns their names. A file that is half written fails."""
    names = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        assert not path.name.startswith(PARTIAL), f"{path} was left behind"
        read = READERS.get(path.suffix)
        if read is not None:
            read(path)
        else:
            assert path.name in ("lock",), f"nobody reads {path}"
        names.append(path.relative_to(folder).as_posix())
    return names


def _read_arrays(path: Path) -> None:
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            assert archive[name] is not None


def _read_picture(path: Path) -> None:
    with Image.open(path) as picture:
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            picture.load()


def _read_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def _read_table(path: Path) -> None:
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(path).num_rows


def _read_page(path: Path) -> None:
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


READERS: dict[str, Callable[[Path], object]] = {
    ".npz": _read_arrays,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".png": _read_picture,
    ".gif": _read_picture,
    ".webp": _read_picture,
    ".keras": _read_archive,
    ".parquet": _read_table,
    ".html": _read_page,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".js": lambda path: path.read_text(encoding="utf-8"),
    ".css": lambda path: path.read_text(encoding="utf-8"),
}
