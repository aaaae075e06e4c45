"""The page of a run, and its charts."""

from __future__ import annotations

import ast
import base64
import builtins
import dataclasses
import html.parser
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import made_samples
from PIL import Image

from samplevis import Samples, cli
from samplevis.cli.loading import is_label
from samplevis.export import stretch_contrast
from samplevis.results import chart, plots
from samplevis.results.both_ends import TwoEnded
from samplevis.results.conclusions import plain_lines
from samplevis.results.issues import AVERAGES, PICTURES
from samplevis.results.report import MAX_PAGE_BYTES, _figures
from samplevis.results.rows import ROWS, _short
from samplevis.results.summary import VERDICTS
from samplevis.runtime import files
from samplevis.sampling import diagnostics

CHAINS, DRAWS, SIZE, FRAMES = 3, 40, 24, 8
VOID = {"meta", "img", "input", "link", "br", "wbr"}
HOSTILE = "<b>\"&'</b><script>alert(1)</script>$title"


def _samples(size: int = SIZE, draws: int = DRAWS, **changes) -> Samples:
    options = {"num_results": draws, "smooth": 0.3, "transforms": "Affine(8)"}
    return made_samples(CHAINS, draws, size=size, **({"options": options} | changes))


class _Page(html.parser.HTMLParser):
    """What a page is made of; an element that is closed by another's tag is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _decoded(address: str) -> Image.Image:
    kind, _, content = address.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.fixture(scope="module", autouse=True)
def short_films():
    """Random pixels are slow to pack."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samplevis.results.report.FRAMES", FRAMES)
        yield


@pytest.fixture(scope="module")
def good() -> Samples:
    return _samples()


@pytest.fixture(scope="module")
def text(good, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    good.report(path, "goldfish")
    assert list(path.parent.iterdir()) == [path]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> _Page:
    return _Page(text)


def _written(samples: Samples, folder, **settings) -> _Page:
    samples.report(folder / "page.html", **settings)
    return _Page((folder / "page.html").read_text(encoding="utf-8"))


def test_the_parser_of_these_tests_notices_a_missing_tag():
    with pytest.raises(AssertionError):
        _Page("<p><b>bold</p>")


def test_every_picture_is_in_the_page_and_has_words(page):
    pictures = page.all("img")
    # Of all chains: the film at rest and playing, the means, the optimised images.
    # Of each: the optimised image, 6 draws and the mean.
    assert len(pictures) == 4 + CHAINS * (1 + 6 + 1)
    assert all(picture["alt"].strip() for picture in pictures)
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.all("svg"))
    # Whole-number enlargements of 24 pixels.
    assert {_decoded(p["src"]).size for p in pictures if "each chain" not in p["alt"]} == {(288, 288)}
    (film,) = [p for p in pictures if p.get("class") == "moving"]
    assert _decoded(film["src"]).n_frames == FRAMES


def test_means_are_beside_the_draws_and_say_that_they_are_none(page, good):
    means = [p for p in page.all("img") if p["alt"].startswith("The mean of chain")]
    assert len(means) == CHAINS and all("not a draw" in picture["alt"] for picture in means)
    assert page.words.count("not a draw") == CHAINS and "not a draw; contrast stretched" in page.words
    assert {"c0-mean", "c1-mean", "c2-mean"} <= {figure.get("id") for figure in page.all("figure")}
    stretched = np.uint8(255 * stretch_contrast(good.chain_means[1]))
    expected = np.asarray(Image.fromarray(stretched.repeat(12, 0).repeat(12, 1)).convert("L"), float)
    found, other = (np.asarray(_decoded(means[i]["src"]).convert("L"), float) for i in (1, 2))
    assert np.abs(found - expected).mean() < 12 < 24 < np.abs(other - expected).mean()


