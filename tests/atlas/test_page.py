"""The page: data that cannot become code, a folder without a server, and what a browser makes of it."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

# Loud where the extra is missing, so that nobody takes a skipped room for a tested one.
pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED: pip install samplevis[atlas]")

from samplevis import Network, atlas  # noqa: E402
from samplevis.atlas.page_data import as_script  # noqa: E402
from samplevis.atlas.similarity import layout, nearest, standardized  # noqa: E402

HOSTILE = ("<script>document.title='hacked'</script>", "../../x", "b" * 10_000)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(plain_atlas) -> Path:
    return Path(atlas.publish(plain_atlas))


def test_data_is_never_code():
    text = as_script("atlas.index", {"name": "</script><script>alert(1)", "line": "\u2028", "level": float("nan")})
    assert "<" not in text and text.isascii()
    found = json.loads(re.fullmatch(r"atlas\.index\((.*)\);\n", text)[1])
    # A separator of lines that JavaScript would end a string at is shown as its code.
    assert found == {"name": "</script><script>alert(1)", "line": "\\u2028", "level": None}


def test_the_page_loads_nothing_from_elsewhere(page):
    for path in page.parent.rglob("*"):
        if path.suffix in (".html", ".css", ".js") and path.parent == page.parent:
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|fetch\(|innerHTML|insertAdjacentHTML|eval\(|document\.write", text), path


def test_the_page_has_every_unit_and_the_table_no_pictures(page, plain_atlas):
    index = json.loads(re.fullmatch(r"atlas\.index\((.*)\);\n", (page.parent / "data/index.js").read_text())[1])
    layers = index["models"][0]["layers"]
    assert [layer["name"] for layer in layers] == ["logits", "mixed"], "the order of the network"
    assert sum(layer["units"] for layer in layers) == 6 and layers[0]["numbers"] == [2, 3, 4, 5]
    for layer in layers:
        assert (page.parent / f"sheets/{layer['id']}-samples-0.webp").is_file()
        assert all((page.parent / f"units/{layer['id']}/{n}.webp").is_file() for n in layer["numbers"])
    table = atlas.open(plain_atlas).store.read_table("units.parquet")
    assert table.num_rows == 6 and "samples" not in table.column_names


def test_nearest_units_by_correlation():
    random = np.random.default_rng(0)
    base = random.normal(size=(6, 200))
    responses = np.concatenate([base, 3 * base + 0.1 * random.normal(size=base.shape), np.zeros((1, 200))])
    numbers, values = nearest(responses, 2)
    assert numbers[:6, 0].tolist() == list(range(6, 12)) and (values[:6, 0] > 0.95).all()
    assert not standardized(responses)[-1].any(), "a unit that responds to nothing is near nothing"
    places = layout(responses)
    assert places.shape == (13, 2) and places.min() == 0 and places.max() == 1


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory, tiny_network) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    network = Network(tiny_network.model, value_range=(0, 1), labels=HOSTILE)
    settings = {"size": 16, "methods": ["optimize", "examples"], "optimize_steps": 1, "top": 2}
    images = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype(np.float32)
    directions = {name: ("conv2", np.eye(5)[:1]) for name in HOSTILE}
    atlas.build(network, folder, ["logits"], directions=directions, images=images, settings=settings, progress=False)
    return Path(atlas.publish(folder))


def rendered(page: Path, place: str, url: str = "", width: int = 1400) -> tuple[str, str]:
    """(DOM, console) of a page in a browser, opened from disk unless there is a URL."""
    if CHROMIUM is None:
        pytest.skip("PAGE NOT LOOKED AT: no chromium here")
    words = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    words += [
        f"--user-data-dir={page.parent / '.chromium'}",
        f"--window-size={width},900",
        "--virtual-time-budget=4000",
    ]
    words += ["--enable-logging=stderr", "--v=0", "--dump-dom", f"{url or page.as_uri()}#/{place}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, console


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", ["Atlas of Shapes", "mixed", "4 of 18 units", "2 directions in logits", "optimising does not raise"]),
        ("Shapes/logits", ["sort by", 'data-unit="4"', ">4 star</figcaption>", "What the pictures and words mean"]),
        (
            "Shapes/logits/4",
            [
                "Optimised",
                "Means of the chains",
                "all of its samples are within 0.1 of the level asked for",
                "Nearest in other layers",
                "histogram of the images",
            ],
        ),
        ("map", ["map of 6 units"]),
        ("search/logits%3A4", ["1 found"]),
        ("keys", ["move between tiles"]),
        ("Shapes/nowhere", ["Not in this atlas"]),
    ],
)
def test_a_browser_shows_it_from_disk_with_an_empty_console(page, place, words):
    dom, console = rendered(page, place)
    assert [word for word in words if word not in dom] == [] and console == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_shows_it_over_http_at_both_widths(page, width):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=page.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/index.html"
            dom, console = rendered(page, "Shapes/logits/4", url, width)
        finally:
            server.shutdown()
            thread.join()
    assert "Means of the chains" in dom and "Nearest in other layers" in dom and console == ""


@pytest.mark.slow
def test_hostile_names_are_shown_as_text(hostile_page):
    for place in ("", "tiny/logits", "tiny/logits/0", "search/script"):
        dom, console = rendered(hostile_page, place)
        assert "<title>hacked" not in dom and console == ""
        assert "document.title='hacked'&lt;/script&gt;" in dom.replace("</script>", "&lt;/script&gt;") or place == ""
        assert not re.search(r"<script>document", dom)


def images_model(name: str, kernel: np.ndarray) -> Network:
    """Channels that are fixed mixtures of colours."""
    import keras

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(kernel.shape[1], 1, use_bias=False, name="mix")(image))
    model.get_layer("mix").kernel.assign(kernel[None, None])
    return Network(model, value_range=(0, 1), name=name)


def test_nearest_units_in_another_model(tmp_path, no_compute):
    random = np.random.default_rng(0)
    images, kernel = random.uniform(size=(40, 8, 8, 3)).astype(np.float32), random.normal(size=(3, 4))
    order, settings = [2, 0, 3, 1], {"size": 8, "methods": ["examples"]}
    atlases = []
    for name, weights, pictures, seed in (
        ("one", kernel, images, 0),
        ("two", 3 * kernel[:, order], images, 0),
        ("other images", kernel, images[:-1], 0),
        ("other seed", kernel, images, 1),
        ("unknown images", kernel, list(images), 0),
    ):
        options = dict(images=pictures, settings=settings | {"seed": seed}, progress=False)
        atlases.append(atlas.build(images_model(name, weights), tmp_path / name, ["mix"], **options))
    one, two, *others = atlases
    # The same mixtures in another order correlate perfectly, and a unit finds itself in its own atlas, opened again.
    for unit, twin in enumerate(np.argsort(order)):
        assert one.nearest(f"mix:{unit}", 1, other=two) == [(f"mix:{twin}", pytest.approx(1, abs=1e-5))]
        assert one.nearest(f"mix:{unit}", 1, other=atlas.open(tmp_path / "one"))[0][0] == f"mix:{unit}"
    assert [len(one.nearest("mix:0", count, other=two)) for count in (2, 64)] == [2, 4]
    for other in others:
        with pytest.raises(ValueError, match="other: .* no dataset examples from the images of"):
            one.nearest("mix:0", other=other)
    page = Path(
        atlas.publish([tmp_path / "one", tmp_path / "two", tmp_path / "other images"], tmp_path / "site")
    ).parent
    layer = json.loads(re.fullmatch(r"atlas\.layer\((.*)\);\n", (page / "data/layer-0-0.js").read_text())[1])
    assert [unit["elsewhere"][0][:3] for unit in layer["units"]] == [[1, "mix", n] for n in np.argsort(order)]
    assert {each[0] for unit in layer["units"] for each in unit["elsewhere"]} == {1}, "no unit of other images"
