"""The samplevis command."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

EPILOG = """\
examples:
  samplevis demo
  samplevis layers SqueezeNet --weights compressed_SqueezeNet.net
  samplevis describe my_model.keras --value-range -1 1
  samplevis examples SqueezeNet fire9:10 photos --size 224 --out fire9-10.png
  samplevis sweep SqueezeNet fire9 --size 64 --out fire9
  samplevis render SqueezeNet logits:goldfish --size 96 --out goldfish
  samplevis render my_model.keras conv5:12 --value-range -1 1 --level 0.5
  samplevis render my_model.keras -conv5:12 --out least
  samplevis report goldfish --title goldfish
  samplevis sheet goldfish shark --out fish.png
"""
BAD_ARGUMENT, FAILURE, INTERRUPTED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
      arguments: words after the command's name. Defaults to the process's own.

    Returns:
      Exit code: 0, 1 for a failure, 2 for a bad argument, 130 after Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args([_readable(word) for word in words])
    options.command = shlex.join(["samplevis", *words])
    # TensorFlow's start-up lines are not this command's business.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options.run(options)
    except (ValueError, TypeError) as error:
        return _fail(error, BAD_ARGUMENT)
    except (OSError, FloatingPointError, MemoryError) as error:
        return _fail(error, FAILURE)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "interrupted", INTERRUPTED)
    return 0


def _readable(word: str) -> str:
    """A negative unit such as -fire9:10 with a blank before it, without which the parser would take it for an option."""
    return f" {word}" if re.match("-[^-].*:", word) else word


def _demo(options: argparse.Namespace) -> None:
    from samplevis import modelzoo

    options.size = 64
    _render_to_folder(modelzoo.load("Shapes"), f"logits:{options.concept}", options)


def _render(options: argparse.Namespace) -> None:
    _render_to_folder(_network(options), options.objective, options)


def _layers(options: argparse.Namespace) -> None:
    print(_network(options).layer_table())


def _models(options: argparse.Namespace) -> None:
    from samplevis.modelzoo.registry import MODELS

    width = max(map(len, MODELS))
    print("\n".join(f"{name:{width}}  {entry.description}" for name, entry in MODELS.items()))


def _describe(options: argparse.Namespace) -> None:
    from samplevis.analysis.description import describe

    print(describe(_network(options), options.images, image_size=_square(options.size), seed=options.seed))


def _examples(options: argparse.Namespace) -> None:
    from samplevis.analysis.dataset_examples import collect
    from samplevis.runtime import files
    from samplevis.runtime.checks import check_whole

    check_whole("scale", options.scale, 1)
    files.check_writable(options.out)
    found = collect(
        _network(options),
        options.objective,
        options.folder,
        top=options.top,
        bottom=options.bottom,
        image_size=_square(options.size),
    )
    found.save_grid(options.out, scale=options.scale)
    print(f"{found}\n\nwrote {options.out}")


def _square(side: int | None) -> tuple[int, int] | None:
    return None if side is None else (side, side)


def _sweep(options: argparse.Namespace) -> None:
    from samplevis.activation import default_param
    from samplevis.runs.sweeping import sweep
    from samplevis.runtime import files

    if options.sheet:
        files.check_writable(options.sheet)
    network = _network(options)
    found = sweep(
        network,
        options.units[0] if len(options.units) == 1 else options.units,
        param=default_param(network, options.size),
        steps=options.steps,
        batch_size=options.batch_size,
        memory=options.memory * 2**30,
        folder=options.out,
        seed=options.seed,
        progress=not options.quiet,
    )
    if not found.complete:
        raise KeyboardInterrupt(f"stopped; what is done is in {options.out!r}, and the same command goes on from there")
    print(f"{len(found)} units\n\nwrote {options.out}")
    if options.sheet:
        found.save_grid(options.sheet, scale=options.scale)
        print(f"wrote {options.sheet}")


def _is_label(objective: str) -> bool:
    """Whether the unit has a name for readers: logits:goldfish, but not fire9:10 or a sum."""
    return bool(re.fullmatch(r"\s*[^-+*:]+:[^:]*[^\W\d][^:]*", objective))


def _report(options: argparse.Namespace) -> None:
    folder = options.source if os.path.isdir(options.source) else os.path.dirname(options.source)
    out = options.out or os.path.join(folder, "report.html")
    samples, other_end = (run and _samples(run) for run in (options.source, options.other_end))
    samples.report(out, options.title, other_end=other_end, draws=options.draws)
    print(f"{samples.summary().verdict}\n\nwrote {out}")


def _sheet(options: argparse.Namespace) -> None:
    from samplevis import export, recipes
    from samplevis.runtime import files

    files.check_writable(options.out)
    sheet = recipes.sample_sheet(list(map(_samples, options.runs)), draws=options.draws, scale=options.scale)
    export.save_png(sheet, options.out)
    print(f"wrote {options.out}")


def _samples(run: str) -> Any:
    """The samples of a file, or of the folder of a run."""
    from samplevis.results.samples import Samples

    return Samples.load(os.path.join(run, "samples.npz") if os.path.isdir(run) else run)


def _network(options: argparse.Namespace) -> Any:
    from samplevis import modelzoo

    declared = {
        "value_range": tuple(options.value_range) if options.value_range else None,
        "bgr": options.bgr or None,
        "mean": options.mean,
    }
    return modelzoo.load(
        options.model, weights=options.weights, **{name: value for name, value in declared.items() if value is not None}
    )


def _render_to_folder(network: Any, objective: str, options: argparse.Namespace) -> None:
    from samplevis.runs.rendering import render
    from samplevis.runtime import files
    from samplevis.runtime.callbacks import JSONLines
    from samplevis.runtime.checks import check_whole

    check_whole("scale", options.scale, 1)
    if options.extend is not None:
        options.draws = _extended(options)
        # The number of draws makes the run, not how it was asked for.
        options.command += f"  # to {options.draws} draws"
    files.make_folder(options.out)
    paths = {
        name: os.path.join(options.out, name) for name in ("samples.gif", "samples.png", "samples.npz", "report.html")
    }
    for path in paths.values():
        files.check_writable(path)
    names = {
        "num_results": options.draws,
        "num_chains": options.chains,
        "num_burnin_steps": options.warmup,
        "num_leapfrog_steps": options.leapfrog_steps,
        "num_steps_between_results": options.between,
        "step_size": options.step_size,
        "kernel": options.kernel,
        "num_transforms": options.transforms,
        "target_accept_prob": options.target_acceptance,
    }
    lines = JSONLines() if options.json else None
    samples = render(
        network,
        objective,
        {name: value for name, value in names.items() if value is not None},
        im_size=options.size,
        level=options.level,
        density=options.density,
        beta=options.beta,
        init=options.init,
        smooth=options.smooth or None,
        optimize_steps=options.optimize_steps,
        seed=options.seed,
        progress=not options.quiet and lines is None,
        callbacks=[lines] if lines else [],
        checkpoint=options.checkpoint,
        keep=options.keep,
        devices=options.devices,
        memory=options.memory * 2**30,
    )
    # The page says which command made the run, also if it is made later.
    samples = dataclasses.replace(samples, options=samples.options | {"command": options.command})
    samples.save(paths["samples.npz"])
    samples.save_gif(paths["samples.gif"], scale=options.scale)
    samples.save_grid(paths["samples.png"], scale=options.scale)
    if samples.dimensions == 2:
        samples.report(paths["report.html"], objective.rpartition(":")[2] if _is_label(objective) else None)
    else:
        del paths["report.html"]
    summary = samples.summary()
    if lines:
        written = {name: os.path.abspath(path) for name, path in paths.items()}
        lines.write("summary", verdict=summary.verdict, warnings=summary.warnings, written=written, **summary.figures)
        return
    print(summary)
    print("\n" + "\n".join(f"wrote {path}" for path in paths.values()))


def _extended(options: argparse.Namespace) -> int:
    """The draws to ask for, so many more than the checkpoint holds."""
    from samplevis.runtime.checkpoint import draws_in
    from samplevis.runtime.checks import check_whole

    check_whole("extend", options.extend, 1)
    if options.checkpoint is None:
        raise ValueError("extend: needs --checkpoint, the folder of the run that gets more draws. Received: none")
    return draws_in(options.checkpoint) + options.extend


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="samplevis",
        description="Samples images that excite a unit of a neural network, with figures that say how far to trust them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"samplevis {metadata.version('samplevis')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo", help="sample a unit of the bundled network: no weights to find, about two minutes"
    )
    demo.add_argument("concept", nargs="?", default="star", help="label of the unit (default: star)")
    _add_run_options(demo, out="samplevis-demo")
    demo.set_defaults(run=_demo)

    render = commands.add_parser("render", help="sample a unit of any network")
    _add_model_options(render)
    render.add_argument(
        "objective",
        help="layer:channel, such as fire9:10, or layer:label, such as logits:goldfish; -fire9:10 is what the unit likes least",
    )
    render.add_argument(
        "--size", type=int, metavar="PIXELS", help="side of the images (default: the network's, or 128)"
    )
    _add_run_options(render, out="samplevis-out")
    render.set_defaults(run=_render)

    sweep = commands.add_parser("sweep", help="optimise a picture for each channel of a layer, or each of many units")
    _add_model_options(sweep)
    sweep.add_argument(
        "units",
        nargs="+",
        help="a layer such as fire9, for all of its channels; layer:channel, for all neurons of its map; or several units, "
        "layer:channel or layer:label",
    )
    sweep.add_argument(
        "--out", required=True, metavar="FOLDER", help="where each unit's .png and .npz go as it is done"
    )
    sweep.add_argument("--size", type=int, metavar="PIXELS", help="side of the images (default: the network's, or 128)")
    sweep.add_argument("--steps", type=int, default=256, help="updates of each image (default: 256)")
    sweep.add_argument("--batch-size", type=int, help="most images at a time (default: what memory holds)")
    sweep.add_argument("--memory", type=float, default=1.0, metavar="GIB", help="that a batch may take (default: 1)")
    sweep.add_argument("--sheet", metavar="FILE", help="also write one picture of all, .png")
    sweep.add_argument("--scale", type=int, default=1, help="enlargement of the sheet, whole number (default: 1)")
    sweep.add_argument(
        "--seed", type=int, default=0, help="of every unit; the same seed gives the same bytes (default: 0)"
    )
    sweep.add_argument("--quiet", action="store_true", help="no progress bar")
    sweep.set_defaults(run=_sweep)

    report = commands.add_parser("report", help="make a page to look at of a run that was saved")
    report.add_argument("source", metavar="run", help="samples.npz, or the folder that it is in")
    report.add_argument("--out", metavar="FILE", help="page to write (default: report.html beside the run)")
    report.add_argument("--title", help="the unit's name for readers (default: the objective)")
    report.add_argument("--other-end", metavar="RUN", help="a run of the same density from the other end, --init prior")
    report.add_argument("--draws", type=int, default=6, help="pictures of each chain (default: 6)")
    report.set_defaults(run=_report)

    sheet = commands.add_parser("sheet", help="show runs that were saved in one picture, a row for each unit")
    sheet.add_argument("runs", nargs="+", metavar="run", help="samples.npz, or the folder that it is in")
    sheet.add_argument("--out", required=True, metavar="FILE", help="picture to write, .png")
    sheet.add_argument("--draws", type=int, default=6, help="most pictures of each run (default: 6)")
    sheet.add_argument("--scale", type=int, default=2, help="enlargement, whole number (default: 2)")
    sheet.set_defaults(run=_sheet)

    layers = commands.add_parser("layers", help="list a network's layers")
    _add_model_options(layers)
    layers.set_defaults(run=_layers)

    models = commands.add_parser("models", help="list the model zoo")
    models.set_defaults(run=_models)

    describe = commands.add_parser(
        "describe", help="list a network's layers, and say whether its preprocessing looks right"
    )
    _add_model_options(describe)
    describe.add_argument("--images", metavar="FOLDER", help="pictures such as it was trained on (default: noise)")
    describe.add_argument(
        "--size", type=int, metavar="PIXELS", help="side of the images (default: the network's, or 96)"
    )
    describe.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    describe.set_defaults(run=_describe)

    examples = commands.add_parser("examples", help="find the pictures of a folder that excite a unit most and least")
    _add_model_options(examples)
    examples.add_argument("objective", help="layer:channel, such as fire9:10, or layer:label, such as logits:goldfish")
    examples.add_argument("folder", help="searched with its subfolders")
    examples.add_argument("--out", required=True, metavar="FILE", help="picture to write, .png")
    examples.add_argument("--size", type=int, metavar="PIXELS", help="side that pictures are cropped and scaled to")
    examples.add_argument("--top", type=int, default=9, help="pictures that excite it most (default: 9)")
    examples.add_argument("--bottom", type=int, default=9, help="pictures that excite it least (default: 9)")
    examples.add_argument("--scale", type=int, default=1, help="enlargement of the picture, whole number (default: 1)")
    examples.set_defaults(run=_examples)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        help="name from the zoo (see samplevis models), a .keras, .h5 or frozen .pb file, or the folder of a SavedModel",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights of a zoo model (default: download them)")
    parser.add_argument(
        "--value-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="what a black and a white pixel are to a model from a file (default: 0 1)",
    )
    parser.add_argument("--bgr", action="store_true", help="the model from a file takes blue first")
    parser.add_argument("--mean", nargs="+", type=float, help="subtracted from each channel after scaling")


def _add_run_options(parser: argparse.ArgumentParser, out: str) -> None:
    add = parser.add_argument
    add(
        "--out",
        default=out,
        metavar="FOLDER",
        help=f"where samples.gif, .png and .npz and report.html go (default: {out})",
    )
    add("--level", type=float, default=0.7, help="activation asked for, 0 (prior) to 1 (optimum) (default: 0.7)")
    add("--density", default="conditioned", help="conditioned, tilted or activation (2018) (default: conditioned)")
    add("--beta", type=float, help="strength, nats per unit of activation (default: what the level needs)")
    add("--init", default="optimize", help="optimize or prior: where chains start (default: optimize)")
    add(
        "--smooth", type=float, default=0.3, help="softness of the network's kinks; 0 leaves it as it is (default: 0.3)"
    )
    add("--chains", type=int, help="number of chains (default: 4)")
    draws = parser.add_mutually_exclusive_group()
    draws.add_argument("--draws", type=int, help="draws kept in each chain (default: 10)")
    draws.add_argument(
        "--extend", type=int, metavar="N", help="ask for N more draws than the run in --checkpoint's folder has by now"
    )
    add("--warmup", type=int, help="warm-up transitions (default: 12)")
    add("--between", type=int, help="transitions left out between draws (default: 0)")
    add("--kernel", help="split_hmc, malt, hmc, nuts, pcn, redrawn_hmc or langevin (default: split_hmc)")
    add("--leapfrog-steps", type=int, help="gradients in a trajectory (default: 10)")
    add("--step-size", type=float, help="first step size; warm-up adapts it (default: 0.1; langevin 0.03)")
    add("--target-acceptance", type=float, help="acceptance that warm-up aims at (default: 0.85)")
    add("--transforms", type=int, help="size of the bank of transforms (default: 32; langevin 4)")
    add("--optimize-steps", type=int, default=256, help="updates of the optimiser (default: 256)")
    add("--seed", type=int, default=0, help="the same seed gives the same bytes (default: 0)")
    add(
        "--checkpoint",
        metavar="FOLDER",
        help="keep the run here: after an end of any kind the same command goes on; with more --draws, or --extend, it adds to "
        "them",
    )
    add(
        "--keep", default="memory", help="memory, or disk: draws go to files in --checkpoint's folder (default: memory)"
    )
    add(
        "--devices",
        nargs="+",
        metavar="NAME",
        help="devices that share the chains, such as GPU:0 GPU:1 (default: TensorFlow's)",
    )
    add("--memory", type=float, default=4.0, metavar="GIB", help="that a gradient on the bank may take (default: 4)")
    add("--scale", type=int, default=2, help="enlargement of the pictures, whole number (default: 2)")
    add("--quiet", action="store_true", help="no progress bars")
    add("--json", action="store_true", help="progress and figures as lines of JSON on the standard output")


def _fail(error: object, code: int) -> int:
    print(f"samplevis: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
