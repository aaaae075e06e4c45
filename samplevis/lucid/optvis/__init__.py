"""Lucid's optimisation of images: objectives, parameterizations, transforms and the renderer."""
