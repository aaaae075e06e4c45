"""What cells of Lucid's notebooks need beside the programs of test_programs.py: widgets, meshes, sessions for a whole program."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from samplevis.lucid.core.facts import DROPPED
from samplevis.lucid.misc.gl import meshutil
from samplevis.lucid.misc.gl.glcontext import create_opengl_context
from samplevis.lucid.misc.gl.glrenderer import MeshRenderer
from samplevis.lucid.misc.io import showing
from samplevis.lucid.modelzoo.util import forget_xy
from samplevis.lucid.optvis import objectives, param
from samplevis.lucid.scratch.web import svelte

INSTEAD = r"Instead: samplevis\."
SQUARE = {
    "position": np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32),
    "uv": np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32),
    "face": np.array([[0, 1, 2], [0, 2, 3]]),
}


def test_widgets_can_be_imported_and_say_what_to_use_instead():
    with pytest.raises(AttributeError, match=INSTEAD):
        svelte.BarsWidget({"vals": [1.0]})
    with pytest.raises(ImportError, match=INSTEAD):
        svelte.html_define_svelte("BarsWidget", "<div></div>")


def test_a_cell_that_defines_a_widget_says_it_too(monkeypatch):
    """The import makes the magic known to a notebook; elsewhere it does nothing."""
    ipython, known = pytest.importorskip("IPython"), {}

    class Shell:
        def register_magic_function(self, function, kind):
            known[function.__name__, kind] = function

    monkeypatch.setattr(ipython, "get_ipython", lambda: None)
    svelte._register()
    assert not known
    monkeypatch.setattr(ipython, "get_ipython", Shell)
    svelte._register()
    with pytest.raises(ImportError, match=INSTEAD):
        known["html_define_svelte", "cell"]("BarsWidget", "<div></div>")


def test_every_module_that_is_gone_says_so_in_its_own_name():
    """And none that is there is called gone."""
    for name in DROPPED:
        program = f"samplevis.lucid.{name}"
        if name == "scratch.web.svelte":
            __import__(program)
            continue
        with pytest.raises(ImportError, match=f"{program} is not there: .*Instead: "):
            __import__(program)


def test_an_opengl_context_is_not_needed():
    assert create_opengl_context((320, 200)) is None


def test_camera_matrices_are_those_of_opengl():
    eye = np.array([1.0, 2.0, 3.0])
    view = meshutil.lookat(eye)
    np.testing.assert_allclose(meshutil.homotrans(view, eye[None]), np.zeros((1, 3)), atol=1e-5)
    # The target lies straight ahead, along -z.
    np.testing.assert_allclose(
        meshutil.homotrans(view, np.zeros((1, 3))), [[0, 0, -np.linalg.norm(eye)]], rtol=1e-5, atol=1e-5
    )
    fovy, aspect, near, far = 30.0, 1.5, 0.5, 20.0
    f = 1 / np.tan(np.radians(fovy) / 2)
    expected = np.zeros((4, 4))
    expected[0, 0], expected[1, 1], expected[3, 2] = f / aspect, f, -1
    expected[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    # Lucid's matrices are for points as rows.
    np.testing.assert_allclose(meshutil.perspective(fovy, aspect, near, far).T, expected, rtol=1e-5)
    seen = np.array([0.3, -0.2, -near, 1]) @ meshutil.frustum(-1, 1.5, -0.5, 2, near, far)
    np.testing.assert_allclose(seen[:3] / seen[3], [(0.3 - 0.25) / 1.25, (-0.2 - 0.75) / 1.25, -1], rtol=1e-5)


def test_random_views_have_the_distance_and_follow_from_numpys_seed():
    np.random.seed(0)
    views = [meshutil.sample_view(10.0, 12.0) for _ in range(50)]
    distances = [np.linalg.norm(np.linalg.inv(view)[:3, 3]) for view in views]
    assert 10 - 1e-4 <= min(distances) < 10.5 and 11.5 < max(distances) <= 12 + 1e-4
    np.random.seed(0)
    np.testing.assert_array_equal(meshutil.sample_view(10.0, 12.0), views[0])
    assert np.linalg.norm(np.linalg.inv(meshutil.sample_view(3.0))[:3, 3]) == pytest.approx(3, rel=1e-5)


def test_a_mesh_fills_the_cube_and_keeps_its_other_arrays():
    moved = {**SQUARE, "position": SQUARE["position"] * [3, 1, 1] + 5, "color": np.ones(4)}
    found = meshutil.normalize_mesh(moved)
    assert np.abs(found["position"]).max() == pytest.approx(1) and "color" in found
    np.testing.assert_allclose(found["position"][:, 1] * 3, SQUARE["position"][:, 1], atol=1e-5)


def test_obj_files(tmp_path):
    lines = [f"v {x} {y} {z}" for x, y, z in SQUARE["position"]] + [f"vt {u} {v}" for u, v in SQUARE["uv"]]
    (tmp_path / "square.obj").write_text("\n".join([*lines, "f 1/1 2/2 3/3 4/4"]))
    mesh = meshutil.load_obj(str(tmp_path / "square.obj"))
    np.testing.assert_array_equal(mesh["face"], SQUARE["face"].ravel())
    for name in ("position", "uv"):
        np.testing.assert_allclose(mesh[name], SQUARE[name], atol=1e-6)
    assert set(mesh) == {"face", "position", "uv"}
    # Corners by their numbers from the end, and normals without texture coordinates.
    (tmp_path / "turned.obj").write_text("\n".join([*lines[:4], "vn 0 0 1", "f -4//1 -3//1 -2//-1"]))
    with open(tmp_path / "turned.obj") as file:
        turned = meshutil.load_obj(file)
    np.testing.assert_allclose(turned["position"], SQUARE["position"][:3])
    np.testing.assert_array_equal(turned["normal"], [[0, 0, 1]] * 3)
    assert "uv" not in turned and meshutil.as_mesh(turned).faces.tolist() == [[0, 1, 2]]


def test_the_renderer_shows_each_pixel_its_texture_coordinates():
    """A square that faces the camera: u and v are linear in the pixel, by the pinhole's formula."""
    height, width, distance = 24, 36, 14.0
    frame = MeshRenderer((width, height)).render_mesh(modelview=meshutil.lookat((0, 0, distance)), **SQUARE)
    assert frame.shape == (height, width, 4) and frame.dtype == np.float32
    half = distance * np.tan(np.radians(5))
    y = (1 - (np.arange(height) + 0.5) / height * 2) * half
    x = ((np.arange(width) + 0.5) / width * 2 - 1) * half * width / height
    inside = (np.abs(y)[:, None] < 1) & (np.abs(x)[None] < 1)
    np.testing.assert_array_equal(frame[..., 3] > 0, inside)
    assert inside.any() and not inside.all()
    u, v = np.broadcast_arrays((x[None] + 1) / 2, (y[:, None] + 1) / 2)
    np.testing.assert_allclose(frame[inside][:, :2], np.stack([u, v], -1)[inside], atol=1e-5)
    np.testing.assert_array_equal(frame[~inside], 0)
    # Other values than texture coordinates, and triangles without numbers.
    corners = {name: SQUARE[name][SQUARE["face"].ravel()] for name in ("position", "uv")}
    colours = np.concatenate([corners["uv"], 1 - corners["uv"][:, :1]], 1)
    seen = MeshRenderer((width, height)).render_mesh(
        corners["position"], colours, modelview=meshutil.lookat((0, 0, distance))
    )
    np.testing.assert_allclose(seen[inside][:, :3], np.stack([u, v, 1 - u], -1)[inside], atol=1e-5)
    assert (seen[inside][:, 3] == 1).all()
    # A texture of these coordinates, sampled there, is the picture again.
    ramp = np.stack(np.meshgrid((np.arange(64) + 0.5) / 64, 1 - (np.arange(64) + 0.5) / 64), -1).astype(np.float32)
    sampled = param.spatial.sample_bilinear(ramp, frame[..., :2]).numpy()
    np.testing.assert_allclose(sampled[inside], frame[inside][:, :2], atol=1e-5)


