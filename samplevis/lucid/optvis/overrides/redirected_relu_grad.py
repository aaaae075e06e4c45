"""Lucid's second place of these functions."""

# ruff: noqa: F401 - What this module offers.

from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
