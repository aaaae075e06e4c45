"""Lucid's recipes: complete analyses of a network, made of the package's parts.

- Many units in one figure: `channel_sheet`, `neuron_sheet`, `interaction_grid`, `interpolation`, `multi_interpolation`.
- One unit by several methods: `compare`. Samples of several units in one figure: `sample_sheet`.
- One photograph in the eyes of a layer: `caricature`, `feature_inversion`, `activation_grid`, `semantic_dictionary`,
  `attribution` and its sums over channels, groups and positions, `accentuate`.
- Many photographs: `collect_activations`, `covariance`, `whitening`, `ChannelReducer`, `sparse_autoencoder`,
  `activation_atlas`.
- Pictures made by a network: `deep_dream`, `style_transfer`, and `texture_optimization` on meshes.

Recipes that optimise images pass further arguments on to `optimize` or `sweep`: `param`, `steps`, `seed` and others.
"""

from samplevis.recipes.accentuation import Accentuation, accentuate
from samplevis.recipes.activation_grid import ActivationGrid, activation_grid
from samplevis.recipes.atlas import Atlas, activation_atlas
from samplevis.recipes.attribution import attribution, channel_attribution, group_attribution, spatial_attribution
from samplevis.recipes.autoencoder import SparseAutoencoder
from samplevis.recipes.autoencoder_training import sparse_autoencoder
from samplevis.recipes.caricature import Caricature, caricature, feature_inversion
from samplevis.recipes.collected_activations import (
    collect_activations,
    covariance,
    push_activations,
    whitened_direction,
    whitening,
)
from samplevis.recipes.comparison import Comparison, compare, sample_sheet
from samplevis.recipes.deep_dream import Dream, deep_dream, octave_sizes
from samplevis.recipes.interactions import (
    InteractionGrid,
    Interpolation,
    interaction_grid,
    interpolation,
    multi_interpolation,
)
from samplevis.recipes.mesh import (
    Mesh,
    load_obj,
    look_at,
    normalize_mesh,
    perspective,
    rasterize,
    sphere,
    texture_optimization,
    turntable,
    views,
)
from samplevis.recipes.reducer import ChannelReducer
from samplevis.recipes.semantic_dictionary import SemanticDictionary, semantic_dictionary
from samplevis.recipes.sheets import Sheet, channel_sheet, neuron_sheet
from samplevis.recipes.style import style_transfer

__all__ = [
    "Accentuation",
    "ActivationGrid",
    "Atlas",
    "Caricature",
    "ChannelReducer",
    "Comparison",
    "Dream",
    "InteractionGrid",
    "Interpolation",
    "Mesh",
    "SemanticDictionary",
    "Sheet",
    "SparseAutoencoder",
    "accentuate",
    "activation_atlas",
    "activation_grid",
    "attribution",
    "caricature",
    "channel_attribution",
    "channel_sheet",
    "collect_activations",
    "compare",
    "covariance",
    "deep_dream",
    "feature_inversion",
    "group_attribution",
    "interaction_grid",
    "interpolation",
    "load_obj",
    "look_at",
    "multi_interpolation",
    "neuron_sheet",
    "normalize_mesh",
    "octave_sizes",
    "perspective",
    "push_activations",
    "rasterize",
    "sample_sheet",
    "semantic_dictionary",
    "sparse_autoencoder",
    "spatial_attribution",
    "sphere",
    "style_transfer",
    "texture_optimization",
    "turntable",
    "views",
    "whitened_direction",
    "whitening",
]
