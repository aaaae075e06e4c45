"""Lucid's second place of these functions."""

# ruff: noqa: F401 - What this module offers.

from samplevis.lucid.misc.gradient_override import gradient_override_map, register_to_random_name, use_gradient
