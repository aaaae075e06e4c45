"""A frozen TensorFlow graph, evaluated node by node as far as needed."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from samplevis.network.sources.operation import compute

# A tensor of a graph: its node's name, and which of the node's outputs it is.
Output = tuple[str, int]
Functions = Mapping[str, Callable[[tf.Tensor], tf.Tensor]]


class Graph:
    """A GraphDef without variables.

    Constants, and nodes that depend only on constants, are computed once.

    Attributes:
      nodes: every node by its name.
      inputs: the tensors that each node reads, in order.
      order: names of the nodes, each after those that it reads.
    """

    def __init__(self, nodes: Iterable[Any]):
        self.nodes = {node.name: node for node in nodes}
        self.inputs = {
            name: [as_output(one) for one in node.input if one[0] != "^"] for name, node in self.nodes.items()
        }
        self.order = self._sorted()
        self._constant: set[str] = set()
        for name in self.order:
            node = self.nodes[name]
            definition = op_def_registry.get(node.op)
            fixed = definition is not None and not definition.is_stateful and not node.op.startswith("Placeholder")
            if fixed and all(one in self._constant for one, _ in self.inputs[name]):
                self._constant.add(name)
        self._computed: dict[str, list[tf.Tensor]] = {}

    def run(self, wanted: Iterable[Output], fed: Mapping[Output, tf.Tensor], functions: Functions) -> list[tf.Tensor]:
        """The values of some tensors.

        Args:
          wanted: the tensors.
          fed: values of tensors, which are not computed.
          functions: by name of a node, what to apply to its first input in its place.

        Returns:
          The values in the order of `wanted`.

        Raises:
          ValueError: if a node that is needed cannot be computed.
        """
        wanted = list(wanted)
        needed = self.ancestors((one for one in wanted if one not in fed), fed)
        values, missing = self.run_all(needed, fed, functions)
        for name, _ in wanted:
            if name in missing:
                raise ValueError(f"model: {missing[name]}")
        return [values[one] for one in wanted]

    def run_all(
        self, names: Iterable[str], fed: Mapping[Output, tf.Tensor], functions: Functions
    ) -> tuple[dict[Output, tf.Tensor], dict[str, str]]:
        """Values of all outputs of some nodes, which must include all nodes that they read; and, for nodes without values, why."""
        names, values, missing = set(names), dict(fed), {}
        for name in self.order:
            if name not in names:
                continue
            try:
                reason = next(
                    (missing[one] for one, k in self.inputs[name] if (one, k) not in values and one in missing), None
                )
                if reason is not None:
                    missing[name] = reason
                    continue
                outputs = self._outputs(name, values, functions)
            except ValueError as error:
                missing[name] = str(error)
                continue
            for number, output in enumerate(outputs):
                values.setdefault((name, number), output)
        return values, missing

    def ancestors(self, wanted: Iterable[Output], fed: Mapping[Output, Any]) -> set[str]:
        """The nodes that have to be computed for some tensors when others are known."""
        found: set[str] = set()
        waiting = [name for name, _ in wanted]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [one for one, number in self.inputs[name] if (one, number) not in fed]
        return found

    def reached(self, start: Output) -> list[str]:
        """The nodes that depend on a tensor, in order."""
        found: set[str] = set()
        for name in self.order:
            if any(one == start or one[0] in found for one in self.inputs[name]):
                found.add(name)
        return [name for name in self.order if name in found]

    def constant(self, output: Output) -> np.ndarray | None:
        """The value of a tensor that depends on no placeholder, else None."""
        return self._fixed(output[0])[output[1]].numpy() if output[0] in self._constant else None

    def check_numbers(self) -> None:
        """Raises ValueError if a constant that has been used so far is not a number. Infinity may be one: masks have it."""
        for name, values in self._computed.items():
            if any(value.dtype.is_floating and bool(tf.reduce_any(tf.math.is_nan(value))) for value in values):
                raise ValueError(f"model: the constant {name!r} has values that are not finite.")

    def _outputs(self, name: str, values: Mapping[Output, tf.Tensor], functions: Functions) -> list[tf.Tensor]:
        inputs = self.inputs[name]
        if name in functions:
            x = values[inputs[0]]
            return [tf.cast(functions[name](x), x.dtype)]
        if name in self._constant:
            return self._fixed(name)
        return compute(self.nodes[name], [values[one] for one in inputs])

    def _fixed(self, name: str) -> list[tf.Tensor]:
        # Outside any function being traced: its tensors would be lost with it.
        if name not in self._computed:
            with tf.init_scope():
                node = self.nodes[name]
                if node.op == "Const":
                    self._computed[name] = [_loaded(node)]
                else:
                    self._computed[name] = compute(
                        node, [self._fixed(one)[number] for one, number in self.inputs[name]]
                    )
        return self._computed[name]

    def _sorted(self) -> list[str]:
        reads = {
            # The edge that closes a loop is left out: loops are not computed.
            name: [one for one, _ in inputs if self.nodes[one].op != "NextIteration"]
            for name, inputs in self.inputs.items()
        }
        return list(graphlib.TopologicalSorter(reads).static_order())


def as_output(name: str) -> Output:
    """(node, number of the output) of a tensor's name, "node" or "node:number"."""
    node, colon, number = name.rpartition(":")
    return (node, int(number)) if colon and number.isdecimal() else (name, 0)


def _loaded(node: Any) -> tf.Tensor:
    return tf.constant(tf.make_ndarray(node.attr["value"].tensor))
