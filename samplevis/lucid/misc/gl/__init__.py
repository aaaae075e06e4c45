"""Meshes and their textures, without OpenGL."""
