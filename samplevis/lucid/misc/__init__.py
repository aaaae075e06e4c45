"""Lucid's files, notebook pictures, gradients and small tools."""
