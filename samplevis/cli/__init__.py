"""The samplevis command."""

from samplevis.cli.command import main

__all__ = ["main"]
