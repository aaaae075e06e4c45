"""Every module, name and signature of Lucid 0.3.10 is here, or its error says what to use instead.

lucid_names.json: module -> name -> None for a constant, {"methods": [...]} for a class, or a function's arguments, [name] or
[name, default]; "..." is a default that JSON cannot hold.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from samplevis.lucid.core.facts import DROPPED, MODELS, MOVED
from samplevis.lucid.core.installation import modules
from samplevis.lucid.optvis import overrides

LUCID: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("lucid_names.json").read_text(encoding="utf-8"))
# Functions whose first argument has another name: NumPy's integers and tensors are described, too.
OTHER_NAMES = {"_make_arg_str"}


def problems(module: str, names: dict[str, Any]) -> list[str]:
    """What of a module of Lucid's is neither here nor explained."""
    path = f"samplevis.lucid.{module}".rstrip(".")
    try:
        found = importlib.import_module(path)
    except ImportError as error:
        return [] if "Instead: " in str(error) else [f"{path}: {error}"]
    wrong = []
    for name, facts in names.items():
        try:
            value = getattr(found, name)
        except AttributeError as error:
            wrong += [] if "Instead: " in str(error) else [f"{path}.{name} is missing"]
            continue
        if isinstance(facts, dict):
            wrong += [f"{path}.{name}.{each} is missing" for each in facts["methods"] if not hasattr(value, each)]
        elif isinstance(facts, list) and name not in OTHER_NAMES:
            wrong += [f"{path}.{name}: {each}" for each in unlike(value, facts)]
    return wrong


def unlike(function: Any, arguments: list[list[Any]]) -> list[str]:
    """How a function's signature differs from Lucid's: arguments by place, and defaults."""
    parameters = inspect.signature(function).parameters
    ours = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    names = [name for name, *_ in arguments]
    if ours[: len(names)] != names:
        return [f"takes {ours}, Lucid's {names}"]
    wrong = []
    for name, *default in arguments:
        mine = parameters[name].default
        if default and default[0] != "..." and json.loads(json.dumps(mine, default=str)) != default[0]:
            wrong.append(f"{name} defaults to {mine!r}, in Lucid to {default[0]!r}")
    return wrong


@pytest.mark.parametrize("module", LUCID)
def test_a_module_has_lucids_names_and_signatures(module):
    assert problems(module, LUCID[module]) == []


def test_the_check_finds_what_is_missing_or_different():
    found = problems(
        "optvis.objectives", {"channels": None, "channel": [["layer"], ["n"]], "Objective": {"methods": ["add"]}}
    )
    assert len(found) == 3 and problems("optvis.nothing", {})
    assert problems("optvis.objectives", {"L1": [["layer", "input"], ["constant", 1]]})
    assert not problems("optvis.objectives", {"L1": [["layer", "input"], ["constant", 0]]})


def test_modules_that_are_gone_or_moved_are_lucids():
    assert set(MOVED) <= set(LUCID) and set(modules()) <= set(LUCID)
    # The last two are of versions before 0.3.10.
    before = {"misc.colab_gl", "scratch.js"}
    assert {name.partition(":")[0] for name in DROPPED} - before <= set(LUCID)


def test_no_module_hides_a_name_of_its_package():
    """Once all modules are imported: an import binds a module in its package, over a function or class of its name."""
    for name in modules():
        importlib.import_module(f"samplevis.lucid.{name}")
    for module, names in LUCID.items():
        package = None if module in DROPPED else sys.modules.get(f"samplevis.lucid.{module}")
        for name in names if package else ():
            assert not inspect.ismodule(getattr(package, name, None)), f"{module}.{name}"
    assert callable(overrides.identity_grad)


def test_models_are_in_lucids_modules():
    for name, facts in MODELS.items():
        module = importlib.import_module(f"samplevis.lucid.modelzoo.{facts['module']}")
        package = importlib.import_module(f"samplevis.lucid.modelzoo.{facts['module'].partition('.')[0]}")
        vision_models = importlib.import_module("samplevis.lucid.modelzoo.vision_models")
        assert getattr(module, name) is getattr(package, name) is getattr(vision_models, name)
        assert name in package.__all__ and name in dir(vision_models)


def test_a_module_of_lucids_models_has_nothing_else():
    for name in ("slim_models", "caffe_models", "other_models"):
        module = importlib.import_module(f"samplevis.lucid.modelzoo.{name}")
        assert {one for one in dir(module) if not one.startswith("__")} <= set(MODELS) | set(
            one.partition(".")[2] for one in (facts["module"] for facts in MODELS.values())
        )
