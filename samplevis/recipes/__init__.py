"""Lucid's recipes: longer ways to look at a network, made of the public parts."""

from samplevis.recipes.activation_grid import ActivationGrid, activation_grid
from samplevis.recipes.atlas import Atlas, activation_atlas
from samplevis.recipes.attribution import attribution, channel_attribution, group_attribution, spatial_attribution
from samplevis.recipes.collect import (
    collect_activations,
    covariance,
    push_activations,
    whitened_direction,
    whitening,
)
from samplevis.recipes.reducer import ChannelReducer
from samplevis.recipes.semantic_dictionary import SemanticDictionary, semantic_dictionary

__all__ = [
    "ActivationGrid",
    "Atlas",
    "ChannelReducer",
    "SemanticDictionary",
    "activation_atlas",
    "activation_grid",
    "attribution",
    "channel_attribution",
    "collect_activations",
    "covariance",
    "group_attribution",
    "push_activations",
    "semantic_dictionary",
    "spatial_attribution",
    "whitened_direction",
    "whitening",
]
