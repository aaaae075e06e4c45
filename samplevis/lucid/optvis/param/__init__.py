"""Lucid's parameterizations: functions that return images of variables."""

# ruff: noqa: F401 - What this module offers.

from samplevis.lucid.optvis.param import color, images, lowres, random, spatial, unit_balls
from samplevis.lucid.optvis.param.color import to_valid_rgb
from samplevis.lucid.optvis.param.cppn import cppn
from samplevis.lucid.optvis.param.images import grayscale_image_rgb, image
from samplevis.lucid.optvis.param.lowres import lowres_tensor
from samplevis.lucid.optvis.param.random import image_sample
from samplevis.lucid.optvis.param.resize_bilinear_nd import resize_bilinear_nd
from samplevis.lucid.optvis.param.spatial import (
    bilinearly_sampled_image,
    fft_image,
    laplacian_pyramid,
    laplacian_pyramid_image,
    naive,
    pixel_image,
    rfft2d_freqs,
    sample_bilinear,
)
