"""Files of every format: what is saved is what is shown, and what is read back."""

from __future__ import annotations

import json
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from samplevis import export

grid_module = sys.modules["samplevis.export.grid"]

LOSSLESS = (".png", ".webp")
FILMS = (".png", ".apng", ".webp")


def _values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def _smooth(*shape: int) -> np.ndarray:
    """A picture without fine detail, [H, W, 3]."""
    y, x = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
    return np.stack([x, y, (1 - x) * y], -1).astype(np.float32)


def _bytes(images: np.ndarray) -> np.ndarray:
    """The oracle: rounded to bytes, grey in three channels."""
    pixels = np.round(255.0 * images).astype(np.uint8)
    return pixels.repeat(3, -1) if pixels.shape[-1] == 1 else pixels


def _read(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


# Still pictures.


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_pixel_is_kept(suffix, channels, tmp_path):
    image = _values(7, 5, channels)
    export.save_image(image, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(_read(tmp_path / f"a{suffix}"), _bytes(image))
    back = export.load_image(tmp_path / f"a{suffix}", alpha=channels == 4)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, _bytes(image).astype(np.float32) / 255)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_comes_near(suffix, tmp_path):
    image = _smooth(32, 24)
    export.save_image(image, tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as picture:
        assert picture.format == "JPEG"
    assert np.abs(export.load_image(tmp_path / f"a{suffix}") - image).max() < 0.02


def test_saved_equals_shown_and_nothing_is_stretched(tmp_path):
    image = 0.4 + 0.2 * _values(6, 6, 3)
    export.save_image(image, tmp_path / "a.png")
    shown = np.asarray(export.show(image))
    np.testing.assert_array_equal(_read(tmp_path / "a.png"), shown)
    # What stretching would have made of it.
    assert 100 <= shown.min() and shown.max() <= 155


@settings(max_examples=20, deadline=None)
@given(low=st.floats(-100, 100), width=st.floats(0.01, 1000), seed=st.integers(0, 99))
def test_a_domain_is_stretched_to_black_and_white(low, width, seed):
    high = low + width
    values = np.random.default_rng(seed).uniform(low, high, (3, 4, 3))
    values.flat[:2] = low, high
    shown = np.asarray(export.show(values, domain=(low, high)))
    np.testing.assert_array_equal(shown, np.round(255 * ((values - low) / (high - low))))
    assert shown.min() == 0 and shown.max() == 255


def test_a_domain_in_a_file(tmp_path):
    export.save_image(np.array([-2.0, 0.0, 2.0]).reshape(1, 3, 1), tmp_path / "a.png", domain=(-2, 2))
    np.testing.assert_array_equal(_read(tmp_path / "a.png")[0, :, 0], [0, 128, 255])


def test_metadata_is_read_back(tmp_path):
    metadata = {"Objective": "class_logit(logits, 'Fuß|金魚')", "Seed": 3}
    export.save_image(_values(4, 4, 3), tmp_path / "a.png", metadata=metadata)
    assert export.load_metadata(tmp_path / "a.png") == {"Objective": metadata["Objective"], "Seed": "3"}
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text["Seed"] == "3"
    export.save_image(_values(4, 4, 3), tmp_path / "b.jpg")
    assert export.load_metadata(tmp_path / "b.jpg") == {}
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="c.png.* is damaged or not a picture"):
        export.load_metadata(tmp_path / "c.png")


IMAGE_ERRORS = {
    "suffix": (_values(4, 4, 3), "a.bmp", {}, r"path: .*\.png, \.jpg, \.jpeg, \.webp.*a\.bmp"),
    "no suffix": (_values(4, 4, 3), "a", {}, "path: "),
    "rank": (_values(2, 4, 4, 3), "a.png", {}, r"image: expected shape \[H, W, C\].*\(2, 4, 4, 3\)"),
    "channels": (_values(4, 4, 2), "a.png", {}, r"1 or 3 or 4 channels.*\(4, 4, 2\)"),
    "opacity in JPEG": (_values(4, 4, 4), "a.jpg", {}, "1 or 3 channels"),
    "range": (2 * np.ones((4, 4, 3)), "a.png", {}, r"\[0, 1\].*from 2 to 2"),
    "domain": (2 * np.ones((4, 4, 3)), "a.png", {"domain": (3, 4)}, r"\[3, 4\].*from 2 to 2"),
    "domain order": (_values(4, 4, 3), "a.png", {"domain": (1, 0)}, r"domain: .*low < high.*\(1, 0\)"),
    "domain count": (_values(4, 4, 3), "a.png", {"domain": 1}, "domain: .*two numbers.*1"),
    "domain nan": (_values(4, 4, 3), "a.png", {"domain": (0, np.nan)}, "domain: "),
    "type": (np.full((4, 4, 3), "x"), "a.png", {}, "images: expected an array of numbers.*<U1"),
    "complex": (1j * np.ones((4, 4, 3)), "a.png", {}, "images: expected an array of numbers.*complex"),
    "metadata in JPEG": (_values(4, 4, 3), "a.jpg", {"metadata": {"Seed": 0}}, r"metadata: .*\.png"),
    "metadata name": (_values(4, 4, 3), "a.png", {"metadata": {"": 0}}, "metadata: .*1 to 79"),
}


@pytest.mark.parametrize("image, name, options, message", IMAGE_ERRORS.values(), ids=IMAGE_ERRORS)
def test_save_image_says_what_is_wrong(image, name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.save_image(image, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(bad, tmp_path):
    image = _values(4, 5, 3)
    image[1, 2, 0] = image[3, 4, 2] = bad
    message = rf"2 of 60 values are not finite, the first \({bad}\) at \[1, 2, 0\]"
    with pytest.raises(ValueError, match=message):
        export.save_image(image, tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        export.show(image)


# Reading.


def test_grey_becomes_three_channels(tmp_path):
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        export.load_image(tmp_path / "a.png"), np.repeat(grey[..., None], 3, -1) / np.float32(255)
    )


def test_sixteen_bits_are_rounded_not_cut(tmp_path):
    grey = np.array([[0, 257, 257 * 128, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        export.load_image(tmp_path / "a.png")[0, :, 0], np.float32([0, 1, 128, 255]) / np.float32(255)
    )


def test_transparent_parts_become_white(tmp_path):
    image = np.zeros((1, 2, 4))
    image[0, 1, 3] = 1
    export.save_image(image, tmp_path / "a.png")
    np.testing.assert_array_equal(export.load_image(tmp_path / "a.png"), [[[1, 1, 1], [0, 0, 0]]])


def test_a_camera_held_sideways(tmp_path):
    picture = Image.fromarray(_bytes(_smooth(8, 4)))
    exif = Image.Exif()
    # Orientation 6: to be turned a quarter to the right.
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(
        export.load_image(tmp_path / "a.png"), np.rot90(_bytes(_smooth(8, 4)), -1).astype(np.float32) / 255
    )


def test_size_is_lanczos_of_the_centre(tmp_path):
    image = _values(16, 32, 3)
    export.save_image(image, tmp_path / "a.png")
    middle = (8, 0, 24, 16)
    expected = np.asarray(Image.fromarray(_bytes(image)).resize((8, 8), Image.Resampling.LANCZOS, middle), np.float32)
    np.testing.assert_array_equal(export.load_image(tmp_path / "a.png", size=8), expected / 255)
    assert export.load_image(tmp_path / "a.png", size=(4, 12)).shape == (4, 12, 3)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, (4, 0), "8"])
def test_load_image_names_a_bad_size(size, tmp_path):
    with pytest.raises(ValueError, match="size: expected a whole number >= 1"):
        export.load_image(tmp_path / "nowhere.png", size=size)


def test_files_that_are_no_pictures(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export.load_image(tmp_path / "nowhere.png")
    export.save_image(_values(16, 16, 3), tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    for content in (b"", b"no picture", whole[: len(whole) // 2]):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(ValueError, match="path: .*a.png.*damaged or not a picture"):
            export.load_image(tmp_path / "a.png")


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    images = _values(3, 4, 4, 3)
    for name, image in zip(("b.png", "c.webp", "a.png"), images, strict=True):
        export.save_image(image, tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    expected = _bytes(images)[[2, 0, 1]].astype(np.float32) / 255
    np.testing.assert_array_equal(export.load_images(tmp_path), expected)
    np.testing.assert_array_equal(export.load_images([tmp_path / "b.png"]), expected[1:2])


def test_a_folder_of_other_things(tmp_path):
    with pytest.raises(ValueError, match="source: expected at least one picture"):
        export.load_images(tmp_path)
    with pytest.raises(FileNotFoundError):
        export.load_images(tmp_path / "nowhere")
    export.save_image(_values(4, 4, 3), tmp_path / "a.png")
    export.save_image(_values(4, 5, 3), tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"one size.*\(4, 5\) in .*b.png"):
        export.load_images(tmp_path)
    assert export.load_images(tmp_path, size=3).shape == (2, 3, 3, 3)


# Films.


def _film(path) -> tuple[np.ndarray, list[float], int]:
    """Frames, milliseconds of each, and how often they are played (0: for ever), as Pillow reads them."""
    with Image.open(path) as film:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(film):
            frames.append(np.asarray(frame.convert("RGBA")))
            durations.append(frame.info["duration"])
        return np.stack(frames), durations, film.info["loop"]


@pytest.mark.parametrize("suffix", FILMS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_films_keep_every_pixel(suffix, channels, tmp_path):
    frames = np.maximum(_values(4, 6, 5, channels), 1 / 255)
    export.save_animation(frames, tmp_path / f"a{suffix}", fps=8, scale=2)
    read, durations, loop = _film(tmp_path / f"a{suffix}")
    pixels = _bytes(frames).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(read[..., : pixels.shape[-1]], pixels)
    assert durations == [125] * 4 and loop == 0


@pytest.mark.parametrize("suffix", [*FILMS, ".gif"])
def test_a_frame_that_stays_is_shown_longer(suffix, tmp_path):
    black, white = np.zeros((1, 4, 4, 3)), np.ones((1, 4, 4, 3))
    export.save_animation(np.concatenate([black, black, white]), tmp_path / f"a{suffix}", fps=4)
    _, durations, _ = _film(tmp_path / f"a{suffix}")
    assert sum(durations) == 750


def test_a_picture_that_stays_too_long_for_gif(tmp_path):
    frames = np.zeros((70, 1, 1, 3))
    frames[-1] = 1
    with pytest.raises(ValueError, match="fps: .*655 seconds.*0.1"):
        export.save_animation(frames, tmp_path / "a.gif", fps=0.1)
    assert not list(tmp_path.iterdir())
    export.save_animation(frames, tmp_path / "a.webp", fps=0.1)
    assert sum(_film(tmp_path / "a.webp")[1]) == 700_000


def test_gif_is_what_save_gif_writes(tmp_path):
    export.save_animation(_values(3, 4, 4, 3), tmp_path / "a.gif", fps=10, scale=2)
    export.save_gif(_values(3, 4, 4, 3), tmp_path / "b.gif", fps=10, scale=2)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize("suffix", FILMS)
def test_films_are_the_same_every_time(suffix, tmp_path):
    for name in "ab":
        export.save_animation(_values(3, 4, 4, 3), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_metadata_of_a_film(tmp_path):
    export.save_animation(_values(2, 4, 4, 3), tmp_path / "a.png", metadata={"Seed": 3})
    assert export.load_metadata(tmp_path / "a.png") == {"Seed": "3"}


@pytest.mark.parametrize("height, width", [(32, 48), (31, 47)])
def test_mp4_comes_near(height, width, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    frames = np.stack([shade * _smooth(height, width) for shade in np.linspace(0, 1, 9)])
    export.save_animation(frames, tmp_path / "a.mp4", fps=6)
    read = imageio.imread(tmp_path / "a.mp4", plugin="FFMPEG")
    assert read.shape == (9, 32, 48, 3)
    difference = np.abs(read[:, :height, :width] / 255 - frames)
    assert difference.mean() < 0.02 and difference.max() < 0.15
    about = imageio.immeta(tmp_path / "a.mp4", plugin="FFMPEG")
    assert about["fps"] == 6 and about["duration"] == 1.5 and about["codec"] == "h264"


def test_mp4_without_ffmpeg_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    # Before any work: the frames would be refused.
    with pytest.raises(ImportError, match=r"pip install samplevis\[video\]"):
        export.save_animation("no frames", tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


FILM_ERRORS = {
    "suffix": ("a.avi", {}, r"path: .*\.gif, \.png, \.apng, \.webp, \.mp4.*a\.avi"),
    "fps": ("a.webp", {"fps": 0}, "fps: .*from 0.1 to 1000.*0"),
    "fps of gif": ("a.gif", {"fps": 51}, "fps: .*from 0.1 to 50.*51"),
    "slow": ("a.png", {"fps": 0.001}, "fps: .*0.1.*0.001"),
    "flag": ("a.png", {"fps": True}, "fps: .*True"),
    "nan": ("a.png", {"fps": np.nan}, "fps: .*nan"),
    "scale": ("a.png", {"scale": 0}, "scale: expected a whole number from 1 .*0"),
    "metadata": ("a.gif", {"metadata": {"Seed": 0}}, "metadata: .*apng"),
}


@pytest.mark.parametrize("name, options, message", FILM_ERRORS.values(), ids=FILM_ERRORS)
def test_save_animation_says_what_is_wrong(name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.save_animation(_values(2, 4, 4, 3), tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_films_without_opacity(name, tmp_path):
    if name == "a.mp4":
        pytest.importorskip("imageio_ffmpeg")
    with pytest.raises(ValueError, match="1 or 3 channels"):
        export.save_animation(_values(2, 4, 4, 4), tmp_path / name)


def test_films_take_frames(tmp_path):
    with pytest.raises(ValueError, match=r"frames: expected shape \[N, H, W, C\]"):
        export.save_animation(_values(4, 4, 3), tmp_path / "a.webp")


SAVERS = {
    "still": lambda path: export.save_image(_values(8, 8, 3), path),
    "film": lambda path: export.save_animation(_values(2, 8, 8, 3), path),
    "sprites": lambda path: export.save_sprites(_values(2, 8, 8, 3), path),
}


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_the_old_file_survives_a_full_disk(save, suffix, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    save(path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def full(self, target, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save(path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


# Sprite maps.


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 7),
    columns=st.one_of(st.none(), st.integers(1, 4)),
    channels=st.sampled_from([1, 3, 4]),
    suffix=st.sampled_from(LOSSLESS),
)
def test_every_sprite_is_where_the_list_says(tmp_path_factory, count, columns, channels, suffix):
    folder = tmp_path_factory.mktemp("sprites")
    images = _values(count, 3, 5, channels)
    names = [f"unit {i}" for i in range(count)]
    export.save_sprites(images, folder / f"units{suffix}", names, columns)
    described = json.loads((folder / "units.json").read_text())
    texture = _read(folder / described["image"])
    assert texture.shape[:2] == (described["height"], described["width"])
    assert [sprite["name"] for sprite in described["sprites"]] == names
    for sprite, image in zip(described["sprites"], _bytes(images), strict=True):
        rows = slice(sprite["y"], sprite["y"] + sprite["height"])
        np.testing.assert_array_equal(texture[rows, sprite["x"] : sprite["x"] + sprite["width"]], image)


@pytest.mark.parametrize(
    "images, name, options, message",
    [
        (_values(2, 4, 4, 3), "a.jpg", {}, r"path: .*\.png, \.webp"),
        (_values(4, 4, 3), "a.png", {}, r"images: expected shape \[N, H, W, C\]"),
        (_values(2, 4, 4, 3), "a.png", {"names": ["a", "a"]}, "names: expected 2 different names"),
        (_values(2, 4, 4, 3), "a.png", {"names": ["a"]}, "names: expected 2 different names. Received 1"),
        (_values(2, 4, 4, 3), "a.png", {"columns": 0}, "columns: .*>= 1"),
    ],
)
def test_save_sprites_says_what_is_wrong(images, name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export.save_sprites(images, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


# Notebooks.


class Kernel:
    """What IPython gives inside a notebook."""

    kernel = object()


def test_a_notebook_displays_the_same_bytes(monkeypatch):
    import IPython

    displayed = []
    monkeypatch.setattr(IPython.display, "display", displayed.append)
    picture = export.show(_values(2, 4, 4, 3), labels=["a", "b"])
    assert isinstance(picture, Image.Image) and not displayed
    monkeypatch.setattr(IPython, "get_ipython", Kernel)
    assert export.show(_values(2, 4, 4, 3), labels=["a", "b"]) is None
    (shown,) = displayed
    assert shown.format == "png"
    np.testing.assert_array_equal(imageio.imread(shown.data), np.asarray(picture))


def test_show_takes_what_there_is():
    batch = _values(3, 6, 5, 3)
    np.testing.assert_array_equal(np.asarray(export.show(batch)), export.grid(batch, columns=3))
    np.testing.assert_array_equal(np.asarray(export.show(list(batch))), export.grid(batch, columns=3))
    np.testing.assert_array_equal(np.asarray(export.show(batch[0, ..., 0])), _bytes(batch[0, ..., :1]))
    np.testing.assert_array_equal(
        np.asarray(export.show(batch[0], labels=["a"], scale=2)), export.grid(batch[:1], labels=["a"], scale=2)
    )
    assert np.asarray(export.show(_values(10, 2, 2, 3))).shape == (4 + 2 * 6, 4 + 8 * 6, 3)


def test_transparent_parts_show_a_checkerboard():
    image = np.concatenate([np.zeros((16, 16, 3)), np.zeros((16, 16, 1))], -1)
    shown = np.asarray(export.show(image))[..., 0]
    np.testing.assert_array_equal(shown, np.kron([[255, 204], [204, 255]], np.ones((8, 8))))
    image[..., 3] = 0.5
    half = np.asarray(export.show(image))[..., 0]
    # round(255 * .5) = 128: what is behind weighs 127 / 255.
    np.testing.assert_array_equal(half, np.round(shown * (127 / 255)))


def test_labels_stand_above_every_image():
    images = np.full((3, 20, 64, 3), 0.75)
    paper = export.grid(images, columns=2, labels=["first", "second", "third"])
    plain = export.grid(images, columns=2)
    line = (paper.shape[0] - plain.shape[0]) // 2
    assert paper.shape[1] == plain.shape[1] and line > 4
    for row, columns in enumerate([(0, 1), (0,)]):
        top = 4 + row * (20 + 4 + line)
        for column in (0, 1):
            left = 4 + column * 68
            above = paper[top : top + line, left : left + 64]
            assert (above < 128).any() == (column in columns)
            # A gutter without ink lies between a label and its image.
            assert (paper[top + line - 4 : top + line, left : left + 64] == 255).all()
            picture = paper[top + line : top + line + 20, left : left + 64]
            assert (picture == (191 if column in columns else 255)).all()


LONG = "direction(mixed4a_pre_relu, [512], cossim_pow=2) - mixed4d_3x3_bottleneck_pre_relu:139"


def test_long_labels_are_broken_and_touch_nothing():
    # Red: letters are black and grey.
    images = np.zeros((2, 2, 64, 64, 3))
    images[..., 0] = 1
    names = dict(row_labels=[LONG, "fire5:7"], column_labels=[LONG, "fire5:8"])
    paper, short = export.grid(images, **names), export.grid(images, row_labels=["a", "b"], column_labels=["c", "d"])
    # Images keep together: at most the room of a label for each column, where one line took 500 pixels.
    font = grid_module.font_for(64)
    room = grid_module.MAX_LABEL_WIDTH * font.size
    assert paper.shape[1] - short.shape[1] < 4 * room < font.width(LONG)
    pictures = (paper == (255, 0, 0)).all(-1)
    assert pictures.sum() == 4 * 64 * 64, "no letter is on a picture"
    rows = np.flatnonzero(pictures.any(1))
    # In the paper between the rows and the columns there is no ink.
    assert (paper[rows[0] + 64 : rows[64]] == 255).all() and rows[64] - rows[63] == 5
    labelled = export.grid(images[0], labels=[LONG, "x"])
    assert (labelled == (255, 0, 0)).all(-1).sum() == 2 * 64 * 64


def test_lines_keep_every_letter_and_short_labels_stay_whole():
    font = grid_module.Font(10)
    lines = grid_module._lines(LONG, 96, font)
    assert len(lines) > 3 and font.block_width(lines) <= 110
    assert "".join("".join(lines).split()) == "".join(LONG.split())
    assert grid_module._lines("fire5:7", 96, font) == ["fire5:7"] and grid_module._lines("", 96, font) == [""]
    assert grid_module._lines("x" * 100, 96, font) == ["x" * 100]
    assert (
        len(grid_module._lines_beside(LONG, 96, 2, font)) <= 2
        and len(grid_module._lines_beside(LONG, 96, 0, font)) == 1
    )


def test_letters_grow_with_the_pictures():
    assert [grid_module.font_for(width).size for width in (8, 96, 128, 1000)] == [13, 13, 14, 16]


def test_labels_are_counted():
    with pytest.raises(ValueError, match="labels: expected 2 labels. Received 1"):
        export.show(_values(2, 4, 4, 3), labels=["a"])


@pytest.mark.parametrize(
    "images, message",
    [
        (_values(2, 2, 4, 4, 3), r"images: expected shape \[H, W\], \[H, W, C\] or \[N, H, W, C\]"),
        ([_values(4, 4, 3), _values(4, 5, 3)], r"images of one shape.*\(4, 4, 3\), \(4, 5, 3\)"),
        ([], "images of one shape"),
        (np.zeros((0, 4, 4, 3)), "images: expected shape"),
        (255 * np.ones((4, 4, 3)), r"\[0, 1\].*from 255 to 255"),
    ],
)
def test_show_says_what_is_wrong(images, message):
    with pytest.raises(ValueError, match=message):
        export.show(images)


# Channels as colours.


def test_channels_have_evenly_spaced_hues():
    one_hot = np.eye(6)
    red, yellow, green, cyan, blue, magenta = export.collapse_channels(one_hot)
    # A mixture of two primaries is as bright as either.
    np.testing.assert_allclose([red, green, blue], np.eye(3), atol=1e-6)
    np.testing.assert_allclose([yellow, cyan, magenta], 1 - np.eye(3)[[2, 0, 1]], atol=1e-6)


def test_negative_values_have_the_opposite_hue():
    colors = export.collapse_channels(np.concatenate([np.eye(3), -np.eye(3)]))
    red, yellow, green = (1, 0, 0), (1, 1, 0), (0, 1, 0)
    np.testing.assert_allclose(colors[:3], [red, yellow, green], atol=1e-6)
    np.testing.assert_allclose(colors[3:], 1 - colors[:3], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(channels=st.integers(1, 9), size=st.floats(1e-3, 1e3), signed=st.booleans(), seed=st.integers(0, 99))
def test_collapsed_channels_are_colours_of_any_scale(channels, size, signed, seed):
    values = np.random.default_rng(seed).uniform(-1 if signed else 0, 1, (2, 3, 4, channels))
    colors = export.collapse_channels(size * values)
    assert colors.shape == (2, 3, 4, 3) and colors.min() >= 0 and np.isclose(colors.max(), 1)
    np.testing.assert_allclose(colors, export.collapse_channels(values), atol=1e-5)


def test_nothing_is_black():
    assert not export.collapse_channels(np.zeros((2, 2, 5))).any()


def test_show_collapses_other_channels():
    activations = 7 * _values(4, 4, 6) - 3
    np.testing.assert_array_equal(
        np.asarray(export.show(activations)), np.round(255 * export.collapse_channels(activations))
    )


@pytest.mark.parametrize(
    "activations, message", [(np.zeros((0, 5)), "activations"), ([[np.nan, 1.0]], "1 of 2 values")]
)
def test_collapse_channels_says_what_is_wrong(activations, message):
    with pytest.raises(ValueError, match=message):
        export.collapse_channels(activations)