def test_a_hundred_chains_the_first_in_full_and_the_others_small(tmp_path):
    many = made_samples(100, 4, size=8)
    page = _written(many, tmp_path)
    assert sum(section.get("class") == "chain" for section in page.all("section")) == 12
    assert "The other 88 chains" in page.words and "Last draw of the first 24 of 100 chains" in page.words
    assert {f"Chain {i}" for i in range(100)} <= set(page.words)
    small = [
        p for p in page.all("img") if p["alt"] in ("The last draw of chain 99", "The mean of chain 99, not a draw")
    ]
    assert [_decoded(picture["src"]).size for picture in small] == [(144, 144)] * 2
    dots = [line for line in page.all("polyline") if line["class"] == "dots"]
    assert len(dots) == 400, "colours cannot tell so many lines apart"
    assert not any("dot c" in span.get("class", "") for span in page.all("span"))
    assert (tmp_path / "page.html").stat().st_size < MAX_PAGE_BYTES


def test_pictures_are_those_of_the_run(page, good):
    shown = next(p for p in page.all("img") if p["alt"].startswith("Draw 39 of chain 2"))
    expected = Image.fromarray(np.uint8(np.round(255 * good.images[2, 39])).repeat(12, 0).repeat(12, 1))
    found, expected = (np.asarray(image.convert("L"), float) for image in (_decoded(shown["src"]), expected))
    assert np.abs(found - expected).mean() < 8
    other = np.asarray(Image.fromarray(np.uint8(255 * good.images[1, 39])).resize((288, 288)).convert("L"), float)
    assert np.abs(found - other).mean() > 16


def test_nothing_comes_from_elsewhere(text, page):
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    names = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {attributes["href"] for attributes in page.all("a")}
    assert links - {f"#{name}" for name in names} == {"#closed"}, "the only place that is nowhere closes a picture"
    assert len(text.encode()) < MAX_PAGE_BYTES


def test_numbers_are_those_of_the_summary(page, good):
    summary = good.summary()
    for key, (label, value) in summary.rows.items():
        name, meaning, *_ = ROWS[key]
        assert label == name and any(words.startswith(meaning) for words in page.words)
        for figure, one in _figures(label, value):
            assert figure in page.words and one in page.words
    assert page.words.count("fine") == len(summary.checked) == 11
    assert any(f"at level {good.levels.mean():.2f}" in words for words in page.words)


def test_one_figure_a_row_with_its_name(page):
    assert _figures("level on the bank; fresh over bank", "0.70; 0.98") == [
        ("level on the bank", "0.70"),
        ("fresh over bank", "0.98"),
    ]
    assert _figures("size (bulk; tail)", "9; 8") == [("size, bulk", "9"), ("size, tail", "8")]
    # One figure that holds two words of a list, and a name without figures of its own.
    assert _figures("time", "anneal 3 s; sample 2 s") == [("time", "anneal 3 s; sample 2 s")]
    assert "level on the bank" in page.words and not any(";" in one for one in page.words if one.startswith("level on"))
    values = [row for row in page.all("td") if row.get("class") == "value"]
    assert len(values) == len(page.all("tr")) - 1 > len(ROWS)


def test_figures_are_written_out():
    assert [_short(value) for value in (1234.0, -9560.4, 76.41, 0.01234)] == ["1,234", "-9,560", "76.4", "0.0123"]
    assert _short(7.0834, 4) == "7.083" and _short(float("nan")) == "nan"


def test_what_made_it_is_folded(text):
    assert "<details>" in text and "<details open" not in text
    assert text.index("<details>") < text.index("samplevis.render(")


def test_a_good_run_says_so_and_a_bad_one_does_not(page, good, tmp_path):
    summary = good.summary()
    assert summary.verdict.startswith(VERDICTS[0]) and summary.averages.verdict == "usable"
    assert summary.pictures.text in page.words and summary.averages.text in page.words
    shift = np.array([[-0.6], [0], [0.6]], np.float32)
    bad = dataclasses.replace(good, activation=good.activation + shift, fresh_activation=good.fresh_activation + shift)
    disagreeing = _written(bad, tmp_path)
    assert bad.summary().averages.text in disagreeing.words and summary.averages.text not in disagreeing.words
    assert bad.summary().averages.verdict == "not usable" and bad.summary().worst == AVERAGES
    lost = dataclasses.replace(good, level=0.9)
    missed = _written(lost, tmp_path)
    assert lost.summary().pictures.text in missed.words and lost.summary().worst == PICTURES
    assert lost.summary().pictures.verdict == "invalid"
    # At the top, and beside the row that shows it.
    assert missed.words.count(lost.summary().warnings[0]) == 2


