"""Lucid for TensorFlow 2 and Keras 3, with sampling that works."""

from samplevis import modelzoo, objectives, param, transform
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.optimize import Optimized, optimize, render_vis
from samplevis.param import Parameterization
from samplevis.render import render
from samplevis.samples import Samples
from samplevis.sampling.sample import sample

__version__ = "0.1.0"

__all__ = [
    "Network",
    "Objective",
    "Optimized",
    "Parameterization",
    "Samples",
    "modelzoo",
    "objectives",
    "optimize",
    "param",
    "render",
    "render_vis",
    "sample",
    "transform",
]
