"""The architecture: layers, no import circle, limits on size. Each check stands beside a package that must fail it."""

from __future__ import annotations

import ast
import configparser
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import samplevis

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "samplevis"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 60, 7
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


@pytest.fixture
def package(tmp_path):
    """Writes a package `house` from {file: text} and returns its folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "house" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return tmp_path / "house"

    return write


def modules(package: Path) -> dict[str, Path]:
    """Dotted name of every module of a package -> its file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# --- Layers -----------------------------------------------------------------------------------------------------------


def lint(folder: Path) -> subprocess.CompletedProcess:
    """Runs import-linter with the configuration in a folder."""
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, timeout=120)


def layers() -> list[str]:
    """The rooms in the contract, from the top; optional ones are in parentheses there."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return re.findall(r"\w+", config["importlinter:contract:house"]["layers"])


def listed(found: dict[str, int] | list[str]) -> str:
    """Every offender on a line of its own: pytest shortens what an assertion compares."""
    lines = [f"{count} {name}" for name, count in found.items()] if isinstance(found, dict) else found
    return "\n".join(["", *lines])


def test_imports_run_down_the_layers():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_up_the_layers_is_reported(package):
    folder = package(
        {
            "low.py": "def late():\n    import house.high\n",
            "high.py": "import house.low\n",
            "attic.py": "",
        }
    )
    contract = "[importlinter]\nroot_package = house\n[importlinter:contract:c]\nname = c\ntype = layers\n"
    contract += "containers = house\nexhaustive = true\nlayers =\n    high\n    low\n"
    (folder.parent / "setup.cfg").write_text(contract, encoding="utf-8")
    done = lint(folder.parent)
    assert done.returncode == 1 and "house.low -> house.high" in done.stdout
    (folder / "low.py").write_text("", encoding="utf-8")
    done = lint(folder.parent)
    assert done.returncode == 1 and "attic" in done.stdout, "a room that no layer lists"


def test_the_guide_lists_the_layers_in_their_order():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| room |")[1].split("\n\n")[0]
    rooms = re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)
    there = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == [name for name in layers() if name in there]
    assert set(rooms) == there


def test_the_guide_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9_/]+/[a-z0-9_]+\.py)`", text))
    assert {"sampling/kernels/registry.py", "tests/sampling/test_kernels.py"} <= named
    assert [name for name in sorted(named) if not ((PACKAGE / name).is_file() or (ROOT / name).is_file())] == []


# --- Import circles ---------------------------------------------------------------------------------------------------


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from (other, *executed(other))
        else:
            yield from (child, *executed(child))


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in executed(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                parts = parts[: len(parts) - node.level + (path.name == "__init__.py")]
                base = ".".join([*parts, base]).rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in known else base)
    return found & set(known) - {name}


def circles(package: Path) -> list[str]:
    """Every import circle, until none is left once one import of each found circle is taken away."""
    known = modules(package)
    graph = {name: imports(name, path, known) for name, path in known.items()}
    found = []
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
            return found
        except graphlib.CycleError as error:
            circle = error.args[1]
            found.append(" -> ".join(reversed(circle)))
            graph[circle[1]].remove(circle[0])


def test_no_import_circles():
    found = circles(PACKAGE)
    assert not found, listed(found)


def test_import_circles_are_found(package):
    folder = package(
        {
            "a.py": "from house import b\n",
            "b.py": "def late():\n    from .c import name\n",
            "c.py": "import house.a\n",
            "room/__init__.py": "from . import d\n",
            "room/d.py": "from house import room\n",
            "typed.py": """
                from typing import TYPE_CHECKING
                import house.typed_too
                if TYPE_CHECKING:
                    from house import a
                """,
            "typed_too.py": """
                import typing
                if typing.TYPE_CHECKING:
                    import house.typed
                """,
        }
    )
    found = {frozenset(circle.split(" -> ")) for circle in circles(folder)}
    assert found == {frozenset({"house.a", "house.b", "house.c"}), frozenset({"house.room", "house.room.d"})}


# --- Sizes ------------------------------------------------------------------------------------------------------------

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Every function of a module by its qualified name, as `__qualname__` has it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{prefix}.{node.name}", node
            yield from functions(node, f"{prefix}.{node.name}.<locals>")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}.{node.name}")
        else:
            yield from functions(node, prefix)


def all_functions(package: Path) -> Iterator[tuple[str, Function, list[str]]]:
    """Every function of a package: qualified name, node, and the lines of its file."""
    for name, path in modules(package).items():
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from ((qualified, node, lines) for qualified, node in functions(parsed(path), name))


def lines_of_code(node: Function, lines: list[str]) -> int:
    """Lines of a function that hold code: neither docstring, nor comment, nor blank."""
    left_out = set()
    if ast.get_docstring(node, clean=False) is not None:
        left_out = set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    counted = (number for number in range(node.lineno, node.end_lineno + 1) if number not in left_out)
    return sum(bool(text := lines[number - 1].strip()) and not text.startswith("#") for number in counted)


def parameters(node: Function) -> int:
    """The number of a function's parameters; `self`, `cls`, `*args` and `**kwargs` do not count."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def public_calls() -> set[str]:
    """Qualified names of the functions that the package and its public packages export, and of their classes' constructors."""
    exported = [getattr(samplevis, name) for name in samplevis.__all__]
    rooms = [value for value in exported if inspect.ismodule(value)]
    values = exported + [getattr(room, name) for room in rooms for name in getattr(room, "__all__", ())]
    calls = {f"{value.__module__}.{value.__qualname__}" for value in values if inspect.isfunction(value)}
    return calls | {f"{value.__module__}.{value.__qualname__}.__init__" for value in values if inspect.isclass(value)}


