"""Makes the images in images/lucid, each by one of Lucid's recipes, on SqueezeNet.

    python images/lucid.py channel_sheet deep_dream     # or: all

Each function makes the image of its name. The photographs come with scikit-image and scikit-learn: `pip install scikit-image
scikit-learn umap-learn`. SAMPLEVIS_TEST_DATA is a folder with squeezenet/compressed_SqueezeNet.net; without it the weights are
downloaded.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import samplevis
from samplevis import export, modelzoo, param, recipes

HERE = Path(__file__).parent
# Small images, for sheets of many.
SMALL = dict(param=param.fourier(64), steps=128)
# A kernel that moves far for its cost.
OPTIONS = dict(kernel="langevin", num_results=2, num_steps_between_results=24, num_chains=3)
# Layers from early to late.
LAYERS = ("fire2", "fire4", "fire6", "fire8")

# For the README: left, top and side in pixels of the square cut from each image.
GALLERY = {
    "deep_dream": (524, 20, 256),
    "caricature": (592, 20, 192),
    "attribution": (263, 20, 224),
    "spatial_attribution": (33, 20, 488),
    "neuron_groups": (39, 4, 164),
    "dream2048": (392, 20, 384),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=[*PICTURES, "all"], metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE / "lucid", help="folder for the images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    model = squeezenet()
    for name in PICTURES if "all" in options.names else options.names:
        picture = PICTURES[name](model)
        if picture.ndim == 4:
            export.save_gif(picture, options.out / f"{name}.gif", fps=12)
        else:
            export.save_image(picture, options.out / f"{name}.jpg")


def squeezenet() -> samplevis.Network:
    """SqueezeNet, trained on ImageNet."""
    folder = os.environ.get("SAMPLEVIS_TEST_DATA")
    return modelzoo.SqueezeNet(Path(folder, "squeezenet", "compressed_SqueezeNet.net") if folder else "imagenet")


def photograph(name: str, size: int) -> np.ndarray:
    """The central square of a sample photograph, float32 [size, size, 3] in [0, 1]."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        pixels = load_sample_image(f"{name}.jpg")
    else:
        import skimage.data

        pixels = getattr(skimage.data, name)()
    picture = ImageOps.fit(Image.fromarray(pixels), (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.float32) / 255


def compare_class(model: samplevis.Network) -> np.ndarray:
    """A class by four methods."""
    return recipes.compare(model, "logits:hen", hmc_opts=OPTIONS, im_size=128).grid()


def compare_channel(model: samplevis.Network) -> np.ndarray:
    """A channel by four methods."""
    return recipes.compare(model, "fire8:50", hmc_opts=OPTIONS, im_size=128).grid()


def channel_sheet(model: samplevis.Network) -> np.ndarray:
    """Sixteen channels of a layer."""
    return recipes.channel_sheet(model, "fire5", range(16), **SMALL).grid(scale=2)


def neuron_sheet(model: samplevis.Network) -> np.ndarray:
    """One neuron of each of the same channels."""
    return recipes.neuron_sheet(model, "fire5", range(16), **SMALL).grid(scale=2)


def interaction_grid(model: samplevis.Network) -> np.ndarray:
    """Three channels, alone on the diagonal, and together."""
    units = ["fire5:3", "fire5:9", "fire5:10"]
    return recipes.interaction_grid(model, units, **SMALL).grid(scale=2)


def interpolation(model: samplevis.Network) -> np.ndarray:
    """The paths between three channels, aligned."""
    units = ["fire5:3", "fire5:7", "fire5:10"]
    return recipes.multi_interpolation(model, units, points=4, **SMALL).grid(scale=2)


def caricature(model: samplevis.Network) -> np.ndarray:
    """What layers exaggerate in a photograph."""
    return recipes.caricature(model, photograph("chelsea", 96), LAYERS, steps=128).grid(scale=2)


def feature_inversion(model: samplevis.Network) -> np.ndarray:
    """What layers retain of a photograph."""
    return recipes.feature_inversion(model, photograph("chelsea", 96), LAYERS, steps=128).grid(scale=2)


def deep_dream(model: samplevis.Network) -> np.ndarray:
    """Dreams of three layers from a photograph, and of one from noise."""
    photo, octaves = photograph("china", 256), recipes.octave_sizes(256)
    dreams = [recipes.deep_dream(model, layer, photo, octaves=octaves).image for layer in ("fire4", "fire6", "fire8")]
    noise = recipes.deep_dream(model, "fire6", octaves=octaves, steps=20).image
    labels = ["photograph", "fire4", "fire6", "fire8", "fire6, from noise"]
    return export.grid(np.stack([photo, *dreams, noise]), columns=5, labels=labels)


def dream2048(model: samplevis.Network) -> np.ndarray:
    """A dream of 2048 x 2048 pixels in tiles of 256: reduced as a whole, and a part at full size."""
    photo, octaves = photograph("china", 427), recipes.octave_sizes(2048, 5, 1.5)
    dream = recipes.deep_dream(model, "fire8", photo, octaves=octaves, steps=4, learning_rate=0.02, tile=256).image
    part, side = dream[1024:1408, 256:640], 384
    labels = ["2048 x 2048, reduced", f"{side} x {side} of it"]
    return export.grid(np.stack([reduced(dream, side), part]), columns=2, labels=labels)


def style_transfer(model: samplevis.Network) -> np.ndarray:
    """A photograph in the style of two others."""
    content = photograph("china", 160)
    styles = [photograph(name, 160) for name in ("flower", "immunohistochemistry")]
    layers = dict(content_layers="fire4", style_layers=["conv1", "fire2", "fire3", "fire5", "fire7"])
    made = [recipes.style_transfer(model, content, style, **layers, steps=160).images[0] for style in styles]
    labels = ["content", "style", "transferred", "style", "transferred"]
    return export.grid(np.stack([content, styles[0], made[0], styles[1], made[1]]), columns=5, labels=labels)


def attribution(model: samplevis.Network) -> np.ndarray:
    """Which parts of a photograph speak for each of three classes, in pixels and in a late layer."""
    photo = photograph("coffee", 224)
    logits = model.activations(photo[None], "logits")["logits"][0].numpy()
    classes = np.argsort(-logits)[:3]
    rows = []
    for layer in ("input", "fire9"):
        maps = [
            recipes.attribution(model, f"logits:{c}", layer, photo[None], path="straight", steps=16)[0].sum(-1)
            for c in classes
        ]
        rows.append([photo, *(lit(photo, found) for found in maps)])
    labels = ["photograph", *(model.labels[c] for c in classes)]
    return export.grid(np.array(rows), row_labels=["pixels", "fire9"], column_labels=labels)


def channel_attribution(model: samplevis.Network) -> np.ndarray:
    """The channels that speak most for and against the photograph's class, and what each responds to."""
    photo = photograph("chelsea", 160)
    logits = model.activations(photo[None], "logits")["logits"][0].numpy()
    best = int(np.argmax(logits))
    found = recipes.channel_attribution(model, f"logits:{best}", "fire9", photo[None])[0]
    order = np.argsort(-found)
    channels = [*order[:3], *order[-3:]]
    icons = recipes.channel_sheet(model, "fire9", channels, param=param.fourier(80), steps=128).images
    labels = [f"{channel}: {found[channel]:+.2f}" for channel in channels]
    title = f"channels of fire9 for and against {model.labels[best]}"
    return export.grid(np.stack([reduced(photo, 80), *icons]), columns=7, labels=["photograph", *labels], title=title)


def spatial_attribution(model: samplevis.Network) -> np.ndarray:
    """The positions of a layer on which nine positions of a later layer depend."""
    photo = photograph("chelsea", 160)
    found = recipes.spatial_attribution(model, "fire4", "fire9", photo)
    rows, columns = (np.linspace(1, side - 2, 3).round().astype(int) for side in found.shape[:2])
    cells = [[lit(photo, found[row, column]) for column in columns] for row in rows]
    names = [f"row {row}" for row in rows], [f"column {column}" for column in columns]
    return export.grid(np.array(cells), row_labels=names[0], column_labels=names[1])


def activation_grid(model: samplevis.Network) -> np.ndarray:
    """A photograph as a late layer sees it, also scaled by the strength of the activations."""
    photo = photograph("chelsea", 144)
    found = recipes.activation_grid(model, "fire9", photo, steps=64)
    side = len(found.picture())
    pictures = [reduced(photo, side), found.picture() / 255, found.picture(by_magnitude=True) / 255]
    return export.grid(np.stack(pictures), columns=3, labels=["photograph", "fire9", "by magnitude"])


def semantic_dictionary(model: samplevis.Network) -> np.ndarray:
    """The strongest channels of a layer at one position of a photograph: an eye."""
    return recipes.semantic_dictionary(
        model, "fire8", photograph("chelsea", 160), (6, 6), n_channels=5, size=80
    ).picture()


def neuron_groups(model: samplevis.Network) -> np.ndarray:
    """Six groups of neurons: what each responds to, and where."""
    photo = photograph("chelsea", 160)
    found = recipes.activation_grid(model, "fire9", photo, groups=6, cell=80, steps=128)
    where = [reduced(lit(photo, found.weights[..., group]), 80) for group in range(6)]
    return export.grid(np.stack([found.icons, np.stack(where)]), row_labels=["what", "where"])


def activation_atlas(model: samplevis.Network) -> np.ndarray:
    """What a late layer sees in six photographs at three sizes."""
    names = ("chelsea", "china", "coffee", "flower", "astronaut", "rocket")
    activations = [
        recipes.collect_activations(model, "fire9", photograph(name, size)[None], reducer=None).reshape(-1, 512)
        for name in names
        for size in (160, 224, 320)
    ]
    found = recipes.activation_atlas(
        model, "fire9", np.concatenate(activations), grid=7, minimum=12, size=56, ridge=0.1, steps=128, method="umap"
    )
    return found.picture()


def turntable(model: samplevis.Network) -> np.ndarray:
    """A texture that excites a channel from all sides of a ring."""
    mesh = ring()
    found = recipes.texture_optimization(model, "fire5:10", mesh, texture=(160, 320), view_size=128, steps=200)
    return recipes.turntable(found.images[0], mesh, frames=20, size=160, elevation=40)


def ring(rows: int = 24, columns: int = 48, radius: float = 0.45) -> recipes.Mesh:
    """A torus around the y axis: u goes once around the axis, v once around the tube."""
    v, u = (side.ravel() for side in np.meshgrid(*(np.linspace(0, 1, n + 1) for n in (rows, columns)), indexing="ij"))
    around, tube = 2 * np.pi * u, 2 * np.pi * v
    out = 1 + radius * np.cos(tube)
    positions = np.stack([out * np.sin(around), radius * np.sin(tube), out * np.cos(around)], 1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    above = corner + columns + 1
    lower, upper = [corner, corner + 1, above], [corner + 1, above + 1, above]
    return recipes.Mesh(positions, np.stack([u, v], 1), np.concatenate([np.stack(lower, 1), np.stack(upper, 1)]))


def gallery(model: samplevis.Network) -> np.ndarray:
    """Squares cut from six of the other images, which must exist."""
    panels = []
    for name, (left, top, side) in GALLERY.items():
        picture = export.load_image(HERE / "lucid" / f"{name}.jpg")
        panels.append(reduced(picture[top : top + side, left : left + side], 256))
    return export.grid(np.stack(panels), columns=3, labels=[name.replace("_", " ") for name in GALLERY])


def reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """An image [H, W, 3] in [0, 1], resized to a square."""
    pixels = Image.fromarray(np.round(255 * picture).astype(np.uint8))
    return np.asarray(pixels.resize((side, side), Image.Resampling.LANCZOS), np.float32) / 255


def lit(picture: np.ndarray, found: np.ndarray) -> np.ndarray:
    """An image, darkened except where a map of its positions is positive."""
    spot = found.clip(0) / np.percentile(found.clip(0), 99)
    light = Image.fromarray(spot.clip(0, 1).astype(np.float32)).resize(picture.shape[1::-1], Image.Resampling.BILINEAR)
    return picture * (0.25 + 0.75 * np.asarray(light)[..., None])


PICTURES = {
    function.__name__: function
    for function in (
        compare_class,
        compare_channel,
        channel_sheet,
        neuron_sheet,
        interaction_grid,
        interpolation,
        caricature,
        feature_inversion,
        deep_dream,
        dream2048,
        style_transfer,
        attribution,
        channel_attribution,
        spatial_attribution,
        activation_grid,
        semantic_dictionary,
        neuron_groups,
        activation_atlas,
        turntable,
        gallery,
    )
}

if __name__ == "__main__":
    main()
