"""Model files: round trip, digest, and every way in which a file can lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from refdec.errors import ModelError
from refdec.integer import (
    Graph,
    GraphInput,
    Model,
    Node,
    OverflowProofError,
    golden,
    load_model,
    model_file,
    save_model,
)
from refdec.integer.model_file import read_model
from tests.integer.random_graphs import OPERATIONS, random_case


def sample_model(seed: int = 11) -> Model:
    """A model with two graphs that use convolutions, a table and attention."""
    graphs = {"one": random_case(seed, first="conv").graph, "two": random_case(seed, first="lut").graph}
    graphs["three"] = random_case(seed, first="channel_attention").graph
    constants = {"gain_log": np.arange(160, dtype=np.int32), "z_cdf": np.zeros((160, 63), np.uint8)}
    return Model("entropy_Y", graphs, constants, {"source": "test", "scheme": {"weights": 16}})


@pytest.mark.parametrize("op", OPERATIONS)
def test_round_trip(op: str, tmp_path: Path) -> None:
    for seed in range(4):
        case = random_case(seed, first=op)
        model = Model("k", {"g": case.graph}, {"c": np.arange(5, dtype=np.int8)}, {"ü": [1, "x"]})
        path = tmp_path / "m.safetensors"
        assert save_model(path, model) == model.digest
        again = load_model(path)
        assert (again.digest, again.kind, dict(again.provenance)) == (
            model.digest,
            "k",
            dict(model.provenance),
        )
        assert np.array_equal(again.constants["c"], model.constants["c"])
        expected = golden.run(case.graph, case.inputs, case.size)
        found = golden.run(again.graphs["g"], case.inputs, case.size)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        assert not [p for p in tmp_path.iterdir() if p != path]


def test_bytes_and_digest_are_reproducible(tmp_path: Path) -> None:
    digests = {save_model(tmp_path / f"{i}.safetensors", sample_model()) for i in range(2)}
    assert len(digests) == 1
    assert sample_model(12).digest not in digests


def rewritten(data: bytes, change: Any, *, resign: bool = True) -> bytes:
    """The file with ``change(metadata, tensors)`` applied; with the digest of the new content unless told."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    tensors = {name: array.copy() for name, array in parse_tensors(data).items()}
    change(metadata, tensors)
    if resign:
        header = {
            "format": metadata.get("refdec.format"),
            "kind": metadata.get("refdec.kind"),
            "graphs": json.loads(metadata["refdec.graphs"]),
            "provenance": json.loads(metadata["refdec.provenance"]),
        }
        metadata["refdec.sha256"] = model_file.digest_of(header, tensors)
    return format_tensors(tensors, metadata)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(path, sample_model())
    assert read_model(rewritten(path.read_bytes(), lambda m, t: None)).digest == sample_model().digest
    return path.read_bytes()


