"""What Lucid can do, and what stands here for it: the rows of the table that `benchmarks.parity` writes.

Lucid names are those of lucid/optvis, lucid/misc and lucid/recipes; samplevis names are relative to the package, with a
parameter in parentheses where a name alone does not say it.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One capability.

    Attributes:
      capability: in a few words.
      lucid: Lucid's name for it.
      names: public names here, such as "objectives.neuron" or "optimize(seed)"; none if it is dropped.
      tests: ids of the tests that prove it, relative to tests/; none if it is dropped or still to come.
      note: what differs and why; for what is dropped the reason.
    """

    capability: str
    lucid: str
    names: tuple[str, ...]
    tests: tuple[str, ...]
    note: str


def here(capability: str, lucid: str, names: str, tests: str, note: str) -> Row:
    """A row of what exists; names and tests are separated by blanks."""
    return Row(capability, lucid, tuple(names.split()), tuple(tests.split()), note)


def to_come(capability: str, lucid: str, names: str, note: str) -> Row:
    """A row of what does not exist yet, under the names that it is to have."""
    return Row(capability, lucid, tuple(names.split()), (), note)


def dropped(capability: str, lucid: str, reason: str) -> Row:
    """A row of what is left out."""
    return Row(capability, lucid, (), (), reason)


RENDERING = (
    here(
        "Render a unit in one call",
        "render.render_vis",
        "render_vis",
        "test_optimize.py::test_render_vis_returns_an_array_for_each_threshold",
        "A threshold of 512 means 512 updates; in Lucid it means 513.",
    ),
    here(
        "The parts under that call",
        "render.make_vis_T",
        "optimize Optimized",
        "test_optimize.py::test_sgd_takes_the_step_of_the_closed_form "
        "test_optimize.py::test_history_rises_and_images_are_what_was_scored",
        "There is no graph and no session: images, latents and the history come back as arrays.",
    ),
    here(
        "Snapshots on the way",
        "render_vis(thresholds)",
        "optimize(thresholds)",
        "test_optimize.py::test_render_vis_returns_an_array_for_each_threshold",
        "Kept by their number of updates.",
    ),
    here(
        "Ctrl-C keeps what there is",
        "render_vis",
        "optimize",
        "test_optimize.py::test_ctrl_c_keeps_what_there_is",
        "The current image is kept too; Lucid shows it and drops it.",
    ),
    here(
        "The same seed, the same picture",
        "render_vis(use_fixed_seed)",
        "optimize(seed) render(seed)",
        "test_optimize.py::test_seeds test_render.py::test_same_seed_same_bytes_other_seed_other_pictures",
        "Lucid's flag does not reproduce: first values come from NumPy, which it does not seed.",
    ),
    here(
        "A sweep without a fresh start for each unit",
        "(a new graph for each call)",
        "optimize",
        "test_optimize.py::test_a_sweep_traces_once",
        "Objectives of one kind share compiled code, so 100 channels compile once.",
    ),
    here(
        "Start from a picture",
        "param.pixel_image(init_val)",
        "optimize(init)",
        "test_optimize.py::test_start_from_a_picture test_param.py::test_latent_inverts_image",
        "Works for every parameterization that can be inverted; in Lucid an array raises an error.",
    ),
    here(
        "Any optimizer",
        "render_vis(optimizer)",
        "optimize(optimizer)",
        "test_optimize.py::test_sgd_takes_the_step_of_the_closed_form "
        "test_optimize.py::test_one_optimizer_serves_many_calls",
        "Any Keras optimizer; Adam(0.05) by default, as in Lucid.",
    ),
    here(
        "What an objective is worth as it runs",
        "render.make_print_objective_func",
        "Optimized",
        "test_optimize.py::test_history_rises_and_images_are_what_was_scored",
        "Every step of every image is in `Optimized.history`; several at once are `network.activations` on the images.",
    ),
    to_come(
        "Quasi-Newton, evolution and genetic search",
        "(none)",
        "optimizers.lbfgs optimizers.cma optimizers.genetic",
        "Searches with a line search, or without gradients, have a loop of their own.",
    ),
)

