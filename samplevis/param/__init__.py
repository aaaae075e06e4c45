"""Parameterizations: deterministic maps from a white latent to an image in [0, 1]."""

from samplevis.param.base import Parameterization
from samplevis.param.decoder import decoder
from samplevis.param.fourier import fourier
from samplevis.param.measured import measured
from samplevis.param.pixel import pixel, uniform
from samplevis.param.pyramid import pyramid

__all__ = ["Parameterization", "decoder", "fourier", "measured", "pixel", "pyramid", "uniform"]
