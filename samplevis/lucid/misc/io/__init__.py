"""Lucid's files and notebook pictures."""

# ruff: noqa: F401 - What this module offers.

from samplevis.lucid.misc.io import (
    collapse_channels,
    loading,
    reading,
    saving,
    scoping,
    serialize_array,
    showing,
    writing,
)
from samplevis.lucid.misc.io.loading import load
from samplevis.lucid.misc.io.saving import CaptureSaveContext, batch_save, save
from samplevis.lucid.misc.io.scoping import io_scope, scope_url
from samplevis.lucid.misc.io.showing import show
