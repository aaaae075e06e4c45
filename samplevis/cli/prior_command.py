"""samplevis fit-prior: a prior over images, learned from a folder of pictures."""

from __future__ import annotations

import argparse

from samplevis.cli.shared_flags import add_command
from samplevis.runtime.quiet_start import load_tensorflow


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    fit = add_command(commands, "fit-prior", "learn a prior over images from a folder of pictures", run_fit)
    fit.add_argument("pictures", metavar="FOLDER", help="pictures to learn from, also in subfolders")
    group = fit.add_argument_group("training")
    group.add_argument("--size", type=int, default=32, metavar="PIXELS", help="side of the images (default: 32)")
    group.add_argument("--steps", type=int, default=6000, metavar="N", help="updates (default: 6000)")
    group.add_argument("--start", metavar="FILE", help="prior to go on from, which an earlier fit-prior wrote")
    group.add_argument("--no-mirror", action="store_true", help="do not learn from mirrored pictures")
    group.add_argument("--grey", action="store_true", help="learn in grey")
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed; the same seed gives the same bytes (default: 0)"
    )
    group = fit.add_argument_group("run")
    group.add_argument(
        "--checkpoint", metavar="FOLDER", help="folder for the state of the run; rerun the same command to resume"
    )
    group.add_argument("--no-check", action="store_true", help="do not compare draws with pictures at the end")
    group.add_argument("--quiet", action="store_true", help="show no progress bar")
    group = fit.add_argument_group("output")
    group.add_argument(
        "--out", required=True, metavar="FILE", help=".keras file to write, for --prior of samplevis render and sweep"
    )
    group.add_argument("--preview", metavar="FILE", help="PNG file of images so far, written as the training goes on")


def run_fit(options: argparse.Namespace) -> None:
    """Fits the prior, writes it, and says whether its draws are like the pictures."""
    from samplevis.runtime import files

    files.check_suffix(options.out, (".keras",))
    files.check_writable(options.out)
    load_tensorflow()
    from samplevis import check_prior, fit_prior

    fitted = fit_prior(
        options.pictures,
        options.size,
        steps=options.steps,
        start=options.start,
        channels=1 if options.grey else 3,
        mirror=not options.no_mirror,
        path=options.out,
        preview=options.preview,
        checkpoint=options.checkpoint,
        seed=options.seed,
        progress=not options.quiet,
    )
    print(f"{fitted}\n\nwrote {options.out}")
    if not options.no_check and fitted.num_pictures >= 64:
        print(f"\n{check_prior(fitted.prior, options.pictures, draws=256, progress=not options.quiet)}")
