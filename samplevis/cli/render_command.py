"""samplevis render: samples of a unit, and what is written of them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Any

from samplevis.cli.dataclass_options import Flag, add_flags, read_flags
from samplevis.cli.loading import check_label, check_model, check_prior, is_label, load_network, make_prior
from samplevis.cli.shared_flags import add_bands, add_command, add_prior, add_scale, add_unit, gib
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runtime.quiet_start import load_tensorflow
from samplevis.sampling.kernels import registry
from samplevis.sampling.options import HMCOptions

if TYPE_CHECKING:
    from samplevis.network import Network
    from samplevis.results.samples import Samples

WRITTEN = ("samples.gif", "samples.png", "samples.npz", "report.html")


def softness(text: str) -> float | str | None:
    """The softness of a network's kinks, or "auto"; None for 0, which leaves them."""
    return text if text == "auto" else float(text) or None


def level(text: str) -> float | str:
    """A level, or the name of the level that pictures set."""
    try:
        return float(text)
    except ValueError:
        return text


def kernel_help() -> str:
    """A line on each kernel."""
    return "; ".join(
        f"{name}: {kernel.summary}{'' if kernel.exact else ' (approximate)'}"
        for name, kernel in registry.KERNELS.items()
    ) + "".join(f"; {name}: {summary}" for name, summary in registry.INDEPENDENT.items())


# Where flags differ from their fields.
RENDER_FLAGS = {
    "level": Flag(
        parse=level,
        metavar="X",
        help="activation to sample at, from 0 (mean under the prior) to 1 (best optimised image); or examples, the activation that "
        "the pictures of --examples reach",
    ),
    "smooth": Flag(
        parse=softness,
        help="softness of the kinks of ReLU and max pooling, on which chains take longer steps; auto finds it, and 0 "
        "samples the network as it is",
    ),
}
HMC_FLAGS = {
    "num_results": Flag(name="draws"),
    "num_burnin_steps": Flag(name="warmup"),
    "num_steps_between_results": Flag(name="between"),
    "kernel": Flag(help=kernel_help()),
    "target_accept_prob": Flag(name="target-acceptance"),
}
RUN_FLAGS = {
    "checkpoint": Flag(
        metavar="FOLDER",
        help="folder for the state of the run; rerun the same command to resume, with more --draws or with --extend to add "
        "draws",
        default="none",
    ),
    "checkpoint_interval": Flag(metavar="SECONDS"),
    "memory": Flag(parse=gib, metavar="GIB", help="memory limit for one gradient, in GiB", default="4"),
}


class Renamed(argparse.Action):
    """An old flag: works, and prints the new one."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None):
        new = self.dest.replace("_", "-")
        print(f"samplevis: {option_string} is now --{new}; the old name goes with the next release", file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    render = add_command(commands, "render", "sample images that excite a unit of any network", run_render)
    target = add_unit(render, "what to sample")
    add_flags_of_a_run(render, target, "samplevis-out")
    render.add_argument(
        "--overwrite", action="store_true", help="replace samples of another unit in the folder of --out"
    )


def add_flags_of_a_run(parser: argparse.ArgumentParser, target: argparse._ArgumentGroup, out: str) -> None:
    """Adds what `render` and `demo` have."""
    add_prior(target, "fourier; for --density activation, uniform")
    add_flags(target, RenderOptions, RENDER_FLAGS)
    target.add_argument(
        "--examples", metavar="FOLDER", help="pictures for --level examples, among which the summary places the samples"
    )

    sampler = parser.add_argument_group("sampler")
    draws = sampler.add_mutually_exclusive_group()
    add_flags(draws, HMCOptions, HMC_FLAGS, only=["num_results"])
    draws.add_argument("--extend", type=int, metavar="N", help="add N draws to the run stored in --checkpoint")
    add_flags(sampler, HMCOptions, HMC_FLAGS, but=["num_results"])

    run = parser.add_argument_group("run")
    add_flags(run, RunOptions, RUN_FLAGS)
    run.add_argument("--keep", dest="storage", default=argparse.SUPPRESS, action=Renamed, help=argparse.SUPPRESS)
    run.add_argument("--quiet", action="store_true", help="show no progress bars")
    run.add_argument("--json", action="store_true", help="print progress and diagnostics as lines of JSON")

    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        default=out,
        metavar="FOLDER",
        help=f"folder for {', '.join(WRITTEN[:-1])} and {WRITTEN[-1]} (default: {out})",
    )
    add_scale(output, "the images")
    add_bands(output)


def run_render(options: argparse.Namespace) -> None:
    """Samples a unit of the user's network."""
    settings = make_settings(options)
    check_model(options.model)
    check_label(options.model, options.objective, options.weights, options.labels)
    title = options.objective.rpartition(":")[2] if is_label(options.objective) else None
    render_to_folder(load_network(options), options.objective, options, settings, title)


