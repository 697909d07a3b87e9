"""Reads float ONNX networks into float graphs (needs the optional ``onnx`` package).

Covers what convolutional codec networks use: Conv, ConvTranspose, LeakyRelu, Relu, Clip, Abs, Sigmoid, Add,
Mul, Concat, DepthToSpace (CRD), and Sub/Div/Add/Mul by a scalar constant. Anything else is refused by name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from conformance.quantize.float_graph import FloatGraph, FloatGraphError


def load_onnx(path: str | os.PathLike[str], *, input_names: tuple[str, ...] | None = None) -> FloatGraph:
    """The network of an ONNX file with one batch item.

    :param path: the file. Spatial sizes that it fixes are ignored: convolutions take any.
    :param input_names: new names for the graph inputs, in the file's order.
    :raises FloatGraphError: for an operation, attribute or shape that float graphs do not have.
    :raises ImportError: if the ``onnx`` package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError("reading ONNX files needs the onnx package: pip install 'refdec[onnx]'") from error
    model = onnx.load(str(path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in model.initializer}
    for node in model.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    graph = FloatGraph(Path(path).stem)
    names: dict[str, str] = {}
    real_inputs = [i for i in model.input if i.name not in constants]
    for spec, name in zip(real_inputs, input_names or [i.name for i in real_inputs], strict=True):
        names[spec.name] = graph.input(name, spec.type.tensor_type.shape.dim[1].dim_value)

    for node in model.node:
        if node.op_type == "Constant":
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        names[node.output[0]] = _Reader(graph, names, constants).read(node, attributes)
    graph.output(*(names[o.name] for o in model.output))
    return graph


class _Reader:
    """Adds one ONNX node to a graph."""

    def __init__(self, graph: FloatGraph, names: dict[str, str], constants: dict[str, np.ndarray]) -> None:
        self.graph, self.names, self.constants = graph, names, constants

    def read(self, node: Any, attributes: dict[str, Any]) -> str:
        """Adds ``node``; returns the new tensor's name."""
        name = self._name(node)
        constant = [i in self.constants for i in node.input]
        match node.op_type:
            case "Conv":
                return self._conv(name, node.input, attributes)
            case "ConvTranspose":
                return self._transposed(name, node.input, attributes)
            case "Clip":
                lo, hi = (self._scalar(i) for i in (*node.input[1:], "", "")[:2])
                return self.graph.clip(name, self.names[node.input[0]], lo, hi)
            case "Sub" | "Div" | "Add" | "Mul" if any(constant):
                return self._affine(name, node, constant)
        xs = [self.names[i] for i in node.input]
        match node.op_type:
            case "LeakyRelu":
                return self.graph.leaky(name, xs[0], attributes.get("alpha", 0.01))
            case "Relu":
                return self.graph.relu(name, xs[0])
            case "Abs":
                return self.graph.abs(name, xs[0])
            case "Sigmoid":
                return self.graph.lut(name, xs[0], "sigmoid")
            case "Add":
                return self.graph.add(name, *xs)
            case "Mul":
                return self.graph.mul(name, *xs)
            case "Concat" if attributes.get("axis") == 1:
                return self.graph.concat(name, *xs)
            case "DepthToSpace" if attributes.get("mode") == b"CRD":
                return self.graph.pixel_shuffle(name, xs[0], attributes["blocksize"])
        raise FloatGraphError(f"{name}: ONNX operation {node.op_type} with {attributes} is not supported")

    def _name(self, node: Any) -> str:
        """The weight's module path where there is one, else the exporter's path of the node."""
        if node.op_type in ("Conv", "ConvTranspose") and node.input[1].endswith(".weight"):
            return str(node.input[1].removesuffix(".weight"))
        path = node.output[0].strip("/").split("/")
        if len(path) > 1 and path[0] in path[1]:
            path = path[1:]
        return ".".join(path).removesuffix("_output_0")

    def _scalar(self, name: str) -> float | None:
        return float(self.constants[name]) if name else None

    def _weights(self, inputs: Any) -> tuple[np.ndarray, np.ndarray | None]:
        bias = self.constants[inputs[2]] if len(inputs) > 2 and inputs[2] else None
        return self.constants[inputs[1]], bias

    def _conv(self, name: str, inputs: Any, a: dict[str, Any]) -> str:
        weight, bias = self._weights(inputs)
        strides = list(a.get("strides", [1, 1]))
        known = a.get("auto_pad", b"NOTSET") == b"NOTSET" and set(a.get("dilations", [1])) == {1}
        if not known or strides not in ([1, 1], [2, 2]):
            raise FloatGraphError(f"{name}: convolution with {a} is not supported")
        return self.graph.conv(
            name,
            self.names[inputs[0]],
            weight,
            bias,
            stride=strides[0],
            pad=list(a.get("pads", [0, 0, 0, 0])),
            groups=a.get("group", 1),
        )

    def _transposed(self, name: str, inputs: Any, a: dict[str, Any]) -> str:
        weight, bias = self._weights(inputs)
        extra = 4 - weight.shape[-1]
        expected = {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 1, "output_padding": [extra, extra]}
        found = {"group": 1, "output_padding": [0, 0], "pads": [0] * 4, "strides": [1, 1]} | a
        if any(list(np.atleast_1d(found[k])) != list(np.atleast_1d(v)) for k, v in expected.items()):
            raise FloatGraphError(f"{name}: transposed convolution with {a} is not supported")
        return self.graph.transposed_conv(name, self.names[inputs[0]], weight, bias)

    def _affine(self, name: str, node: Any, constant: list[bool]) -> str:
        """x - c, x / c, x + c, x * c: a 1x1 convolution of every channel by itself."""
        if node.op_type in ("Sub", "Div") and constant[0]:
            raise FloatGraphError(f"{name}: {node.op_type} of a constant by a tensor is not supported")
        at = constant.index(True)
        value = self.constants[node.input[at]].astype(np.float64)
        if value.size != 1:
            raise FloatGraphError(
                f"{name}: {node.op_type} by a constant of shape {value.shape} is not supported"
            )
        factor, offset = {
            "Sub": (1.0, -value.item()),
            "Add": (1.0, value.item()),
            "Mul": (value.item(), 0.0),
            "Div": (1.0 / value.item(), 0.0),
        }[node.op_type]
        x = self.names[node.input[1 - at]]
        c = self.graph.channels(x)
        return self.graph.conv(name, x, np.full((c, 1, 1, 1), factor), np.full(c, offset), groups=c)
