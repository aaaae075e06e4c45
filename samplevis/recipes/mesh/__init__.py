"""Textures of meshes: what a unit likes on all sides of a thing."""