def render_to_folder(
    network: Network, objective: str, options: argparse.Namespace, settings: dict[str, Any], title: str | None
) -> Samples:
    """Samples a unit, and writes and prints the results.

    Args:
      network: the network.
      objective: the unit.
      options: those of the command; `size`, `prior`, `examples`, `out`, `scale`, `quiet`, `json` and `command` are read.
      settings: what `make_settings` made of them.
      title: name of the unit for readers of the page; None for the objective.

    Returns:
      The samples.

    Raises:
      KeyboardInterrupt: after Ctrl-C; the draws so far are written.
    """
    from samplevis.activation import make_activation, sized_param
    from samplevis.export.bands import check_bands
    from samplevis.runs.rendering import render
    from samplevis.runtime import files
    from samplevis.runtime.callbacks import JSONLines

    if options.bands:
        check_bands(options.bands, network.image_shape[-1])
    prior = make_prior(options.prior, network, options.size) if options.prior else None
    # A unit that does not exist leaves no folder.
    activation = make_activation(network, objective, prior or sized_param(network, options.size, None), None)
    if not getattr(options, "overwrite", True):
        check_folder(options.out, str(activation.objective), network.name)
    files.make_folder(options.out)
    paths = {name: os.path.join(options.out, name) for name in WRITTEN}
    for path in paths.values():
        files.check_writable(path)
    lines = JSONLines() if options.json else None
    samples = render(
        network,
        objective,
        im_size=options.size,
        param=prior,
        examples=options.examples,
        progress=not options.quiet and lines is None,
        callbacks=[lines] if lines else [],
        **settings,
    )
    # The report shows the command that made the run, also if it is written later.
    samples = dataclasses.replace(samples, options=samples.options | {"command": options.command})
    _write(samples, paths, title, options)
    _print(samples, paths, lines)
    if "interrupted" in samples.options:
        raise KeyboardInterrupt(f"{samples.options['interrupted']} They are in {options.out!r}")
    return samples


def check_folder(folder: str, objective: str, model: str) -> None:
    """Raises ValueError if a folder holds samples of another unit, which would be lost.

    Args:
      folder: where the results go.
      objective: the unit, as it is printed.
      model: name of the network.
    """
    from samplevis.results.sample_file import unit_in

    there = unit_in(os.path.join(folder, "samples.npz"))
    if there is not None and there != (objective, model):
        raise ValueError(
            f"out: {folder!r} holds samples of {there[0]} in {there[1]}, which would be lost. Give another folder, or --overwrite"
        )


def make_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `render` that follow from flags alone, checked."""
    from samplevis.runtime.checks import check_whole

    if options.scale is not None:
        check_whole("scale", options.scale, 1)
    check_prior(options.prior)
    if options.extend is not None:
        options.num_results = _extended(options)
        # The report shows the command, and with this how many draws there are in all.
        options.command += f"  # to {options.num_results} draws"
    return {
        "hmc_opts": read_flags(HMCOptions, options),
        "run_opts": read_flags(RunOptions, options),
        **vars(read_flags(RenderOptions, options)),
    }


def _write(samples: Samples, paths: dict[str, str], title: str | None, options: argparse.Namespace) -> None:
    """Writes the files of a run; of signals and volumes there is no report, and its path is removed."""
    samples.save(paths["samples.npz"])
    samples = samples.false_colors(options.bands)
    samples.save_gif(paths["samples.gif"], scale=options.scale)
    samples.save_grid(paths["samples.png"], scale=options.scale)
    if samples.dimensions == 2:
        samples.report(paths["report.html"], title)
    else:
        del paths["report.html"]


def _print(samples: Samples, paths: dict[str, str], lines: Any) -> None:
    summary = samples.summary()
    if lines:
        written = {name: os.path.abspath(path) for name, path in paths.items()}
        lines.write(
            "summary",
            lines=summary.lines,
            verdict=summary.verdict,
            warnings=summary.warnings,
            written=written,
            **summary.figures,
        )
        return
    print("\n".join(f"wrote {path}" for path in paths.values()))
    print(f"\n{summary}\n\n{summary.verdict}")
    print(f"Open {paths.get('report.html', paths['samples.png'])}")


def _extended(options: argparse.Namespace) -> int:
    """The number of draws to ask for: those of the checkpoint, and so many more."""
    from samplevis.runtime.checks import check_whole

    check_whole("extend", options.extend, 1)
    folder = getattr(options, "checkpoint", None)
    if folder is None:
        raise ValueError("extend: needs --checkpoint, the folder of the run that gets more draws. Received: none")
    load_tensorflow()
    from samplevis.sampling.chains import num_draws_in

    return num_draws_in(folder) + options.extend
