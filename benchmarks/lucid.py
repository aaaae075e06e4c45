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
      tests: ids of the tests that prove it, relative to tests/; none if it is dropped.
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
    here(
        "ReLU gradients redirected in the first steps",
        "render_vis(relu_gradient_override)",
        "render_vis(relu_gradient_override) optimize(redirect_steps)",
        "test_optimize.py::test_redirected_gradient_wakes_a_silent_unit "
        "test_optimize.py::test_redirected_steps_change_nothing_where_units_live",
        "Off in `optimize`, on in `render_vis`; stops after 16 steps as in Lucid.",
    ),
    here(
        "Quasi-Newton, evolution and genetic search",
        "(none)",
        "optimizers.LBFGS optimizers.CMA optimizers.Genetic",
        "test_optimizers.py::test_lbfgs_finds_the_optimum_of_a_penalised_linear_network "
        "test_optimizers.py::test_searches_reach_most_of_what_gradients_reach",
        '`optimize(optimizer="lbfgs")`; the last two need no gradient, nor a Keras model.',
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
    here(
        "A direction at one position, or over a patch",
        "objectives.direction_neuron, tensor_direction",
        "objectives.direction_neuron objectives.tensor_direction",
        "test_objectives_values.py::test_values",
        "As `direction`.",
    ),
    here(
        "Blur penalties",
        "objectives.blur_input_each_step, blur_alpha_each_step",
        "objectives.blur_input_each_step objectives.blur_alpha_each_step",
        "test_objectives_values.py::test_values "
        "test_objectives_values.py::test_the_blur_is_a_step_towards_the_blurred_image",
        "Subtract them.",
    ),
    here(
        "Interpolation between channels over a batch",
        "objectives.channel_interpolate",
        "objectives.channel_interpolate",
        "test_objectives_batches.py::test_the_mean_over_the_batch_is_what_lucid_computes "
        "test_objectives_batches.py::test_batches_that_are_too_small",
        "A batch of one is an error that says so; Lucid divides by zero.",
    ),
    here(
        "Quiet borders",
        "objectives.penalize_boundary_complexity",
        "objectives.penalize_boundary_complexity",
        "test_objectives_values.py::test_values",
        "Negative by itself, as in Lucid: add it.",
    ),
    here(
        "Neighbours in a batch that look alike",
        "objectives.alignment",
        "objectives.alignment",
        "test_objectives_batches.py::test_the_mean_over_the_batch_is_what_lucid_computes",
        "Negative by itself, as in Lucid: add it.",
    ),
    here(
        "Images of a batch that differ",
        "objectives.diversity",
        "objectives.diversity",
        "test_objectives_batches.py::test_the_mean_over_the_batch_is_what_lucid_computes "
        "test_objectives_batches.py::test_diversity_makes_a_batch_differ",
        "Measures likeness, as in Lucid: subtract it. Only images under one transform are compared.",
    ),
    here(
        "An objective for one image of a batch",
        "(batch=)",
        "objectives.only_image objectives.each",
        "test_objectives_batches.py::test_a_unit_and_its_opposite_in_one_batch "
        "test_objectives_batches.py::test_each_image_has_its_own_objective",
        "`each` gives every image an objective of its own, at the cost of one.",
    ),
    here(
        "Distance to a picture",
        "objectives.input_diff",
        "objectives.input_diff",
        "test_objectives_values.py::test_values",
        "Subtract it.",
    ),
    here(
        "The probability of a class",
        "(none)",
        "objectives.class_probability",
        "test_objectives_values.py::test_class_probability",
        "After the softmax, from logits.",
    ),
    here(
        "Likeness to activations of a picture",
        "(notebook: activation_difference), recipes.caricature.dot_compare",
        "objectives.activation_difference objectives.dot_compare",
        "test_objectives_values.py::test_values "
        "test_objectives_values.py::test_references_do_not_depend_on_how_often_they_are_resolved",
        "References are pictures or arrays instead of places in a batch.",
    ),
    here(
        "Weights that change with the step",
        "(notebooks: decay, only_after)",
        "objectives.decay objectives.only_after objectives.ramp",
        "test_objectives_batches.py::test_weights_follow_the_steps "
        "test_objectives_batches.py::test_a_schedule_changes_the_picture",
        '`T("step")` is there for schedules of one\'s own.',
    ),
    here(
        "Several positions at once",
        "(none)",
        "objectives.positions",
        "test_objectives_values.py::test_values test_objectives.py::test_positions_are_a_mean_over_any_mask",
        "Slices, masks or lists of positions.",
    ),
    here(
        "A given activation instead of the highest",
        "(none)",
        "objectives.distance_to_constant",
        "test_objectives_values.py::test_a_far_constant_pulls_like_the_sum_of_the_channel",
        "Finds images that a unit answers to with a given value; subtract it.",
    ),
    here(
        "Random directions",
        "(notebooks)",
        "objectives.random_direction",
        "test_objectives_values.py::test_random_directions "
        "test_objectives_values.py::test_random_directions_point_everywhere",
        "With a seed.",
    ),
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
    here(
        "Laplacian pyramid",
        "param.laplacian_pyramid_image",
        "param.laplacian_pyramid",
        "test_param_pictures.py::test_laplacian_pyramid_is_the_sum_of_its_enlarged_levels "
        "test_param_pictures.py::test_laplacian_pyramid_has_the_stated_contrast",
        "With a stated contrast, and an inverse.",
    ),
    here(
        "Resizing any dimensions",
        "param.resize_bilinear_nd",
        "param.resize_bilinear_nd",
        "test_resize.py::test_pictures_are_those_of_tensorflow test_resize.py::test_five_dimensions_are_scipys",
        "The grid of TensorFlow 1 is a choice, not the rule.",
    ),
    here(
        "Images that share their coarse details",
        "param.lowres_tensor",
        "param.shared",
        "test_param_shared.py::test_the_given_scales_are_shared_and_the_others_are_not",
        "For optimising only: chains must be independent.",
    ),
    here(
        "CPPN",
        "param.cppn",
        "param.cppn",
        "test_cppn.py::test_the_defaults_have_lucids_number_of_weights "
        "test_cppn.py::test_a_latent_is_a_picture_at_every_size "
        "test_cppn.py::test_it_learns_exclusive_or",
        "Any shape; every image of a batch has weights of its own.",
    ),
    here(
        "Transparency",
        "param.image(alpha=True)",
        "param.with_alpha",
        "test_param_pictures.py::test_alpha_is_the_plane_of_another "
        "test_param_runs.py::test_alpha_needs_a_transform_that_lays_it_over_something",
        "Any parameterization, with another for the opacity.",
    ),
    here(
        "Grey images for colour networks",
        "param.grayscale_image_rgb",
        "param.greyscale",
        "test_param_pictures.py::test_greyscale_is_one_plane_in_every_channel",
        "Around any parameterization.",
    ),
    here(
        "A decorrelation matrix of one's own",
        "(asked for)",
        "param.fourier(decorrelate)",
        "test_param_pictures.py::test_a_decorrelation_matrix_of_ones_own",
        "For any number of channels.",
    ),
    here(
        "Images near a picture",
        "param.unit_ball_L2, unit_ball_L_inf",
        "param.ball",
        "test_param_given.py::test_no_image_leaves_the_ball test_param_given.py::test_a_ball_is_reached_everywhere",
        "Around any picture, with a radius in pixel values.",
    ),
    here(
        "Textures seen through coordinates",
        "param.bilinearly_sampled_image",
        "param.sample_bilinear param.textured",
        "test_param_given.py::test_sampler_table test_param_given.py::test_sampler_gradient_is_the_adjoint",
        "Sampled with exact gradients.",
    ),
    here(
        "Phases only",
        "(none)",
        "param.maco",
        "test_param_pictures.py::test_maco_is_the_stated_formula "
        "test_param_pictures.py::test_maco_keeps_phases_and_fixes_magnitudes",
        "Magnitudes of photographs are kept, phases optimised.",
    ),
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
    here(
        "Lucid's own set, to the pixel",
        "transform.standard_transforms",
        "transform.lucid_transforms transform.random_resize",
        "test_transform_lucid.py::test_lucid_transforms_at_a_fixed_draw "
        "test_transform_lucid.py::test_random_resize_is_the_old_resize",
        "For comparisons: resizing on the old grid, nearest rotation, sizes that change.",
    ),
    here(
        "Normalised gradients",
        "transform.normalize_gradient",
        "transform.normalize_gradient",
        "test_transform_lucid.py::test_normalized_gradient_has_the_norm_and_the_direction "
        "test_transform_lucid.py::test_a_gradient_of_zero_stays_zero",
        "A gradient of zero stays zero; in Lucid it becomes NaN. Samplers refuse it.",
    ),
    here(
        "Random backgrounds for transparent images",
        "transform.collapse_alpha_random, param.image_sample",
        "transform.collapse_alpha_random",
        "test_transform_lucid.py::test_collapse_alpha_mixes_with_a_background "
        "test_transform_lucid.py::test_the_contrast_of_backgrounds_is_lucids",
        "Backgrounds have the spectrum of photographs.",
    ),
)

