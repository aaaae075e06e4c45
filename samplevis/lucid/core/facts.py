"""What differs from Lucid, and what cannot come back: the facts from which errors and the documentation are made."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """A place where Lucid is not followed, or is followed although `samplevis` differs.

    Attributes:
      what: the matter.
      lucid: what Lucid does.
      here: what `samplevis.lucid` does.
    """

    what: str
    lucid: str
    here: str


CHOICES: tuple[Choice, ...] = (
    Choice("Objectives", "one number for the batch", "as in Lucid; `samplevis.objectives` give one score per image"),
    Choice("`total_variation`", "a number for each image; the optimiser uses their sum", "as in Lucid"),
    Choice("Threshold 512", "the images after 513 updates", "as in Lucid; `samplevis.optimize` counts updates"),
    Choice("Transforms", "the same parameters for the whole batch; `random_scale` changes the size", "as in Lucid"),
    Choice("Rotation", "nearest pixels, zeros outside, 3.14 for pi", "as in Lucid"),
    Choice("Optimizers", "TensorFlow 1's Adam, with epsilon 1e-8", "as in Lucid"),
    Choice("First values", "from `numpy.random`", "as in Lucid: `numpy.random.seed` gives the same first image"),
    Choice("Redirected gradients", "while the step, from 0, is at most 16", "as in Lucid: 17 updates"),
    Choice(
        "`save` of an image", "stretches it from the least to the largest value", "as in Lucid; give `domain=(0, 1)`"
    ),
    Choice("`use_fixed_seed`", "does not fix the first values", "fixes everything random"),
    Choice(
        "Seeds without it", "TensorFlow's random numbers differ in each run", "they follow from `numpy.random`, too"
    ),
    Choice("Transforms in a tuple", "ignored without a word", "used"),
    Choice("`batch=` of NumPy's integers", "ignored without a word", "used"),
    Choice("`as_objective` of anything else", "returns None", "a TypeError"),
    Choice("`Objective`", "no `1 - objective`, no division, no NumPy numbers", "all of them"),
    Choice("`pixel_image(init_val=array)`", "an error", "works"),
    Choice("`laplacian_pyramid_image` of a list", "an error", "works"),
    Choice("`channel_interpolate` of one image", "divides by zero", "its first channel"),
    Choice("`input_diff` at the image itself", "a gradient that is not a number", "a gradient of zero"),
    Choice("`normalize_gradient` of a zero gradient", "not a number", "zero"),
    Choice("`multi_interpolation_basis`", "breaks its documented symmetry", "has it"),
    Choice("Values that are not finite", "images of nan", "a FloatingPointError that names the steps"),
    Choice(
        "A network of one size", "an error in the network", "images of its size, cropped or padded after transforms"
    ),
    Choice("`wrap_objective`", "without parentheses before 0.3.10, with them since", "both"),
    Choice(
        "`create_session()` outside a graph",
        "for the default graph",
        "the same; it turns eager mode off for the rest of the program, so that what follows is in that graph",
    ),
    Choice("`%%html_define_svelte`, widgets", "need svelte 2", "the import works; the cells say what to use instead"),
    Choice("`misc.gl.glrenderer.MeshRenderer`", "renders with OpenGL", "renders with NumPy, without a graphics card"),
    Choice("Names of tensors in a graph", "names of nodes", "names of nodes; for Keras, of layers"),
)

# Name in Lucid -> why it is gone, and what there is instead.
DROPPED: dict[str, str] = {
    "scratch.web.svelte": (
        "widgets of svelte 2, which no browser kit builds any more. Instead: samplevis.recipes.semantic_dictionary writes an "
        "interactive page; show() and samplevis.lucid.misc.io.showing.images show what a widget was given"
    ),
    "scratch.web.observable": (
        "widgets of Observable's notebooks. Instead: samplevis.recipes.semantic_dictionary writes an interactive page"
    ),
    "scratch.rl_util": (
        "tools for agents whose models are on a server of their own. Instead: samplevis.recipes.attribution and "
        "channel_attribution, misc.channel_reducer.ChannelReducer, and render.render_vis of objectives.direction"
    ),
    "scratch.pretty_graphs": "drawings of GraphDefs. Instead: network.layer_table() and network.operations",
    "scratch.parameter_editor": "an editor of weights in GraphDefs. Instead: samplevis.network on a model of Keras that you change",
    "scratch.atlas_pipeline": "tiles of atlases. Instead: samplevis.recipes.activation_atlas",
    "scratch.js": "sprites of web pages. Instead: samplevis.recipes.semantic_dictionary writes an interactive page",
    "misc.gl.glcontext": (
        "an OpenGL context of Colab's machines in 2018. Instead: samplevis.lucid.misc.gl.glrenderer.MeshRenderer needs none; leave "
        "the call out"
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