def long_files(package: Path) -> dict[str, int]:
    counts = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(package).items()}
    return {name: count for name, count in counts.items() if count > MAX_FILE_LINES}


def long_functions(package: Path) -> dict[str, int]:
    counts = {name: lines_of_code(node, lines) for name, node, lines in all_functions(package)}
    return {name: count for name, count in counts.items() if count > MAX_FUNCTION_LINES}


def wide_functions(package: Path, public: set[str]) -> dict[str, int]:
    counts = {name: parameters(node) for name, node, _ in all_functions(package)}
    return {name: count for name, count in counts.items() if count > MAX_PARAMETERS and name not in public}


def test_files_fit_in_the_head():
    found = long_files(PACKAGE)
    assert not found, listed(found)


def test_functions_fit_on_a_screen():
    found = long_functions(PACKAGE)
    assert not found, listed(found)


def test_functions_take_few_parameters():
    # The signatures of samplevis.lucid are Lucid's.
    found = {
        name: count
        for name, count in wide_functions(PACKAGE, public_calls()).items()
        if not name.startswith(tuple(f"samplevis.lucid.{room}." for room in ("optvis", "modelzoo", "misc", "recipes")))
    }
    assert not found, listed(found)


def test_public_calls_are_what_users_call():
    public = public_calls()
    assert {"samplevis.runs.rendering.render", "samplevis.network.network.Network.__init__"} <= public
    assert {"samplevis.param.fourier.fourier", "samplevis.recipes.atlas.activation_atlas"} <= public
    assert not [name for name in public if name.startswith(("samplevis.runtime.checks", "samplevis.cli"))]


def body(count: int) -> str:
    return "".join(f"    x = {number}\n" for number in range(count))


def test_what_is_too_long_is_found(package):
    comments = '    """What.\n\n    Why.\n    """\n    # How.\n\n'
    folder = package(
        {
            "short.py": "x = 0\n" * MAX_FILE_LINES,
            "long.py": "x = 0\n" * (MAX_FILE_LINES + 1),
            "code.py": f"def fits():\n{comments}{body(MAX_FUNCTION_LINES - 1)}"
            f"class A:\n    async def does_not(self):\n{body(MAX_FUNCTION_LINES).replace('    x', '        x')}",
        }
    )
    assert long_files(folder) == {"house.long": MAX_FILE_LINES + 1}
    assert long_functions(folder) == {"house.code.A.does_not": MAX_FUNCTION_LINES + 1}


def test_what_takes_too_much_is_found(package):
    few, many = (", ".join(f"p{number}" for number in range(count)) for count in (MAX_PARAMETERS, MAX_PARAMETERS + 1))
    folder = package(
        {
            "code.py": f"""
                def public({many}): ...
                def fits({few}, *args, **kwargs):
                    def does_not({few}, *, more=1): ...
                class A:
                    def __init__(self, {few}): ...
                    def does_not(self, {many}): ...
                """
        }
    )
    too_many = {"house.code.fits.<locals>.does_not": MAX_PARAMETERS + 1, "house.code.A.does_not": MAX_PARAMETERS + 1}
    assert wide_functions(folder, {"house.code.public"}) == too_many
    assert set(wide_functions(folder, set())) - set(too_many) == {"house.code.public"}


# --- Names ------------------------------------------------------------------------------------------------------------


def hidden_by_modules(package: Path, exported: set[str]) -> set[str]:
    """Modules with the name of an exported function: the import system would bind the module over the function."""
    return {name for name in modules(package) if name.rpartition(".")[2] in exported}


def test_no_module_has_the_name_of_an_exported_function():
    exported = {name for name in samplevis.__all__ if inspect.isfunction(getattr(samplevis, name))}
    assert {"render", "optimize", "sample"} <= exported
    # Lucid's own module paths, below packages that export no such function.
    assert hidden_by_modules(PACKAGE, exported) <= {"samplevis.lucid.optvis.render"}


def test_a_module_with_the_name_of_a_function_is_found(package):
    folder = package({"room/__init__.py": "", "room/render.py": "", "room/rendering.py": ""})
    assert hidden_by_modules(folder, {"render"}) == {"house.room.render"}


def test_every_room_can_be_imported_by_itself():
    """A circle that only one order of imports shows."""
    for room in layers():
        if (PACKAGE / room / "__init__.py").is_file():
            importlib.import_module(f"samplevis.{room}")
