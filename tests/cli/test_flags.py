"""Flags follow from the fields of the options: one field, one flag, with its default, choices and help."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import subprocess
import sys
import typing
from typing import Literal

import pytest

from samplevis import cli, param
from samplevis.activation import make_activation
from samplevis.cli.command import readable
from samplevis.cli.dataclass_options import Flag, add_flags, descriptions, flag_name, read_flags
from samplevis.cli.loading import PriorName, make_prior
from samplevis.cli.parser import EPILOG, make_parser
from samplevis.cli.render_command import HMC_FLAGS, RENDER_FLAGS, RUN_FLAGS
from samplevis.runs.options import DensityName, InitName, RenderOptions, RunOptions
from samplevis.runs.rendering import render, render_keywords
from samplevis.sampling.density import NAMES
from samplevis.sampling.options import HMCOptions

COMMANDS = (["render", "Shapes", "logits:star"], ["demo"])
OPTIONS = {HMCOptions: HMC_FLAGS, RunOptions: RUN_FLAGS, RenderOptions: RENDER_FLAGS}
FIELDS = [(options, field.name) for options in OPTIONS for field in dataclasses.fields(options)]
# A value of each field that is not its default: its words, and what they mean.
VALUES = {
    "num_results": ("20", 20),
    "step_size": ("0.05", 0.05),
    "num_leapfrog_steps": ("7", 7),
    "num_burnin_steps": ("5", 5),
    "num_steps_between_results": ("3", 3),
    "num_chains": ("2", 2),
    "batch_size": ("3", 3),
    "kernel": ("malt", "malt"),
    "target_accept_prob": ("0.7", 0.7),
    "num_transforms": ("9", 9),
    "adapt_mass": (None, False),
    "moves": ("shift mirror", ("shift", "mirror")),
    "checkpoint": ("run", "run"),
    "checkpoint_interval": ("5", 5.0),
    "storage": ("disk --checkpoint run", "disk"),
    "devices": ("CPU:0 CPU:1", ["CPU:0", "CPU:1"]),
    "memory": ("0.5", 2.0**29),
    "level": ("0.4", 0.4),
    "examples_quantile": ("0.9", 0.9),
    "density": ("tilted", "tilted"),
    "beta": ("2", 2.0),
    "init": ("prior", "prior"),
    "smooth": ("0", None),
    "optimize_steps": ("8", 8),
    "anneal_steps": ("80", 80),
    "seed": ("4", 4),
}


def flag_of(options: type, field: str) -> str:
    return OPTIONS[options].get(field, Flag()).name or flag_name(field)


def actions(*words: str) -> dict[str, argparse.Action]:
    """The flags of a command by the names of their values; of several the first, which is not hidden."""
    commands = next(action for action in make_parser()._actions if action.choices)
    found = {}
    for action in commands.choices[words[0]]._actions:
        found.setdefault(action.dest, action)
    return found


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(("options", "field"), FIELDS, ids=[name for _, name in FIELDS])
def test_every_field_has_a_flag(options, field, words):
    text, value = VALUES[field]
    flag = flag_of(options, field)
    given = [f"--no-{flag}"] if text is None else [f"--{flag}", *text.split()]
    default = read_flags(options, make_parser().parse_args(words))
    changed = getattr(read_flags(options, make_parser().parse_args([*words, *given])), field)
    assert default == options() and changed == (tuple(value) if field == "moves" else value)
    assert changed != getattr(default, field)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(("options", "field"), FIELDS, ids=[name for _, name in FIELDS])
def test_help_says_default_and_choices(options, field, words):
    action = actions(*words)[field]
    default = getattr(options, field)
    assert re.search(r"\(default: .+\)$", action.help)
    if isinstance(default, (str, int, float)) and field not in ("memory", "adapt_mass"):
        assert action.help.endswith(
            f"(default: {default:g})" if isinstance(default, float) else f"(default: {default})"
        )
    hint = typing.get_type_hints(options)[field]
    if typing.get_origin(hint) is Literal:
        assert all(name in action.metavar.strip("{}").split(",") for name in typing.get_args(hint))


def test_defaults_are_those_of_render():
    signature = inspect.signature(render).parameters
    for field in dataclasses.fields(RenderOptions):
        assert signature[field.name].default == field.default, field.name
    assert {field.name for field in dataclasses.fields(RunOptions)} <= set(render_keywords())
    assert typing.get_args(DensityName) == NAMES
    assert RunOptions().storage == "memory" and RunOptions().memory == 4 * 2**30


@dataclasses.dataclass(frozen=True)
class Sized:
    """Options for a test.

    Attributes:
      num_things: how many, 50% of
        `them`, e.g. "two". Defaults to 3.
      mode: which. Defaults to "fast".
      names: a few.
      fresh: whether anew. Defaults to False.
      rate: per second. Defaults to what `mode` needs.

    Raises:
      ValueError: never.
    """

    num_things: int = 3
    mode: Literal["fast", "slow"] = "fast"
    names: tuple[str, ...] = ()
    fresh: bool = False
    rate: float | None = None


def test_a_new_field_is_a_new_flag():
    parser = argparse.ArgumentParser()
    add_flags(parser, Sized, {"rate": Flag(metavar="HZ")})
    words = ["--things", "4", "--mode", "slow", "--names", "a", "b", "--fresh", "--rate", "2"]
    assert read_flags(Sized, parser.parse_args(words)) == Sized(4, "slow", ["a", "b"], True, 2.0)
    assert vars(parser.parse_args([])) == {} and read_flags(Sized, parser.parse_args([])) == Sized()
    shown = " ".join(parser.format_help().split())
    for words in (
        "--things N how many, 50% of them, e.g. two (default: 3)",
        "--mode {fast,slow} which (default: fast)",
        "--names NAME [NAME ...] a few ",
        "--fresh, --no-fresh whether anew (default: no)",
        "--rate HZ per second (default: what mode needs)",
    ):
        assert words in f"{shown} ", words


def test_fields_can_be_left_out():
    parser = argparse.ArgumentParser()
    add_flags(parser, Sized, only=["mode"])
    add_flags(parser, Sized, but=["mode", "fresh", "names", "rate"])
    assert set(actions_of(parser)) == {"mode", "num_things"}


def actions_of(parser: argparse.ArgumentParser) -> list[str]:
    return [action.dest for action in parser._actions if action.dest != "help"]


def test_every_field_is_described():
    for options in OPTIONS:
        names = [field.name for field in dataclasses.fields(options)]
        assert list(descriptions(options)) == names and all(text for text, _ in descriptions(options).values())


def fails(capsys, *arguments: str) -> str:
    assert cli.main(list(arguments)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("samplevis: ")
    return error[0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--kernel spilt_hmc", "Did you mean 'split_hmc'? Received: 'spilt_hmc'"),
        ("--density tiltd", "Did you mean 'tilted'? Received: 'tiltd'"),
        ("--init optimise", "Did you mean 'optimize'? Received: 'optimise'"),
        ("--init noise", "--init: expected 'optimize', 'prior' or images. Received: 'noise'"),
        ("--storage disc", "--storage: expected one of 'disk', 'memory'. Received: 'disc'"),
        ("--storage disk", "--storage: 'disk' needs --checkpoint"),
        ("--prior piramid", "--prior: expected one of 'pyramid', "),
        ("--level 7", "--level: expected a number from 0 to 1. Received: 7.0"),
        ("--anneal-steps 0", "--anneal-steps: expected a whole number >= 1. Received: 0"),
        ("--optimize-steps 0", "--optimize-steps: expected a whole number >= 1. Received: 0"),
        ("--checkpoint-interval -1", "--checkpoint-interval: expected a finite number >= 0. Received: -1.0"),
        ("--memory 0", "--memory: expected a finite number > 0. Received: 0.0"),
        ("--smooth -1", "--smooth: expected a finite number > 0. Received: -1.0"),
        ("--beta nan", "--beta: expected a number from 0 to 1e+30. Received: nan"),
        ("--between -1", "--between: expected a whole number >= 0. Received: -1"),
        ("--moves shift --kernel hmc", "--moves: expected with the kernel"),
    ],
)
def test_bad_values_are_refused_before_the_model_is_loaded(capsys, tmp_path, words, expected):
    out = str(tmp_path / "out")
    assert expected in fails(capsys, "render", "nowhere.keras", "conv:1", "--out", out, *words.split())
    assert not (tmp_path / "out").exists()


def test_the_old_name_of_storage_works(capsys):
    parsed = make_parser().parse_args(["demo", "--keep", "disk", "--checkpoint", "run"])
    assert read_flags(RunOptions, parsed).storage == "disk"
    assert "--keep is now --storage" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        make_parser().parse_args(["demo", "--help"])
    assert "--keep" not in capsys.readouterr().out


def test_priors_are_all_parameterizations_that_need_only_a_size():
    def only_a_size(function) -> bool:
        first, *others = inspect.signature(function).parameters.values()
        return first.name == "size" and all(other.default is not other.empty for other in others)

    functions = {name: getattr(param, name) for name in param.__all__ if inspect.isfunction(getattr(param, name))}
    assert {name for name, function in functions.items() if only_a_size(function)} == set(typing.get_args(PriorName))


@pytest.mark.parametrize("name", typing.get_args(PriorName))
def test_every_prior_fits_a_network(tiny_network, name):
    made = make_prior(name, tiny_network, 16)
    assert made.image_shape == (16, 16, 3)
    assert type(made) is type(getattr(param, name)(16))
    make_activation(tiny_network, "conv2:1", made, None)


def test_a_prior_of_images_for_signals():
    class Signals:
        dimensions, image_shape = 1, (None, 1)

        def takes(self, size):
            return True

    assert make_prior("uniform", Signals(), 32).image_shape == (32, 1)
    with pytest.raises(ValueError, match="prior: 'cppn' makes images"):
        make_prior("cppn", Signals(), 32)


def test_examples_of_the_help_are_commands():
    for line in EPILOG.splitlines()[1:]:
        assert make_parser().parse_args([readable(word) for word in line.split()[1:]]).run


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "samplevis.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("samplevis ")


def test_names_that_render_takes():
    for name in typing.get_args(InitName):
        assert RenderOptions(init=name).init == name
    with pytest.raises(ValueError, match="init: expected 'optimize', 'prior' or images. Received: None"):
        RenderOptions(init=None)
    with pytest.raises(TypeError, match="checkpoint: expected a folder. Received: 3"):
        RunOptions(checkpoint=3)


def test_flags_reach_render(monkeypatch, tmp_path):
    asked = {}

    def stopped(*arguments, **settings):
        asked.update(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["samplevis.runs.rendering"], "render", stopped)
    words = [
        "demo",
        "heart",
        "--out",
        str(tmp_path / "out"),
        "--prior",
        "pyramid",
        "--anneal-steps",
        "9",
        "--draws",
        "3",
    ]
    assert cli.main([*words, "--moves", "shift", "--memory", "2", "--smooth", "0"]) == 130
    assert repr(asked["param"]) == repr(param.pyramid(64)) and asked["im_size"] == 64
    assert asked["hmc_opts"] == HMCOptions(num_results=3, moves=("shift",))
    assert (asked["anneal_steps"], asked["run_opts"].memory, asked["smooth"]) == (9, 2.0**31, None)
