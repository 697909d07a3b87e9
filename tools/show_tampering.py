"""Change one weight, one table entry, one byte of a stream, one rounding; show what is said about each.

    python tools/show_tampering.py [--suite conformance/photos] [--models FOLDER] [--stream NAME]

Prints the verdict of ``refconf verify`` and the line of ``refdec compare`` on traces with values. Nothing on
disk is changed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from conformance.suite.records import PictureSuite, Record, open_pictures
from conformance.verify.engines import judge, settings_of
from conformance.verify.run import Options, verify_pictures
from conformance.verify_command import bundled_folder
from refdec.codestream import Marker, parse
from refdec.compare import compare
from refdec.decoder import decode_picture
from refdec.entropy.golden import dequantise
from refdec.entropy.tables import SCALE_INDEX_MIN
from refdec.errors import RefdecError
from refdec.integer import Model
from refdec.integer.golden import convolution
from refdec.models_io import ModelSet, bundled_models, open_models
from refdec.trace import TraceWriter, header, read_trace


def trace(stream: bytes, record: Record, models: ModelSet, path: Path) -> None:
    """A trace with values, by the golden engine."""
    parsed = parse(stream, record.dialect)
    with TraceWriter(path, header(stream, {}), path.with_suffix(".npz")) as writer:
        decode_picture(parsed, models, settings_of(record, "golden"), observer=writer)


def other_weight(models: ModelSet, record: Record) -> ModelSet:
    """The models with one weight of the luma context model halved."""
    model_id = int(next(iter(record.models))[len("model")])
    assert models.root is not None
    changed = open_models(models.root)
    model = changed.load(model_id, "latent", 0)
    node = next(n for n in model.graphs["mcm.1"].nodes if n.op == "conv")
    weight = node.tensors["weight"]
    weight.flags.writeable = True
    place = np.unravel_index(int(np.argmax(np.abs(weight.astype(np.int64)))), weight.shape)
    print(f"weight {[int(i) for i in place]} of mcm.1 {node.name}: {weight[place]} -> {weight[place] // 2}")
    weight[place] //= 2
    changed.loaded[model_id, "latent", 0] = Model(model.kind, model.graphs, model.constants, model.provenance)
    return changed


def other_table(models: ModelSet, record: Record) -> AbstractContextManager[Any]:
    """The gain table of the golden engine with one entry off by one."""
    model_id = int(next(iter(record.models))[len("model")])
    index = int(models.entropy(model_id, 0).gain_log[5])
    table = np.array(dequantise.scaler_table())
    print(f"gain table at {index}: {table[index - SCALE_INDEX_MIN]} -> {table[index - SCALE_INDEX_MIN] + 1}")
    table[index - SCALE_INDEX_MIN] += 1
    return patch.object(dequantise, "scaler_table", lambda: table)


def other_rounding() -> AbstractContextManager[Any]:
    """Halves down instead of up behind the convolutions of one layer of the golden engine."""
    right = convolution.finish
    print("psi: halves are rounded down")

    def finish(acc: Any, node: Any, *more: Any) -> Any:
        return right(acc - 1 if node.name == "psi" else acc, node, *more)

    return patch.object(convolution, "finish", finish)


def show(
    suite: PictureSuite,
    record: Record,
    right: ModelSet,
    models: ModelSet,
    tampered: Callable[[], AbstractContextManager[Any]],
) -> None:
    """Verdict and comparison under a change."""
    data = suite.stream(record)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trace(data, record, right, folder / "right.jsonl")
        with tampered():
            verdict = judge(suite, record, "golden", models)
            trace(data, record, models, folder / "found.jsonl")
        print(f"verify: {verdict.status}: {verdict.detail}")
        print(f"compare: {compare(read_trace(folder / 'right.jsonl'), read_trace(folder / 'found.jsonl'))}\n")


def show_byte(suite: PictureSuite, record: Record, models: ModelSet) -> None:
    """One byte of the luma residual: refused by the digest of the file, and by the decoder at its end."""
    data = bytearray(suite.stream(record))
    payload = parse(bytes(data), record.dialect).substreams_of(Marker.SORP)[0]
    offset = payload.payload_offset + len(payload.payload) // 2
    print(f"byte {offset}: {data[offset]:#04x} -> {data[offset] ^ 1:#04x}")
    data[offset] ^= 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(suite.folder, Path(name) / "suite"))
        (folder / record.file).write_bytes(data)
        changed = Options(("golden",), True, models=models.root, jobs=0, only=frozenset({record.name}))
        for verdict in verify_pictures(open_pictures(folder), changed):
            print(f"verify: {verdict.status}: {verdict.detail.replace(str(folder), 'SUITE')}")
    try:
        decode_picture(parse(bytes(data), record.dialect), models, settings_of(record, "golden"))
    except RefdecError as error:
        print(f"decode: {error} (exit code {error.exit_code})\n")


def main() -> None:
    """All four, on one stream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, default=bundled_folder())
    parser.add_argument("--models", type=Path)
    parser.add_argument("--stream", default="odd-65x79")
    options = parser.parse_args()
    suite = open_pictures(options.suite)
    record = next(r for r in suite.records if r.name == options.stream)
    models = bundled_models() if options.models is None else open_models(options.models)
    changed = other_weight(models, record)
    show(suite, record, models, changed, nullcontext)
    show(suite, record, models, models, lambda: other_table(models, record))
    show_byte(suite, record, models)
    show(suite, record, models, models, other_rounding)


if __name__ == "__main__":
    main()
