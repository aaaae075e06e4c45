"""MkDocs hooks: generate parts of the pages from the code and its tests, so that they stay up to date.

A line `<!-- generated: NAME ARGUMENTS -->` in a page is replaced by the return value of `GENERATED[NAME](*ARGUMENTS)`. Images
come from `images/`; docs/notebooks.py adds those of the notebooks.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.structure.files import File

DOCS = Path(__file__).parent
ROOT = DOCS.parent

# Modules whose public names the index lists; those of the zoo are in a table of their own.
API_MODULES = ("objectives", "param", "transform", "optimizers", "overrides", "recipes", "export", "sampling", "atlas")
# Names that are documented at another place than where they are defined.
DOCUMENTED = {"Network": "samplevis.network.Network"}
MARK = re.compile(r"^<!-- generated: (\w+)((?: [\w.-]+)*) -->$", re.MULTILINE)
# Those of the notebooks are another hook's.
PICTURE = re.compile(r"\]\((?:\.\./)?(images/(?!notebooks/|gallery/)[\w./-]+)\)")


def on_config(config: Any) -> Any:
    """Imports this checkout of the package, wherever MkDocs is called from. MkDocs undoes what a hook's import does to the path."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the images that the pages refer to."""
    pages = [page.content_string for page in files.documentation_pages()]
    for name in sorted(set(PICTURE.findall("\n".join(pages)))):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Replaces each mark by what it generates."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](*mark[2].split()), markdown)


def on_post_page(output: str, **kwargs: Any) -> str:
    """What screen readers and keyboards miss in the theme's pages: a name for the search, and code that can be scrolled."""
    named = output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
    return named.replace("<pre><span></span><code>", '<pre tabindex="0"><span></span><code>')


def models() -> str:
    """The model zoo: what each model is, its preprocessing, and where its weights come from."""
    from samplevis.modelzoo.registry import MODELS
    from samplevis.network.preprocessing import MODES

    def expected(entry: Any) -> str:
        return MODES[entry.images].arguments if entry.images else ""

    sources = {"fetched": "by name, or from a file"}
    rows = (
        (f"`{name}`", _linked(entry.description), _code(expected(entry)), sources.get(entry.weights, entry.weights))
        for name, entry in MODELS.items()
    )
    return _table(("name", "what it is", "preprocessing", "weights"), rows)


def zoo(which: str) -> str:
    """The functions of the models whose weights are bundled, or of the others that are not Keras's applications."""
    from samplevis.modelzoo.registry import MODELS, factory

    names = [
        name
        for name, entry in MODELS.items()
        if not entry.images and (entry.weights == "bundled") == (which == "bundled")
    ]
    return "\n\n".join(f"::: {factory(name).__module__}.{name}" for name in names)


def kinds() -> str:
    """Every kind of model with every kind of objective, optimised and sampled, as the tests run it."""
    tests = _test_module("test_any_model")
    actions = [tests.optimised.__name__, tests.sampled.__name__]

    def cell(kind: str, objective: str, action: str) -> str:
        return tests.DECLARED.get((kind, objective, action), "✓")

    rows = (
        [kind, *(cell(kind, objective, action) for objective in tests.OBJECTIVES for action in actions)]
        for kind in tests.KINDS
    )
    return _table(("kind of model", *(f"{name}, {action}" for name in tests.OBJECTIVES for action in actions)), rows)


def from_lucid() -> str:
    """A table for each section of Lucid's capabilities: what Lucid does and its name, ours, and what differs."""
    from samplevis.lucid.core.facts import CAPABILITIES

    parts = []
    for title, section in CAPABILITIES.items():
        rows = (
            (
                f"{row.capability}<br>{_code(row.lucid)}",
                ", ".join(map(_code, row.names)) or "not included",
                row.note,
            )
            for row in section
        )
        parts.append(f"## {title}\n\n{_table(('Lucid', 'samplevis', 'what differs, and why'), rows)}")
    return "\n\n".join(parts)


def lucid_namespace() -> str:
    """What `samplevis.lucid` has: its modules, where it follows Lucid and where not, and what is gone."""
    from samplevis.lucid.core.facts import CHOICES, DROPPED
    from samplevis.lucid.core.installation import modules

    def purpose(name: str) -> str:
        return importlib.import_module(f"samplevis.lucid.{name}").__doc__.partition("\n")[0]

    kept = _table(("module", "what it has"), ((f"`{name}`", purpose(name)) for name in modules()))
    choices = _table(("matter", "Lucid", "here"), CHOICES)
    gone = _table(("module", "why, and what there is instead"), ((f"`{name}`", why) for name, why in DROPPED.items()))
    return f"### Modules\n\n{kept}\n\n### Where Lucid is followed\n\n{choices}\n\n### What is gone\n\n{gone}"


def summary() -> str:
    """The rows of the summary: what each means, and when to worry."""
    from samplevis.results.rows import ROWS

    return _table(("row", "what it means", "worry when"), (row[:3] for row in ROWS.values()))


def kernels() -> str:
    """The kernels: what each is, whether it is exact, and its defaults."""
    from samplevis.sampling import KERNELS
    from samplevis.sampling.kernels.registry import INDEPENDENT

    rows = (
        (
            f"`{name}`",
            spec.summary,
            "exact" if spec.exact else "approximate",
            f"{spec.step_size}",
            f"{spec.num_transforms}",
        )
        for name, spec in KERNELS.items()
    )
    others = ((f"`{name}`", summary, "exact", "-", "12") for name, summary in INDEPENDENT.items())
    rows = (*rows, *others)
    return _table(("kernel", "what it is", "target density", "first step size", "transforms"), rows)


