"""fit_prior(): a prior over images, learned from pictures."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from samplevis import export
from samplevis.analysis.prior_pictures import read_pictures
from samplevis.network import fingerprint
from samplevis.param.flow import Flow, flow
from samplevis.param.prior_file import write_prior
from samplevis.param.unet import VelocityUNet, check_size, unet
from samplevis.runs.flow_training import (
    VALUE_RANGE,
    FlowTrainer,
    Pairs,
    PictureSet,
    held_out_pairs,
    loss,
)
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import brief, check_flag, check_number, check_whole, check_wholes, is_list
from samplevis.runtime.files import check_suffix, check_writable
from samplevis.runtime.progress import Progress

# Pictures that nothing is learned from: a share of all, and not more than so many.
HELD_OUT_SHARE, MAX_HELD_OUT = 0.1, 512
MAX_PICTURES = 200_000
# Times that the held-out loss is measured in a run, images of a preview, and steps before the time is estimated.
NUM_MEASURES, NUM_PREVIEWS, TIMED_STEPS = 20, 16, 5


class FittedPrior(NamedTuple):
    """What `fit_prior` returns; printing it says how well the pictures were learned.

    Attributes:
      prior: the prior, for `param=`.
      losses: mean loss of the batches since the last measure, [measure].
      held_out_losses: loss of the averaged weights on held-out pictures, [measure].
      gaussian_loss: the held-out loss of a Gaussian with the mean, spectrum and colours of the pictures, with which the network
        begins; it is about what `param.measured` would have.
      steps: at each measure, [measure].
      num_pictures: pictures that were learned from.
      seconds: wall time, summed over all processes that worked on it.
    """

    prior: Flow
    losses: np.ndarray
    held_out_losses: np.ndarray
    gaussian_loss: float
    steps: np.ndarray
    num_pictures: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.num_pictures} pictures, {self.steps[-1]} steps, {self.seconds:.0f} s: loss {self.losses[-1]:.4f}, held out "
            f"{self.held_out_losses[-1]:.4f}, a Gaussian's {self.gaussian_loss:.4f}"
        )


def fit_prior(
    pictures: Any,
    size: int | tuple[int, int] = 32,
    *,
    steps: int = 6000,
    batch_size: int = 32,
    learning_rate: float = 4e-3,
    widths: Sequence[int] | None = None,
    start: Flow | str | os.PathLike | None = None,
    channels: int | None = None,
    mirror: bool = True,
    max_pictures: int = MAX_PICTURES,
    path: str | os.PathLike | None = None,
    preview: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_interval: float = 60.0,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> FittedPrior:
    """Learns a prior over images from pictures: a small flow, trained from nothing.

    A U-Net learns the velocity of straight paths from noise to pictures (flow matching, Lipman et al. 2023, arXiv:2210.02747). It
    begins as the velocity of a Gaussian with the mean, spectrum and colours of the pictures, and learns what that leaves. A
    share of the pictures is held out; the loss on them is compared with the Gaussian's. Ask `check_prior` whether the result
    is good enough: a prior that is not trained enough has the colours of the pictures and not their shapes.

    Args:
      pictures: a folder of picture files (searched recursively), an array [N, H, W, C], a list of arrays, or an iterable of
        batches, such as a `tf.data.Dataset`; floats from 0 to 1, or bytes. At least 16.
      size: pixels of the images, one int for a square or (height, width); multiples of 4 up to 24, of 8 up to 96. Defaults to 32.
      steps: updates, >= 1. Defaults to 6000, an hour or two of a core at 32 pixels; thousands of pictures deserve more.
      batch_size: crops of an update, >= 1. Defaults to 32.
      learning_rate: the highest, > 0. Defaults to 4e-3.
      widths: channels of the network's levels, multiples of 8. Defaults to 48, 80, 96 and 112, as many as the size needs.
      start: prior to go on from, of the same size, such as one of other pictures: what `fit_prior` returned, or the file. It brings
        its widths. Defaults to none: the Gaussian of the pictures.
      channels: 1 or 3. Defaults to those of the pictures; files are read in colour.
      mirror: whether to learn from mirrored pictures, too. Defaults to True.
      max_pictures: how many are read. Defaults to 200,000.
      path: file to write, which ends in .keras; `param.flow(path)` reads it. Defaults to none.
      preview: PNG file of images of the prior so far, written at every measure. Defaults to none.
      checkpoint: folder for the state of the run. Rerun the same call to resume, bit-identical to an uninterrupted run. Defaults
        to no checkpoint.
      checkpoint_interval: seconds between two checkpoints, >= 0. Defaults to 60.
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show a progress bar, and an estimate of the time before it starts. Defaults to True.
      callbacks: `samplevis.Callback`s, notified of steps with the losses. Defaults to none.

    Returns:
      A `FittedPrior`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work; or pictures are too few, not finite or of mixed kinds.
      OSError: if a folder or a file cannot be used.
      KeyboardInterrupt: after Ctrl-C; with a checkpoint, the same call resumes.

    Example:
      >>> pictures, _ = modelzoo.shapes.draw(64, seed=0, size=16)
      >>> fitted = samplevis.fit_prior(pictures, 16, steps=4, widths=(8,), progress=False)
      >>> fitted.prior.image_shape
      (16, 16, 3)
    """
    size = _check_arguments(size, steps, batch_size, learning_rate, widths)
    check_whole("max_pictures", max_pictures, 1)
    check_flag("mirror", mirror)
    _check_files(path, preview)
    seeds.root(seed)
    pixels = read_pictures(pictures, size, channels, max_pictures)
    learned, held_out = _split(pixels, size, seed)
    begun = None if start is None else _started(start, (*size, pixels.shape[-1]), widths)
    model = unet(size, pixels.shape[-1], widths if begun is None else begun.get_config()["widths"], seed)
    trainer = FlowTrainer(model, PictureSet(learned, size, mirror), steps, batch_size, learning_rate, seed)
    run_id = {
        "size": list(size), "steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "mirror": mirror,
        "widths": list(widths or ()), "seed": seed, "pictures": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }  # fmt: skip
    heard, known = as_callbacks(progress, callbacks), held_out_pairs(held_out, seed)
    # The network is zero at first.
    gaussian_loss = loss(model, known)
    if begun is not None:
        trainer.set_weights(weights := begun.get_weights())
        run_id["start"] = [fingerprint.array(value) for value in weights]
    with Checkpoint(checkpoint, checkpoint_interval, run_id) as saved:
        saved.start_timer("fit")
        if progress:
            print(f"fit_prior: {len(learned)} pictures, about {_estimate(trainer)}", file=sys.stderr)
        measures = _train(trainer, known, saved, heard, preview)
        seconds = sum(saved.seconds.values())
    averaged = trainer.averaged()
    fitted = FittedPrior(
        prior=flow(averaged, value_range=VALUE_RANGE),
        losses=measures[:, 1],
        held_out_losses=measures[:, 2],
        gaussian_loss=gaussian_loss,
        steps=measures[:, 0].astype(int),
        num_pictures=len(learned),
        seconds=seconds,
    )
    if path is not None:
        write_prior(path, averaged, _settings(fitted, seed))
    return fitted


def _check_arguments(
    size: Any, steps: Any, batch_size: Any, learning_rate: Any, widths: Sequence[int] | None
) -> tuple[int, int]:
    sides = tuple(size) if is_list(size) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size: expected one side or (height, width). Received: {size!r}")
    for side in sides:
        check_whole("size", side, 8)
    check_size(sides)
    check_whole("steps", steps, 1)
    check_whole("batch_size", batch_size, 1)
    check_number("learning_rate", learning_rate, 0, above=True)
    for width in check_wholes("widths", widths, 8) if widths is not None else ():
        if width % 8:
            raise ValueError(f"widths: expected multiples of 8. Received: {tuple(widths)}")
    return int(sides[0]), int(sides[1])


def _check_files(path: str | os.PathLike | None, preview: str | os.PathLike | None) -> None:
    for file, suffix in ((path, ".keras"), (preview, ".png")):
        if file is not None:
            check_suffix(file, (suffix,))
            check_writable(file)


def _started(start: Any, shape: tuple[int, ...], widths: Sequence[int] | None) -> VelocityUNet:
    """The network of a prior to go on from."""
    prior = flow(start) if isinstance(start, (str, os.PathLike)) else start
    if not isinstance(prior, Flow) or not isinstance(prior.model, VelocityUNet):
        raise TypeError(f"start: expected a prior of fit_prior, or its file. Received: {brief(start)}")
    if prior.shape != shape or prior.value_range != VALUE_RANGE:
        raise ValueError(
            f"start: expected a prior of {shape} and of values from {VALUE_RANGE[0]:g} to {VALUE_RANGE[1]:g}, as the pictures are. "
            f"Received: {prior.shape} and {prior.value_range}"
        )
    if widths is not None and list(widths) != prior.model.get_config()["widths"]:
        raise ValueError(f"widths: expected those of start, {prior.model.get_config()['widths']}. Received: {widths}")
    return prior.model


def _split(pixels: np.ndarray, size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures to learn from, and central crops of those that are held out."""
    order = np.random.default_rng([seed, 0x5917]).permutation(len(pixels))
    count = min(MAX_HELD_OUT, max(1, round(HELD_OUT_SHARE * len(pixels))))
    held_out, learned = pixels[order[:count]], pixels[order[count:]]
    top, left = ((side - part) // 2 for side, part in zip(pixels.shape[1:3], size, strict=True))
    return learned, held_out[:, top : top + size[0], left : left + size[1]]


def _train(
    trainer: FlowTrainer,
    held_out: Pairs,
    checkpoint: Checkpoint,
    callbacks: Sequence[Callback],
    preview: str | os.PathLike | None,
) -> np.ndarray:
    """Runs all steps; (step, mean loss since the last measure, held-out loss) of every measure, [measure, 3]."""
    stage, measures, recent = checkpoint.stage("fit"), [], []
    if stage.saved:
        trainer.load(stage.saved)
        measures, recent = stage.saved["measures"].tolist(), stage.saved["recent"].tolist()
    interval = max(1, trainer.steps // NUM_MEASURES)

    def state() -> dict[str, Any]:
        return trainer.state_dict() | {"measures": np.reshape(measures, (-1, 3)), "recent": np.array(recent)}

    with Progress("fit", trainer.steps, "step", callbacks, trainer.done) as bar:
        while trainer.done < trainer.steps and not bar.interrupted:
            recent.append(trainer.step())
            if trainer.done % interval == 0 or trainer.done == trainer.steps:
                averaged = trainer.averaged()
                measures.append([trainer.done, float(np.mean(recent)), loss(averaged, held_out)])
                recent.clear()
                if preview is not None:
                    _write_preview(averaged, preview)
            figures = {"loss": recent[-1] if recent else measures[-1][1]}
            if measures:
                figures["held_out"] = measures[-1][2]
            bar.update(1, **figures)
            stage.update(state)
    stage.close(state, bar.interrupted)
    if bar.interrupted:
        raise KeyboardInterrupt(f"stopped after {trainer.done} of {trainer.steps} steps")
    return np.reshape(measures, (-1, 3))


def _estimate(trainer: FlowTrainer) -> str:
    """How long the run will take, from a few steps that are taken back."""
    state = trainer.state_dict()
    trainer.step()  # It compiles.
    clock = time.perf_counter()
    for _ in range(TIMED_STEPS):
        trainer.step()
    each = (time.perf_counter() - clock) / TIMED_STEPS
    trainer.load({name: np.asarray(value) for name, value in state.items()})
    minutes = each * (trainer.steps - trainer.done) / 60
    return f"{minutes:.1f} minutes for {trainer.steps - trainer.done} steps of {each:.2g} s"


def _write_preview(model: keras.Model, path: str | os.PathLike) -> None:
    prior = flow(model, value_range=VALUE_RANGE)
    images = prior.image(prior.prior(seeds.fold(seeds.root(0), "preview"), NUM_PREVIEWS))
    export.save_png(export.grid(images.numpy(), 4, scale=2), path)


def _settings(fitted: FittedPrior, seed: int) -> dict[str, Any]:
    """What the file says of its making, without what differs between equal runs."""
    return {
        "value_range": list(VALUE_RANGE),
        "image_shape": list(fitted.prior.image_shape),
        "pictures": fitted.num_pictures,
        "steps": int(fitted.steps[-1]),
        "held_out_loss": float(fitted.held_out_losses[-1]),
        "gaussian_loss": fitted.gaussian_loss,
        "seed": int(seed),
    }
