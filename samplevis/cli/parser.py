"""The parser of the command."""

from __future__ import annotations

import argparse

from samplevis import __version__
from samplevis.cli import (
    atlas_command,
    demo_command,
    evaluate_command,
    model,
    optimize_command,
    prior_command,
    render_command,
    report,
    sweep_command,
)

EPILOG = """\
examples:
  samplevis demo
  samplevis layers SqueezeNet --weights compressed_SqueezeNet.net
  samplevis describe my_model.keras --value-range -1 1
  samplevis examples SqueezeNet fire9:10 photos --size 224 --out fire9-10.png
  samplevis sweep SqueezeNet fire9 --size 64 --out fire9
  samplevis atlas SqueezeNet --out atlas --images photos
  samplevis optimize SqueezeNet logits:goldfish --out goldfish.png
  samplevis render SqueezeNet logits:goldfish --size 96 --out goldfish
  samplevis render my_model.keras conv5:12 --value-range -1 1 --level 0.5
  samplevis render my_model.keras -conv5:12 --out least
  samplevis fit-prior photos --size 48 --out prior.keras
  samplevis evaluate SqueezeNet logits:goldfish pictures --examples photos --judge EfficientNetLite0
  samplevis report goldfish --title goldfish
  samplevis sheet goldfish shark --out fish.png
"""


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser: a group of commands to a file, each of which names the function that runs it, `run`."""
    parser = argparse.ArgumentParser(
        prog="samplevis",
        description="Sample images that excite a unit of a neural network, with diagnostics that tell you how far to trust "
        "them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"samplevis {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = (
        demo_command,
        optimize_command,
        render_command,
        sweep_command,
        atlas_command,
        prior_command,
        evaluate_command,
        report,
        model,
    )
    for group in groups:
        group.add_commands(commands)
    return parser
