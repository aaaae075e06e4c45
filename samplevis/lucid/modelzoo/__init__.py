"""Lucid's models."""
