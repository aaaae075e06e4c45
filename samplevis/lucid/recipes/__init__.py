"""Lucid's recipes, over those of `samplevis.recipes`."""
