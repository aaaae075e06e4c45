"""samplevis atlas: all units of a network in one folder and one page."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from samplevis.atlas.settings import AtlasSettings
from samplevis.cli.dataclass_options import Flag, add_flags, read_flags
from samplevis.cli.loading import check_model
from samplevis.cli.shared_flags import add_command, add_weights
from samplevis.runtime.quiet_start import load_tensorflow

if TYPE_CHECKING:
    from samplevis.atlas.model_spec import ModelSpec
    from samplevis.atlas.plan import AtlasPlan

SERVE = "serve"
FLAGS = {
    "methods": Flag(metavar="NAME", parse=str, default="all"),
}
PORT = 8000


class TasksFailed(OSError):
    """Some tasks of an atlas failed, each of which a warning has named."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    atlas = add_command(
        commands,
        "atlas",
        "make pictures, samples and dataset examples of all units of a network, and a page to browse them",
        run_atlas,
    )
    group = atlas.add_argument_group("model")
    group.add_argument(
        "model",
        help="name from the zoo (see samplevis models), a .keras, .h5 or frozen .pb file, or the folder of a SavedModel; or serve, "
        "to show a finished page",
    )
    group.add_argument("folder", nargs="?", help="for serve: the folder of the atlas")
    add_weights(group)
    group = atlas.add_argument_group("units")
    group.add_argument(
        "--layers",
        nargs="+",
        metavar="LAYER",
        help="layers, or layer:first-last for some channels (default: sums, concatenations or activations, and the output)",
    )
    group.add_argument(
        "--directions",
        nargs=2,
        action="append",
        metavar=("LAYER", "FILE"),
        help="also the rows of a .npy file as directions in a layer, such as the decoder of a sparse autoencoder",
    )
    group.add_argument("--images", metavar="FOLDER", help="images for dataset examples (default: none)")
    add_flags(atlas.add_argument_group("settings"), AtlasSettings, FLAGS)
    _add_run(atlas.add_argument_group("run"))


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out", metavar="FOLDER", help="folder or fsspec URL of the atlas; rerun the same command to resume"
    )
    group.add_argument("--dry-run", action="store_true", help="print units, gradients, hours and gigabytes, and stop")
    group.add_argument("--publish", action="store_true", help="only make the page of what is finished")
    group.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes on this machine, by Dask (default: this process)"
    )
    group.add_argument("--scheduler", metavar="ADDRESS", help="a Dask cluster, tls://host:port")
    group.add_argument("--insecure", action="store_true", help="allow a scheduler without TLS")
    group.add_argument("--port", type=int, default=PORT, metavar="N", help=f"for serve: the port (default: {PORT})")
    group.add_argument("--quiet", action="store_true", help="show no progress bar")


def run_atlas(options: argparse.Namespace) -> None:
    """Makes an atlas, its page, or only a plan; or serves a page."""
    if options.model == SERVE and options.folder is not None:
        from samplevis.cli.serving import serve

        serve(options.folder, options.port)
        return
    if options.folder is not None:
        raise ValueError(f"folder: expected only with serve; say --out {options.folder}")
    settings = read_flags(AtlasSettings, options)
    if options.out is None and not options.dry_run:
        raise ValueError("out: expected a folder")
    if options.publish:
        load_tensorflow()
        _publish(options.out)
        return
    check_model(options.model)
    load_tensorflow()
    from samplevis.atlas.model_spec import ModelSpec

    spec = ModelSpec(
        _absolute(options.model),
        None if options.weights is None else os.path.abspath(options.weights),
        tuple(options.value_range) if options.value_range else None,
        options.bgr,
    )
    if options.dry_run:
        print(_described(spec, options, settings))
        return
    _build(spec, options, settings)


def _build(spec: ModelSpec, options: argparse.Namespace, settings: AtlasSettings) -> None:
    from samplevis.analysis.preprocessing_notice import notify_inferred
    from samplevis.analysis.units_notice import notify_unsaturated
    from samplevis.atlas.building import carry_out
    from samplevis.atlas.engine import EngineOptions
    from samplevis.runtime.callbacks import as_callbacks

    engine = EngineOptions(options.workers, options.scheduler, options.insecure)
    engine.check(spec, options.out)
    plan = _plan(spec, options, settings)
    notify_inferred(plan.network, not options.quiet)
    notify_unsaturated(plan.network, plan.unsaturated, not options.quiet)
    built = carry_out(plan, options.out, options.images, spec, engine, as_callbacks(not options.quiet))
    missing = f"{built.missing:,} of {plan.num_units:,} units are not in {options.out!r}; the same command goes on"
    if built.interrupted and built.missing:
        raise KeyboardInterrupt(f"{missing}. With --publish it makes the page of those that are finished")
    page = _publish(options.out)
    if built.missing:
        raise TasksFailed(f"{missing}. The page: {page}")


def _publish(out: str) -> str:
    from samplevis.atlas.publishing import publish

    page = publish(out)
    print(f"wrote {page}")
    return page


def _described(spec: ModelSpec, options: argparse.Namespace, settings: AtlasSettings) -> str:
    from samplevis.atlas.building import measured_cost

    plan = _plan(spec, options, settings)
    return f"{str(plan).removesuffix(str(plan.cost))}{measured_cost(plan)}"


def _plan(spec: ModelSpec, options: argparse.Namespace, settings: AtlasSettings) -> AtlasPlan:
    from samplevis.atlas.plan import plan_atlas

    return plan_atlas(spec.load(), options.layers, directions=_directions(options), settings=settings)


def _directions(options: argparse.Namespace) -> dict[str, Any] | None:
    """Sets of directions from .npy files, which hold no code."""
    if not options.directions:
        return None
    from samplevis.runtime.untrusted import read_array

    return {
        os.path.splitext(os.path.basename(path))[0]: (layer, read_array(path)) for layer, path in options.directions
    }


def _absolute(model: str) -> str:
    """A path that workers find, too; the name of a zoo model as it is."""
    return os.path.abspath(model) if os.path.exists(model) else model
