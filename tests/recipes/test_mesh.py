"""Meshes: files, cameras, the rasteriser against rays, and textures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import objectives, param
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.recipes import (
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
from samplevis.runtime import seeds

FLAT = np.eye(4)

CUBE = """# a cube with a texture on every side
o cube
v 0 0 0
v 4 0 0
v 4 2 0
v 0 2 0
v 0 0 1
v 4 0 1
v 4 2 1 # w may follow
v 0 2 1
vt 0 0
vt 1 0
vt 1 1 0
vt 0 1
vn 0 0 1
usemtl wood
f 5/1/1 6/2/1 7/3/1 8/4/1
f 2/1 1/2 4/3 3/4
f 6/1 2/2 3/3 7/4
f 1/1 5/2 8/3 4/4
f 8/1 7/2 3/3 4/4
f -8/-4 -7/-3 -3/-2 -4/-1
"""


def quad(depth=0.0, low=0.0, high=1.0):
    """A square over the whole view, in clip space; its texture coordinates go from `low` to `high`."""
    positions = [[-1, -1, depth], [1, -1, depth], [1, 1, depth], [-1, 1, depth]]
    return Mesh(positions, [[low, low], [high, low], [high, high], [low, high]], [[0, 1, 2], [0, 2, 3]])


def join(*meshes):
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def rays(camera, size):
    """Origin and direction [H, W, 3] of the line through each pixel's centre."""
    height, width = size
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height) + 0.5) / height * 2
    ends = []
    for depth in (-1, 1):
        clip = np.stack(np.broadcast_arrays(x, y[:, None], depth, 1), -1) @ np.linalg.inv(camera).T
        ends.append(clip[..., :3] / clip[..., 3:])
    return ends[0], ends[1] - ends[0]


def write(folder, text):
    path = folder / "mesh.obj"
    path.write_text(text)
    return path


