"""Dropped: see `samplevis.lucid.core.facts`."""

from samplevis.lucid.core.facts import dropped_error

raise dropped_error("scratch.atlas_pipeline")
