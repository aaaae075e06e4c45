"""Variants of photographs that excite their own class more, or less: `python -m benchmarks.accentuation --json FILE`.

`recipes.accentuate` under the default prior, on EfficientNet-Lite0, for one photograph of each of 12 classes: at each noise the
unit is the logit of its class, and at `--against` also its negative. Beside the variants stand the photograph and variants at
random, the same prior without the unit; another network, SqueezeNet, is asked what it makes of all of them.

- Without noise the photograph must come back: `returned`, the rms difference of a pixel.
- Activation and distance from the photograph must grow together: Spearman's correlation over the chains of all noises, for each
  photograph, with a 90 % interval from resampling the chains at each noise.

Rows that are in the file are not made again. `--save` writes a sheet of each photograph: the pictures belong to others, keep them.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.stats import spearmanr

from benchmarks.leaderboard import CLASSES, efficientnet, labelled_squeezenet, photographs
from benchmarks.rows import read, write
from samplevis import Network, export, param, recipes
from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.prior_checks import prior_images
from samplevis.param.base import Derived, Parameterization
from samplevis.runtime import seeds

SIZE, NOISES = 96, (0.05, 0.15, 0.3, 0.5)
# Shorter than the defaults.
SETTINGS: dict[str, Any] = {
    "hmc_opts": {"num_chains": 3, "num_results": 2, "num_transforms": 8},
    "optimize_steps": 64,
    "anneal_steps": 200,
    "progress": False,
}
NUM_RANDOM, COVERAGE, NUM_RESAMPLED = 16, 0.9, 2000
# Columns of the table: title, and the number of a row.
COLUMNS = {
    "distance": lambda row: np.mean(row["distances"]),
    "at random": lambda row: np.mean(row["random_distances"]),
    "gain": lambda row: np.mean(row["activations"]) - row["photo_activation"],
    "gain at random": lambda row: np.mean(row["random_activations"]) - row["photo_activation"],
    "SqueezeNet's gain": lambda row: np.mean(row["other"]) - row["other_photo"],
    "SqueezeNet's gain at random": lambda row: np.mean(row["other_random"]) - row["other_photo"],
}


@dataclasses.dataclass(frozen=True, eq=False)
class Movable(Derived):
    """A prior whose latents begin at a centre that can be moved, so that all photographs share compiled code.

    `param.around` of it, where `first` is the photograph's latent, is around 0; `centre` is what it adds then.
    """

    base: Parameterization
    first: tf.Variable
    centre: tf.Variable

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.image(z + self.centre)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        return self.base.latent(images) - self.first


@cache
def movable() -> Movable:
    base = param.fourier(SIZE)
    return Movable(base, *(tf.Variable(tf.zeros(base.latent_shape)) for _ in range(2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=list(CLASSES))
    parser.add_argument("--noises", type=float, nargs="+", default=list(NOISES))
    parser.add_argument("--against", type=float, nargs="*", default=[0.3], help="noises for the negative of the unit")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--save", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    rows = read(options.json)
    done = {(row["class"], row["sign"], row["noise"]) for row in rows}
    pictures = photographs(SIZE)
    # The photographs of a noise one after the other: they share compiled code.
    for sign, noise in [*((1, noise) for noise in options.noises), *((-1, noise) for noise in options.against)]:
        for number in options.classes:
            if (number, sign, noise) not in done:
                rows.append(run(number, sign, noise, pictures[number], options.save))
                write(rows, options.json)
    print(table(rows))


def run(number: int, sign: int, noise: float, photo: np.ndarray, folder: Path | None) -> dict[str, Any]:
    """Accentuates a photograph's own class, and measures what comes out."""
    clock, processor = time.perf_counter(), time.process_time()
    network, unit = efficientnet(), f"logits:{number}"
    prior, (near, alone) = movable(), (param.around(param.fourier(SIZE), photo, part) for part in (noise, 0.0))
    prior.first.assign(near.centre.values)
    prior.centre.assign(near.centre.values * np.float32(np.sqrt(1 - noise**2)))
    found = recipes.accentuate(network, f"{'-' if sign < 0 else ''}{unit}", photo, noise, param=prior, **SETTINGS)
    at_random, returned = prior_images(near, NUM_RANDOM, seeds.root(7)), prior_images(alone, 1, seeds.root(7))[0]
    chains, latents = found.samples.images, found.samples.latents
    np.testing.assert_allclose(near.image(latents[:, 0]), chains[:, 0], atol=1e-4)
    flat = chains.reshape(-1, *photo.shape)
    row = {
        "class": number,
        "name": network.labels[number],
        "sign": sign,
        "noise": noise,
        "returned": _distance(returned[None], photo)[0],
        "photo_activation": sign * scores(network, number, photo[None])[0],
        "activations": (sign * scores(network, number, flat)).reshape(chains.shape[:2]),
        "distances": found.distances,
        "random_activations": sign * scores(network, number, at_random),
        "random_distances": _distance(at_random, photo),
        "other_photo": sign * scores(labelled_squeezenet(), number, photo[None])[0],
        "other": sign * scores(labelled_squeezenet(), number, flat),
        "other_random": sign * scores(labelled_squeezenet(), number, at_random),
        "seconds": time.perf_counter() - clock,
        "processor_seconds": time.process_time() - processor,
    }
    row = {key: np.round(value, 5).tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
    row = {key: round(float(value), 8) if isinstance(value, np.floating) else value for key, value in row.items()}
    print(number, sign, noise, {title: round(float(of(row)), 3) for title, of in COLUMNS.items()}, flush=True)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        shown = np.concatenate([photo[None], at_random[:1], chains[:, 0], chains[:, -1]])
        sheet = export.grid(shown, len(shown), scale=2)
        export.save_png(sheet, folder / f"{number:04d}{'-against' if sign < 0 else ''}-{noise:g}.png")
    return row


def scores(network: Network, number: int, images: np.ndarray) -> np.ndarray:
    """A class's logit of images, without transforms, [N]."""
    layer = list(network.layers)[-1]
    return np.asarray(image_scores(make_activation(network, f"{layer}:{number}", param.fourier(SIZE), None), images))


def _distance(images: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The rms difference of each image from the photograph, [N]."""
    return np.sqrt(np.square(images - photo).mean((1, 2, 3)))


def correlation(rows: list[dict[str, Any]], seed: int = 0) -> tuple[float, float, float]:
    """Spearman's correlation of activation and distance over the chains of all noises of one photograph.

    Args:
      rows: of one photograph and sign, one of each noise.
      seed: of the resampling.

    Returns:
      (the correlation, lower and upper end of its 90 % interval).
    """
    points = [np.stack([np.mean(row["activations"], 1), np.mean(row["distances"], 1)]) for row in rows]
    rng = np.random.default_rng(seed)

    def resampled() -> float:
        chosen = [part[:, rng.integers(part.shape[1], size=part.shape[1])] for part in points]
        return float(spearmanr(*np.concatenate(chosen, 1)).statistic)

    tails = np.array([1 - COVERAGE, 1 + COVERAGE]) / 2
    low, high = np.quantile([resampled() for _ in range(NUM_RESAMPLED)], tails)
    return float(spearmanr(*np.concatenate(points, 1)).statistic), float(low), float(high)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: means over the photographs for each noise, and the correlation for each photograph."""
    asked = sorted({(-row["sign"], row["noise"]) for row in rows})
    lines = [f"| unit | noise | photographs | {' | '.join(COLUMNS)} |", "|---" * (3 + len(COLUMNS)) + "|"]
    for sign, noise in asked:
        found = [row for row in rows if (row["sign"], row["noise"]) == (-sign, noise)]
        means = [f"{np.mean([of(row) for row in found]):.3g}" for of in COLUMNS.values()]
        lines.append(
            f"| {'own class' if sign < 0 else '- own class'} | {noise:g} | {len(found)} | {' | '.join(means)} |"
        )
    returned = max(row["returned"] for row in rows)
    lines += ["", f"Without noise a photograph comes back to {returned:.1g} (rms of a pixel, the worst).", ""]
    lines += ["| photograph | correlation of activation and distance (90 % interval) | noises |", "|---|---|---|"]
    for number in dict.fromkeys(row["class"] for row in rows):
        found = sorted(
            (row for row in rows if row["class"] == number and row["sign"] > 0), key=lambda row: row["noise"]
        )
        if len(found) > 1:
            middle, low, high = correlation(found)
            lines.append(f"| {found[0]['name']} | {middle:.2f} ({low:.2f} to {high:.2f}) | {len(found)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
