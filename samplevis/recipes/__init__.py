"""Lucid's recipes: longer ways to look at a network, made of the public parts."""

from samplevis.recipes.attribution import attribution, channel_attribution, group_attribution, spatial_attribution
from samplevis.recipes.collect import (
    collect_activations,
    covariance,
    push_activations,
    whitened_direction,
    whitening,
)
from samplevis.recipes.reducer import ChannelReducer

__all__ = [
    "ChannelReducer",
    "attribution",
    "channel_attribution",
    "collect_activations",
    "covariance",
    "group_attribution",
    "push_activations",
    "spatial_attribution",
    "whitened_direction",
    "whitening",
]
