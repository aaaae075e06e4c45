"""Lucid's recipes: longer ways to look at a network, made of the package's parts.

- One picture for many units: `channel_sheet`, `neuron_sheet`, `interaction_grid`, `interpolation`, `multi_interpolation`.
- One unit in many pictures: `compare`. Samples of many units in one: `sample_sheet`.
- What a layer makes of a photograph: `caricature`, `feature_inversion`, `activation_grid`, `semantic_dictionary`,
  `attribution` and its sums over channels, groups and positions.
- What a layer makes of many: `collect_activations`, `covariance`, `whitening`, `ChannelReducer`, `activation_atlas`.
- What a network makes of a picture: `deep_dream`, `style_transfer`, and `texture_optimization` on meshes.

Sheets, units together, caricatures, style and textures take the other arguments of `optimize` too: `param`, `steps`, `seed` ...
"""

from samplevis.recipes.activation_grid import ActivationGrid, activation_grid
from samplevis.recipes.atlas import Atlas, activation_atlas
from samplevis.recipes.attribution import attribution, channel_attribution, group_attribution, spatial_attribution
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
from samplevis.recipes.mesh.mesh import Mesh, load_obj, look_at, normalize_mesh, perspective, sphere
from samplevis.recipes.mesh.rasterization import rasterize
from samplevis.recipes.mesh.textured import texture_optimization, turntable, views
from samplevis.recipes.reducer import ChannelReducer
from samplevis.recipes.semantic_dictionary import SemanticDictionary, semantic_dictionary
from samplevis.recipes.sheets import Sheet, channel_sheet, neuron_sheet
from samplevis.recipes.style import style_transfer

__all__ = [
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
    "spatial_attribution",
    "sphere",
    "style_transfer",
    "texture_optimization",
    "turntable",
    "views",
    "whitened_direction",
    "whitening",
]
