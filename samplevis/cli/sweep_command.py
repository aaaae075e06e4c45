"""samplevis sweep: an optimised image for each of many units."""

from __future__ import annotations

import argparse

from samplevis.cli.loading import check_label, check_picture_path, check_prior, load_network, make_prior
from samplevis.cli.shared_flags import add_command, add_model, add_prior, add_scale, add_size, gib


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    sweep = add_command(
        commands, "sweep", "optimise one image for each channel of a layer, or for each of many units", run_sweep
    )
    add_model(sweep)
    group = sweep.add_argument_group("what to optimise")
    group.add_argument(
        "units",
        nargs="+",
        help="a layer, such as fire9, for all of its channels; layer:channel for all neurons of one channel; or several "
        "units, layer:channel or layer:label",
    )
    add_size(group, 128)
    add_prior(group)
    group.add_argument("--steps", type=int, default=256, metavar="N", help="updates per image (default: 256)")
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="random seed, shared by all units; the same seed gives the same bytes (default: 0)",
    )
    group = sweep.add_argument_group("run")
    group.add_argument(
        "--batch-size", type=int, metavar="N", help="maximum of images per batch (default: what --memory allows)"
    )
    group.add_argument(
        "--memory",
        type=gib,
        default=2.0**30,
        metavar="GIB",
        help="memory limit for one batch, in GiB (default: 1)",
    )
    group.add_argument("--quiet", action="store_true", help="show no progress bar")
    group = sweep.add_argument_group("output")
    group.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder for the .png and .npz of each unit; rerun the same command to resume",
    )
    group.add_argument("--sheet", metavar="FILE", help="also write all images as one file, .png, .webp or .jpg")
    add_scale(group, "the sheet")


def run_sweep(options: argparse.Namespace) -> None:
    """Optimises the images and writes them."""
    check_prior(options.prior)
    if options.sheet:
        check_picture_path(options.sheet, "sheet")
    for unit in options.units:
        check_label(options.model, unit, options.weights, options.labels)
    network = load_network(options)
    from samplevis.runs.sweeping import sweep

    param = make_prior(options.prior, network, options.size) if options.prior else None
    found = sweep(
        network,
        options.units[0] if len(options.units) == 1 else options.units,
        param=param,
        im_size=options.size,
        steps=options.steps,
        batch_size=options.batch_size,
        memory=options.memory,
        folder=options.out,
        seed=options.seed,
        progress=not options.quiet,
    )
    if not found.complete:
        raise KeyboardInterrupt(f"stopped; what is done is in {options.out!r}, and the same command resumes")
    print(f"{len(found)} units\n\nwrote {options.out}")
    if options.sheet:
        found.save_grid(options.sheet, scale=options.scale)
        print(f"wrote {options.sheet}")