OBJECTIVES = (
    here(
        "Algebra of objectives",
        "objectives.Objective",
        "objectives.Objective",
        "test_objectives.py::test_algebra test_objectives.py::test_printing",
        "One score per image instead of one for the batch; also `1 - obj`, `/` and NumPy numbers; weights are printed.",
    ),
    here(
        "Strings and functions as objectives",
        "objectives.as_objective",
        "objectives.as_objective",
        "test_objectives.py::test_values test_objectives.py::test_bad_strings test_objectives.py::test_bad_types",
        "What is neither is an error; Lucid returns None. A layer's name may hold a colon.",
    ),
    here(
        "Objectives of one's own",
        "objectives.wrap_objective",
        "objectives.as_objective",
        "test_objectives.py::test_values",
        "No decorator: any function of `T` that gives scores [batch] is one.",
    ),
    here(
        "Penalties on the image before transforms",
        'T("input")',
        "objectives.L1",
        "test_optimize.py::test_penalties_act_on_the_clean_image",
        "The same.",
    ),
    here(
        "One neuron",
        "objectives.neuron",
        "objectives.neuron",
        "test_objectives.py::test_values",
        "The same; `x` counts rows there and here.",
    ),
    here(
        "A channel",
        "objectives.channel",
        "objectives.channel",
        "test_objectives.py::test_values",
        "Mean over positions, as in Lucid, but for each image.",
    ),
    here(
        "A direction",
        "objectives.direction",
        "objectives.direction",
        "test_objectives.py::test_values",
        "The same, with `cossim_pow`.",
    ),
    here(
        "A class",
        "objectives.class_logit",
        "objectives.class_logit",
        "test_objectives.py::test_values test_squeezenet.py::test_labels",
        "Names and synonyms are found, and the nearest are named in the error.",
    ),
    here(
        "A whole layer (DeepDream)",
        "objectives.deepdream",
        "objectives.deepdream",
        "test_objectives.py::test_values",
        "Mean of squares, for each image.",
    ),
    here(
        "Total variation",
        "objectives.total_variation",
        "objectives.total_variation",
        "test_objectives.py::test_values",
        "The same numbers; subtract it.",
    ),
    here(
        "L1 and L2 penalties",
        "objectives.L1, L2",
        "objectives.L1 objectives.L2",
        "test_objectives.py::test_values",
        "Sums over one image, not over the batch: weights do not depend on the batch.",
    ),
    to_come(
        "A direction at one position, or over a patch",
        "objectives.direction_neuron, tensor_direction",
        "objectives.direction_neuron objectives.tensor_direction",
        "As `direction`.",
    ),
    to_come(
        "Blur penalties",
        "objectives.blur_input_each_step, blur_alpha_each_step",
        "objectives.blur_input_each_step objectives.blur_alpha_each_step",
        "Subtract them.",
    ),
    to_come(
        "Interpolation between channels over a batch",
        "objectives.channel_interpolate",
        "objectives.channel_interpolate",
        "A batch of one is an error that says so; Lucid divides by zero.",
    ),
    to_come(
        "Quiet borders",
        "objectives.penalize_boundary_complexity",
        "objectives.penalize_boundary_complexity",
        "Negative by itself, as in Lucid: add it.",
    ),
    to_come(
        "Neighbours in a batch that look alike",
        "objectives.alignment",
        "objectives.alignment",
        "Negative by itself, as in Lucid: add it.",
    ),
    to_come(
        "Images of a batch that differ",
        "objectives.diversity",
        "objectives.diversity",
        "Measures likeness, as in Lucid: subtract it.",
    ),
    to_come("Distance to a picture", "objectives.input_diff", "objectives.input_diff", "Subtract it."),
    to_come(
        "The probability of a class",
        "(none)",
        "objectives.class_probability",
        "The log probability keeps a gradient where the softmax is flat.",
    ),
    to_come(
        "Likeness to activations of a picture",
        "style.py, caricature.dot_compare",
        "objectives.activation_difference objectives.dot_compare",
        "References are given as arrays instead of places in a batch.",
    ),
    to_come(
        "Weights that change with the step",
        "(notebooks: decay, only_after)",
        "objectives.decay objectives.only_after",
        "Lucid has them in notebooks only.",
    ),
    to_come("Several positions at once", "(none)", "objectives.positions", "One objective instead of a sum of many."),
    to_come(
        "A given activation instead of the highest",
        "(none)",
        "objectives.distance_to_constant",
        "Finds images that a unit answers to with a given value.",
    ),
    to_come("Random directions", "(notebooks)", "objectives.random_direction", "With a seed."),
)

