"""Traces: the format, its promises on disk, and the comparison of two."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from refdec.compare import compare
from refdec.trace import POINTS, TraceError, TraceWriter, canonical, digest, header, read_trace

Z = np.arange(-6, 6, dtype=np.int8).reshape(2, 2, 3)
RESIDUAL = np.arange(2 * 4 * 5, dtype=np.int32).reshape(2, 4, 5) - 11


def write(path: Path, values: bool = True, **changes: npt.NDArray[Any]) -> Path:
    """A small trace; ``changes`` replace tensors by key."""
    tensors = {
        ("z_hat", "Y", None): Z,
        ("skip_mask", "Y", None): RESIDUAL > 0,
        ("residual", "Y", 0): RESIDUAL[:, :2],
        ("residual", "Y", 1): RESIDUAL[:, 2:],
        ("residual", "Y", None): RESIDUAL,
    }
    npz = path.with_suffix(".npz") if values else None
    with TraceWriter(path, header(b"stream", {"m": "d"}, engine="golden"), npz) as writer:
        for (point, component, region), tensor in tensors.items():
            name = f"{point}_{component}" + ("" if region is None else f"_r{region}")
            writer(point, component, region, changes.get(name, tensor))
    assert writer.count == len(tensors)
    return path


def test_lines_are_what_the_format_says(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in write(tmp_path / "t.jsonl").read_text().splitlines()]
    first, *entries = lines
    assert first["refdec_trace"] == 1 and first["stream_sha256"] == hashlib.sha256(b"stream").hexdigest()
    assert first["models"] == {"m": "d"} and first["engine"] == "golden" and "refdec" in first["versions"]
    assert [entry["point"] for entry in entries] == ["z_hat", "skip_mask", *["residual"] * 3]
    assert [entry["region"] for entry in entries] == [None, None, 0, 1, None]
    assert all(entry["dtype"] == "int32" for entry in entries)
    assert entries[0]["shape"] == [2, 2, 3] and (entries[0]["min"], entries[0]["max"]) == (-6, 5)


def test_digest_needs_nothing_but_a_hash_library(tmp_path: Path) -> None:
    entries = [json.loads(line) for line in write(tmp_path / "t.jsonl").read_text().splitlines()[1:]]
    flat = [int(v) for v in RESIDUAL.reshape(-1)]
    assert entries[-1]["sha256"] == hashlib.sha256(struct.pack(f"<{len(flat)}i", *flat)).hexdigest()
    bits = [int(v > 0) for v in flat]
    assert entries[1]["sha256"] == hashlib.sha256(struct.pack(f"<{len(bits)}i", *bits)).hexdigest()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">i4", "<i4", "<i8", "<i2"])
def test_digest_does_not_depend_on_layout(order: str, dtype: str) -> None:
    other = np.asarray(RESIDUAL, dtype=dtype, order=order)  # type: ignore[call-overload]
    assert digest(other, "int32") == digest(RESIDUAL, "int32")
    assert digest(other[:, ::-1][:, ::-1], "int32") == digest(RESIDUAL, "int32")


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TraceError):
        canonical(np.array([1 << 31], np.int64), "int32")


def test_values_file(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl")
    with np.load(tmp_path / "t.npz") as archive:
        assert set(archive.files) == {
            "z_hat.Y",
            "skip_mask.Y",
            "residual.Y",
            "residual.Y.r0",
            "residual.Y.r1",
        }
        np.testing.assert_array_equal(archive["residual.Y"], RESIDUAL)
        assert archive["z_hat.Y"].dtype == np.int32


def test_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(tmp_path / "a/t.jsonl")
    write(tmp_path / "b/t.jsonl")
    for name in ("t.jsonl", "t.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_left_of_a_trace_that_failed(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("what was there before")
    with (
        pytest.raises(RuntimeError),
        TraceWriter(tmp_path / "t.jsonl", header(b"", {}), tmp_path / "t.npz") as writer,
    ):
        writer("residual", "Y", None, RESIDUAL)
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]
    assert (tmp_path / "t.jsonl").read_text() == "what was there before"


def test_a_pipe_or_a_link_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with TraceWriter(pipe, header(b"", {})):
            pass
        assert pipe.is_fifo()
        assert b"refdec_trace" in os.read(reader, 1 << 12)
    finally:
        os.close(reader)
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    with TraceWriter(link, header(b"", {})):
        pass
    assert link.is_symlink() and b"refdec_trace" in target.read_bytes()


def test_clauses_name_statements_that_exist() -> None:
    docs = Path(__file__).parents[2] / "docs"
    named = 0
    for point in POINTS.values():
        file = re.search(r"docs/([a-z-]+\.md)", point.clause)
        ids = re.findall(r"\b[A-Z]{2}-[A-Z]+-\d+", point.clause)
        assert file and ids, point.clause
        text = (docs / file.group(1)).read_text()
        assert all(f"**{name}**" in text for name in ids), point.clause
        named += len(ids)
    assert named >= 16


def test_equal_traces(tmp_path: Path) -> None:
    pair = [read_trace(write(tmp_path / name)) for name in ("a.jsonl", "b.jsonl")]
    assert compare(*pair) is None


def test_first_divergence_is_located(tmp_path: Path) -> None:
    changed = RESIDUAL.copy()
    changed[1, 2, 3] += 5
    changed[1, 3, 0] -= 1
    expected = read_trace(write(tmp_path / "a.jsonl"))
    found = read_trace(write(tmp_path / "b.jsonl", residual_Y_r1=changed[:, 2:], residual_Y=changed))
    divergence = compare(expected, found)
    assert divergence is not None
    assert (divergence.point, divergence.component, divergence.region) == ("residual", "Y", 1)
    assert divergence.index == (1, 0, 3) and divergence.differing == 2
    assert divergence.found == divergence.expected + 5 == int(changed[1, 2, 3])  # type: ignore[operator]
    text = str(divergence)
    assert "channel 1, row 0, column 3" in text and "region 1" in text
    assert POINTS["residual"].clause in text


def test_divergence_without_values_still_names_the_tensor(tmp_path: Path) -> None:
    expected = read_trace(write(tmp_path / "a.jsonl", values=False))
    found = read_trace(write(tmp_path / "b.jsonl", values=False, z_hat_Y=Z + 1))
    divergence = compare(expected, found)
    assert divergence is not None and divergence.point == "z_hat" and divergence.index is None


def test_shape_and_missing_points(tmp_path: Path) -> None:
    expected = read_trace(write(tmp_path / "a.jsonl"))
    found = read_trace(write(tmp_path / "b.jsonl", z_hat_Y=Z[:, :1]))
    divergence = compare(expected, found)
    assert divergence is not None and (divergence.what, divergence.found) == ("shape", [2, 1, 3])
    del found.entries["z_hat.Y"]
    missing = compare(expected, found)
    assert missing is not None and (missing.what, missing.point) == ("missing", "z_hat")
    assert compare(expected, found, common_only=True) is None
    surplus = compare(found, expected)
    assert surplus is not None and surplus.expected == "nothing"


def test_traces_with_nothing_in_common(tmp_path: Path) -> None:
    expected, found = (read_trace(write(tmp_path / name)) for name in ("a.jsonl", "b.jsonl"))
    found.entries.clear()
    with pytest.raises(TraceError, match="in common"):
        compare(expected, found, common_only=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json\n",
        "[1]\n",
        '{"point": "z_hat"}\n',
        '{"refdec_trace": 99}\n',
        '{"refdec_trace": 1}\n{"point": "z_hat"}\n',
        '{"refdec_trace": 1}\n{"point"',
    ],
)
def test_damaged_traces_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(TraceError):
        read_trace(tmp_path / "t.jsonl")


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="cannot read"):
        read_trace(tmp_path / "absent.jsonl")


def test_damaged_values_are_refused(tmp_path: Path) -> None:
    expected = read_trace(write(tmp_path / "a.jsonl"))
    found = read_trace(write(tmp_path / "b.jsonl", z_hat_Y=Z + 1))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(TraceError, match="values"):
        compare(expected, found)


def test_a_values_name_cannot_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = write(tmp_path / "inner/t.jsonl")
    text = path.read_text().replace('"values": "t.npz"', '"values": "../t.npz"')
    path.write_text(text)
    assert read_trace(path).values_path() == tmp_path / "inner/t.npz"


def test_the_example_of_the_documentation_writes_the_same_trace(tmp_path: Path) -> None:
    """Run the code of docs/trace.md as it stands there, and compare its trace with ours."""
    text = (Path(__file__).parents[2] / "docs/trace.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    example: dict[str, Any] = {}
    exec(code.group(1), example)
    ours = write(tmp_path / "ours.jsonl")
    lines = [
        example["trace_line"](point, "Y", tensor.shape, [int(v) for v in tensor.reshape(-1)], region=region)
        for point, region, tensor in (
            ("z_hat", None, Z),
            ("skip_mask", None, RESIDUAL > 0),
            ("residual", 0, RESIDUAL[:, :2]),
            ("residual", 1, RESIDUAL[:, 2:]),
            ("residual", None, RESIDUAL),
        )
    ]
    with (tmp_path / "theirs.jsonl").open("w") as file:
        example["write_trace"](file, b"stream", lines)
    theirs = read_trace(tmp_path / "theirs.jsonl")
    assert theirs.header["stream_sha256"] == read_trace(ours).header["stream_sha256"]
    assert theirs.entries == read_trace(ours).entries
    assert compare(read_trace(ours), theirs) is None
    assert all(f"`{point}`" in text or f"`{point}." in text for point in POINTS)
