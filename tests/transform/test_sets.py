"""The default sets of transforms: in pixels for images of the usual sizes, in proportion to smaller ones."""

from __future__ import annotations

import numpy as np
import pytest

from samplevis import Network, param, transform
from samplevis.activation import make_activation


def shift_of(side, dimensions=2):
    return transform.as_named("robust", dimensions, side)[0].shift


def test_the_default_shift_is_eight_pixels_from_96_pixels_and_a_twelfth_of_the_side_below():
    assert [shift_of(side) for side in (8, 24, 96, 128, 512)] == pytest.approx([2 / 3, 2, 8, 8, 8])
    assert [shift_of(side, 1) for side in (24, 96, 1024)] == [2, 8, 8]
    assert [shift_of(side, 3) for side in (16, 32, 64)] == [1, 2, 2]


def test_zoom_and_rotation_do_not_depend_on_the_size():
    for dimensions, rotate in ((1, 0), (2, 8), (3, 8)):
        for side in (8, 96):
            (affine,) = transform.as_named("robust", dimensions, side)
            assert (affine.scale, affine.rotate) == (0.1, rotate)


def test_sets_of_large_images_are_those_without_a_size():
    for name in ("robust", "standard"):
        for dimensions in (1, 2, 3):
            assert transform.as_named(name, dimensions, 96) == transform.as_named(name, dimensions)
    assert transform.as_named("robust", 2) == transform.robust_transforms == (transform.affine(8, 0.1, 8),)
    assert transform.as_named("standard", 2) == transform.standard_transforms


@pytest.mark.parametrize("side", [8, 16, 28, 32, 48, 64])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_lucids_set_leaves_the_same_part_of_a_small_image_in_sight(side, dimensions):
    """The images that reach the network have 140 / 128 of the size, to two pixels that rounding may cost."""
    full = 32 if dimensions == 3 else 96
    side = min(side, full)
    seen = transform.as_transform(transform.as_named("standard", dimensions, side)).output_shape(
        (side,) * dimensions + (1,)
    )
    whole = transform.as_transform(transform.as_named("standard", dimensions)).output_shape((full,) * dimensions + (1,))
    assert seen[:-1] == pytest.approx(np.multiply(whole[:-1], side / full), abs=2)


def test_the_shorter_side_counts(tiny_network: Network):
    """An activation takes the size of its images; transforms of the caller's stay in pixels."""

    def transforms(named):
        return make_activation(tiny_network, "logits:0", param.fourier((24, 200)), named).transform.transforms

    assert transforms("robust") == transform.as_named("robust", 2, 24)
    assert transforms("standard") == transform.as_named("standard", 2, 24)
    assert transforms([transform.affine(8, 0.1, 8)]) == (transform.affine(8, 0.1, 8),)


def test_a_small_image_moves_by_a_twelfth_at_most():
    """By the transform itself: the brightest column of a bar moves by no more than the shift; unscaled, it moves further."""
    image = np.zeros((1, 24, 24, 1), np.float32)
    image[:, :, 12] = 1

    def furthest(affine):
        still = transform.affine(affine.shift, 0, 0)
        moved = still(np.repeat(image, 256, 0), seed=[0, 1]).numpy()
        columns = (moved[..., 0] * np.arange(24)).sum((1, 2)) / moved.sum((1, 2, 3))
        return np.abs(columns - 12).max()

    assert 1.8 < furthest(transform.as_named("robust", 2, 24)[0]) <= 2 + 1e-3
    assert furthest(transform.as_named("robust", 2)[0]) > 6
