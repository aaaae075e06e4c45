"""A MkDocs hook: the notebooks as pages, with their stored outputs, and a picture of each for the gallery.

A page may show `images/notebooks/NAME-NUMBER.png`: picture NUMBER, from 0, among the stored outputs of notebooks/NAME.ipynb.
`images/gallery/NAME.jpg` is the first of them, reduced. A line `<!-- output: NAME NUMBER -->` is replaced by the printed text
of code cell NUMBER, from 1.
"""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from PIL import Image

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
# Of a picture of the gallery: pixels across, and bytes.
WIDTH, MAX_BYTES = 640, 60_000
OUTPUT = re.compile(r"^<!-- output: (\w+) (\d+) -->$", re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Adds a page for each notebook, its pictures, and the notebook itself."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        name, cells = path.stem, read(path)
        files.append(File.generated(config, f"notebooks/{name}.md", content=page(name, cells)))
        files.append(File.generated(config, f"notebooks/{path.name}", abs_src_path=str(path)))
        found = pictures(cells)
        for number, png in enumerate(found):
            files.append(File.generated(config, f"images/notebooks/{name}-{number}.png", content=png))
        files.append(File.generated(config, f"images/gallery/{name}.jpg", content=thumbnail(found[0])))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Replaces each mark by what a notebook printed."""
    return OUTPUT.sub(lambda mark: printed(mark[1], int(mark[2])), markdown)


def read(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def pictures(cells: list[dict[str, Any]]) -> list[bytes]:
    """The PNG files among the outputs of cells, in order."""
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [base64.b64decode("".join(one["image/png"])) for one in data if "image/png" in one]


def printed(name: str, number: int) -> str:
    """What code cell `number`, from 1, of a notebook printed, as a block of text."""
    codes = [cell for cell in read(FOLDER / f"{name}.ipynb") if cell["cell_type"] == "code"]
    return f"```text\n{_text(codes[number - 1]).rstrip()}\n```"


def page(name: str, cells: list[dict[str, Any]]) -> str:
    """A notebook as Markdown: its text, its code, what that printed, and its pictures."""
    parts, number, heading = [], 0, ""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = ([heading] + re.findall(r"^#+ (.+)$", source, re.MULTILINE))[-1].replace("`", "")
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        text = _text(cell).rstrip()
        parts += [f"```text\n{text}\n```"] if text else []
        for _ in pictures([cell]):
            parts.append(f"![{heading}](../images/notebooks/{name}-{number}.png)")
            number += 1
    link = f"*[Download this notebook]({name}.ipynb), or see [all of them](../gallery.md).*"
    return "\n\n".join([parts[0], link, *parts[1:]])


def thumbnail(png: bytes) -> bytes:
    """A picture as a JPEG file, reduced until it is small enough for a page of many."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    for quality in range(90, 10, -10):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MAX_BYTES:
            break
    return file.getvalue()


def _text(cell: dict[str, Any]) -> str:
    outputs = [output for output in cell.get("outputs", []) if output["output_type"] == "stream"]
    return "".join("".join(output["text"]) for output in outputs)
