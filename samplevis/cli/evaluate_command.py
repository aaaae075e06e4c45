"""samplevis evaluate: how good the pictures in a folder are, whoever made them."""

from __future__ import annotations

import argparse
import json
import os

from samplevis.cli.loading import check_label, check_model, load_network
from samplevis.cli.shared_flags import OBJECTIVE, add_command, add_model


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    command = add_command(
        commands, "evaluate", "measure how good pictures of a unit are, whoever made them", run_evaluate
    )
    add_model(command)
    group = command.add_argument_group("what to evaluate")
    group.add_argument("objective", help=OBJECTIVE)
    group.add_argument("folder", help="folder of pictures, searched recursively")
    group.add_argument("--size", type=int, metavar="PIXELS", help="side that pictures are cropped and scaled to")
    group = command.add_argument_group("what to compare with")
    group.add_argument("--examples", required=True, metavar="FOLDER", help="real pictures, at least 64")
    group.add_argument(
        "--judge", metavar="MODEL", help="another network, whose features and labels judge (default: none)"
    )
    group.add_argument("--judge-weights", metavar="FILE", help="weights of a judge of the zoo (default: download them)")
    group.add_argument("--label", metavar="NAME", help="what the judge should see (default: the unit's label)")
    group = command.add_argument_group("run")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    group.add_argument("--quiet", action="store_true", help="show no progress bar")
    group = command.add_argument_group("output")
    group.add_argument("--json", metavar="FILE", help="file for the figures, with what each can and cannot say")


def run_evaluate(options: argparse.Namespace) -> None:
    """Evaluates the pictures and prints the table."""
    from samplevis.runtime import files

    if options.json:
        files.check_suffix(options.json, (".json",))
        files.check_writable(options.json)
    check_label(options.model, options.objective, options.weights, options.labels)
    judge = None
    if options.judge:
        check_model(options.judge, "judge")
    for name in ("folder", "examples"):
        if not os.path.isdir(getattr(options, name)):
            raise NotADirectoryError(f"{name}: expected a folder. Received: {getattr(options, name)!r}")
    network = load_network(options)
    from samplevis import modelzoo
    from samplevis.runs.evaluation import evaluate

    if options.judge:
        judge = modelzoo.load(options.judge, weights=options.judge_weights)
    found = evaluate(
        options.folder,
        network,
        options.objective,
        examples=options.examples,
        judge=judge,
        label=options.label,
        image_size=None if options.size is None else (options.size, options.size),
        seed=options.seed,
        progress=not options.quiet,
    )
    print(found)
    if options.json:
        with files.atomic_path(options.json) as path, open(path, "w", encoding="utf-8") as file:
            json.dump(found.to_dict(), file, indent=1)
            file.write("\n")
        print(f"\nwrote {options.json}")
    if "interrupted" in found.skipped.values():
        raise KeyboardInterrupt("stopped; the figures so far are printed above")
