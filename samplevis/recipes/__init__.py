"""Lucid's recipes: what is made of the package's parts."""

from samplevis.recipes.deep_dream import Dream, deep_dream, octave_sizes
from samplevis.recipes.mesh import Mesh, load_obj, look_at, normalize_mesh, perspective, sphere
from samplevis.recipes.rasterize import rasterize
from samplevis.recipes.style import (
    content_distance,
    gram_style,
    mean_l1_loss,
    mean_l2_loss,
    style_distance,
    style_transfer,
)
from samplevis.recipes.textured import texture_optimization, turntable, views

__all__ = [
    "Dream",
    "Mesh",
    "content_distance",
    "deep_dream",
    "gram_style",
    "load_obj",
    "look_at",
    "mean_l1_loss",
    "mean_l2_loss",
    "normalize_mesh",
    "octave_sizes",
    "perspective",
    "rasterize",
    "sphere",
    "style_distance",
    "style_transfer",
    "texture_optimization",
    "turntable",
    "views",
]
