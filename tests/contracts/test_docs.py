"""The documentation: it builds without a warning, fetches nothing, names all that is public, and its Python runs."""

from __future__ import annotations

import html.parser
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import with_slow

import samplevis
from samplevis import modelzoo
from samplevis.activation import default_param, make_activation
from samplevis.cli.parser import make_parser
from samplevis.modelzoo.registry import MODELS
from samplevis.results.rows import ROWS
from samplevis.results.summary import VERDICTS
from samplevis.sampling.options import hmc_options

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
BLOCK = re.compile(r"(<!-- not run: .+ -->\n)?```python\n(.*?)```", re.DOTALL)
WITH_PYTHON = [page for page in PAGES if BLOCK.search((DOCS / page).read_text(encoding="utf-8"))]
COSTLY = (
    "atlas.md",
    "evaluation.md",
    "howto/either_or.md",
    "howto/long_runs.md",
    "howto/own_model.md",
    "howto/render_by_hand.md",
    "howto/signals_and_volumes.md",
    "howto/sparse_autoencoders.md",
    "quickstart.md",
)
MODULES = ("objectives", "param", "transform", "optimizers", "overrides", "recipes", "export", "sampling", "atlas")
SMALL = dict(optimize_steps=8, anneal_steps=1, progress=False)
FEW = dict(num_results=4, num_chains=2, num_burnin_steps=1, num_leapfrog_steps=1, num_transforms=2)
NEEDED = ("mkdocs", "material", "mkdocstrings_handlers", "griffe")


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def module(name: str):
    """A module of the documentation's own."""
    for needed in NEEDED:
        pytest.importorskip(needed, reason=f"DOCUMENTATION NOT TESTED, no {needed}: pip install samplevis[docs]")
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class Page(html.parser.HTMLParser):
    """What a built page fetches, its anchors, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched, self.ids, self.words = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        self.fetched += [found["src"]] if found.get("src") else []
        self.fetched += [found["href"]] if tag == "link" else []

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the built site; a warning is an error."""
    module("generate")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("build_docs.py"), "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        # As the command `mkdocs`, which does not put the folder on Python's path.
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_built(site):
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert built == {*PAGES, *notebooks, "404.md"} and len(notebooks) >= 15
    assert not list(site.rglob("*.py"))


@pytest.mark.slow
def test_pictures_of_the_gallery_are_small(site):
    found = list((site / "images" / "gallery").glob("*.jpg"))
    assert len(found) >= 15 and [path.name for path in found if path.stat().st_size > 60_000] == []
    page = (site / "notebooks" / "shapes.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 5 and "all 18 right on" in page


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site):
    for path in site.rglob("*.html"):
        page = Page(path)
        assert page.fetched
        for address in page.fetched:
            assert not re.match(r"(\w+:)?//", address), (path, address)
            # Error pages are served from anywhere, all others open from disk.
            assert path.name == "404.html" or (path.parent / address.split("?")[0]).resolve().is_file(), (path, address)
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(\w+:)?//", path.read_text(encoding="utf-8")), path


@pytest.mark.slow
def test_all_that_is_public_has_its_place(site):
    ids = set().union(*(Page(path).ids for path in (site / "api").glob("*.html")))
    last = {name.rpartition(".")[2] for name in ids if name}
    assert {name for name in samplevis.__all__ if not inspect.ismodule(getattr(samplevis, name))} - last == set()
    path = module("generate")._path
    for place in MODULES:
        package = getattr(samplevis, place)
        # `sampling` also exports a table and a module, which have sections of their own.
        names = [
            name
            for name in package.__all__
            if inspect.isroutine(value := getattr(package, name)) or inspect.isclass(value)
        ]
        assert [name for name in names if path(package, name) not in ids] == []
    assert {name for name, entry in MODELS.items() if not entry.images} - last == set()
    assert "samplevis.network.Network.activations" in ids and "samplevis.sampling.options.HMCOptions" in ids


# A parameter that is its own default: the name of a constant's last part in place of its value.
OWN_DEFAULT = re.compile(r"\b(\w+): [^,\n]+ = \1,")


@pytest.mark.slow
def test_signatures_show_values(site):
    words = "".join(Page(site / "api" / "index.html").words)
    assert 'transforms: Transforms = "robust",' in words
    assert OWN_DEFAULT.findall(words) == []
    assert OWN_DEFAULT.findall("level: float = level,") == ["level"], "the control"


def _functions() -> dict:
    """Every public function by its name."""
    places = [samplevis, *(getattr(samplevis, place) for place in (*MODULES, "modelzoo"))]
    found = {f"{place.__name__}.{name}": getattr(place, name) for place in places for name in place.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value)}