@pytest.mark.parametrize(
    "make", [list, np.asarray, lambda vec: np.asarray(vec, int), tf.constant], ids=["list", "float", "int", "tensor"]
)
def test_directions_that_are_declared_before_the_graph_enter_it(make):
    """As in the atlas notebooks: the objective is made first, and then `with tf.Graph()` begins."""
    acts = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    vec = [1.0, -2.0, 3.0]
    whole = objectives.direction("layer", make(vec), batch=1)
    middle = objectives.direction_neuron("layer", make(vec), batch=0)
    patch = objectives.tensor_direction("layer", make([[vec, vec]]))
    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        placed = tf.constant(acts)
        found = sess.run([objective(lambda name: placed) for objective in (whole, middle, patch)])
    product = acts @ np.float32(vec)
    np.testing.assert_allclose(found, [product[1].mean(), product[0, 2, 2], product[:, 1, 1:3].mean()], rtol=1e-5)


def test_a_graph_forgets_sizes():
    with tf.Graph().as_default(), tf.compat.v1.Session():
        images = forget_xy(tf.ones([1, 4, 5, 3]))
        assert images.shape.as_list() == [1, None, None, 3] and images.eval().shape == (1, 4, 5, 3)


def test_the_format_may_be_second_as_in_old_notebooks(monkeypatch):
    shown = []
    monkeypatch.setattr(showing, "_display_html", shown.append)
    showing.image(np.linspace(0, 2, 192).reshape(8, 8, 3), "jpeg")
    assert "data:image/JPEG;base64," in shown[0]


@pytest.mark.slow
def test_a_session_for_a_whole_program():
    """`sess = create_session()` and no graph block; after it, render_vis works all the same."""
    program = """
import numpy as np
import tensorflow.compat.v1 as tf
import samplevis.lucid.modelzoo.vision_models as models
from samplevis.lucid.misc.tfutil import create_session
from samplevis.lucid.optvis import objectives, param, render
model = models.Shapes()
sess = create_session()
t_image = tf.placeholder(tf.float32, [None, None, 3])
T = render.import_model(model, t_image, t_image)
grad = tf.gradients(objectives.channel("logits", 4)(T), t_image)[0]
photo = np.random.default_rng(0).uniform(size=(32, 32, 3))
assert np.abs(grad.eval({t_image: photo})).max() > 0
images = render.render_vis(model, "logits:4", lambda: param.image(32), thresholds=[1], verbose=False)
assert images[0].shape == (1, 32, 32, 3) and np.isfinite(images[0]).all()
with tf.Graph().as_default(), tf.Session() as other:
    T = render.make_vis_T(model, "logits:4", lambda: param.image(32), transforms=[])
    tf.global_variables_initializer().run()
    losses = [other.run([T("loss"), T("vis_op")])[0] for _ in range(5)]
assert losses[-1] > losses[0]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_without_tensorflow_2s_shapes_there_is_an_error_that_says_so():
    program = """
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
from samplevis.lucid.modelzoo import vision_models
from samplevis.lucid.optvis import render
try:
    render.render_vis(vision_models.Shapes(), "logits:4")
except RuntimeError as error:
    assert "Leave out tf.disable_v2_behavior()" in str(error), error
else:
    raise AssertionError("expected an error")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
