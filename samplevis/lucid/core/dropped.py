"""What of Lucid cannot come back, and what to use instead."""

from __future__ import annotations

# Name in Lucid -> why it is gone, and what there is instead.
DROPPED: dict[str, str] = {
    "scratch": (
        "Lucid's experiments: widgets of svelte 2, which no browser kit builds any more, editors of graphs, tools for RL. Instead: "
        "samplevis.recipes.semantic_dictionary writes an interactive page, samplevis.recipes.activation_atlas atlases, and "
        "samplevis.recipes.attribution attributions"
    ),
    "misc.gl": (
        "an OpenGL context of Colab's machines in 2018. Instead: samplevis.recipes.rasterize, load_obj, turntable and "
        "texture_optimization, which need no graphics card"
    ),
    "misc.colab_gl": "an OpenGL context of Colab's machines in 2018. Instead: samplevis.recipes.rasterize and texture_optimization",
    "misc.graph_analysis": "an analysis of GraphDefs. Instead: network.layers, network.operations and network.layer_table()",
    "modelzoo.aligned_activations": (
        "the activations of 100,000 pictures; their bucket is gone. Instead: samplevis.recipes.collect_activations, covariance and "
        "push_activations on pictures of your own"
    ),
    "modelzoo.wordnet": "WordNet through nltk. Instead: network.labels and network.class_index, which know synonyms",
}


def dropped_error(name: str) -> ImportError:
    """The error for something that was dropped.

    Args:
      name: a key of `DROPPED`.

    Returns:
      An ImportError, to be raised.
    """
    return ImportError(f"samplevis.lucid.{name} is not there: {DROPPED[name]}.")