PARAMETERIZATIONS = (
    here(
        "Fourier image",
        "param.fft_image",
        "param.fourier",
        "test_param.py::test_fourier_is_the_stated_formula test_param.py::test_amplitude_keeps_unit_variance",
        "The latent is a white real image, so that a Gaussian prior on it is a prior on images.",
    ),
    here(
        "Pixel image",
        "param.pixel_image",
        "param.pixel param.uniform",
        "test_param.py::test_uniform_prior_is_uniform",
        "`uniform` is the prior of pixels that are independent.",
    ),
    here(
        "Decorrelated colours",
        "param.to_valid_rgb",
        "param.fourier param.pixel(decorrelate)",
        "test_param.py::test_color_matrix_has_unit_rows_and_an_inverse",
        "Rows of the matrix have length one, so that the contrast of every channel is the stated one.",
    ),
    here(
        "Any number of channels",
        "param.image(channels)",
        "param.fourier(channels)",
        "test_param.py::test_fourier_is_the_stated_formula",
        "Colours are mixed if there are three.",
    ),
    here(
        "Images of several scales",
        "(none)",
        "param.pyramid",
        "test_param.py::test_pyramid_has_the_stated_contrast "
        "test_param.py::test_pyramid_has_heavy_tails_where_fourier_has_none",
        "A prior with flat areas and clustered edges.",
    ),
    here(
        "The statistics of one's own pictures",
        "(asked for: a decorrelation matrix of one's own)",
        "param.measured",
        "test_param.py::test_measured_finds_the_prior_that_made_the_images",
        "Spectrum, colours and contrast from a folder.",
    ),
    here(
        "A generator as parameterization",
        "(none)",
        "param.decoder",
        "test_param.py::test_decoder_is_the_generator",
        "Any Keras model from latents to images.",
    ),
    to_come(
        "Laplacian pyramid",
        "param.laplacian_pyramid_image",
        "param.laplacian_pyramid",
        "The sum of upsampled images.",
    ),
    to_come(
        "Resizing any dimensions; shared low resolutions",
        "param.resize_bilinear_nd, lowres_tensor",
        "param.resize_bilinear_nd param.shared",
        "The grid of TensorFlow 1 is a choice, not the rule.",
    ),
    to_come(
        "CPPN",
        "param.cppn",
        "param.cppn",
        "Any size and shape, and drawn again at any resolution.",
    ),
    to_come(
        "Transparency",
        "param.image(alpha=True)",
        "param.fourier(opacity)",
        "What is transparent is shown on a checkerboard.",
    ),
    to_come(
        "Grey images for colour networks", "param.grayscale_image_rgb", "param.greyscale", "One channel, repeated."
    ),
    to_come(
        "Images near a picture",
        "param.unit_ball_L2, unit_ball_L_inf",
        "param.ball",
        "Around any picture, with a radius in pixel values.",
    ),
    to_come(
        "Textures on a mesh",
        "param.bilinearly_sampled_image",
        "param.texture",
        "Sampled with exact gradients.",
    ),
    to_come("Phases only", "(none)", "param.maco", "Magnitudes of photographs are kept, phases optimised."),
)

