"""The wheel and the sdist: `python -m build` makes them, they hold what they should, and the wheel's demo runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("samplevis", "docs", "images", "notebooks", "tests", "benchmarks", ".ci")
QUICK = "--chains 2 --draws 2 --warmup 2 --leapfrog-steps 2 --transforms 2 --optimize-steps 8 --anneal-steps 20 --quiet"

pytestmark = pytest.mark.slow


def files(folder: Path) -> set[str]:
    """Paths of the files of a folder that are part of the project."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".pyo"))
    return {path.relative_to(ROOT).as_posix() for path in paths if ".ipynb_checkpoints" not in path.parts}


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The folder with both, built from a copy, so that nothing is left in the checkout; the wheel is made from the sdist."""
    pytest.importorskip("build")
    source, folder = tmp_path_factory.mktemp("source") / "samplevis", tmp_path_factory.mktemp("dist")
    source.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
        elif path.name in PARTS:
            shutil.copytree(
                path, source / path.name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            )
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    (path,) = dist.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files(ROOT / "samplevis")


def test_the_sdist_holds_the_project(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = set().union(*(files(ROOT / part) for part in PARTS))
    assert wanted | {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "mkdocs.yml"} <= names


def test_its_page_has_all_that_a_reader_looks_for(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        page: Message = Parser().parsestr(archive.read(name).decode())
    assert page["Description-Content-Type"] == "text/markdown"
    assert "Feature visualization by sampling" in page.get_payload()
    assert page["Maintainer"] and page["Requires-Python"] == ">=3.10" and "Apache-2.0" in str(page.items())
    for field, least in (("Classifier", 10), ("Project-URL", 2), ("Provides-Extra", 10)):
        assert len(page.get_all(field)) >= least, field


def test_the_demo_of_the_wheel_runs(wheel, tmp_path):
    """In a folder of its own, away from the checkout."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    place = [sys.executable, "-c", "import samplevis; print(samplevis.__file__)"]
    found = subprocess.run(place, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout
    assert found.startswith(str(site))
    command = [site / "bin" / "samplevis", "demo", "heart", *QUICK.split(), "--out", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
