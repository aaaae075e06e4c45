"""Messages of the package in the words of the command: flags instead of Python's names."""

from __future__ import annotations

import re

from samplevis.cli.dataclass_options import flag_name

# Arguments whose flags are not named after them.
FLAGS = {
    "num_results": "--draws",
    "num_burnin_steps": "--warmup",
    "num_steps_between_results": "--between",
    "target_accept_prob": "--target-acceptance",
    "im_size": "--size",
    "image_size": "--size",
    "param": "--prior",
    "obj": "objective",
}
# Arguments that are no flags.
POSITIONAL = ("model", "objective", "concept", "label", "layer", "channel", "run", "folder", "pictures")
_NETWORK = re.compile(r"samplevis\.Network\(model, ((?:[^()]|\([^()]*\))*)\)")
_DECLARED = re.compile(r"\b(value_range|mean|std)=\(([^()]*)\)")
# A model of the zoo with an argument that has a flag.
_ZOO = re.compile(r"(?:modelzoo\.load\('(\w+)', |\b(\w+)\()weights=PATH\)")


def in_flags(message: str, fields: frozenset[str]) -> str:
    """A message with flags in place of Python's arguments.

    Args:
      message: an error or a warning of the package.
      fields: names of the arguments that the command has flags for.

    Returns:
      The message on one line.

    Example:
      >>> in_flags("hmc_opts['num_results']: expected a whole number >= 1. Received: 0", frozenset({"num_results"}))
      '--draws: expected a whole number >= 1. Received: 0'
      >>> in_flags("Pass samplevis.Network(model, value_range=(0, 255)).", frozenset())
      'Pass --value-range 0 255.'
    """
    text = " ".join(message.split())
    text = _NETWORK.sub(lambda found: _preprocessing(found[1]), text)
    text = _DECLARED.sub(_as_flag, text)
    text = _ZOO.sub(lambda found: f"{found[1] or found[2]} --weights PATH", text)
    text = re.sub(r"hmc_opts\['(\w+)'\]", lambda found: _flag(found[1]), text)
    text = re.sub(
        r"^(\w+)(?=: )", lambda found: _flag(found[1]) if found[1] in fields | FLAGS.keys() else found[1], text
    )
    text = re.sub(
        r"\bneeds (\w+)\b", lambda found: f"needs {_flag(found[1])}" if found[1] in fields else found[0], text
    )
    text = text.replace("give checkpoint and", "give --checkpoint and")
    text = re.sub(r"\b(\w+)='?([\w.]+)'?", lambda found: _given(found, fields), text)
    return text.replace("all of them: modelzoo.NAMES", "all of them: samplevis models")


def _given(found: re.Match[str], fields: frozenset[str]) -> str:
    """`storage='disk'` as a flag, if there is one."""
    return f"{_flag(found[1])} {found[2]}" if found[1] in fields else found[0]


def _flag(name: str) -> str:
    if name in POSITIONAL:
        return name
    return FLAGS.get(name, f"--{flag_name(name)}")


def _preprocessing(arguments: str) -> str:
    """`value_range=(0, 255), bgr=True` as flags."""
    return _DECLARED.sub(_as_flag, arguments).replace(", bgr=True", " --bgr").replace(", --", " --")


def _as_flag(found: re.Match[str]) -> str:
    return f"{_flag(found[1])} {found[2].replace(',', '')}"