TRANSFORMS = (
    here(
        "Shift by cropping",
        "transform.jitter",
        "transform.jitter",
        "test_transform.py::test_jitter_is_a_slice",
        "Every image of a batch gets its own draw.",
    ),
    here(
        "Padding",
        "transform.pad",
        "transform.pad",
        "test_transform.py::test_pads_against_numpy",
        "The same modes.",
    ),
    here(
        "Random scale",
        "transform.random_scale",
        "transform.random_scale",
        "test_transform.py::test_scale_and_rotate_against_scipy",
        "The canvas keeps its size, so that shapes are known when a step is compiled.",
    ),
    here(
        "Random rotation",
        "transform.random_rotate",
        "transform.random_rotate",
        "test_transform.py::test_scale_and_rotate_against_scipy "
        "test_transform.py::test_rotate_a_quarter_is_exact_and_units_agree",
        "Bilinear instead of nearest, with exact gradients, and with pi instead of 3.14.",
    ),
    here(
        "Networks of a fixed input size",
        "transform.crop_or_pad_to",
        "transform.crop_or_pad_to",
        "test_transform.py::test_crop_or_pad_is_central",
        "The same; a wrong size is an error that names the right one.",
    ),
    here(
        "Composition and the standard set",
        "transform.compose, standard_transforms",
        "transform.compose transform.standard_transforms",
        "test_transform.py::test_compose_goes_left_to_right test_transform.py::test_standard_transforms_are_lucids",
        "Lists, tuples and functions are taken; Lucid silently replaces a tuple by its standard set.",
    ),
    here(
        "Transforms of one's own",
        "(t -> t)",
        "transform.as_transform",
        "test_transform.py::test_as_transform",
        "A function of images is a transform.",
    ),
    to_come(
        "Normalised gradients",
        "transform.normalize_gradient",
        "transform.normalize_gradient",
        "A gradient of zero stays zero; in Lucid it becomes NaN.",
    ),
    to_come(
        "Random backgrounds for transparent images",
        "transform.collapse_alpha_random, param.image_sample",
        "transform.collapse_alpha_random",
        "Backgrounds have the spectrum of photographs.",
    ),
)

NETWORKS = (
    here(
        "One's own model",
        "modelzoo.Model.save, load, suggest_save_args",
        "Network modelzoo.load",
        "test_network.py::test_activations_are_the_models_own test_network.py::test_sequential_and_nested_models",
        "Keras models as they are, with their preprocessing said once; no freezing, no placeholder to name.",
    ),
    here(
        "Value range, BGR, mean",
        "Model.image_value_range, is_BGR",
        "Network",
        "test_network.py::test_preprocessing_is_the_stated_formula",
        "Nothing is guessed.",
    ),
    here(
        "Layers by name",
        "Model.get_layer, show_graph",
        "Network.layer_table Network.check_layer",
        "test_cli.py::test_layers test_network.py::test_errors",
        "A table in the terminal; a wrong name gets the nearest ones.",
    ),
    here(
        "Before the ReLU",
        "*_pre_relu layers",
        "Network.activations",
        "test_squeezenet.py::test_rectified_layers_have_their_pre_activation",
        "Layers before the activation have names of their own in the bundled models.",
    ),
    here(
        "Activations of images",
        "modelzoo.get_activations",
        "Network.activations",
        "test_network.py::test_activations_are_the_models_own",
        "The whole arrays, of any layers at once.",
    ),
    here(
        "A zoo",
        "modelzoo (31 frozen graphs)",
        "modelzoo.SqueezeNet modelzoo.Shapes modelzoo.load",
        "test_squeezenet.py::test_layers_and_sizes test_shapes.py::test_held_out_accuracy",
        "A bundled network, SqueezeNet, and every Keras application as `Network(keras.applications...)`; "
        "Lucid's files need TensorFlow 1.",
    ),
    to_come(
        "Redirected ReLU gradients",
        "overrides.redirected_relu_grad",
        "overrides.redirect_relu",
        "A clone of the network instead of a registry that eager TensorFlow ignores.",
    ),
    to_come(
        "Smoothed max-pool gradients",
        "overrides.avg_smoothed_maxpool_grad",
        "overrides.smooth_max_pool",
        "A clone of the network.",
    ),
    to_come(
        "Linearised networks", "overrides.linearization_overrides", "overrides.linearize", "A clone of the network."
    ),
    to_come(
        "Smooth networks",
        "(none)",
        "overrides.smooth",
        "Changes the function and not only its gradient, as a sampler needs.",
    ),
)