def test_scalars_that_disagree_are_a_doubt(good):
    apart = good.scalars["radius"] + 10 * np.arange(CHAINS)[:, None]
    summary = dataclasses.replace(good, scalars={"radius": apart}).summary()
    assert summary.worst == AVERAGES and "R-hat of radius" in summary.warnings[0]


def test_a_long_heading_breaks_where_parts_of_names_end(tmp_path, good):
    odd = dataclasses.replace(good, objective="channel(conv3/pre_relu, 5) & 'a:b'")
    odd.report(tmp_path / "page.html")
    heading = re.search("<h1>(.*)</h1>", (tmp_path / "page.html").read_text(encoding="utf-8"))[1]
    assert heading.split("<wbr>") == [
        "What excites “channel(", "conv3/", "pre_", "relu, 5) &amp; &#x27;a:", "b&#x27;”",
    ]  # fmt: skip


def test_names_are_text(tmp_path, good):
    odd = dataclasses.replace(good, objective=HOSTILE, model=HOSTILE, options={HOSTILE: HOSTILE})
    page = _written(odd, tmp_path, title=HOSTILE)
    assert len(page.all("script")) == 1 and sum(HOSTILE in words for words in page.words) >= 6


def test_what_made_it_is_told(page, good, tmp_path):
    for words in ("num_results", "Affine(8)", "tensorflow", good.versions["tensorflow"], "seed", "11"):
        assert words in page.words
    call = next(words for words in page.words if words.startswith("samplevis.render("))
    assert "'num_results': 40" in call and "smooth=0.3" in call and "seed=11" in call
    assert "model,  # SqueezeNet\n" in call and "obj,  # logits:goldfish\n" in call
    ast.parse(call)
    command = "samplevis render SqueezeNet logits:goldfish --seed 3"
    told = _written(dataclasses.replace(good, options={"command": command}, versions={}), tmp_path)
    assert command in told.words and "not recorded" in told.words


def test_versions_are_saved_and_older_files_have_none(good, tmp_path):
    good.save(tmp_path / "a.npz")
    assert Samples.load(tmp_path / "a.npz").versions == good.versions != {}
    content = dict(np.load(tmp_path / "a.npz"))
    content["metadata"] = np.array(re.sub(r', "versions": \{.*?\}', "", str(content["metadata"])))
    np.savez(tmp_path / "old.npz", **content)
    assert Samples.load(tmp_path / "old.npz").versions == {}


def test_short_grey_and_oblong_runs(tmp_path, good):
    grey = np.random.default_rng(0).uniform(size=(CHAINS, 1, 8, 20, 1)).astype(np.float32)
    short = _samples(
        draws=1,
        level=None,
        images=grey,
        latents=grey,
        **dict.fromkeys(("optimized", "chain_means", "sd_images"), grey[:, 0]),
    )
    page = _written(short, tmp_path)
    assert len(page.all("img")) == 3 + CHAINS * 3, "one draw is no film"
    # 20 pixels, 15 times.
    assert {_decoded(picture["src"]).size for picture in page.all("img")[3:]} == {(300, 120)}
    assert "nan" not in " ".join(attributes.get("points", "") for attributes in page.all("polyline"))