NETWORKS = (
    here(
        "One's own model",
        "modelzoo.Model.save, load, suggest_save_args",
        "Network modelzoo.load",
        "test_network.py::test_activations_are_the_models_own test_any_model.py::test_every_kind_of_model "
        "test_graph.py::test_lucids_file_says_what_it_expects",
        "Models of Keras 3 and 2, SavedModels, frozen graphs and functions, with their preprocessing said once.",
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
        "test_network.py::test_values_before_an_activation_function "
        "test_squeezenet.py::test_rectified_layers_have_their_pre_activation",
        "`layer/pre`, or Lucid's spelling, of every layer with an activation function.",
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
        "modelzoo.InceptionV1 modelzoo.InceptionV1_slim modelzoo.AlexNet modelzoo.VGG16 modelzoo.load",
        "test_inception.py::test_every_end_point_is_tf_slims test_state_dicts.py::test_pytorch_agrees "
        "test_modelzoo.py::test_preprocessing_is_keras_own",
        "`modelzoo.NAMES`: GoogLeNet in both forms, every Keras application with its preprocessing, torchvision's smaller "
        "networks, SqueezeNet, and a bundled network. Lucid's other graphs, `.pb`, are read as they are.",
    ),
    here(
        "Redirected ReLU gradients",
        "overrides.redirected_relu_grad",
        "overrides.redirect_relu",
        "test_overrides.py::test_truth_table test_overrides.py::test_items_of_a_batch_do_not_rescue_each_other",
        "A clone of the network instead of a registry that eager TensorFlow ignores.",
    ),
    here(
        "Smoothed max-pool gradients",
        "overrides.avg_smoothed_maxpool_grad, l2_smoothed_maxpool_grad",
        "overrides.smooth_max_pool",
        "test_overrides.py::test_max_pool_gets_the_gradient_of_average_pooling "
        "test_overrides.py::test_l2_rule_in_closed_form",
        "A clone of the network.",
    ),
    here(
        "Linearised networks",
        "overrides.linearization_overrides",
        "overrides.linearize",
        "test_overrides.py::test_linearized_convolutions_are_their_linear_part",
        "A clone of the network.",
    ),
    here(
        "Smooth networks",
        "(none)",
        "overrides.smooth",
        "test_overrides.py::test_smooth_functions_approach_the_first_and_round_its_kinks "
        "test_overrides.py::test_energy_error_is_of_second_order_on_a_smooth_network",
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
    here(
        "Spritemap of a layer",
        "recipes.feature_visualization",
        "recipes.channel_sheet recipes.neuron_sheet",
        "test_sheets.py::test_each_image_is_what_optimize_makes_of_its_unit_with_the_same_seed "
        "test_sheets.py::test_one_trace_for_all_channels_and_layers_without_positions",
        "Many units in one batch, compiled once.",
    ),
    here(
        "Grid of interactions of channels",
        "(notebook: neuron_interaction_grids)",
        "recipes.interaction_grid",
        "test_interactions.py::test_the_grid_is_of_each_pair_and_its_diagonal_of_units_alone",
        "A function instead of a notebook.",
    ),
    here(
        "Interpolation between objectives",
        "recipes.multi_interpolation_basis",
        "recipes.interpolation recipes.multi_interpolation",
        "test_interactions.py::test_every_way_is_the_way_back_reversed "
        "test_interactions.py::test_aligned_images_change_less_on_the_way",
        "Symmetric, as Lucid's text says and its code is not.",
    ),
    here(
        "Caricature, feature inversion",
        "recipes.caricature, feature_inversion",
        "recipes.caricature recipes.feature_inversion",
        "test_caricature.py::test_values_against_a_loop "
        "test_caricature.py::test_a_power_brings_the_activations_back_and_its_absence_exaggerates",
        "The picture's activations are a reference, not an image of the batch.",
    ),
    here(
        "Activations of a data set",
        "modelzoo.get_activations, aligned_activations",
        "recipes.collect_activations",
        "test_collect.py::test_reducers_are_numpys test_collect.py::test_repeated_images_and_anything_to_iterate_over",
        "Of one's own pictures, streamed; repeated indices and convolutions work.",
    ),
    here(
        "Covariances, whitening, pushing activations on",
        "modelzoo.aligned_activations.push_activations",
        "recipes.covariance recipes.whitening recipes.whitened_direction recipes.push_activations",
        "test_collect.py::test_covariance_is_numpys "
        "test_collect.py::test_whitening_inverts "
        "test_collect.py::test_pushing_recovers_a_linear_map",
        "From activations that were collected, not downloaded.",
    ),
    here(
        "Groups of channels",
        "misc.ChannelReducer",
        "recipes.ChannelReducer",
        "test_reducer.py::test_equals_scikit_learn test_reducer.py::test_unknown_attributes_are_errors",
        "Any reduction of scikit-learn; transforming before fitting is an error.",
    ),
    here(
        "Activation grid",
        "(notebook: ActivationGrid)",
        "recipes.activation_grid",
        "test_activation_grid.py::test_grid_of_every_position "
        "test_activation_grid.py::test_pictures_score_highest_on_their_own_direction",
        "A function instead of a notebook.",
    ),
    here(
        "Semantic dictionary",
        "(notebook: SemanticDictionary)",
        "recipes.semantic_dictionary",
        "test_activation_grid.py::test_semantic_dictionary",
        "A static picture instead of a widget.",
    ),
    here(
        "Attribution to channels, positions and groups",
        "(notebooks: AttrChannel, AttrSpatial, NeuronGroups)",
        "recipes.attribution recipes.channel_attribution recipes.spatial_attribution recipes.group_attribution",
        "test_attribution.py::test_linear_attribution_in_closed_form "
        "test_attribution.py::test_integrated_gradients_are_complete_on_a_rectified_network "
        "test_attribution.py::test_spatial_attribution_is_a_loop_over_positions "
        "test_attribution.py::test_groups_share_out_what_channels_have",
        "Also integrated along a path.",
    ),
    here(
        "Activation atlas",
        "recipes.activation_atlas",
        "recipes.activation_atlas",
        "test_atlas.py::test_the_whole test_atlas.py::test_icons_follow_the_whitened_direction_at_the_centre",
        "Lucid's fails at its last commit. UMAP, or principal components.",
    ),
    here(
        "One unit by several methods",
        "(notebooks)",
        "recipes.compare",
        "test_sheets.py::test_a_comparison_lays_out_what_it_makes_and_what_it_is_given",
        "Side by side in one picture.",
    ),
    here(
        "DeepDream with octaves",
        "(notebook: infinite_patterns)",
        "recipes.deep_dream",
        "test_deep_dream.py::test_a_dream_raises_its_score_and_stays_a_picture "
        "test_deep_dream.py::test_tiles_give_the_gradient_of_the_whole_away_from_seams",
        "A function instead of a notebook.",
    ),
    here(
        "Style transfer",
        "optvis.style.StyleLoss",
        "recipes.style_transfer objectives.gram objectives.activation_difference(norm)",
        "test_style.py::test_gram_is_that_of_loops test_style.py::test_transfer_keeps_things_and_takes_the_manner",
        "Style and content are distances, subtracted like any penalty.",
    ),
    here(
        "Textures and style on a mesh",
        "misc.gl.MeshRenderer, meshutil",
        "recipes.texture_optimization recipes.rasterize recipes.load_obj",
        "test_mesh.py::test_a_sphere_against_rays "
        "test_mesh.py::test_a_texture_excites_from_all_sides "
        "test_mesh.py::test_a_texture_takes_the_style_of_a_picture",
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