FILES = (
    here(
        "Save a picture",
        "io.save",
        "export.save_image export.save_png",
        "test_formats.py::test_every_pixel_is_kept test_formats.py::test_saved_equals_shown_and_nothing_is_stretched",
        "Saved equals shown; Lucid's `save` stretches contrast and its `show` does not. PNG files can say what made them.",
    ),
    here(
        "Read a picture",
        "io.load",
        "export.load_image export.load_images",
        "test_formats.py::test_every_pixel_is_kept test_formats.py::test_size_is_lanczos_of_the_centre",
        "A size crops about the centre instead of squashing. Files only: nothing is downloaded unless asked.",
    ),
    here(
        "Show in a notebook",
        "io.show.images",
        "export.show",
        "test_formats.py::test_a_notebook_displays_the_same_bytes test_formats.py::test_show_takes_what_there_is",
        "Outside a notebook it returns the picture.",
    ),
    here(
        "Any number of channels as colours",
        "io.collapse_channels",
        "export.collapse_channels",
        "test_formats.py::test_channels_have_evenly_spaced_hues "
        "test_formats.py::test_negative_values_have_the_opposite_hue",
        "Images of one call share a scale.",
    ),
    here(
        "Images with values that are not finite",
        "io (bare assertion)",
        "export.save_image export.show",
        "test_formats.py::test_values_that_are_not_finite_are_counted",
        "An error that counts them and says where the first is.",
    ),
    here(
        "Labelled grids",
        "io.show.images(labels)",
        "export.grid",
        "test_export.py::test_labels_stand_beside_the_images_not_on_them "
        "test_formats.py::test_labels_stand_above_every_image",
        "Drawn into the picture instead of HTML.",
    ),
    here(
        "Animations",
        "(notebooks: moviepy)",
        "export.save_animation export.save_gif",
        "test_formats.py::test_films_keep_every_pixel test_export.py::test_gif_round_trip "
        "test_formats.py::test_mp4_comes_near",
        "GIF, PNG and WebP without more software; MP4 with `samplevis[video]`.",
    ),
    here(
        "Sprite maps",
        "scratch.js (sprites of the notebooks)",
        "export.save_sprites",
        "test_formats.py::test_every_sprite_is_where_the_list_says",
        "A texture and a JSON list of places.",
    ),
    here(
        "Files that are whole or not at all",
        "io.saving.CaptureSaveContext",
        "Samples.save export.save_image",
        "test_export.py::test_the_old_file_survives_an_error test_formats.py::test_the_old_file_survives_a_full_disk",
        "No pickle; an old file stays until the new one is on the disk.",
    ),
    dropped(
        "Arrays, JSON, text, pickles, URLs and buckets",
        "io.load, io.save, io_scope, batch_save",
        "NumPy and Python read and write them",
    ),
)