def test_a_page_that_would_be_too_large_has_shorter_films(text, tmp_path, good, monkeypatch):
    allowed = len(text) - 1
    monkeypatch.setattr("samplevis.results.report.MAX_PAGE_BYTES", allowed)
    page = _written(good, tmp_path, title="goldfish")
    films = [_decoded(p["src"]).n_frames for p in page.all("img") if p.get("class") == "moving"]
    assert films == [FRAMES // 2] and (tmp_path / "page.html").stat().st_size <= allowed


def test_both_ends(tmp_path, good):
    prior = dataclasses.replace(_samples(draws=20), init="prior")
    ends = TwoEnded(good, prior)
    ends.report(tmp_path / "page.html")
    page = _Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    lines = [line["class"] for line in page.all("polyline")]
    assert lines[: 2 * CHAINS] == ["c0", "c1", "c2", "c0 other", "c1 other", "c2 other"]
    assert any(f"the gap is {ends.gap:+.2f}, R-hat over both ends {ends.rhat:.2f}" in words for words in page.words)
    with pytest.raises(ValueError, match="other_end: expected samples of logits:goldfish.*Received: other"):
        good.report(tmp_path / "page.html", other_end=dataclasses.replace(prior, objective="other"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "a.pdf"}, "path: expected a name that ends in .html"),
        ({"draws": 0}, "draws: expected a whole number >= 1"),
    ],
)
def test_bad_arguments(good, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        good.report(tmp_path / settings.get("path", "page.html"), draws=settings.get("draws", 2))
    assert not list(tmp_path.iterdir())


def test_the_old_page_survives_a_failure(good, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="not finite"):
        dataclasses.replace(good, optimized=good.optimized * np.nan).report(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        good.report(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_command(good, tmp_path, capsys):
    good.save(tmp_path / "samples.npz")
    assert cli.main(["report", str(tmp_path), "--title", "goldfish", "--draws", "2"]) == 0
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "What excites “goldfish”" in page.words and VERDICTS[0] in capsys.readouterr().out
    other = tmp_path / "other.html"
    run = str(tmp_path / "samples.npz")
    assert cli.main(["report", run, "--out", str(other), "--other-end", run]) == 0 and other.is_file()
    assert cli.main(["report", str(tmp_path / "nothing")]) == 1 and "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        ("logits:goldfish", True),
        ("logits:Egyptian cat", True),
        ("fire9:10", False),
        ("-a:star", False),
        ("a:1 + b:c", False),
    ],
)
def test_only_a_label_is_a_title(objective, named):
    assert is_label(objective) == named


def test_points_of_a_chart_are_where_they_belong():
    line = chart.Line(np.arange(3), np.array([0.0, np.nan, 10.0]), "c0")
    drawn = chart.line_chart([line], "told", "x", "y", [(5.0, "half")])
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in re.search('points="(.*?)"', drawn)[1].split())
    assert (x0, x1) == (chart.LEFT, chart.WIDTH - chart.NAMES)
    middle = float(re.search(r'class="mark" d="M\d+ ([\d.]+)H', drawn)[1])
    assert middle == pytest.approx((y0 + y1) / 2, abs=0.1) and y0 > middle > y1
    assert re.findall(">([^<>]+)</text>", drawn) == "0 5 10 0 0.5 1 1.5 2 half x y".split()
    _Page(drawn)
    _Page(chart.line_chart([], "empty", "x", "y"))


def test_logarithmic_axes():
    frequencies = np.array([0.05, 0.1, 0.2, 0.4])
    drawn = chart.line_chart([chart.Line(frequencies, 100 / frequencies, "c0")], "told", "x", "y", logarithmic=True)
    points = np.array([[float(v) for v in p.split(",")] for p in re.search('points="(.*?)"', drawn)[1].split()])
    np.testing.assert_allclose(np.diff(points, n=2, axis=0), 0, atol=0.2)
    assert {"0.05", "0.1", "0.2", "1000"} <= set(re.findall(">([^<>]+)</text>", drawn))


