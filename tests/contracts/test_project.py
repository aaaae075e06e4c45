"""The package's own papers: versions, dependencies, data files, licence, and the test command."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import inspect
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
OPTIONAL |= {"tensorboard", "umap"}


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


def test_no_module_has_the_name_of_an_exported_function():
    """The import system would bind the module over the function."""
    functions = {name for name in samplevis.__all__ if inspect.isfunction(getattr(samplevis, name))}
    assert {"render", "optimize", "sample"} <= functions
    assert functions & {path.stem for path in PACKAGE.rglob("*.py")} == set()


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
    used = set().union(*(_imports(path) for path in (ROOT / "tests").rglob("*.py")))
    ours = {"samplevis", "benchmarks", "conftest", "runs", "tests"}
    used = {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in used - set(sys.stdlib_module_names) - ours}
    assert used - declared == set()


def test_extras_are_those_that_the_readme_and_the_errors_name(config):
    extras = set(config["options.extras_require"])
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| extra | for |")[1].split("\n\n")[0]
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


def test_long_studies_are_left_out_unless_asked_for(config):
    section = config["tool:pytest"]
    assert section["addopts"] == '-m "not long"' and section["markers"].strip().startswith("long:")


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
    assert done.stdout.splitlines() == [f"+ {command}", "there: ['.ci', 'README.md']", "second"]


@needs_bash
@pytest.mark.parametrize(
    "readme", ["<!-- test command -->\n```\npython3 -c 'raise SystemExit(3)'\n```\n", "nothing here\n"]
)
def test_the_runner_fails_with_the_command_or_without_one(checkout, readme):
    assert _run(checkout, readme).returncode != 0


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
