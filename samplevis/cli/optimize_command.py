"""samplevis optimize: images that maximise a unit."""

from __future__ import annotations

import argparse

from samplevis.cli.loading import check_label, check_model, check_picture_path, check_prior, load_network, make_prior
from samplevis.cli.shared_flags import add_bands, add_command, add_prior, add_scale, add_unit

OUT = "optimized.png"


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    optimize = add_command(commands, "optimize", "optimise images of a unit, by gradient ascent", run_optimize)
    group = add_unit(optimize, "what to optimise")
    add_prior(group)
    group.add_argument("--steps", type=int, default=256, metavar="N", help="updates (default: 256)")
    group.add_argument(
        "--images", type=int, default=1, metavar="N", help="how many images, each from another start (default: 1)"
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed; the same seed gives the same bytes (default: 0)"
    )
    group = optimize.add_argument_group("run")
    group.add_argument("--quiet", action="store_true", help="show no progress bar")
    group = optimize.add_argument_group("output")
    group.add_argument(
        "--out", default=OUT, metavar="FILE", help=f"picture to write, .png, .webp or .jpg (default: {OUT})"
    )
    add_scale(group, "several images, which become one picture")
    add_bands(group)


def run_optimize(options: argparse.Namespace) -> None:
    """Optimises the images and writes them: one as it is, several beside each other."""
    from samplevis.runtime.checks import check_whole

    check_picture_path(options.out, "out")
    check_prior(options.prior)
    check_whole("images", options.images, 1)
    if options.scale is not None:
        check_whole("scale", options.scale, 1)
    check_model(options.model)
    check_label(options.model, options.objective, options.weights, options.labels)
    network = load_network(options)
    from samplevis.export.bands import check_bands
    from samplevis.runs.optimization import optimize

    if options.bands is not None:
        check_bands(options.bands, network.image_shape[-1])
    found = optimize(
        network,
        options.objective,
        param=make_prior(options.prior, network, options.size) if options.prior else None,
        im_size=options.size,
        steps=options.steps,
        batch=options.images,
        seed=options.seed,
        progress=not options.quiet,
    )
    if len(found) == 1 and options.scale is None:
        found.save(options.out, options.bands)
    else:
        found.save_grid(options.out, scale=options.scale, bands=options.bands)
    print(f"{found}\n\nwrote {options.out}")
    if len(found.history) < options.steps:
        raise KeyboardInterrupt(f"stopped after {len(found.history)} of {options.steps} steps")
