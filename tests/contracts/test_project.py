"""The package's own papers: versions, dependencies, data files, licence, and the test command."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import samplevis

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "samplevis"
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q '.[test]' && .venv/bin/python -m pytest -q"
# Import names that differ from the distribution's.
DISTRIBUTIONS = {"IPython": "ipython", "PIL": "pillow", "tensorflow_probability": "tensorflow-probability"}
# Imported where they are used, with an error that says what to install.
OPTIONAL = {"IPython", "arviz", "arviz_base", "cmaes", "imageio_ffmpeg", "matplotlib", "safetensors", "sklearn"}
OPTIONAL |= {"dask", "distributed", "fsspec", "pandas", "pyarrow", "tensorboard", "torch", "umap"}


@pytest.fixture(scope="module")
def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    assert parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def _requirements(text: str) -> dict[str, str]:
    """Name -> lower bound."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return dict(line.split(">=") for line in lines)


def _imports(path: Path) -> set[str]:
    """First names of the modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_one_version(config):
    assert config["metadata"]["version"] == samplevis.__version__


def test_importing_is_light():
    lazy = "import sys, samplevis; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", lazy], check=True, cwd=ROOT)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="renderer"):
        samplevis.renderer  # noqa: B018


def test_public_names_exist():
    missing = [name for name in samplevis.__all__ if not hasattr(samplevis, name)]
    assert not missing


def test_every_import_is_declared(config):
    declared = _requirements(config["options"]["install_requires"])
    used = set().union(*(_imports(path) for path in PACKAGE.rglob("*.py")))
    used -= set(sys.stdlib_module_names) | {"samplevis"} | OPTIONAL
    assert {DISTRIBUTIONS.get(name, name) for name in used} - set(declared) == set()
    # TensorFlow Probability needs this one: nothing here imports it.
    assert set(declared) - {DISTRIBUTIONS.get(name, name) for name in used} == {"tf_keras"}


def test_every_import_of_the_tests_is_declared(config):
    sections = config["options"]["install_requires"], config["options.extras_require"]["test"]
    declared = {name.replace("-", "_") for section in sections for name in _requirements(section)}
    files = list((ROOT / "tests").rglob("*.py"))
    used = set().union(*(_imports(path) for path in files))
    ours = {"samplevis", "benchmarks"} | {path.stem for path in files}
    used = {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in used - set(sys.stdlib_module_names) - ours}
    assert used - declared == set()


def test_extras_are_those_that_the_documentation_and_the_errors_name(config):
    extras = set(config["options.extras_require"])
    table = (ROOT / "docs" / "install.md").read_text(encoding="utf-8").split("| extra | for |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == extras
    named = set().union(
        *(re.findall(r"samplevis\[(\w+)\]", path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py"))
    )
    assert named <= extras and len(named) >= 5


def test_bounds_are_the_same_in_every_extra(config):
    sections = config["options.extras_require"].values(), [config["options"]["install_requires"]]
    pairs = {pair for section in sections for text in section for pair in _requirements(text).items()}
    assert len(pairs) == len(dict(pairs))


def test_what_is_installed_meets_the_bounds(config):
    from importlib import metadata

    def parts(version: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", version)[:2]]

    for name, bound in _requirements(config["options"]["install_requires"]).items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            # Builds of TensorFlow go by several names.
            found = metadata.version(f"{name}_cpu")
        assert parts(found) >= parts(bound), name


def test_every_data_file_is_packaged(config):
    patterns = {
        package: [pattern.strip() for pattern in value.split(",")]
        for package, value in config["options.package_data"].items()
    }
    data = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert PACKAGE / "py.typed" in data
    for path in data:
        package = ".".join(path.parent.relative_to(ROOT).parts)
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns.get(package, [])), path


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_command_exists(config):
    name, _, target = config["options.entry_points"]["console_scripts"].strip().partition(" = ")
    assert name == "samplevis"
    module, _, function = target.partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_the_licence_is_apache_2_in_full(config):
    text = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    assert config["metadata"]["license"] == "Apache-2.0"
    for part in ("Version 2.0, January 2004", "9. Accepting Warranty", "END OF TERMS AND CONDITIONS", "APPENDIX"):
        assert part in text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(None, {"test_fast"}), ("slow and not long", {"test_slow"}), ("long", {"test_long"})],
)
def test_slow_tests_and_long_studies_are_left_out_by_default(tmp_path, expression, expected):
    marks = "".join(f"@pytest.mark.{name}\ndef test_{name}(): ...\n" for name in ("slow", "long"))
    (tmp_path / "test_marks.py").write_text(f"import pytest\ndef test_fast(): ...\n{marks}")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    command = [sys.executable, "-m", "pytest", "-n0", "--collect-only", "-q", "--strict-markers", "test_marks.py"]
    command += ["-m", expression] if expression else []
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert set(re.findall(r"::(\w+)", done.stdout)) == expected, done.stdout + done.stderr


def test_the_readme_says_how_to_test():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- test command -->\s*```\w*\n(.+?)\n```", text)
    assert found == [TEST_COMMAND]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder that holds only the runner, and what an earlier run left."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "old").write_text("")
    return tmp_path


def _run(checkout: Path, readme: str) -> subprocess.CompletedProcess:
    (checkout / "README.md").write_text(readme, encoding="utf-8")
    # From elsewhere: the runner goes to its own folder.
    return subprocess.run([checkout / ".ci" / "run"], cwd=checkout.parent, capture_output=True, text=True, timeout=60)


needs_bash = pytest.mark.skipif(shutil.which("bash") is None or shutil.which("python3") is None, reason="needs bash")


@needs_bash
def test_the_runner_runs_the_readme_command_in_a_clean_folder(checkout):
    command = "python3 -c \"import os; print('there:', sorted(os.listdir()))\" && echo second"
    done = _run(checkout, f"# x\npython3 -c 'no'\n<!-- test command -->\n```bash\n{command}\n```\npython3 -c 'no'\n")
    assert done.returncode == 0, done.stderr
    first, *lines, last = done.stdout.splitlines()
    assert (first, lines) == (f"+ {command}", ["there: ['.ci', 'README.md']", "second"])
    assert re.fullmatch(r"= exit status 0 after \d+ s", last)


@needs_bash
@pytest.mark.parametrize(
    "readme", ["<!-- test command -->\n```\npython3 -c 'raise SystemExit(3)'\n```\n", "nothing here\n"]
)
def test_the_runner_fails_with_the_command_or_without_one(checkout, readme):
    assert _run(checkout, readme).returncode == (3 if "test command" in readme else 1)


@needs_bash
@pytest.mark.parametrize(("fast", "slow", "status"), [(0, 0, 0), (2, 0, 2), (0, 3, 3), (2, 3, 2)])
def test_the_runner_runs_the_slow_tests_in_the_same_environment(checkout, fast, slow, status):
    python = f'#!/bin/sh\necho "slow: $*; $PYTEST_ADDOPTS"\nexit {slow}\n'
    (checkout / "python").write_text(python)
    make = "import os, shutil; os.mkdir('.venv'); os.mkdir('.venv/bin'); shutil.copy('python', '.venv/bin/python')"
    make += f"; os.chmod('.venv/bin/python', 0o755); raise SystemExit({fast})"
    done = _run(checkout, f'<!-- test command -->\n```bash\npython3 -c "{make}"\n```\n')
    assert done.returncode == status, done.stderr
    words = "slow: -m pytest -q -m slow and not long;"
    assert [line.partition(";")[0] + ";" for line in done.stdout.splitlines() if line.startswith("slow:")] == [words]
    assert "--durations" in done.stdout
    assert re.findall(r"= exit status (\d+)", done.stdout) == [str(fast), str(slow)]


def test_the_workflow_runs_what_anybody_can_run():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.search(r"^      - run: \.ci/run$", workflow, re.MULTILINE) and os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_paper_has_the_version(config):
    version = config["metadata"]["version"]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version = {{{version}}}" in (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


PROGRAM = """
import numpy as np
import samplevis
from samplevis import Network, Samples, objectives, param

def volcanoes(network: Network) -> np.ndarray:
    samples: Samples = samplevis.render(network, "logits:980", {"num_results": 4}, im_size=64)
    level: float = samples.summary().figures["level_fresh"]
    unit = objectives.channel("fire9", 10) - 0.5 * objectives.channel("fire9", 7)
    found = samplevis.optimize(network, unit, param=param.fourier(64), steps=8)
    print(level, samplevis.describe(network).warnings)
    return found.images
"""


@pytest.mark.slow
@pytest.mark.parametrize(("change", "error"), [(("", ""), None), (("im_size=64", "im_size='64'"), "arg-type")])
def test_a_users_program_passes_a_type_checker(tmp_path, change, error):
    """Beside it, one with a mistake does not."""
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM.replace(*change))
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", tmp_path / "cache"]
    done = subprocess.run(
        [*command, tmp_path / "program.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"MYPYPATH": "."},
    )
    assert (done.returncode == 0) == (error is None), done.stdout + done.stderr
    assert error is None or f"[{error}]" in done.stdout


def test_code_is_clean():
    pytest.importorskip("ruff")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "samplevis", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
