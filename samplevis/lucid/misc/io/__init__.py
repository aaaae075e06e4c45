"""Lucid's files and notebook pictures."""

# ruff: noqa: F401 - What this module offers.

from samplevis.lucid.misc.io import (
    collapse_channels,
    loading,
    reading,
    saving,
    serialize_array,
    showing,
    writing,
)
from samplevis.lucid.misc.io.loading import load
from samplevis.lucid.misc.io.saving import batch_save, save
from samplevis.lucid.misc.io.showing import show
