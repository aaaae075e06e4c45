"""Start-up time: `python -m benchmarks.startup` prints a table, `--json FILE` writes the results.

Each import runs in a new process, and the imports take turns. Processor time is measured, because other work on the machine
affects it less than wall time. Differences are taken within a round. About two minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.rows import write
from benchmarks.timing import in_turn

TENSORFLOW = "import tensorflow"
KERAS = "import tensorflow, keras"
USE = "import samplevis; samplevis.optimize, samplevis.objectives, samplevis.param, samplevis.transform"
HELP = "from samplevis import cli; cli.main(['--help'])"
# Name -> (code, baseline that is subtracted, required maximum in seconds).
ROWS = {
    "import samplevis": ("import samplevis", "pass", 0.3),
    "import tensorflow, then samplevis": (f"{TENSORFLOW}; import samplevis", TENSORFLOW, 0.3),
    "what optimize needs, over TensorFlow and Keras": (USE, KERAS, 0.3),
    "what optimize needs, over TensorFlow": (USE, TENSORFLOW, None),
    "what render needs, over TensorFlow": ("import samplevis; samplevis.render", TENSORFLOW, None),
    "samplevis --help, all of it": (HELP, None, 0.3),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="processes for each import")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    codes = {code for what, over, _ in ROWS.values() for code in (what, over) if code}
    times = in_turn({code: lambda code=code: processor_seconds(code) for code in sorted(codes)}, options.rounds)
    rows = [row(name, times) for name in ROWS]
    print(f"{'seconds of processor time':<48}{'median (quartiles)':>22}  required")
    for found in rows:
        shown = "{median:.2f} ({low:.2f}-{high:.2f})".format(**found)
        required = "" if found["required"] is None else f"<= {found['required']}"
        print(f"{found['what']:<48}{shown:>22}  {required}")
    write(rows, options.json)


def row(name: str, times: dict[str, np.ndarray]) -> dict:
    """Median and quartiles of the time over the baseline."""
    what, over, required = ROWS[name]
    low, median, high = np.percentile(times[what] - (times[over] if over else 0), (25, 50, 75))
    return {"what": name, "median": float(median), "low": float(low), "high": float(high), "required": required}


def processor_seconds(code: str) -> float:
    """Processor time of a new process, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{code}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
