"""Textures of meshes: what excites a unit when it is seen from all sides."""

from samplevis.recipes.mesh.camera import look_at, perspective
from samplevis.recipes.mesh.mesh import Mesh, load_obj, normalize_mesh, sphere
from samplevis.recipes.mesh.rasterization import rasterize
from samplevis.recipes.mesh.textured import texture_optimization, turntable, views

__all__ = [
    "Mesh",
    "load_obj",
    "look_at",
    "normalize_mesh",
    "perspective",
    "rasterize",
    "sphere",
    "texture_optimization",
    "turntable",
    "views",
]
