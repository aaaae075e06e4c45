"""Samples of images of any number of channels, as colour pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from samplevis.export.bands import bands_words, false_colors

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Entry of `Samples.options` that says which bands the colours show.
COLORS = "colors"


def in_colors(samples: Samples, bands: Sequence[int] | None = None) -> Samples:
    """Replaces the images of samples by pictures that can be shown, see `export.false_colors`.

    Args:
      samples: the run.
      bands: three bands for red, green and blue. Defaults to thirds of the bands; samples of 1, 3 or 4 channels are then returned
        unchanged. Signals always are: a plot over time shows any number of channels.

    Returns:
      Samples of 3 channels, with what the colours show in `options["colors"]`. Everything that is not a picture is unchanged.

    Raises:
      ValueError, TypeError: if `bands` are not three bands of the images.
    """
    words = bands_words(samples.images.shape[-1], bands)
    if samples.dimensions == 1 or not words:
        return samples
    names = ("images", "optimized", "chain_means", "sd_images", "anneal_images")
    pictures = {name: false_colors(getattr(samples, name), bands) for name in names}
    return dataclasses.replace(samples, options=samples.options | {COLORS: words}, rerun=None, **pictures)
