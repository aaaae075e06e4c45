"""What is imported when: nothing before it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import samplevis

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from samplevis import cli
try:
    cli.main({words})
except SystemExit as stop:
    print(stop.code)
print({{name.partition(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "numpy", "PIL", "tqdm"}})
"""


def run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], "0"),
        (["--version"], "0"),
        (["render", "--help"], "0"),
        (["sweep", "--help"], "0"),
        (["renderr"], "2"),
        (["render", "SqueezeNet"], "2"),
        (["render", "SqueezeNet", "fire9:10", "--size", "large"], "2"),
    ],
)
def test_the_command_answers_without_tensorflow(words, code):
    *_, stopped, loaded = run(COMMAND.format(words=words))
    assert (stopped, loaded) == (code, "set()")


def test_the_list_of_models_needs_no_tensorflow():
    *lines, loaded = run(COMMAND.format(words=["models"]))
    assert loaded in ("set()", "{'numpy'}") and any(line.startswith("SqueezeNet ") for line in lines)


def test_importing_the_package_imports_nothing():
    assert run("import sys; before = set(sys.modules); import samplevis; print('numpy' in sys.modules)") == ["False"]


USE = """
import sys
import keras
import tensorflow
before = set(sys.modules)
import samplevis
samplevis.optimize, samplevis.sweep, samplevis.objectives, samplevis.param, samplevis.transform, samplevis.modelzoo
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new & {"tensorflow_probability", "tf_keras", "matplotlib", "sklearn", "scipy", "umap", "arviz", "IPython"}))
"""


def test_optimising_needs_no_library_of_the_sampler():
    assert run(USE)[-1] == "[]"


FIRST_USE = """
import sys
print("before", file=sys.stderr)
from samplevis import modelzoo, optimize
network = modelzoo.Shapes()
network([[[[0.5] * 3] * 32] * 32], "logits")
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(("level", "shows_log"), [(None, False), ("0", True)])
def test_first_use_is_quiet_unless_the_user_asks_for_the_log(level, shows_log):
    settings = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    if level is not None:
        settings["TF_CPP_MIN_LOG_LEVEL"] = level
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, cwd=ROOT, env=settings, check=True
    )
    lines = done.stderr.splitlines()
    assert lines[0] == "before" and "after" in lines
    assert (len(lines) > 2) == shows_log, done.stderr


def test_only_the_log_is_held_back():
    code = (
        "import os\nfrom samplevis.runtime.quiet_start import held_stderr\n"
        "with held_stderr():\n    os.write(2, b'I0000 00:00:17.1 9 port.cc:1] oneDNN\\na warning\\n')\n"
        "with held_stderr():\n    os.write(2, b'E0000 00:00:17.1 9 port.cc:1] why\\n')\n    raise OSError"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    first, second, *_ = done.stderr.splitlines()
    assert first == "a warning" and second.endswith("why"), "a failure shows everything"


def test_editors_see_what_python_sees():
    """The imports for type checkers, name by name, are the table that names are found by."""
    block = next(
        node
        for node in ast.parse((ROOT / "samplevis" / "__init__.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.If)
    )
    told = {
        alias.name: None if node.module == "samplevis" else node.module.removeprefix("samplevis.")
        for node in block.body
        for alias in node.names
    }
    assert told == samplevis._SOURCES and set(samplevis.__all__) <= set(dir(samplevis))