def shapes_prior() -> str:
    """How the bundled prior was made, from the report beside its weights."""
    from samplevis.modelzoo.shapes.network import FOLDER, read_report

    report = read_report(FOLDER / "prior.npz")
    return (
        f"The flow was learned from {report['pictures']:,} masks, in {report['steps']:,} steps of {report['batch_size']} that took "
        f"{report['seconds'] / 60:.0f} minutes of a core: held-out loss {report['held_out_loss']:.3f}, a Gaussian's "
        f"{report['gaussian_loss']:.3f}. `python -m benchmarks.train_shapes_prior` trains it. What `check_prior` says: "
        f"{report['verdict']}"
    )


def measures() -> str:
    """What each figure of an evaluation can and cannot say, and its control."""
    from samplevis.analysis.evaluation.measures import MEASURES

    rows = ((f"`{name}`", m.label, m.tells, m.limits, m.control, m.source) for name, m in MEASURES.items())
    return _table(("name", "measure", "says", "cannot say", "control that must do worse", "source"), rows)


def fooling_agreement() -> str:
    """How the network with the fooling circuit answers on drawings, from the report beside its weights."""
    from samplevis.modelzoo.shapes.network import FOLDER, read_report

    report = read_report(FOLDER / "fooling.npz")
    return (
        f"all 18 answers are the same on {report['same_answers']:.1%} of them, and the concept with the largest logit on "
        f"{report['same_largest']:.1%}."
    )


def benchmark(name: str) -> str:
    """The table of a benchmark, from the results that it stored."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    if not path.is_file():
        return f"There are no results yet: `python -m benchmarks.{name}` makes them."
    return importlib.import_module(f"benchmarks.{name}").table(json.loads(path.read_text(encoding="utf-8")))


def changelog() -> str:
    """What changed, version by version: the file that releases are made with, without its title."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2]


def api_index() -> str:
    """Every public name with its one line, a table for each module."""
    import samplevis

    packages = [samplevis, *(importlib.import_module(f"samplevis.{place}") for place in API_MODULES)]
    return "\n\n".join(f"## {package.__name__}\n\n{_index(package)}" for package in packages)


def verdicts() -> str:
    """The possible verdicts of a summary, the best first."""
    from samplevis.results.summary import VERDICTS

    return "\n".join(f"- {verdict}" for verdict in VERDICTS)


def objectives() -> str:
    """The objectives, with the first line of each docstring."""
    from samplevis import objectives

    functions = {name: getattr(objectives, name) for name in objectives.__all__}
    functions = {name: value for name, value in functions.items() if inspect.isfunction(value)}
    rows = (
        (f"[`{name}`](../api/objectives.md#{value.__module__}.{name})", inspect.getdoc(value).splitlines()[0])
        for name, value in functions.items()
    )
    return _table(("objective", "what it is"), rows)


def members(place: str) -> str:
    """The public names of a package, each documented at the module that defines it."""
    package = importlib.import_module(f"samplevis.{place}")
    return "\n\n".join(f"::: {_path(package, name)}\n    options:\n      heading_level: 2" for name in package.__all__)


def public(*names: str) -> str:
    """Names such as "render" or "results.summary.Summary", each documented at the module that defines it."""

    def path(name: str) -> str:
        place, _, last = f"samplevis.{name}".rpartition(".")
        return _path(importlib.import_module(place), last)

    return "\n\n".join(f"::: {path(name)}" for name in names)


def command_help(*words: str) -> str:
    """What `samplevis WORDS --help` prints."""
    from samplevis import cli

    before, printed = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = "92"
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            cli.main([*words, "--help"])
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return f"```text\n{printed.getvalue()}```"


GENERATED = {
    "models": models,
    "zoo": zoo,
    "kinds": kinds,
    "from_lucid": from_lucid,
    "lucid_namespace": lucid_namespace,
    "summary": summary,
    "kernels": kernels,
    "shapes_prior": shapes_prior,
    "measures": measures,
    "benchmark": benchmark,
    "fooling_agreement": fooling_agreement,
    "verdicts": verdicts,
    "changelog": changelog,
    "api_index": api_index,
    "objectives": objectives,
    "members": members,
    "public": public,
    "help": command_help,
}


def _index(package: ModuleType) -> str:
    """A row for each public function and class of a module, linked to where it is documented."""
    values = {name: getattr(package, name) for name in sorted(package.__all__)}
    rows = (
        (f"[`{name}`][{DOCUMENTED.get(name, _path(package, name))}]", inspect.getdoc(value).splitlines()[0])
        for name, value in values.items()
        if (inspect.isroutine(value) or inspect.isclass(value)) and inspect.getdoc(value)
    )
    return _table(("name", "what it is"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    """A name as code; text in parentheses is not a name."""
    return text if not text or text.startswith("(") else f"`{text}`"


def _path(package: ModuleType, name: str) -> str:
    value = getattr(package, name)
    defined = inspect.isfunction(value) or inspect.isclass(value)
    return f"{value.__module__ if defined else package.__name__}.{name}"


def _linked(text: str) -> str:
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _test_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "contracts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
