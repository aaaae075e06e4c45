"""The strongest weights between the units of adjacent layers, in and out."""

from __future__ import annotations

import collections
import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from samplevis.atlas.settings import digest
from samplevis.atlas.store import WEIGHTS, Store
from samplevis.network import Network
from samplevis.network.connections import connections

if TYPE_CHECKING:
    import pyarrow as pa

# Units that are remembered at either end of a unit's weights.
MAX_STRONGEST = 16

# (unit as "layer:number", weight), the strongest first.
Strongest = list[tuple[str, float]]


def store_weights(network: Network, model: str, store: Store) -> None:
    """Stores the strongest weights between all layers of an atlas, unless the store has them.

    Args:
      network: the network.
      model: SHA-256 of its weights and preprocessing.
      store: of the atlas, with notes of its layers.
    """
    layers = sorted(name for name, note in store.layers().items() if note.get("layer") == name)
    name = posixpath.join(WEIGHTS, f"{digest([model, layers, MAX_STRONGEST])[:32]}.parquet")
    if not store.is_sound(name) and (found := strongest_weights(network, layers)):
        store.write_table(name, _table(found))


def strongest_weights(
    network: Network, layers: Sequence[str], count: int = MAX_STRONGEST
) -> dict[str, tuple[Strongest, Strongest]]:
    """The units that each unit reads with the largest weights, and those that read it so.

    The size of a weight is the norm of its kernel over positions, its sign that of the sum over them: a kernel of a
    checkerboard is strong, and neither excites nor inhibits. Layers are adjacent if `samplevis.network.connections` says so.

    Args:
      network: the network.
      layers: names of layers.
      count: units to find at either end. Defaults to 16.

    Returns:
      "layer:number" -> (inputs, outputs), the strongest first, of all channels of layers that are adjacent to another.

    Example:
      >>> from samplevis import modelzoo
      >>> inputs, outputs = strongest_weights(modelzoo.Shapes(), ["conv5", "logits"])["logits:4"]
      >>> inputs[0][0].rpartition(":")[0], outputs
      ('conv5', [])
    """
    order = {name: n for n, name in enumerate(network.layers)}
    pairs = sorted(
        signed_norms(network, layers).items(), key=lambda pair: [order.get(name, len(order)) for name in pair[0]]
    )
    found: dict[str, tuple[Strongest, Strongest]] = collections.defaultdict(lambda: ([], []))
    for end, axis in ((0, 1), (1, 0)):
        beside: dict[str, list[tuple[str, np.ndarray]]] = collections.defaultdict(list)
        for names, weights in pairs:
            beside[names[axis]].append((names[1 - axis], weights if end == 0 else weights.T))
        for name, parts in beside.items():
            keys = [f"{other}:{n}" for other, weights in parts for n in range(len(weights))]
            for unit, column in enumerate(np.concatenate([weights for _, weights in parts]).T):
                strongest = np.argsort(-np.abs(column), kind="stable")[:count]
                found[f"{name}:{unit}"][end].extend((keys[n], float(column[n])) for n in strongest if column[n])
    return dict(found)


def signed_norms(network: Network, layers: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """(source, target) -> weights [unit of the source, unit of the target] of layers that are adjacent."""
    squares: dict[tuple[str, str], np.ndarray] = {}
    sums: dict[tuple[str, str], np.ndarray] = {}
    for found in connections(network, layers):
        pair, outputs = (found.source, found.target), slice(found.first, found.first + found.kernel.shape[-1])
        shape = tuple(network.layer_shape(name)[-1] for name in pair)
        for totals, values in ((squares, found.kernel**2), (sums, found.kernel)):
            totals.setdefault(pair, np.zeros(shape))[:, outputs] += values.sum(0, dtype=np.float64)
    return {pair: np.where(sums[pair] < 0, -1, 1) * np.sqrt(squares[pair]) for pair in squares}


def _table(found: Mapping[str, tuple[Strongest, Strongest]]) -> pa.Table:
    """A row for each unit."""
    import pyarrow as pa

    columns = {
        "group": [key.rpartition(":")[0] for key in found],
        "unit": pa.array([int(key.rpartition(":")[2]) for key in found], pa.int32()),
    }
    for end, name in enumerate(("inputs", "outputs")):
        columns[name] = pa.array([[key for key, _ in both[end]] for both in found.values()], pa.list_(pa.string()))
        weights = [[weight for _, weight in both[end]] for both in found.values()]
        columns[f"{name[:-1]}_weights"] = pa.array(weights, pa.list_(pa.float64()))
    return pa.table(columns)