def test_plots_draw_the_run_into_the_axes_given(good):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    for name in ("samples", "trace", "energy", "spectrum", "autocorrelation"):
        _, ax = pyplot.subplots()
        assert getattr(good, f"plot_{name}")(ax) is ax and ax.has_data()
        assert getattr(good, f"plot_{name}")().get_title()
    np.testing.assert_allclose(good.plot_trace().lines[1].get_ydata(), good.levels[1])
    frequencies, power = good.plot_spectrum().lines[2].get_data()
    assert np.polyfit(np.log(frequencies), np.log(power), 1)[0] == pytest.approx(diagnostics.PHOTOGRAPHS)
    ends = TwoEnded(good, good)
    assert len(ends.plot().lines) == 2 * CHAINS
    many = made_samples(11, 3).plot_trace()
    assert len(many.lines) == 12 and many.get_legend_handles_labels()[1] == ["asked for"], "colours would repeat"
    np.testing.assert_array_equal(good.plot_samples(draws=2).images[0].get_array(), good.grid(2))
    pyplot.close("all")


def test_autocorrelation_is_that_of_a_loop():
    x = np.random.default_rng(0).normal(size=(2, 9))
    centred = x - x.mean(1, keepdims=True)
    expected = [[sum(row[: 9 - lag] * row[lag:]) / sum(row**2) for lag in range(9)] for row in centred]
    np.testing.assert_allclose(diagnostics.autocorrelation(x), expected, atol=1e-12)


