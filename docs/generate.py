"""Hooks of MkDocs: the parts of the pages that are made from the code, its tests and its notebooks, so that they stay true.

A line `<!-- generated: NAME -->` of a page becomes what the function of that name here returns. Pictures come from `images/`
and from the stored outputs of the notebooks.
"""

from __future__ import annotations

import base64
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

ROOT = Path(__file__).parent.parent
# The package and `benchmarks`, from wherever MkDocs is called.
sys.path.insert(0, str(ROOT))

MARK = re.compile(r"^<!-- generated: (\w+)((?: [\w-]+)*) -->$", re.MULTILINE)
PICTURE = re.compile(r"\]\((?:\.\./)?(images/[\w./-]+)\)")
# Where pages find the pictures of notebooks: images/notebooks/NAME-NUMBER.png is the picture of that number, from 0.
NOTEBOOK = re.compile(r"images/notebooks/(\w+)-(\d+)\.png")


def on_files(files: Any, config: Any) -> Any:
    """Adds the pictures that the pages show."""
    pages = [page.content_string for page in files.documentation_pages()]
    for name in sorted(set(PICTURE.findall("\n".join(pages)))):
        found = NOTEBOOK.fullmatch(name)
        given = {"content": _output(*found.groups())} if found else {"abs_src_path": str(ROOT / name)}
        files.append(File.generated(config, name, **given))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Puts what is generated in the place of its mark."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](*mark[2].split()), markdown)


def models() -> str:
    """The zoo: what each model is, what it makes of images in [0, 1], and where its weights come from."""
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
    """Every kind of model under every kind of objective, optimised and sampled, as the tests run it."""
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
    """A section of rows for each part of Lucid: what it does and its name, ours, and what differs."""
    from benchmarks.lucid import SECTIONS

    parts = []
    for title, section in SECTIONS.items():
        rows = (
            (f"{row.capability}<br>{_code(row.lucid)}", ", ".join(map(_code, row.names)) or "dropped", row.note)
            for row in section
        )
        parts.append(f"## {title}\n\n{_table(('in Lucid', 'here', 'what differs, and why'), rows)}")
    return "\n\n".join(parts)


def summary() -> str:
    """The rows of the summary: what each says, and when to worry."""
    from samplevis.results.summary import ROWS

    return _table(("row", "what it says", "worry when"), ROWS.values())


def kernels() -> str:
    """The kernels: what each is, whether it is exact, and its defaults."""
    from samplevis.sampling import KERNELS

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
    return _table(("kernel", "what it is", "target density", "first step size", "transforms"), rows)


def verdicts() -> str:
    """The sentences that a summary ends in, the best first."""
    from samplevis.results.summary import VERDICTS

    return "\n".join(f"- {verdict}" for verdict in VERDICTS)


def objectives() -> str:
    """The objectives, with the first line of what each says of itself."""
    from samplevis import objectives

    functions = {name: getattr(objectives, name) for name in objectives.__all__}
    functions = {name: value for name, value in functions.items() if inspect.isfunction(value)}
    rows = (
        (f"[`{name}`](../api/objectives.md#{value.__module__}.{name})", inspect.getdoc(value).splitlines()[0])
        for name, value in functions.items()
    )
    return _table(("objective", "what it is"), rows)


def members(place: str) -> str:
    """Every public name of a package, documented where it is defined: a module may have the name of its function."""
    package = importlib.import_module(f"samplevis.{place}")
    return "\n\n".join(f"::: {_path(package, name)}\n    options:\n      heading_level: 2" for name in package.__all__)


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
    "summary": summary,
    "kernels": kernels,
    "verdicts": verdicts,
    "objectives": objectives,
    "members": members,
    "help": command_help,
}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    """A name in code; what stands in parentheses is no name."""
    return text if not text or text.startswith("(") else f"`{text}`"


def _path(package: ModuleType, name: str) -> str:
    value = getattr(package, name)
    defined = inspect.isfunction(value) or inspect.isclass(value)
    return f"{value.__module__ if defined else package.__name__}.{name}"


def _linked(text: str) -> str:
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _output(notebook: str, number: str) -> bytes:
    """The PNG picture of that number among the stored outputs of a notebook."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return base64.b64decode("".join([data["image/png"] for data in outputs if "image/png" in data][int(number)]))


def _test_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "contracts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
