"""Lucid's second place of these functions."""

from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