RECIPES = (
    to_come(
        "Spritemap of a layer",
        "recipes.feature_visualization",
        "recipes.channel_sheet",
        "Many units in one batch, compiled once.",
    ),
    to_come(
        "Grid of interactions of channels",
        "(notebook: neuron_interaction_grids)",
        "recipes.interaction_grid",
        "A function instead of a notebook.",
    ),
    to_come(
        "Interpolation between several objectives",
        "recipes.multi_interpolation_basis",
        "recipes.multi_interpolation",
        "Symmetric, as Lucid's text says and its code is not.",
    ),
    to_come(
        "Caricature, feature inversion",
        "recipes.caricature, feature_inversion",
        "recipes.caricature",
        "The picture's activations are computed once.",
    ),
    to_come(
        "Activations of a data set",
        "modelzoo.get_activations, aligned_activations",
        "recipes.collect_activations",
        "Of one's own pictures.",
    ),
    to_come(
        "Groups of channels",
        "misc.ChannelReducer",
        "recipes.ChannelReducer",
        "Any reduction of scikit-learn; transforming before fitting is an error.",
    ),
    to_come(
        "Activation grid",
        "(notebook: ActivationGrid)",
        "recipes.activation_grid",
        "A function instead of a notebook.",
    ),
    to_come(
        "Semantic dictionary",
        "(notebook: SemanticDictionary)",
        "recipes.semantic_dictionary",
        "A static picture instead of a widget.",
    ),
    to_come(
        "Attribution to channels, positions and groups",
        "(notebooks: AttrChannel, AttrSpatial, NeuronGroups)",
        "recipes.channel_attribution recipes.spatial_attribution recipes.group_attribution",
        "Also integrated along a path.",
    ),
    to_come(
        "Activation atlas",
        "recipes.activation_atlas",
        "recipes.activation_atlas",
        "Lucid's fails at its last commit.",
    ),
    to_come(
        "DeepDream with octaves",
        "(notebook: infinite_patterns)",
        "recipes.deep_dream",
        "A function instead of a notebook.",
    ),
    to_come(
        "Style transfer",
        "optvis.style.StyleLoss",
        "recipes.style",
        "Gram matrices of several layers.",
    ),
    to_come(
        "Textures and style on a mesh",
        "misc.gl.MeshRenderer, meshutil",
        "recipes.mesh",
        "A rasteriser on the CPU: no window system.",
    ),
)

SAMPLING = (
    here(
        "Many plausible images instead of one extreme one",
        "(none; samplevis of 2018 gave noise)",
        "render Samples",
        "test_render.py::test_the_level_is_reached_and_no_strength_is_the_prior "
        "test_render.py::test_the_density_of_2018_gives_noise",
        "Draws from a declared density.",
    ),
    here(
        "How far to trust them",
        "(none)",
        "Samples.summary two_ended",
        "test_samples.py::test_a_bad_run_is_told_in_words test_render.py::test_two_ends_that_have_not_met_show_it",
        "R-hat, effective draws, acceptance and the level on fresh transforms, with warnings in words.",
    ),
)

NOT_TAKEN = (
    dropped(
        "Interactive widgets",
        "scratch.web.svelte, observable",
        "they need a compiler of 2018; `export.show` and `export.save_sprites` make static pictures",
    ),
    dropped(
        "Editing of GraphDefs",
        "misc.graph_analysis, scratch.parameter_editor, pretty_graphs",
        "Keras model objects are edited and drawn with Keras",
    ),
    dropped(
        "Reinforcement-learning figures",
        "scratch.rl_util",
        "a set of helpers for one article",
    ),
    dropped(
        "Rendering on a GPU without a window",
        "misc.gl.glcontext (EGL)",
        "bound to one host's drivers",
    ),
    dropped(
        "WordNet look-ups",
        "modelzoo.util.wordnet",
        "downloads when imported; labels are given to `Network`",
    ),
)

SECTIONS = {
    "Rendering": RENDERING,
    "Objectives": OBJECTIVES,
    "Parameterizations": PARAMETERIZATIONS,
    "Transforms": TRANSFORMS,
    "Networks": NETWORKS,
    "Files and pictures": FILES,
    "Recipes": RECIPES,
    "Sampling": SAMPLING,
    "Not taken": NOT_TAKEN,
}
