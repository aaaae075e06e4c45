"""Models from files and folders, without running code that a stranger wrote into them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from samplevis.network import Network
from samplevis.runtime.checks import check_known, keywords

#: What a model's file may end in; a folder is a SavedModel.
ENDINGS = (".keras", ".h5", ".pb", ".json")
#: Files of other kinds -> what they are, and what to do.
OTHERS = {
    ".weights.h5": "holds weights, and no network. Build the network, call model.load_weights(PATH), and pass "
    "samplevis.Network(model)",
    ".tflite": "is a converted model without gradients. Give the Keras model or SavedModel that it was converted from",
    ".onnx": "is an ONNX model. Convert it, such as with onnx2tf, and give the folder of the SavedModel; or pass the "
    "torch.nn.Module that it was exported from to samplevis.Network",
    ".pbtxt": "is a graph as text. Write it as binary, such as with tf.io.write_graph(graph, folder, 'graph.pb', as_text=False)",
    ".ckpt": "holds weights, and no network. Build the network, call model.load_weights(PATH), and pass "
    "samplevis.Network(model)",
    ".index": "is a part of a checkpoint, which holds weights, and no network. Build the network, call "
    "model.load_weights(PATH), and pass samplevis.Network(model)",
    ".mlmodel": "is a converted model without gradients. Give the model that it was converted from",
}
# The constant in which Lucid writes what a graph expects.
LUCID_NODE = "lucid_metadata_json"


def load_file(path: Path, **settings: Any) -> Network:
    """Loads a network from a file or a folder.

    Args:
      path: a `.keras` or `.h5` file, read in safe mode: it may not contain code, as a Lambda layer does. The folder of
        a SavedModel, which is a program: load it only if you trust it. A frozen graph, `.pb`; what Lucid's `Model.save` wrote into
        it about its input is used. Lucid's `.json` manifest of such a graph in the same folder.
      **settings: arguments of `Network`. They override what the file says.

    Returns:
      A `Network`, named after the file.

    Raises:
      OSError: if the file is missing.
      ValueError: if it cannot be read as what its suffix says, contains code, or an argument does not fit.
    """
    check_known(settings, keywords(Network.__init__))
    settings.setdefault("name", path.name if path.is_dir() else path.stem)
    if path.is_dir():
        return Network(_read(path, "a SavedModel", lambda: tf.saved_model.load(str(path))), **settings)
    if not path.is_file():
        raise FileNotFoundError(f"model: there is no file {path}")
    check_kind(path)
    if path.suffix == ".pb":
        return _graph(path, {}, settings)
    if path.suffix == ".json":
        manifest = _read(path, "a manifest", lambda: json.loads(path.read_text(encoding="utf-8")))
        if not isinstance(manifest, Mapping):
            raise ValueError(f"model: {path} cannot be read as a manifest: expected an object.")
        return _graph(_beside(path, manifest.get("model_path", "graph.pb"), "model_path"), manifest, settings)
    model = _read(path, "a Keras model", lambda: keras.saving.load_model(path, compile=False, safe_mode=True))
    return Network(model, **settings)


def check_kind(path: Path) -> None:
    """Raises ValueError, with what to do, for a file of a kind that is known and holds no network to explore.

    Args:
      path: the file, by its name alone.
    """
    for ending, words in OTHERS.items():
        if path.name.lower().endswith(ending):
            raise ValueError(f"model: {path} {words.replace('PATH', repr(str(path)))}")


def _is_text(content: bytes) -> bool:
    """Whether a graph is written as text: it begins with the name of a field, such as "node {"."""
    return bool(re.match(rb"\s*(node|versions|library|graph_def|meta_info_def)\s*[:{]", content[:1000]))


def _graph(path: Path, metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> Network:
    if path.name == "saved_model.pb":
        raise ValueError(f"model: {path} is part of a SavedModel. Give its folder: {path.parent}")
    content = _read(path, "a frozen graph", path.read_bytes)
    if _is_text(content):
        raise ValueError(f"model: {path} {OTHERS['.pbtxt']}")
    graph_def = _read(path, "a frozen graph", lambda: tf.compat.v1.GraphDef.FromString(content))
    written = next((node for node in graph_def.node if node.name.rpartition("/")[2] == LUCID_NODE), None)
    if written is not None:
        text = _read(path, "Lucid's graph", lambda: tf.make_ndarray(written.attr["value"].tensor).item())
        metadata = _read(path, "Lucid's graph", lambda: json.loads(text)) | metadata
        graph_def.node.remove(written)
    variables = [node.name for node in graph_def.node if node.op in ("Variable", "VariableV2", "VarHandleOp")]
    if variables:
        raise ValueError(
            f"model: {path} is not frozen: {variables[0]!r} is a variable, whose values are elsewhere. Freeze the graph, or give "
            "the folder of a SavedModel."
        )
    return Network(graph_def, **_declared(path, metadata) | settings)


def _declared(path: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Network` from what Lucid writes about a graph."""
    found: dict[str, Any] = {}
    if (values := metadata.get("image_value_range")) is not None:
        found["value_range"] = tuple(values)
    if (shape := metadata.get("image_shape")) is not None:
        found["image_shape"] = tuple(shape)[-3:]
    if (name := metadata.get("input_name")) is not None:
        found["input"] = str(name)
    if (labels := metadata.get("labels_path")) is not None:
        found["labels"] = lambda: _labels(path, str(labels))
    return found | ({"bgr": True} if metadata.get("is_BGR") else {})


def _labels(path: Path, labels: str) -> list[str]:
    if "://" in labels:
        raise OSError(f"labels: those of {path.name} are at {labels}, and nothing is fetched. Give them: labels=[...].")
    return _beside(path, labels, "labels_path").read_text(encoding="utf-8").splitlines()


def _beside(path: Path, name: Any, field: str) -> Path:
    """A file in the folder of another one; ValueError if its name leads out of it."""
    folder = path.parent.resolve()
    file = (folder / str(name)).resolve()
    if not file.is_relative_to(folder):
        raise ValueError(f"{field}: expected a file in the folder of {path.name}. Received: {name!r}")
    if not file.is_file():
        raise FileNotFoundError(f"{field}: there is no file {file}")
    return file


def _read(path: Path, kind: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # Readers raise many kinds for a bad file.
        # Keras quotes the whole configuration before it says what is wrong with it.
        reason = str(error).rpartition("Exception encountered: ")[2]
        if "safe_mode" in reason:
            reason = (
                "it contains Python code (a Lambda layer), which is not run unasked. If you trust the file, pass "
                f"samplevis.Network(keras.models.load_model({str(path)!r}, safe_mode=False))."
            )
        raise ValueError(f"model: {path} cannot be read as {kind}: {reason}") from error
