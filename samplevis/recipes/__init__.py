"""Recipes: Lucid's pictures, each one call over the public parts."""

from samplevis.recipes.caricature import Caricature, caricature, feature_inversion
from samplevis.recipes.comparison import Comparison, compare
from samplevis.recipes.interactions import (
    InteractionGrid,
    Interpolation,
    interaction_grid,
    interpolation,
    multi_interpolation,
)
from samplevis.recipes.sheets import Sheet, channel_sheet, neuron_sheet

__all__ = [
    "Caricature",
    "Comparison",
    "InteractionGrid",
    "Interpolation",
    "Sheet",
    "caricature",
    "channel_sheet",
    "compare",
    "feature_inversion",
    "interaction_grid",
    "interpolation",
    "multi_interpolation",
    "neuron_sheet",
]
