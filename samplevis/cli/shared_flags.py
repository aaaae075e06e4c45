"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import get_args

from samplevis.cli.loading import PriorName

OBJECTIVE = "layer:channel, such as fire9:10, or layer:label, such as logits:goldfish"


def add_command(
    commands: argparse._SubParsersAction, name: str, what: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    """Adds a command.

    Args:
      commands: the parser's commands.
      name: what the user types.
      what: what it does, a phrase that begins with a verb.
      run: what does it.

    Returns:
      The command's own parser.
    """
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    command.set_defaults(run=run)
    return command


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say which network, and how it wants its images."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "model",
        help="name from the zoo (see samplevis models), a .keras, .h5 or frozen .pb file, or the folder of a SavedModel",
    )
    add_weights(group)
    group.add_argument(
        "--mean", nargs="+", type=float, metavar="X", help="subtracted from each channel after scaling (default: 0)"
    )
    group.add_argument(
        "--std", nargs="+", type=float, metavar="X", help="what each channel is divided by after --mean (default: 1)"
    )
    group.add_argument("--labels", metavar="FILE", help="text file of the classes' names, one on each line, in order")


def add_weights(group: argparse._ActionsContainer) -> None:
    """Adds a zoo model's weights, and the pixel values and channels that a model from a file expects."""
    group.add_argument("--weights", metavar="FILE", help="weights of a zoo model (default: download them)")
    group.add_argument(
        "--value-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="pixel values of black and white that a model from a file expects (default: inferred)",
    )
    group.add_argument("--bgr", action="store_true", help="the model from a file expects BGR channels, not RGB")


def add_unit(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Adds the network, and a group with the unit to make images of and their size; returns the group."""
    add_model(parser)
    group = parser.add_argument_group(title)
    group.add_argument("objective", help=f"{OBJECTIVE}; -fire9:10 for what the unit likes least")
    add_size(group, 128)
    return group


def add_size(parser: argparse._ActionsContainer, default: int) -> None:
    """Adds the size of the images."""
    shown = f"side of the images (default: the network's own, or {default} if it accepts any)"
    parser.add_argument("--size", type=int, metavar="PIXELS", help=shown)


def add_scale(parser: argparse._ActionsContainer, of: str, default: int | None = None) -> None:
    """Adds the enlargement of what is written; None chooses one that shows small pictures well."""
    shown = f"enlargement of {of}, a whole number (default: {default or 'what small images need'})"
    parser.add_argument("--scale", type=int, default=default, metavar="N", help=shown)


def add_bands(parser: argparse._ActionsContainer) -> None:
    """Adds the choice of what pictures of many channels show."""
    parser.add_argument(
        "--bands",
        type=bands,
        metavar="R,G,B",
        help="bands, from 0, that the colours of the pictures show, such as 4,2,1; or pca, the principal components of all bands; "
        "or grid, all bands in grey (default: the mean of each third, of more than 4)",
    )


def bands(text: str) -> str | list[int]:
    """Three numbers with commas between them, or a word."""
    numbers = text.split(",")
    return [int(number) for number in numbers] if all(each.strip().isdecimal() for each in numbers) else text


def add_prior(parser: argparse._ActionsContainer, default: str = "fourier") -> None:
    """Adds the choice of a parameterization."""
    names = get_args(PriorName)
    parser.add_argument(
        "--prior",
        metavar=f"{{{','.join(names)}}}",
        help=f"parameterization of the images, which defines their prior, see samplevis.param; or a .keras file that samplevis "
        f"fit-prior wrote (default: {default})",
    )


def gib(text: str) -> float:
    """Bytes of a number of GiB."""
    return float(text) * 2**30
