"""Parameterizations: deterministic maps from a white latent to an image in [0, 1].

Every parameterization defines a prior over images: latents are N(0, I). Draw from it with `p.image(p.prior(seed, batch))`; for
`fourier`, that is Lucid's `image_sample`.

Example:
  >>> p = param.fourier(64)
  >>> p.image(p.prior(seeds.root(0), 8)).shape
  TensorShape([8, 64, 64, 3])
"""

from samplevis.param.alpha import with_alpha
from samplevis.param.around import around
from samplevis.param.ball import ball
from samplevis.param.base import Parameterization
from samplevis.param.cppn import cppn
from samplevis.param.decoder import decoder
from samplevis.param.flow import flow
from samplevis.param.fourier import fourier
from samplevis.param.greyscale import greyscale
from samplevis.param.laplacian import laplacian_pyramid
from samplevis.param.maco import maco
from samplevis.param.measured import measured
from samplevis.param.pixel import pixel, uniform
from samplevis.param.pyramid import pyramid
from samplevis.param.resize import resize_bilinear_nd
from samplevis.param.shared import shared
from samplevis.param.texture import sample_bilinear, textured

__all__ = [
    "Parameterization",
    "around",
    "ball",
    "cppn",
    "decoder",
    "flow",
    "fourier",
    "greyscale",
    "laplacian_pyramid",
    "maco",
    "measured",
    "pixel",
    "pyramid",
    "resize_bilinear_nd",
    "sample_bilinear",
    "shared",
    "textured",
    "uniform",
    "with_alpha",
]
