"""Widgets of notebooks, which are gone."""
