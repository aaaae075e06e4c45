"""Commands that look at a network: layers, models, describe and examples."""

from __future__ import annotations

import argparse

from samplevis.cli.loading import check_label, check_picture_path, load_network
from samplevis.cli.shared_flags import OBJECTIVE, add_command, add_model, add_scale, add_size


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the four commands."""
    add_model(add_command(commands, "layers", "list a network's layers", print_layers))
    add_command(commands, "models", "list the model zoo", print_models)

    describe = add_command(
        commands, "describe", "list a network's layers and check its preprocessing", print_description
    )
    add_model(describe)
    group = describe.add_argument_group("images to check with")
    group.add_argument("--images", metavar="FOLDER", help="images like those it was trained on (default: noise)")
    add_size(group, 96)
    group.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the noise (default: 0)")

    examples = add_command(
        commands, "examples", "find the images in a folder that excite a unit most and least", write_examples
    )
    add_model(examples)
    group = examples.add_argument_group("what to find")
    group.add_argument("objective", help=OBJECTIVE)
    group.add_argument("folder", help="folder of images, searched recursively")
    group.add_argument("--size", type=int, metavar="PIXELS", help="side that images are cropped and scaled to")
    group.add_argument(
        "--top", type=int, default=9, metavar="N", help="how many of the highest activations (default: 9)"
    )
    group.add_argument(
        "--bottom", type=int, default=9, metavar="N", help="how many of the lowest activations (default: 9)"
    )
    group = examples.add_argument_group("output")
    group.add_argument("--out", required=True, metavar="FILE", help="picture to write, .png, .webp or .jpg")
    add_scale(group, "the image", 1)


def print_layers(options: argparse.Namespace) -> None:
    """Prints the layers of a network."""
    print(load_network(options).layer_table())


def print_models(options: argparse.Namespace) -> None:
    """Prints the names of the zoo."""
    from samplevis.modelzoo.registry import MODELS

    width = max(map(len, MODELS))
    print("\n".join(f"{name:{width}}  {entry.description}" for name, entry in MODELS.items()))


def print_description(options: argparse.Namespace) -> None:
    """Prints the layers of a network, and whether its preprocessing looks right."""
    network = load_network(options)
    from samplevis.analysis.description import describe

    print(describe(network, options.images, image_size=_square(options.size), seed=options.seed))


def write_examples(options: argparse.Namespace) -> None:
    """Writes the images of a folder that a unit responds to most and least."""
    from samplevis.runtime.checks import check_whole

    check_whole("scale", options.scale, 1)
    check_picture_path(options.out, "out")
    check_label(options.model, options.objective, options.weights, options.labels)
    network = load_network(options)
    from samplevis.analysis.dataset_examples import collect

    found = collect(
        network,
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