def test_without_matplotlib_the_error_says_what_to_install(good, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install samplevis\[plots\]"):
        plots.plot_trace(good)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or pytest.skip("CHROMIUM NOT FOUND: the page is not tested in a browser")


def _browse(chromium: str, page, folder, *flags: str) -> str:
    command = [
        chromium,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", *flags, page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def test_a_browser_shows_it_without_complaint(chromium, text, tmp_path):
    path, picture = tmp_path / "page.html", tmp_path / "page.png"
    path.write_text(text, encoding="utf-8")
    shot = ("--window-size=1280,1000", f"--screenshot={picture}")
    assert _browse(chromium, path.as_uri(), tmp_path, *shot) == ""
    light = np.asarray(Image.open(picture).convert("RGB"))
    assert light.shape == (1000, 1280, 3) and light[0, 0].min() > 200
    assert _browse(chromium, path.as_uri(), tmp_path, *shot, "--blink-settings=preferredColorScheme=0") == ""
    assert np.asarray(Image.open(picture).convert("RGB"))[0, 0].max() < 60
    assert _browse(chromium, f"{path.as_uri()}#c1-39", tmp_path, *shot) == ""
    enlarged = np.asarray(Image.open(picture).convert("RGB"))
    # The picture fills 84 % of the window's height, on near black.
    assert enlarged[0, 0].max() < 60 and enlarged[200:800, 400:900].std() > 20
    # The control: a page with a mistake complains.
    path.write_text(text.replace("</script>", "nothing()</script>"), encoding="utf-8")
    assert "nothing is not defined" in _browse(chromium, path.as_uri(), tmp_path, *shot)


def test_it_fits_a_phone(chromium, text, tmp_path):
    path, shot = tmp_path / "page.html", ("--window-size=390,844", f"--screenshot={tmp_path / 'page.png'}")
    measure = "console.log(`sides ${document.documentElement.scrollWidth} ${innerWidth}`)</script>"

    def sides(page: str) -> list[int]:
        path.write_text(page.replace("</script>", measure), encoding="utf-8")
        return [
            int(side)
            for side in re.search(r"sides (\d+) (\d+)", _browse(chromium, path.as_uri(), tmp_path, *shot)).groups()
        ]

    width, window = sides(text)
    assert width <= window <= 500
    width, window = sides(text.replace("minmax(0, 1fr); gap: 2rem", "auto; gap: 2rem"))
    assert width > window, "the control: a grid whose column is as wide as its pictures"


def test_the_page_claims_what_the_verdicts_support(good):
    def told(**changes) -> str:
        return " ".join(dataclasses.replace(good, **changes).summary().lines)

    assert good.summary().averages.verdict == "usable" and "of the composition that all chains found" in told()
    assert "no other" in told() and "approximate draws" in told(kernel="langevin") and "approximate" not in told()
    assert "independent draws of the prior" in told(kernel="rejection") and "independent draws" not in told()
    assert all("all images" not in told(kernel=kernel) for kernel in ("rejection", "smc", "split_hmc", "langevin"))
    summary = good.summary()
    apart = summary.averages._replace(verdict="not usable")
    assert (
        "Do not count" in plain_lines(good, summary.figures, summary.pictures, apart)[2]
        and "Do not count" not in told()
    )
    invalid = told(network_levels=good.network_levels - 9)
    assert "may come from the method" in invalid and "Do not conclude anything" in invalid
    assert "may be what the unit needs" in told() and "may be what the unit needs" not in invalid
    beyond = told(options=good.options | {"num_examples": 50, "examples_percentile": 100.0})
    assert "beyond every one of the 50" in beyond and "beyond" not in told()
    among = told(options=good.options | {"num_examples": 50, "examples_percentile": 80.0})
    assert "above 80 % of the 50" in among


def test_the_network_itself_speaks_first(good, tmp_path):
    """In the summary and on the page, before any figure."""
    chains, draws = good.activation.shape
    answers = {
        "class": "volcano",
        "named": [draws] * (chains - 1) + [draws - 1],
        "named_else": "cliff",
        "exclusive": True,
    }
    named = dataclasses.replace(good, model="smooth Net", options=good.options | answers)
    said = f"Net names {chains * draws - 1} of {chains * draws} draws volcano, and most of the others cliff."
    assert named.summary().lines[0] == said == str(named.summary()).splitlines()[0]
    named.report(tmp_path / "named.html")
    page = (tmp_path / "named.html").read_text(encoding="utf-8")
    assert page.index(said) < page.index("<img") and page.index(said) < page.index("<b>Pictures")
    values = {"draws": 12.34, "noise": 0.2, "optimised": 15.0}
    unit = dataclasses.replace(good, options=good.options | {"values": values})
    assert "is 12.3 on the median draw; it is 0.2 on noise and 15 on optimised images." in unit.summary().lines[0]
    examples = {"num_examples": 50, "examples_percentile": 80.0, "values": values | {"best example": 14.0}}
    unit = dataclasses.replace(good, options=good.options | examples)
    assert "and 14 on the best of 50 pictures" in unit.summary().lines[0]
    # Files of earlier versions.
    assert f"level {good.levels.mean():.2f}" in good.summary().lines[0]


def test_figures_are_folded_and_rows_of_nothing_left_out(good, tmp_path):
    good.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<summary><h2>Diagnostics</h2></summary>" in page
    rows = good.summary().rows
    assert "answers" not in rows and "examples" not in rows and "path" not in rows and "level" in rows
    assert not any(set(text) <= set("-; ()") for _, text in rows.values())
    shown = dataclasses.replace(good, options=good.options | {"path_similarity": [0.5, 0.4, 0.6]}).summary().rows
    assert "path" in shown


def test_draws_off_the_usual_paths_are_warned_of(good):
    def summary(*path: float):
        return dataclasses.replace(good, options=good.options | {"path_similarity": list(path)}).summary()

    off, unsure = summary(0.2, 0.1, 0.45), summary(0.2, -0.1, 0.55)
    assert "off the network's usual paths" in off.judgement("path") and "0.20 (0.10 to 0.45)" in str(off)
    assert unsure.judgement("path") == "fine" and good.summary().judgement("path") == ""
    # The draws are from the density that was asked for all the same.
    assert off.pictures.verdict == good.summary().pictures.verdict


def test_an_approximate_kernel_makes_no_exact_draws(good):
    verdict = dataclasses.replace(good, kernel="langevin").summary().pictures
    assert verdict.verdict == "valid" and "approximately" in verdict.text
    assert "approximately" not in good.summary().pictures.text