def test_an_obj_file(tmp_path):
    mesh = load_obj(write(tmp_path, CUBE))
    # 6 squares make 12 triangles; each of the 8 corners meets 3 squares, with texture corners of its own.
    assert mesh.faces.shape == (12, 3) and mesh.positions.shape == (len(mesh.uv), 3)
    assert len(np.unique(np.concatenate([mesh.positions, mesh.uv], 1), axis=0)) == len(mesh.uv)
    np.testing.assert_array_equal(mesh.positions[mesh.faces[0]], [[0, 0, 1], [4, 0, 1], [4, 2, 1]])
    np.testing.assert_array_equal(mesh.uv[mesh.faces[1]], [[0, 0], [1, 1], [0, 1]])
    # Negative numbers count from the end.
    np.testing.assert_array_equal(mesh.positions[mesh.faces[10]], [[0, 0, 0], [4, 0, 0], [4, 0, 1]])
    np.testing.assert_array_equal(mesh.uv[mesh.faces[10]], [[0, 0], [1, 0], [1, 1]])
    corners = mesh.positions[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(2 * (4 * 2 + 4 * 1 + 2 * 1))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("f 1/1 2/2", "line 23: expected at least 3 corners, received 2: 'f 1/1 2/2'"),
        ("f 1 2 3", "line 23: the corner '1' has no texture coordinates; export the mesh with UVs"),
        ("f 1//1 2//1 3//1", "line 23: the corner '1//1' has no texture coordinates"),
        ("f 1/1 2/2 9/3", "line 23: expected the position as a number from 1 to 8 or -1 to -8, received 9"),
        ("f 1/1 2/2 3/-5", "line 23: expected the texture coordinate as a number from 1 to 4 .* received -5"),
        ("f 0/1 2/2 3/3", "received 0"),
        ("f 1/a 2/2 3/3", "line 23: invalid literal"),
        ("v 1 2", "line 23: expected 3 numbers, received 2"),
        ("vt x 2", "line 23: could not convert"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    with pytest.raises(ValueError, match=message):
        load_obj(write(tmp_path, CUBE + line))


def test_a_mesh_is_checked(tmp_path):
    with pytest.raises(ValueError, match="mesh.obj', line|expected a mesh with faces"):
        load_obj(write(tmp_path, "v 1 2 3\n"))
    with pytest.raises(FileNotFoundError):
        load_obj(tmp_path / "none.obj")
    good = quad()
    with pytest.raises(ValueError, match=r"positions: expected finite numbers of shape \[n, 3\]. Received: \(4, 2\)"):
        dataclasses.replace(good, positions=good.positions[:, :2])
    with pytest.raises(ValueError, match="uv: expected one pair for each of 4 positions. Received: 3"):
        dataclasses.replace(good, uv=good.uv[:3])
    for faces in ([[0, 1, 4]], [[0, 1, -1]], np.zeros((0, 3))):
        with pytest.raises(ValueError, match="faces: expected at least one, of rows from 0 to 3"):
            dataclasses.replace(good, faces=faces)


def test_normalized_meshes_fill_the_cube(tmp_path):
    mesh = normalize_mesh(load_obj(write(tmp_path, CUBE)))
    np.testing.assert_allclose(mesh.positions.min(0), [-1, -0.5, -0.25])
    np.testing.assert_allclose(mesh.positions.max(0), [1, 0.5, 0.25])
    with pytest.raises(ValueError, match="mesh: expected positions that differ"):
        normalize_mesh(Mesh(np.ones((3, 3)), np.ones((3, 2)), [[0, 1, 2]]))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_look_at(numbers):
    eye, target = np.array(numbers[:3]), np.array(numbers[3:])
    if np.hypot(*(eye - target)[[0, 2]]) < 1e-3:
        return
    matrix = look_at(eye, target)
    turn = matrix[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(matrix @ [*eye, 1], [0, 0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(matrix @ [*target, 1], [0, 0, -np.linalg.norm(eye - target), 1], atol=1e-9)
    # What is above the target is above it on the screen.
    assert (matrix @ [*(target + [0, 1, 0]), 1])[1] > 0


def test_cameras_that_cannot_be():
    for eye in ((0, 0, 0), (0, 3, 0)):
        with pytest.raises(ValueError, match="eye: expected a camera away from its target and not straight above it"):
            look_at(eye)
    for wrong, message in (
        (dict(field_of_view=0), "field_of_view: expected a finite number > 0"),
        (dict(field_of_view=180), "field_of_view: expected degrees between 0 and 180"),
        (dict(aspect=0), "aspect: expected"),
        (dict(near=0), "near: expected"),
        (dict(far=0.001), "far: expected a finite number > 0.01"),
    ):
        with pytest.raises(ValueError, match=message):
            perspective(**dict(field_of_view=60) | wrong)


def test_perspective_maps_the_frustum_to_the_cube():
    lens = perspective(60, aspect=2, near=1, far=9)
    half = np.tan(np.radians(30))
    for distance, depth in ((1, -1), (9, 1)):
        corner = lens @ [2 * half * distance, half * distance, -distance, 1]
        np.testing.assert_allclose(corner / corner[3], [1, 1, depth, 1], atol=1e-9)


def test_a_square_over_the_view_shows_the_texture_as_it_is():
    uv, coverage = rasterize(quad(), FLAT, (5, 7))
    assert coverage.all() and coverage.dtype == bool and uv.dtype == np.float32
    u, v = np.meshgrid((np.arange(7) + 0.5) / 7, 1 - (np.arange(5) + 0.5) / 5)
    np.testing.assert_allclose(uv, np.stack([u, v], -1), atol=1e-6)
    texture = np.random.default_rng(0).uniform(size=(1, 5, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(param.sample_bilinear(texture, uv), texture, atol=1e-5)


def test_the_nearest_surface_is_seen_in_any_order():
    near, far = quad(-0.5, 0.0, 0.4), quad(0.5, 0.6, 1.0)
    for mesh in (join(near, far), join(far, near)):
        assert rasterize(mesh, FLAT, (6, 6))[0].max() < 0.4
    # The control: alone, the far one is seen; and nothing beyond the far plane or before the near one.
    assert rasterize(far, FLAT, (6, 6))[0].min() > 0.6
    for depth in (1.5, -1.5):
        uv, coverage = rasterize(quad(depth), FLAT, (6, 6))
        assert not coverage.any() and not uv.any()


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6))
def test_the_order_of_faces_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    mesh = Mesh(rng.uniform(-1.2, 1.2, (24, 3)), rng.uniform(size=(24, 2)), np.arange(24).reshape(8, 3))
    for changed in (rng.permutation(mesh.faces), mesh.faces[:, ::-1]):
        for one, other in zip(
            rasterize(mesh, FLAT, (9, 11)),
            rasterize(dataclasses.replace(mesh, faces=changed), FLAT, (9, 11)),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_texture_coordinates_are_correct_in_perspective():
    """A floor, against the place where each pixel's ray meets it."""
    floor = Mesh([[-2, 0, -2], [2, 0, -2], [2, 0, 2], [-2, 0, 2]], quad().uv, quad().faces)
    camera = perspective(50, aspect=1.5) @ look_at((0.5, 1.5, 4))
    uv, coverage = rasterize(floor, camera, (32, 48))
    origin, direction = rays(camera, (32, 48))
    hit = origin - direction * (origin[..., 1:2] / direction[..., 1:2])
    expected = (hit[..., [0, 2]] + 2) / 4
    inside = ((expected > 0) & (expected < 1)).all(-1)
    np.testing.assert_array_equal(coverage, inside)
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_allclose(uv[inside], expected[inside], atol=1e-5)


def test_a_sphere_against_rays():
    mesh = sphere(24, 48)
    np.testing.assert_allclose(np.linalg.norm(mesh.positions, axis=1), 1, atol=1e-6)
    assert mesh.faces.shape == (2 * 23 * 48, 3)
    camera = perspective(30) @ look_at((1, 2, 5))
    uv, coverage = rasterize(mesh, camera, (48, 48))
    origin, direction = rays(camera, (48, 48))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    along = (origin * direction).sum(-1)
    root = along**2 - (origin**2).sum(-1) + 1
    # All but the rim, where a polygon is not quite a ball.
    assert coverage[root > 0.02].all() and not coverage[root < 0].any()
    hit = origin + direction * (-along - np.sqrt(np.maximum(root, 0)))[..., None]
    u, v = np.arctan2(hit[..., 0], hit[..., 2]) / (2 * np.pi) % 1, np.arcsin(np.clip(hit[..., 1], -1, 1)) / np.pi + 0.5
    well = root > 0.3
    np.testing.assert_allclose(uv[well][:, 1], v[well], atol=0.01)
    away = np.abs((uv[well][:, 0] - u[well] + 0.5) % 1 - 0.5)
    # Meridians meet at the pole.
    assert (away * np.cos(np.pi * (v[well] - 0.5)) < 0.01).all()


def test_triangles_behind_the_camera_are_left_out():
    mesh = Mesh([[-9, -1, -9], [9, -1, -9], [0, -1, 9], [0, 1, 9]], quad().uv, [[0, 1, 2], [0, 1, 3]])
    assert not rasterize(mesh, perspective(60) @ look_at((0, 0, 1)), (8, 8))[1].any()
    assert rasterize(mesh, perspective(60) @ look_at((0, 0, 20)), (8, 8))[1].any()
    line = Mesh([[-1, -1, 0], [0, 0, 0], [1, 1, 0]], np.zeros((3, 2)), [[0, 1, 2]])
    assert not rasterize(line, FLAT, (8, 8))[1].any()


def test_views_are_a_transform():
    transform = views(sphere(6, 8), (12, 16), count=5, seed=1)
    assert transform.output_shape((9, 7, 3)) == (12, 16, 3)
    textures = np.stack([np.full((9, 7, 3), grey, np.float32) for grey in (0.2, 0.8)])
    draw = transform.sample_params(seeds.root(0), 2, (9, 7, 3))
    seen = transform.apply(draw, tf.constant(textures)).numpy()
    for number, grey in enumerate((0.2, 0.8)):
        inside = transform.coverage.numpy()[draw["view"][number]][..., 0]
        assert 0.2 < inside.mean() < 0.95
        np.testing.assert_allclose(seen[number][inside], grey, atol=1e-6)
        expected = np.broadcast_to(draw["background"][number, 0], seen[number][~inside].shape)
        np.testing.assert_allclose(seen[number][~inside], expected)
    # Equal seeds, equal sides; all sides are drawn, and all of the sphere is seen.
    np.testing.assert_array_equal(views(sphere(6, 8), (12, 16), count=5, seed=1).uv, transform.uv)
    assert set(transform.sample_params(seeds.root(0), 99, (9, 7, 3))["view"].numpy()) == set(range(5))
    many = views(sphere(6, 8), 16, count=40)
    shown = many.uv.numpy()[many.coverage.numpy()[..., 0]]
    assert len({(int(u * 4), int(v * 4)) for u, v in shown if u < 1 and v < 1}) == 16


def test_the_mesh_fits_the_view():
    """No side of a ball is cut off at the full distance; its rim comes near the edge."""
    frames = turntable(np.zeros((4, 4, 3), np.float32), sphere(16, 32), 3, (32, 24))
    dark = (frames[..., 0] == 0).any(0)
    assert not dark[:, 0].any() and not dark[:, -1].any()
    assert dark[:, 1].any() and dark[:, -2].any()


def test_a_turntable_goes_round_once():
    texture = np.random.default_rng(0).uniform(size=(16, 32, 3)).astype(np.float32)
    frames = turntable(texture, sphere(), 8, 24, background=0.5)
    assert frames.shape == (8, 24, 24, 3) and frames.dtype == np.float32
    assert 0 <= frames.min() and frames.max() <= 1 and (frames[:, 0, 0] == 0.5).all()
    # Turning the texture by an eighth shows the next frame.
    turned = turntable(np.roll(texture, -4, 1), sphere(), 8, 24, background=0.5)
    np.testing.assert_allclose(turned[:-1], frames[1:], atol=1e-4)
    assert np.abs(frames[0] - frames[1]).max() > 0.1


def test_a_texture_excites_from_all_sides(tiny_network):
    tiny_network.compiled.clear()
    mesh = sphere(6, 8)
    common = dict(texture=(12, 16), view_size=16, count=6, steps=40, progress=False)
    result = texture_optimization(tiny_network, "conv1:3", mesh, **common)
    assert result.images.shape == (1, 12, 16, 3)
    assert result.history[-10:].mean() > result.history[:10].mean() + 0.3
    # On views that were not optimised, too.
    grey = np.full((1, 12, 16, 3), 0.5, np.float32)
    fresh = views(sphere(6, 8), 16, count=20, seed=9)
    draw = fresh.sample_params(seeds.root(1), 20, (12, 16, 3))
    found, plain = (
        tiny_network.cut(("conv1",))(fresh.apply(draw, tf.repeat(tf.constant(texture), 20, 0)))["conv1"][..., 3]
        for texture in (result.images, grey)
    )
    assert (np.mean(found, (1, 2)) > np.mean(plain, (1, 2))).mean() > 0.8
    # The same sides of the same mesh are compiled once for all channels.
    texture_optimization(tiny_network, "conv1:2", mesh, **common)
    assert number_of_traces(tiny_network) == 1


def test_a_texture_takes_the_style_of_a_picture(tiny_network, images):
    distance = objectives.activation_difference(["conv1", "conv2"], images[0], objectives.gram)
    result = texture_optimization(
        tiny_network, -distance, sphere(6, 8), texture=16, view_size=16, count=4, steps=40, progress=False
    )
    assert result.history[-10:].mean() > 0.9 * result.history[:10].mean()


def test_errors_teach(tiny_network):
    with pytest.raises(ValueError, match="rows: expected a whole number >= 2. Received: 1"):
        sphere(1)
    with pytest.raises(ValueError, match="columns: expected a whole number >= 3. Received: 2"):
        sphere(4, 2)
    with pytest.raises(ValueError, match="count: expected a whole number >= 1. Received: 0"):
        views(sphere(), count=0)
    with pytest.raises(ValueError, match="size: expected a whole number >= 4. Received: 3"):
        views(sphere(), 3)
    texture = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(ValueError, match=r"texture: expected \[height, width, .* Received shape: \(4, 4\)"):
        turntable(texture[..., 0], sphere())
    with pytest.raises(ValueError, match="frames: expected a whole number >= 1"):
        turntable(texture, sphere(), 0)
    with pytest.raises(ValueError, match="elevation: expected a number from -89.9 to 89.9. Received: 90"):
        turntable(texture, sphere(), elevation=90)
    with pytest.raises(ValueError, match="background: expected a number from 0 to 1. Received: 2"):
        turntable(texture, sphere(), background=2)
