"""Parameterizations: deterministic maps from a white latent to an image in [0, 1]."""

from samplevis.param.base import Parameterization
from samplevis.param.fourier import fourier
from samplevis.param.pixel import pixel, uniform

__all__ = ["Parameterization", "fourier", "pixel", "uniform"]
