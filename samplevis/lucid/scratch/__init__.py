"""Lucid's experiments; only the imports of its notebooks' widgets are left. See `samplevis.lucid.core.facts`."""
