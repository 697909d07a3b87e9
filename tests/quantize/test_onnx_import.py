"""ONNX files: the verification model's golden tensors, small graphs of every supported kind, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conformance.quantize import FloatGraphError
from conformance.quantize.onnx_import import load_onnx
from tests.shared_vectors import SHARED

onnx = pytest.importorskip("onnx")
VM33 = SHARED / "vectors" / "vm33"
requires_vm33 = pytest.mark.skipif(not VM33.is_dir(), reason="the verification model is not here")

# Largest difference from PyTorch's output, relative to its largest value. Both are float32 computations.
GOLDEN = {
    "decoder_uv": ((192, 32, 32), (32, 128, 128)),
    "hyper_decoder_y": ((128, 16, 16), (128, 64, 64)),
    "hyper_decoder_uv": ((64, 8, 8), (64, 32, 32)),
    "hyper_scale_decoder_y": ((128, 16, 16), (128, 64, 64)),
    "hyper_scale_decoder_uv": ((64, 8, 8), (64, 32, 32)),
}
TOLERANCE = 4e-6


@requires_vm33
@pytest.mark.parametrize("name", list(GOLDEN))
def test_golden_tensors(name: str) -> None:
    shape_in, shape_out = GOLDEN[name]
    graph = load_onnx(VM33 / f"{name}.onnx", input_names=("x",))
    x = np.fromfile(VM33 / "io" / f"input_{name}", "<f4").reshape(shape_in)
    wanted = np.fromfile(VM33 / "io" / f"output_{name}", "<f4").reshape(shape_out)
    found = graph.run({"x": x}, dtype=torch.float64)[graph.outputs[0]]
    assert np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()


@requires_vm33
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("single_encode_y", 903168),
        ("single_encode_uv", 227456),
        ("hyper_encoder_y", 737920),
        ("hyper_encoder_uv", 184640),
        ("decoder_y", 498240),
    ],
)
def test_every_parameter_is_read(name: str, parameters: int) -> None:
    graph = load_onnx(VM33 / f"{name}.onnx")
    nodes = [n for n in graph.nodes if n.name not in ("Sub", "Div")]
    assert sum(t.size for n in nodes for t in n.tensors.values()) == parameters


def model(path: Path, nodes: list[Any], constants: dict[str, np.ndarray], channels: int = 4) -> Path:
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", float32, [1, channels, None, None])],
        [helper.make_tensor_value_info("out", float32, None)],
        [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    onnx.save(helper.make_model(graph), str(path))
    return path


def test_every_supported_kind(tmp_path: Path) -> None:
    node, rng = onnx.helper.make_node, np.random.default_rng(0)
    w, up, scalar = rng.standard_normal((4, 2, 3, 3)), rng.standard_normal((4, 4, 3, 3)), np.array(0.5)
    nodes = [
        node("Sub", ["x", "c"], ["a"]),
        node("Div", ["a", "c"], ["b"]),
        node("Conv", ["b", "w"], ["d"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        node("LeakyRelu", ["d"], ["e"], alpha=0.2),
        node("ConvTranspose", ["e", "up"], ["f"], strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
        node("Sigmoid", ["f"], ["g"]),
        node("Mul", ["f", "g"], ["h"]),
        node("Abs", ["h"], ["i"]),
        node("Clip", ["i", "", "c"], ["j"]),
        node("Add", ["j", "x"], ["k"]),
        node("Concat", ["k", "f"], ["l"], axis=1),
        node("DepthToSpace", ["l"], ["m"], blocksize=2, mode="CRD"),
        node("Relu", ["m"], ["out"]),
    ]
    graph = load_onnx(model(tmp_path / "m.onnx", nodes, {"c": scalar, "w": w, "up": up}))
    x = rng.standard_normal((4, 6, 8))
    t = torch.from_numpy(((x - 0.5) / 0.5).astype(np.float64))[None]
    f = torch.nn.functional
    e = f.leaky_relu(
        f.conv2d(t, torch.from_numpy(w).float().double(), None, 2, 1, 1, 2), float(np.float32(0.2))
    )
    y = f.conv_transpose2d(e, torch.from_numpy(up).float().double(), None, 2, 1, 1)
    k = (y * torch.sigmoid(y)).abs().clamp(max=0.5) + torch.from_numpy(x)
    wanted = torch.relu(f.pixel_shuffle(torch.cat([k, y], 1), 2))[0].numpy()
    found = graph.run({"x": x}, dtype=torch.float64)[graph.outputs[0]]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "attributes", "inputs"),
    [
        ("Tanh", {}, ["x"]),
        ("Conv", {"dilations": [2, 2]}, ["x", "w"]),
        ("Conv", {"strides": [1, 2]}, ["x", "w"]),
        ("ConvTranspose", {"strides": [2, 2], "pads": [0, 0, 0, 0]}, ["x", "w"]),
        ("Concat", {"axis": 2}, ["x", "x"]),
        ("DepthToSpace", {"blocksize": 2, "mode": "DCR"}, ["x"]),
        ("Div", {}, ["c", "x"]),
        ("Sub", {}, ["x", "v"]),
    ],
)
def test_anything_else_is_refused(
    kind: str, attributes: dict[str, Any], inputs: list[str], tmp_path: Path
) -> None:
    constants = {"w": np.zeros((4, 4, 3, 3)), "c": np.array(2.0), "v": np.zeros((4, 1, 1))}
    path = model(tmp_path / "m.onnx", [onnx.helper.make_node(kind, inputs, ["out"], **attributes)], constants)
    with pytest.raises(FloatGraphError, match="not supported"):
        load_onnx(path)