def graph_change(change: Any) -> Any:
    def apply(metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> None:
        graphs = json.loads(metadata["refdec.graphs"])
        change(graphs, tensors)
        metadata["refdec.graphs"] = json.dumps(graphs)

    return apply


def first(graphs: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = graphs["one"]["nodes"][0]
    return node


def retyped(role: str, change: Any) -> Any:
    def apply(graphs: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        key = first(graphs)["tensors"][role]
        tensors[key] = change(tensors[key])

    return apply


def put(*path: Any, value: Any) -> Any:
    def apply(graphs: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        target: Any = graphs
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return apply


NODE = ("one", "nodes", 0)
LIES: dict[str, Any] = {
    "unknown operation": put(*NODE, "op", value="exec"),
    "operation of a wrong type": put(*NODE, "op", value=["conv"]),
    "unknown attribute": put(*NODE, "attributes", "dilation", value=2),
    "attribute of a wrong type": put(*NODE, "attributes", "stride", value="1"),
    "boolean attribute": put(*NODE, "attributes", "stride", value=True),
    "float attribute": put(*NODE, "attributes", "stride", value=1.0),
    "attribute out of range": put(*NODE, "attributes", "stride", value=3),
    "huge padding": put(*NODE, "attributes", "pad", value=[1 << 60] * 4),
    "short padding": put(*NODE, "attributes", "pad", value=[0]),
    "leaky slope above one": put(*NODE, "attributes", "leaky", value={"numerator": 9, "shift": 3}),
    "leaky of a wrong type": put(*NODE, "attributes", "leaky", value=7),
    "rounding unknown": put(*NODE, "attributes", "rounding", value="even"),
    "attributes no object": put(*NODE, "attributes", value=[1]),
    "tensors no object": put(*NODE, "tensors", value=3),
    "tensor key no string": put(*NODE, "tensors", "weight", value=3),
    "tensor of another role": put(*NODE, "tensors", "scale", value="constant/gain_log"),
    "missing tensor": put(*NODE, "tensors", "weight", value="graph/one/none"),
    "missing role": lambda graphs, tensors: first(graphs)["tensors"].pop("bias"),
    "missing key": lambda graphs, tensors: first(graphs).pop("lo"),
    "surplus key": put(*NODE, "activation", value="relu"),
    "clip outside int16": put(*NODE, "hi", value=40000),
    "clip list of wrong length": put(*NODE, "lo", value=list(range(-99, -1))),
    "clip of a wrong type": put(*NODE, "lo", value="0"),
    "clip the wrong way round": put(*NODE, "lo", value=32767),
    "input that is not made": put(*NODE, "inputs", value=["nothing"]),
    "input that is no name": put(*NODE, "inputs", value=[[]]),
    "inputs no list": put(*NODE, "inputs", value="x0"),
    "own output as input": lambda graphs, tensors: first(graphs).update(inputs=[first(graphs)["name"]]),
    "two inputs": put(*NODE, "inputs", value=["x0", "x0"]),
    "name of a wrong type": put(*NODE, "name", value=5),
    "name of control characters": put(*NODE, "name", value="\x00\n"),
    "node no object": put("one", "nodes", 0, value=[]),
    "nodes no list": put("one", "nodes", value={}),
    "too many nodes": lambda graphs, tensors: graphs["one"].update(nodes=[first(graphs)] * 5000),
    "node twice": lambda graphs, tensors: graphs["one"].update(nodes=[first(graphs)] * 2),
    "output that is not made": put("one", "outputs", value=["y"]),
    "no outputs": put("one", "outputs", value=[]),
    "output that is no name": put("one", "outputs", value=[{}]),
    "no inputs": put("one", "inputs", value=[]),
    "channels beyond all limits": put("one", "inputs", 0, "channels", value=1 << 62),
    "channels negative": put("one", "inputs", 0, "channels", value=-3),
    "channels wrong": lambda graphs, tensors: [i.update(channels=97) for i in graphs["one"]["inputs"]],
    "graph no object": put("one", value=None),
    "weight as int32": retyped("weight", lambda w: w.astype(np.int32)),
    "bias as int16": retyped("bias", lambda b: b.astype(np.int16)),
    "shift as int8": retyped("shift", lambda s: s.astype(np.int8)),
    "shift too large": retyped("shift", lambda s: s + 32),
    "weight of too few dimensions": retyped("weight", lambda w: w[:, :, 0].copy()),
    "weight with no outputs": retyped("weight", lambda w: w[:0].copy()),
    "weight with surplus inputs": retyped("weight", lambda w: np.repeat(w, 3, axis=1)),
    "bias too long": retyped("bias", lambda b: np.append(b, b)),
    "weight -32768": retyped("weight", lambda w: np.full(w.shape, -32768, np.int16)),
    "surplus tensor": lambda graphs, tensors: tensors.update({"more": np.zeros(3, np.int8)}),
    "float constant": lambda graphs, tensors: tensors.update({"constant/f": np.zeros(3, np.float32)}),
    "graph name with a slash": lambda graphs, tensors: graphs.update({"a/b": graphs["one"]}),
}


@pytest.mark.parametrize("lie", LIES)
def test_hostile_graphs_are_refused(lie: str, good: bytes) -> None:
    data = rewritten(good, graph_change(LIES[lie]))
    with pytest.raises(ModelError):
        read_model(data)


def test_overflow_is_refused_with_its_place(good: bytes, tmp_path: Path) -> None:
    def change(graphs: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        bias = tensors[first(graphs)["tensors"]["bias"]]
        bias[-1] = 2**31 - 1

    path = tmp_path / "overflow.safetensors"
    path.write_bytes(rewritten(good, graph_change(change)))
    with pytest.raises(OverflowProofError) as caught:
        load_model(path)
    error = caught.value
    assert error.channel == len(sample_model().graphs["one"].nodes[0].tensors["bias"]) - 1
    assert error.bound > 2**31 - 1
    for part in (path.name, "graph 'one'", error.node, str(error.bound)):
        assert part in str(error)


def metadata_put(key: str, value: str | None) -> Any:
    def apply(metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> None:
        if value is None:
            del metadata[key]
        else:
            metadata[key] = value

    return apply


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("refdec.format", "2"),
        ("refdec.format", None),
        ("refdec.graphs", "{"),
        ("refdec.graphs", "[]"),
        ("refdec.graphs", None),
        ("refdec.graphs", "[" * 100_000),
        ("refdec.graphs", '{"one": 1' + "0" * 5000 + "}"),
        ("refdec.graphs", '{"one": NaN}'),
        ("refdec.provenance", "3"),
        ("refdec.provenance", None),
        ("refdec.kind", "hop_UV"),
        ("refdec.kind", None),
        ("refdec.sha256", "0" * 64),
        ("refdec.sha256", None),
    ],
)
def test_hostile_metadata_is_refused(key: str, value: str | None, good: bytes) -> None:
    with pytest.raises(ModelError):
        read_model(rewritten(good, metadata_put(key, value), resign=False))


def test_a_changed_tensor_is_noticed(good: bytes) -> None:
    def change(metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> None:
        tensors["constant/gain_log"][7] += 1

    with pytest.raises(ModelError, match="digest"):
        read_model(rewritten(good, change, resign=False))


def test_truncation_anywhere_is_refused(good: bytes) -> None:
    length = 8 + int.from_bytes(good[:8], "little")
    places = {*range(64), *range(0, len(good), 997), length - 1, length, len(good) - 1}
    for place in sorted(places):
        with pytest.raises(ModelError):
            read_model(good[:place])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bytes_are_refused(good: bytes, data: st.DataObject) -> None:
    changed = bytearray(good)
    length = 8 + int.from_bytes(good[:8], "little")
    # Half of them in the header, where they change structure and not only values.
    place = data.draw(st.one_of(st.integers(0, length - 1), st.integers(0, len(good) - 1)))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        model = read_model(bytes(changed))
    except ModelError:
        return
    # White space between JSON tokens of the container carries nothing.
    assert model.digest == sample_model().digest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        b"\xff" * 64,
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (1 << 62).to_bytes(8, "little") + b"{}",
        (40).to_bytes(8, "little") + b'{"__metadata__": {"refdec.format": "1"}}',
        (40).to_bytes(8, "little") + b'{"__metadata__": {"refdec.format": 1}}  ',
        (100_000).to_bytes(8, "little") + b'{"a":' * 20_000,
    ],
)
def test_not_a_model_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        load_model(path)


def test_claims_beyond_the_file_are_refused() -> None:
    claim = {"graph/one/x/weight": {"dtype": "I16", "shape": [1 << 40, 9], "data_offsets": [0, 1 << 44]}}
    header = json.dumps({"__metadata__": {"refdec.format": "1"}, **claim}).encode()
    with pytest.raises(ModelError, match="safetensors"):
        read_model(len(header).to_bytes(8, "little") + header)


def test_missing_directory_and_large_files(good: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path)
    path = tmp_path / "m.safetensors"
    path.write_bytes(good)
    with pytest.raises(ModelError, match="limit"):
        load_model(path, max_bytes=1000)


def test_graphs_cannot_be_changed_after_the_proof() -> None:
    weight = np.ones((1, 1, 1, 1), np.int16)
    tensors = {"weight": weight, "bias": np.zeros(1, np.int32), "shift": np.zeros(1, np.uint8)}
    node = Node("n", "conv", ("x",), {}, tensors, -100, 100)
    graph = Graph((GraphInput("x", 1, -100, 100),), (node,), ("n",))
    weight[:] = 32767
    assert graph.nodes[0].tensors["weight"].item() == 1
    with pytest.raises(ValueError, match="read-only"):
        graph.nodes[0].tensors["weight"][:] = 2
    with pytest.raises(TypeError):
        graph.nodes[0].attributes["stride"] = 2  # type: ignore[index]


def test_values_do_not_depend_on_the_order_of_bytes_of_the_machine(tmp_path: Path) -> None:
    """Bytes as the format states them, little-endian, without the library that makes files."""
    path = tmp_path / "m.safetensors"
    save_model(path, Model("any", constants={"c": np.array([1, -2, 256], np.int16)}))
    data = path.read_bytes()
    assert data.endswith(bytes([1, 0, 0xFE, 0xFF, 0, 1]))
    assert load_model(path).constants["c"].tolist() == [1, -2, 256]
    assert all(stored[0] == "<" for stored in model_file.STORED.values())
