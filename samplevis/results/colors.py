"""Samples of images of any number of channels, as colour pictures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from samplevis.export.bands import BandsLike, bands_words, check_bands, coloring

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Entry of `Samples.options` that says which bands the colours show.
COLORS = "colors"
# Entry with the bands that pictures show by default, of networks whose fourth channel is a band.
BANDS = "bands"


def in_colors(samples: Samples, bands: BandsLike | None = None) -> Samples:
    """Replaces the images of samples by pictures that can be shown, see `export.false_colors`.

    Args:
      samples: the run.
      bands: three bands for red, green and blue, "pca" or "grid". Defaults to the run's `options["bands"]`, else to thirds of the
        bands; samples of 1, 3 or 4 channels are then returned unchanged. Signals always are: a plot over time shows any number
        of channels.

    Returns:
      Samples of pictures, with what the colours show in `options["colors"]`. Everything that is not a picture is unchanged.

    Raises:
      ValueError, TypeError: if `bands` are not three bands of the images.
    """
    count = samples.images.shape[-1]
    if COLORS not in samples.options and bands is None:
        bands = samples.options.get(BANDS)
    bands = None if bands is None else check_bands(bands, count)
    words = bands_words(count, bands)
    if samples.dimensions == 1 or not words:
        return samples
    names = ("images", "optimized", "chain_means", "sd_images", "anneal_images")
    as_picture = coloring(samples.images, bands)
    pictures = {name: as_picture(getattr(samples, name)) for name in names}
    return dataclasses.replace(samples, options=samples.options | {COLORS: words}, rerun=None, **pictures)
