"""Lucid's recipes: longer ways to look at a network, made of the public parts."""

from samplevis.recipes.activation_grid import ActivationGrid, activation_grid
from samplevis.recipes.atlas import Atlas, activation_atlas
from samplevis.recipes.attribution import attribution, channel_attribution, group_attribution, spatial_attribution
from samplevis.recipes.caricature import Caricature, caricature, feature_inversion
from samplevis.recipes.collect import (
    collect_activations,
    covariance,
    push_activations,
    whitened_direction,
    whitening,
)
from samplevis.recipes.comparison import Comparison, compare
from samplevis.recipes.interactions import (
    InteractionGrid,
    Interpolation,
    interaction_grid,
    interpolation,
    multi_interpolation,
)
from samplevis.recipes.reducer import ChannelReducer
from samplevis.recipes.semantic_dictionary import SemanticDictionary, semantic_dictionary
from samplevis.recipes.sheets import Sheet, channel_sheet, neuron_sheet

__all__ = [
    "ActivationGrid",
    "Atlas",
    "Caricature",
    "ChannelReducer",
    "Comparison",
    "InteractionGrid",
    "Interpolation",
    "SemanticDictionary",
    "Sheet",
    "activation_atlas",
    "activation_grid",
    "attribution",
    "caricature",
    "channel_attribution",
    "channel_sheet",
    "collect_activations",
    "compare",
    "covariance",
    "feature_inversion",
    "group_attribution",
    "interaction_grid",
    "interpolation",
    "multi_interpolation",
    "neuron_sheet",
    "push_activations",
    "semantic_dictionary",
    "spatial_attribution",
    "whitened_direction",
    "whitening",
]
