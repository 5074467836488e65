"""Nodes before and after the graph of an ONNX file; the graph itself, its opset and its weights stay as they are.

What is added exists in the same form from opset 11 on, softmax over the last of four axes included.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET = 11
PUBLIC = ("image", "planes", "boxes", "scores", "classes", "masks")
"""Names of the inputs and outputs of model files."""

Port = tuple[npt.DTypeLike, Sequence[int | str]]
"""Type and shape of an input or an output; a word stands for a length that varies."""


class Steps:
    """Nodes one after the other, and the names of what they pass on."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._prefix = prefix
        self._count = 0

    def add(self, operator: str, *values: str, **attributes: Any) -> str:
        """Add a node with one output; the name of that output."""
        output = self._fresh()
        self._append(operator, values, [output], attributes)
        return output

    def constant(self, array: npt.NDArray[Any]) -> str:
        """The name of a fixed value."""
        from onnx import numpy_helper

        return self.add("Constant", value=numpy_helper.from_array(array))

    def cast(self, value: str, kind: npt.DTypeLike) -> str:
        """Add a change of type."""
        from onnx import helper

        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def rank(self, value: str) -> str:
        """The places of the numbers in a row, the highest first."""
        order = self._fresh()
        self._append("TopK", [value, self.add("Shape", value)], [f"{order}/values", order], {"axis": 0})
        return order

    def finish(self, value: str, name: str) -> None:
        """Give a value the name under which others know it."""
        self._append("Identity", [value], [name], {})

    def _fresh(self) -> str:
        self._count += 1
        return f"overtrace/{self._prefix}/{self._count}"

    def _append(
        self, operator: str, values: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, values, outputs, name=f"{outputs[-1]}/node", **attributes))


def own(name: str) -> str:
    """The name of a value of the file in ``free_names``."""
    return f"own/{name}" if name in PUBLIC else name


def free_names(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy in which no value of the file bears a name that model files give to inputs and outputs."""
    copy = _copy(model)
    _rename(copy.graph)
    return copy


def prepend(model: "onnx.ModelProto", steps: Steps, inputs: Mapping[str, Port]) -> "onnx.ModelProto":
    """A copy that begins with some steps and takes other inputs."""
    copy = _copy(model)
    nodes, weights = list(copy.graph.node), {tensor.name for tensor in copy.graph.initializer}
    # Old files list their weights among the inputs.
    listed = [value for value in copy.graph.input if value.name in weights]
    _replace(copy.graph.node, [*steps.nodes, *nodes])
    _replace(copy.graph.input, [*_ports(inputs), *listed])
    return copy


def append(model: "onnx.ModelProto", steps: Steps, outputs: Mapping[str, Port]) -> "onnx.ModelProto":
    """A copy that ends with some steps and has other outputs."""
    copy = _copy(model)
    copy.graph.node.extend(steps.nodes)
    _replace(copy.graph.output, _ports(outputs))
    return copy


def _rename(graph: "onnx.GraphProto") -> None:
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        value.name = own(value.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [own(name) for name in names]
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _rename(inner)


def _copy(model: "onnx.ModelProto") -> "onnx.ModelProto":
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _replace(field: Any, values: Iterable[Any]) -> None:
    kept = list(values)
    del field[:]
    field.extend(kept)


def _ports(ports: Mapping[str, Port]) -> "list[onnx.ValueInfoProto]":
    from onnx import helper

    return [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
        for name, (kind, shape) in ports.items()
    ]
