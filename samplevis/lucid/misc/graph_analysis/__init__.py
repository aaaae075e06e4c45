"""Dropped: see `samplevis.lucid.core.dropped`."""

from samplevis.lucid.core.dropped import dropped_error

raise dropped_error("misc.graph_analysis")
