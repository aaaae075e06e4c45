"""What `load` and `save` do by ending, keywords and scopes, and the helpers of `misc`, beside NumPy, SciPy and PIL."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from samplevis.lucid.misc.io.sanitizing import sanitize

from samplevis.lucid.misc import convert_matplotlib, iter_nd_utils, ndimage_utils, stimuli
from samplevis.lucid.misc.gl import meshutil
from samplevis.lucid.misc.io import CaptureSaveContext, batch_save, io_scope, load, save, scope_url
from samplevis.lucid.misc.io.reading import MAX_FILENAME_LENGTH, local_cache_path, read_handle
from samplevis.lucid.misc.io.scoping import current_io_scopes

RANDOM = np.random.default_rng(1)
IMAGE = RANDOM.uniform(size=(6, 9, 3)).astype(np.float32)


class Named:
    def to_json(self):
        return "named"


THINGS = {
    "a.json": ({"a": [1, 2.5], "b": None}, {"a": [1, 2.5], "b": None}),
    "numpy.json": ([np.int64(3), np.float32(0.5), np.eye(2), {4}, Named()], [3, 0.5, [[1, 0], [0, 1]], [4], "named"]),
    "a.txt": ("line\nother\n", "line\nother\n"),
    "lines.txt": (["line", "other\n", b"third"], "line\nother\nthird\n"),
    "a.md": ("text", "text"),
    "a.npy": (IMAGE, IMAGE),
    "a.npy.xz": (IMAGE, IMAGE),
    "a.json.xz": ([1], [1]),
}


@pytest.mark.parametrize("name", THINGS)
def test_what_is_saved_is_loaded(tmp_path, name):
    thing, expected = THINGS[name]
    result = save(thing, str(tmp_path / name))
    assert result["url"] == str(tmp_path / name) and result["type"] in name.replace("md", "txt")
    found = load(str(tmp_path / name))
    assert type(found) is type(expected)
    assert np.array_equal(found, expected) if isinstance(expected, np.ndarray) else found == expected


def test_arrays_by_name(tmp_path):
    path = str(tmp_path / "a.npz")
    for thing in ({"x": IMAGE, "y": IMAGE[0]}, [IMAGE, IMAGE[0]], IMAGE):
        save(thing, path)
        found = load(path)
        expected = thing if isinstance(thing, dict) else {f"arr_{n}": one for n, one in enumerate(thing)}
        expected = {"arr_0": IMAGE} if thing is IMAGE else expected
        assert set(found) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def test_objects_in_arrays_need_the_users_word(tmp_path):
    path = str(tmp_path / "a.npy")
    save(np.array([{"a": 1}, None], object), path)
    with pytest.raises(ValueError, match="allow_pickle=True"):
        load(path)
    assert load(path, allow_pickle=True)[0] == {"a": 1}
    with pytest.raises(ValueError, match="allow_unsafe_formats=True"):
        save([1], str(tmp_path / "a.pickle"))
    assert save([1], str(tmp_path / "a.pickle"), allow_unsafe_formats=True) is None
    assert load(str(tmp_path / "a.pickle"), allow_unsafe_formats=True) == [1]


def test_lines_have_no_empty_last_one(tmp_path):
    for text in ("a\nb\n", "a\nb", "a\r\nb\r\n"):
        (tmp_path / "a.txt").write_bytes(text.encode())
        assert load(str(tmp_path / "a.txt"), split=True) == ["a", "b"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_images_of_every_kind(tmp_path, mode):
    values = RANDOM.uniform(size=(6, 9))
    grey = Image.fromarray((values * 255).astype(np.uint8))
    picture = Image.fromarray((values * 65535).astype(np.uint16)) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    picture.save(path)
    found = load(str(path))
    channels = 4 if mode in ("RGBA", "LA") else 3
    assert found.shape == (6, 9, channels) and found.dtype == np.float32
    expected = values > 0.5 if mode == "1" else values
    if mode != "1":
        np.testing.assert_allclose(found[..., 0], expected, atol=1 / 254)
    assert load(str(path), size=(4, 3), target_dtype=np.float64).dtype == np.float64
    assert load(str(path), size=(4, 3)).shape == (3, 4, channels)


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "PNG"])
def test_images_are_saved_by_pil(tmp_path, ending):
    result = save(IMAGE, str(tmp_path / f"a.{ending.lower()}"), domain=(0, 1))
    assert result == {"type": "image", "shape": (9, 6, 3), "url": str(tmp_path / f"a.{ending.lower()}")}
    (tmp_path / f"a.{ending.lower()}").rename(tmp_path / f"b.{ending}")
    assert load(str(tmp_path / f"b.{ending}")).shape == (6, 9, 3)


def test_names_without_a_known_ending(tmp_path):
    save(IMAGE, str(tmp_path / "a.png"))
    (tmp_path / "a.png").rename(tmp_path / "a.xyz")
    assert load(str(tmp_path / "a.xyz")).shape == (6, 9, 3)
    (tmp_path / "b.xyz").write_text("no picture")
    with pytest.raises(RuntimeError, match="not an image"):
        load(str(tmp_path / "b.xyz"))
    with pytest.raises(RuntimeError, match="ending"):
        load(str(tmp_path / "a"))
    with pytest.raises(RuntimeError, match="ending"):
        save("text", str(tmp_path / "a"))
    save("<b>", str(tmp_path / "a.html"))
    assert (tmp_path / "a.html").read_text() == "<b>"
    with pytest.raises(ValueError, match="ending"):
        save({}, str(tmp_path / "a.unknown"))


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.npy", "a.png"])
def test_keywords_that_a_format_does_not_have_are_errors(tmp_path, name):
    thing = {"a.json": [1], "a.txt": "a", "a.npy": IMAGE, "a.png": IMAGE}[name]
    with pytest.raises(TypeError, match="other"):
        save(thing, str(tmp_path / name), other=1)
    save(thing, str(tmp_path / name))
    with pytest.raises(TypeError, match="other|splits"):
        load(str(tmp_path / name), splits=True)


def test_other_functions_swallow_no_keywords():
    from samplevis.lucid.misc.io import showing

    with pytest.raises(TypeError, match="sizes"):
        ndimage_utils.resize(IMAGE, (3, 3), sizes=1)
    with pytest.raises(TypeError, match="width"):
        showing.show(IMAGE, width=3)


def test_open_files_and_lists(tmp_path):
    with open(tmp_path / "a.json", "w") as file:
        save({"a": 1}, file)
    with open(tmp_path / "a.json") as file:
        assert load(file) == {"a": 1}
    with open(tmp_path / "a.jpg", "wb") as file:
        save(IMAGE, file)
    found = load([str(tmp_path / "a.json"), str(tmp_path / "none.json"), str(tmp_path / "a.jpg")])
    assert found[0] == {"a": 1} and isinstance(found[1], OSError) and found[2].shape == (6, 9, 3)
    with read_handle(tmp_path / "a.json") as file:
        first = file.read()
        file.seek(0)
        assert file.read() == first and json.load(io.BytesIO(first)) == {"a": 1}


def test_scopes_are_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with io_scope("first"), io_scope("second"), CaptureSaveContext() as outer:
        save([1], "a.json")
        assert load("a.json") == [1] and scope_url("/tmp/a") == "/tmp/a" and scope_url("gs://a") == "gs://a"
        with io_scope("third", replace_current_scopes=True), CaptureSaveContext() as inner:
            saved = batch_save([([2], "b.json"), (IMAGE, "b.png", {"domain": (0, 1)})], num_workers=2)
            assert load(["b.json"]) == [[2]]
    assert current_io_scopes() == [] and scope_url("./a") == "./a"
    assert (tmp_path / "first/second/a.json").is_file() and (tmp_path / "third/b.png").is_file()
    assert len(outer.captured_saves) == 1 and sorted(map(str, inner.captured_saves)) == sorted(map(str, saved))
    with pytest.raises(ValueError, match="save_ops"):
        batch_save([("a",)])


def test_copies_of_addresses():
    short, long = local_cache_path("https://a.b/c.png"), local_cache_path("https://a.b/" + "c" * 500)
    assert short.endswith("https___a_b_c_png") and len(long.rpartition("/")[2]) == MAX_FILENAME_LENGTH
    assert long != local_cache_path("https://a.b/" + "c" * 501)
    assert sanitize("a/b/c") == "a_b_c"


# --- Arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(3, 4), (17, 5), (6, 20), (1, 1)])
@pytest.mark.parametrize("order", [1, 3])
def test_resizing_is_scipys(size, order):
    ndimage = pytest.importorskip("scipy.ndimage")
    for image in (IMAGE, IMAGE[None].astype(np.float64), (IMAGE * 255).astype(np.uint8)):
        zoom = [1] * (image.ndim - 3) + [size[0] / 6, size[1] / 9, 1]
        expected = ndimage.zoom(image, zoom, order=order)
        found = ndimage_utils.resize(image, size, order=order)
        assert found.dtype == image.dtype and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1 if image.dtype == np.uint8 else 2e-5)
    np.testing.assert_allclose(ndimage_utils.resize(IMAGE, ratios=[2, 1]), ndimage_utils.resize(IMAGE, (12, 9)))
    assert ndimage_utils.resize(IMAGE, [6, 9]) is IMAGE
    with pytest.raises(ValueError, match="order"):
        ndimage_utils.resize(IMAGE, 3, order=2)


def test_images_with_an_opacity_over_a_pale_copy():
    image = RANDOM.uniform(size=(3, 4, 4))
    rgb, alpha, part, gamma = image[..., :3], image[..., 3:], 0.3, 1.8
    pale = part * rgb + (1 - part)
    expected = (alpha * rgb**gamma + (1 - alpha) * pale**gamma) ** (1 / gamma)
    np.testing.assert_allclose(ndimage_utils.soft_alpha_blend(image, part, gamma), expected)
    # What blended alpha instead, as earlier versions did, is another picture.
    wrong = part + (1 - part) * alpha
    assert np.abs((wrong * rgb**gamma + 1 - wrong) ** (1 / gamma) - expected).max() > 0.05


def test_nested_iterables():
    nested = ((x + y for y in range(3)) for x in range(2))
    found = dict(iter_nd_utils.recursive_enumerate_nd(nested))
    assert found == {(x, y): x + y for x in range(2) for y in range(3)}
    arrays = [[np.ones((2, 2, 3))] * 2] * 3
    stopped = dict(iter_nd_utils.recursive_enumerate_nd(arrays, lambda x: isinstance(x, np.ndarray)))
    assert iter_nd_utils.dict_to_ndarray(stopped).shape == (3, 2, 2, 2, 3)
    assert iter_nd_utils.dict_to_ndarray({(1, 2): 5}).tolist() == [[0, 0, 0], [0, 0, 5]]
    assert list(iter_nd_utils.batch_iter(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    for wrong in ({}, {(1,): 1, (1, 2): 1}):
        with pytest.raises(ValueError, match="one length"):
            iter_nd_utils.dict_to_ndarray(wrong)


def test_stimuli_have_the_area_of_their_shapes():
    np.random.seed(0)
    circle = stimuli.sample_binary_image(64, alias_factor=20)(lambda x, y: np.sqrt(x**2 + y**2) - 20)
    assert circle.shape == (64, 64, 3) and circle[32, 32].max() == 0 and circle[0, 0].min() == 1
    assert (1 - circle[..., 0]).sum() == pytest.approx(np.pi * 400, rel=0.01)
    line = stimuli.sample_binary_image(64, 20, boundary_line=True, boundary_width=2)(
        lambda x, y: np.sqrt(x**2 + y**2) - 20
    )
    # A ring of the boundary's width on both sides.
    assert (1 - line[..., 0]).sum() == pytest.approx(np.pi * (22**2 - 18**2), rel=0.05)
    faded = stimuli.sample_binary_image(64, fade_beyond_radius=5, fade_over_distance=5, fade_color=(0.2, 0.3, 0.4))(
        lambda x, y: x + 0 * y
    )
    np.testing.assert_allclose(faded[2, 2], [0.2, 0.3, 0.4], rtol=1e-5)
    colours = stimuli.sample_binary_image(8, color_a=(1, 0, 0), color_b=(0, 0, 1))(lambda x, y: x + 3 + 0 * y)
    np.testing.assert_allclose(colours[0, [0, -1]], [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("orientation", [0, 90, 200])
def test_corners_point_where_they_are_told(orientation):
    np.random.seed(0)
    sharp = stimuli.rounded_corner(orientation, 0, size=65)[..., 0]
    wide = stimuli.rounded_corner(orientation, 0, angular_width=120, size=65)[..., 0]
    assert sharp.mean() < wide.mean()
    round_ = stimuli.rounded_corner(orientation, 25, size=65)[..., 0]
    assert np.abs(sharp - round_).max() == 1
    # A quarter turn of the corner is a quarter turn of the picture.
    np.random.seed(0)
    turned = stimuli.rounded_corner(orientation + 90, 0, size=65)[..., 0]
    assert np.abs(np.rot90(turned) - sharp).mean() < 0.02


def test_rounded_minima():
    x, y = RANDOM.normal(size=(2, 50)) * 3
    np.testing.assert_allclose(stimuli.rmin(x, y, 0), np.minimum(x, y))
    r = 2.0
    near = np.abs(x - y) <= r
    # The lower right quarter of a circle: (x - c)^2 + (y - c)^2 = r^2 around (v + r, v + r).
    v = stimuli.rmin(x, y, r)
    np.testing.assert_allclose((x - v - r)[near] ** 2 + (y - v - r)[near] ** 2, r**2, rtol=1e-6)
    np.testing.assert_allclose(v[~near], np.minimum(x, y)[~near])


def test_figures_as_arrays():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pyplot.figure(figsize=(2, 1), dpi=50, facecolor="black")
    found = convert_matplotlib.matplotlib_to_numpy(figure)
    pyplot.close(figure)
    assert found.shape == (50, 100, 4) and found[0, 0].tolist() == [0, 0, 0, 1]


def test_lengths_of_vectors():
    v = RANDOM.normal(size=(4, 3))
    np.testing.assert_allclose(meshutil.normalize(v), v / np.sqrt((v**2).sum()))
    np.testing.assert_allclose(meshutil.anorm(meshutil.normalize(v, axis=1), axis=1), 1)
