"""Pictures keep their values; files are written whole or not at all."""

from __future__ import annotations

import os

import imageio.v3 as imageio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samplevis import export
from samplevis.export.animation import chain_columns
from samplevis.runtime import files

BAD_IMAGES = {
    "above one": np.full((2, 4, 4, 3), 1.01),
    "below zero": np.full((2, 4, 4, 3), -0.01),
    "nan": np.full((2, 4, 4, 3), np.nan),
    "infinite": np.full((2, 4, 4, 3), np.inf),
    "empty": np.zeros((0, 4, 4, 3)),
}


def _images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 7),
    columns=st.integers(1, 4),
    gap=st.integers(0, 3),
    scale=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
)
def test_grid_holds_the_pixels_as_they_are(count, columns, gap, scale, channels):
    images = _images(count, 3, 5, channels)
    paper = export.grid(images, columns=columns, gap=gap, scale=scale)
    rows = -(-count // columns)
    assert paper.dtype == np.uint8
    assert paper.shape == (gap + rows * (3 * scale + gap), gap + columns * (5 * scale + gap), 3)
    white = np.full_like(paper, 255)
    for i, image in enumerate(images):
        y, x = gap + i // columns * (3 * scale + gap), gap + i % columns * (5 * scale + gap)
        expected = np.kron(np.round(255.0 * image), np.ones((scale, scale, 1)))
        white[y : y + 3 * scale, x : x + 5 * scale] = expected
    np.testing.assert_array_equal(paper, white)


def test_grid_does_not_stretch_contrast():
    images = np.linspace(0.4, 0.6, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    paper = export.grid(images, gap=0)
    assert (paper.min(), paper.max()) == (102, 153)


def test_grid_rounds_instead_of_cutting():
    np.testing.assert_array_equal(export.grid(np.full((1, 1, 1, 3), 0.999), gap=0), [[[255] * 3]])
    np.testing.assert_array_equal(export.grid(np.full((1, 1, 1, 3), 1 / 255 * 1.4), gap=0), [[[1] * 3]])


def test_grid_of_rows_and_columns_is_row_by_row():
    images = _images(2, 3, 4, 4, 3)
    np.testing.assert_array_equal(export.grid(images), export.grid(images.reshape(6, 4, 4, 3), columns=3))


def test_labels_stand_beside_the_images_not_on_them():
    images = _images(2, 2, 40, 60, 3)
    paper = export.grid(images, row_labels=["chain 0", "chain 1"], column_labels=["a", "b"], title="goldfish")
    plain = export.grid(images)
    top, left = paper.shape[0] - plain.shape[0] + 4, paper.shape[1] - plain.shape[1] + 4
    np.testing.assert_array_equal(paper[top:, left:], plain[4:, 4:])
    # Ink in the row label's margin, in the line of column labels and in the title's.
    assert (paper[top : top + 40, : left - 4] < 128).any() and (paper[top + 44 :, : left - 4] < 128).any()
    assert (paper[: top // 2] < 128).any() and (paper[top // 2 : top - 4, left:] < 128).any()


def test_each_image_has_its_label_above_it():
    images = _images(3, 20, 30, 3)
    paper, plain = export.grid(images, columns=2, labels=["1", "2", "3"]), export.grid(images, columns=2)
    line = (len(paper) - len(plain)) // 2
    assert line > 4 and paper.shape[1] == plain.shape[1]
    for row in range(2):
        y = 4 + row * (line + 24)
        np.testing.assert_array_equal(paper[y + line : y + line + 20], plain[4 + row * 24 : 24 + row * 24])
        ink = (paper[y : y + line] < 128).any(axis=(0, 2))
        assert ink[4:34].any() and ink[38:68].any() == (row == 0)


def test_labels_of_tiny_images_do_not_overlap():
    names = ["optimised", "optimised"]
    paper = export.grid(np.ones((1, 2, 2, 2, 3)), column_labels=names)
    one = export.grid(np.ones((1, 1, 2, 2, 3)), column_labels=names[:1])
    ink = (paper < 128).any(axis=(0, 2))
    assert ink.sum() == 2 * (one < 128).any(axis=(0, 2)).sum() > 0


def test_labels_keep_their_line_breaks():
    def made(label, side=64):
        return export.grid(np.ones((1, 1, side, side, 3)), row_labels=[label])

    one, two = made("abc def"), made("abc\ndef")
    assert two.shape[1] < one.shape[1] and two.shape[0] == one.shape[0]
    # Where rows have no room for so many lines, they are one.
    np.testing.assert_array_equal(made("abc\ndef", 8), made("abc def", 8))


def test_a_label_outside_the_font_is_drawn_with_substitutes():
    assert (export.grid(np.ones((1, 8, 8, 3)), title="金魚\nsecond line") < 128).any()


@pytest.mark.parametrize("images", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images_are_refused(images, tmp_path):
    with pytest.raises(ValueError, match="images"):
        export.grid(images)
    with pytest.raises(ValueError, match="images"):
        export.save_gif(images, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"columns": 0}, "columns.*>= 1.*0"),
        ({"gap": -1}, "gap.*>= 0.*-1"),
        ({"scale": 1.5}, "scale.*whole number.*1.5"),
        ({"scale": True}, "scale.*True"),
        ({"row_labels": ["a"]}, "row_labels.*expected 2.*1"),
        ({"column_labels": ["a"] * 3}, "column_labels.*expected 2.*3"),
        ({"labels": ["a"] * 3}, "^labels.*expected 4.*3"),
    ],
)
def test_grid_names_the_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        export.grid(_images(4, 4, 4, 3), **arguments)


def test_grid_with_columns_of_its_own_takes_no_columns():
    with pytest.raises(ValueError, match="columns"):
        export.grid(_images(2, 2, 4, 4, 3), columns=2)


def test_png_round_trip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    export.save_png(pixels, tmp_path / "a.png")
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), pixels)
    export.save_png(pixels / 255, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_png_takes_one_image(tmp_path):
    with pytest.raises(ValueError, match=r"\[H, W, C\]"):
        export.save_png(_images(2, 4, 4, 3), tmp_path / "a.png")


def test_gif_round_trip(tmp_path):
    # Few colours, so that the palette holds them all.
    frames = np.random.default_rng(0).integers(0, 2, (7, 8, 6, 3)).astype(np.float32)
    export.save_gif(frames, tmp_path / "a.gif", fps=4, scale=3)
    back = imageio.imread(tmp_path / "a.gif", index=...)
    np.testing.assert_array_equal(back[..., :3], np.kron(255 * frames, np.ones((1, 3, 3, 1))))
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 7
        # 0: for ever.
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 250


def test_gif_of_grey_images(tmp_path):
    frames = np.array([0, 1, 0.5]).reshape(3, 1, 1, 1) * np.ones((3, 4, 4, 1))
    export.save_gif(frames, tmp_path / "a.gif")
    back = imageio.imread(tmp_path / "a.gif", index=...)
    np.testing.assert_array_equal(back[:, 0, 0, :3], [[0] * 3, [255] * 3, [128] * 3])


def test_gif_colours_are_close(tmp_path):
    x = np.linspace(0, 1, 64, dtype=np.float32)
    frames = np.stack([np.stack(np.broadcast_arrays(x[:, None], x, shift), -1) for shift in (0.2, 0.8)])
    export.save_gif(frames, tmp_path / "a.gif")
    back = imageio.imread(tmp_path / "a.gif", index=...)[..., :3] / 255
    # 256 colours over a plane: cells of 1/16 x 1/16, half of which is .03.
    assert np.sqrt(np.mean((back - frames) ** 2)) < 0.03


def test_gif_is_the_same_every_time(tmp_path):
    for name in "ab":
        export.save_gif(_images(3, 8, 8, 3), tmp_path / f"{name}.gif")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize("fps", [0, -1, 51, float("nan"), True, "5"])
def test_gif_names_a_bad_rate(fps, tmp_path):
    with pytest.raises(ValueError, match="fps"):
        export.save_gif(_images(2, 4, 4, 3), tmp_path / "a.gif", fps=fps)


def test_gif_takes_frames(tmp_path):
    with pytest.raises(ValueError, match=r"\[N, H, W, C\]"):
        export.save_gif(_images(2, 2, 4, 4, 3), tmp_path / "a.gif")


def test_chains_side_by_side():
    images = _images(3, 5, 4, 6, 3)
    frames = export.chain_frames(images)
    assert frames.shape == (5, 4, 3 * 6 + 2 * 2, 3)
    for chain in range(3):
        np.testing.assert_array_equal(frames[:, :, 8 * chain : 8 * chain + 6], images[chain])
    assert (frames[:, :, [6, 7, 14, 15]] == 1).all()


def test_chains_in_rows():
    images = np.random.default_rng(1).integers(0, 256, (5, 2, 4, 3, 3), np.uint8)
    frames = export.chain_frames(images, columns=3)
    assert frames.shape == (2, 4 + 2 + 4, 3 * 3 + 2 * 2, 3)
    np.testing.assert_array_equal(frames[:, :4], export.chain_frames(images[:3]))
    np.testing.assert_array_equal(frames[:, 6:, :8], export.chain_frames(images[3:]))
    assert (frames[:, 4:6] == 255).all() and (frames[:, 6:, 8:] == 255).all()
    np.testing.assert_array_equal(export.chain_frames(images, columns=9), export.chain_frames(images))


def test_rows_are_even_and_wider_than_high():
    for chains in range(1, 200):
        columns = chain_columns(chains)
        rows = -(-chains // columns)
        assert rows <= columns and rows * columns - chains < rows, chains


@pytest.mark.parametrize("shape", [(3, 8, 8, 3), (8, 8, 1), (2, 3, 8, 8, 3)])
def test_each_picture_is_stretched_to_its_percentiles(shape):
    random = np.random.default_rng(2)
    images = (0.4 + 0.2 * random.random(shape) ** 2).astype(np.float32)
    flat = images.reshape(-1, *shape[-3:])
    for image, found in zip(flat, export.stretch_contrast(images).reshape(flat.shape), strict=True):
        low, high = np.percentile(image, (0.5, 99.5))
        np.testing.assert_allclose(found, np.clip((image - low) / (high - low), 0, 1), atol=1e-6)
        assert found.min() == 0 and found.max() == 1
    assert np.ptp(images) < 0.21, "the control"


def test_stretching_treats_colours_alike_and_leaves_flat_pictures_and_opacity():
    flat = np.full((4, 4, 3), 0.3, np.float32)
    np.testing.assert_array_equal(export.stretch_contrast(flat), flat)
    ramp = np.linspace(0.4, 0.6, 64, dtype=np.float32).reshape(8, 8, 1) * np.ones(3, np.float32)
    red = ramp * np.float32([1, 0.5, 0.5])
    assert np.ptp(export.stretch_contrast(ramp), -1).max() == 0, "grey stays grey"
    found = export.stretch_contrast(red)
    assert (found[..., 0] > found[..., 1]).all() and (found[..., 1] == found[..., 2]).all()
    seen = np.concatenate([ramp, 0.7 * np.ones((8, 8, 1), np.float32)], -1)
    np.testing.assert_array_equal(export.stretch_contrast(seen)[..., 3], seen[..., 3])
    np.testing.assert_array_equal(export.stretch_contrast(seen)[..., :3], export.stretch_contrast(ramp))


def test_a_volume_is_stretched_as_one():
    volume = np.random.default_rng(3).uniform(0.4, 0.6, (2, 5, 8, 8, 1)).astype(np.float32)
    found = export.stretch_contrast(volume, dimensions=3)
    np.testing.assert_allclose(
        found[1].reshape(40, 8, 1), export.stretch_contrast(volume[1].reshape(40, 8, 1)), atol=1e-6
    )
    assert (found != export.stretch_contrast(volume)).any(), "the control: slice by slice"


def test_one_chain_needs_no_line():
    images = _images(1, 5, 4, 6, 3)
    np.testing.assert_array_equal(export.chain_frames(images), images[0])


def test_sweep_goes_through_one_chain_after_the_other():
    images = _images(3, 5, 4, 6, 3)
    np.testing.assert_array_equal(export.sweep_frames(images), np.concatenate(list(images)))


@pytest.mark.parametrize("layout", [export.chain_frames, export.sweep_frames])
def test_layouts_check_the_shape(layout):
    with pytest.raises(ValueError, match=r"\[chain, draw, H, W, C\].*\(2, 4, 4, 3\)"):
        layout(_images(2, 4, 4, 3))


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.npz"
    with files.atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("new")
        assert not path.exists()
        assert os.path.dirname(temporary) == str(tmp_path) and temporary.endswith(".npz")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_survives_an_error(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), files.atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "save",
    [lambda path: export.save_gif(np.full((2, 4, 4, 3), 2.0), path), lambda path: export.save_png(np.ones(3), path)],
)
def test_the_old_picture_survives_a_bad_one(save, tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(ValueError):
        save(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("use", [files.check_writable, lambda path: files.atomic_path(path).__enter__()])
def test_a_missing_folder_is_named(use, tmp_path):
    with pytest.raises(OSError, match="nowhere.*does not exist"):
        use(tmp_path / "nowhere" / "a.gif")
    with pytest.raises(OSError, match="it is a folder"):
        use(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is writable for the superuser")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="a.gif"):
        files.check_writable(tmp_path / "a.gif")


def test_a_failing_disk_is_named(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "mkstemp", full)
    with pytest.raises(OSError, match="a.gif.*No space left"):
        files.check_writable(tmp_path / "a.gif")


def test_checking_changes_nothing(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    files.check_writable(path)
    files.check_writable(tmp_path / "b")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_name_without_a_folder_is_in_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export.save_png(_images(4, 4, 3), "a.png")
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="permission bits")
def test_files_are_as_readable_as_any(tmp_path):
    (tmp_path / "plain").write_text("")
    export.save_png(_images(4, 4, 3), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
