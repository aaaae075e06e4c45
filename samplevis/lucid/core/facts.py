"""The table of facts about Lucid and this package, facts.json: errors, the documentation and its tests are made from it.

- capabilities: sections of rows. Each row has a `capability` in a few words; `lucid`, Lucid's name for it, in parentheses if it is
  no name; `names`, public names in samplevis such as "optimize(seed)"; `tests` that prove it, as "file::function"; and a `note`,
  what differs and why. What is not included has no names and no tests.
- choices: where Lucid is not followed, or is followed although samplevis differs.
- gone: modules that cannot come back, why, and what there is instead.
- moved: modules without a file, and the module that has their names.

models.json has what Lucid declares of its models: their modules, attributes and layers, [name, depth, *tags].
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple


class Capability(NamedTuple):
    """What Lucid can do, and its name in samplevis.

    Attributes:
      capability: in a few words.
      lucid: Lucid's name for it.
      note: what differs and why.
      names: public names in samplevis; none if it is not included.
      tests: those that prove it, as "file::function".
    """

    capability: str
    lucid: str
    note: str
    names: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


class Choice(NamedTuple):
    """A place where Lucid is not followed, or is followed although `samplevis` differs.

    Attributes:
      what: the matter.
      lucid: what Lucid does.
      here: what `samplevis.lucid` does.
    """

    what: str
    lucid: str
    here: str


class Moved(NamedTuple):
    """A module of Lucid's whose names another module has.

    Attributes:
      source: that module, relative to `samplevis.lucid`.
      names: the names.
    """

    source: str
    names: tuple[str, ...]


def _moved() -> dict[str, Moved]:
    """Those of the table, and the modules of Lucid's models."""
    found = {name: Moved(**row) for name, row in _TABLE["moved"].items()}
    for model, facts in MODELS.items():
        module = f"modelzoo.{facts['module']}"
        for name in (module, module.rpartition(".")[0]):
            before = found.get(name, Moved("modelzoo.vision_models", ()))
            found[name] = before._replace(names=(*before.names, model))
    return found


def _read(name: str) -> Any:
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


_TABLE = _read("facts.json")
# Lucid's name of a model -> what Lucid declares of it.
MODELS: dict[str, dict[str, Any]] = _read("models.json")
# Title of a section -> its rows.
CAPABILITIES: dict[str, tuple[Capability, ...]] = {
    section["title"]: tuple(Capability(**row) for row in section["rows"]) for section in _TABLE["capabilities"]
}
CHOICES: tuple[Choice, ...] = tuple(Choice(**row) for row in _TABLE["choices"])
# Name in Lucid -> why it is gone, and what there is instead.
DROPPED: dict[str, str] = _TABLE["gone"]
# Module of Lucid's without a file -> where its names are.
MOVED: dict[str, Moved] = _moved()


def dropped_error(name: str) -> ImportError:
    """The error for something that was dropped.

    Args:
      name: a key of `DROPPED`.

    Returns:
      An ImportError, to be raised.
    """
    return ImportError(f"samplevis.lucid.{name} is not there: {DROPPED[name]}.")