def _undocumented(function) -> list[str]:
    """What the docstring of a function leaves out."""
    told, signature = inspect.getdoc(function) or "", inspect.signature(function)
    listed = re.findall(r"^  ([\w*, ]+):", told.partition("Args:\n")[2].partition("\n\n")[0], re.MULTILINE)
    listed = {name.strip(" *") for names in listed for name in names.split(",")}
    left_out = [name for name in signature.parameters if name not in listed]
    return left_out + (["Returns"] if str(signature.return_annotation) != "None" and "Returns:" not in told else [])


def test_every_function_says_what_it_takes_and_returns():
    functions = _functions()
    assert len(functions) > 100
    assert {name: left_out for name, value in functions.items() if (left_out := _undocumented(value))} == {}
    assert _undocumented(text) == ["page", "Returns"], "the control"


@pytest.mark.slow
def test_tables_are_those_of_the_code(site):
    tests = module("generate")._test_module("test_any_model")
    for page, needed in (
        ("models", MODELS),
        ("kinds", [*tests.KINDS, *(reason for reason in tests.DECLARED.values())]),
        ("concepts", [*VERDICTS, *(cell for row in ROWS.values() for cell in row[:3])]),
        ("from_lucid", ["render_vis", "activation_atlas", "not included"]),
        ("howto/command_line", ["--value-range LOW HIGH", "--checkpoint FOLDER", "--other-end RUN"]),
    ):
        words = " ".join("".join(Page(site / f"{page}.html").words).split())
        assert [name for name in needed if name not in words] == [], page
    cells = len(tests.KINDS) * len(tests.OBJECTIVES) * 2
    assert "".join(Page(site / "kinds.html").words).count("✓") - 1 == cells - len(tests.DECLARED)


def test_an_unknown_mark_stops_the_build():
    generate = module("generate")
    generate.on_config({})
    assert "| `Shapes` |" in generate.on_page_markdown("a\n<!-- generated: models -->\nb")
    with pytest.raises(KeyError, match="nothing"):
        generate.on_page_markdown("<!-- generated: nothing -->")


def test_docstrings_in_the_style_of_the_house():
    before = "What.\n\nArgs:\n  a, **b: text\n    that goes on.\n  c: > 0; a, b: no name.\n\nExample:\n  >>> a, b: no"
    items = "  a: text\n    that goes on.\n  **b: text\n    that goes on.\n  c: \\> 0; a, b: no name."
    after = f"What.\n\nArgs:\n{items}\n\nExamples:\n  >>> a, b: no"
    assert module("docstrings").readable(before) == after


@pytest.fixture(scope="module")
def quick():
    """Fewer steps and draws. One run of the bundled network stands for all of them, whose arguments are checked."""
    network, optimize, render, render_vis = (
        modelzoo.Shapes(),
        samplevis.optimize,
        samplevis.render,
        samplevis.render_vis,
    )
    first = render(network, "logits:star", FEW, im_size=64, **SMALL)

    def few_draws(model, unit, hmc=None, *, im_size=None, param=None, **own):
        if model is network and not own:
            make_activation(model, unit, param or default_param(model, im_size), "robust")
            hmc_options(hmc)
            return first
        return render(model, unit, FEW | (hmc or {}), im_size=im_size, param=param, **own | SMALL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modelzoo, "Shapes", lambda: network)
        patch.setattr(samplevis, "render", few_draws)
        patch.setattr(
            samplevis, "optimize", lambda *names, **own: optimize(*names, **own | dict(steps=2, progress=False))
        )
        patch.setattr(
            samplevis,
            "render_vis",
            lambda *names, **own: render_vis(*names, **own | dict(thresholds=(1, 2), verbose=False)),
        )
        yield first


@pytest.mark.parametrize("page", with_slow(WITH_PYTHON, COSTLY))
def test_the_python_of_the_pages_runs(page, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for number, (not_run, block) in enumerate(BLOCK.findall(text(page))):
        if not not_run:
            exec(compile(block, f"{page}, block {number}", "exec"), names)


def test_home_answers_the_questions_of_a_newcomer():
    rows = [line.strip("| ").split(" | ") for line in text("index.md").splitlines() if line.startswith("| ")]
    answers = {row[0]: row[1] for row in rows if row[0].endswith("?")}
    assert len(answers) == 5 and all("](" in answer for answer in answers.values())
    titles = re.findall(r"^### (.+)$", text("faq.md"), re.MULTILINE)
    assert set(answers) <= set(titles), "the longer answers"


def test_commands_are_commands():
    blocks = [block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", text(page), re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("samplevis ")]
    assert len(lines) >= 7
    for line in lines:
        assert make_parser().parse_args(shlex.split(line, comments=True)[1:]).run
    with pytest.raises(SystemExit):
        make_parser().parse_args(["rendre"])
