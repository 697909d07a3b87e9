"""Recording: it changes nothing, and a stream that lacks something does not exercise it."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.coverage import record as recording
from conformance.coverage.record import Recording, record
from conformance.coverage.suite import Task, exercise, models_of, tasks_of
from conformance.coverage.universe import universe
from conformance.verify.suite import bundled_suite
from conformance.verify.synthetic import Splitmix
from refdec import coverage, entropy
from refdec.codestream import parse
from refdec.codestream.assemble import rewrite
from refdec.decoder import decode_picture
from refdec.entropy.tables import coder_tables
from refdec.integer import Graph, GraphInput, Node, run
from tests.decode.small_models import model_set

VECTORS = Path(str(files("conformance").joinpath("vectors")))
SEED = 6048


@cache
def task(name: str) -> Task:
    return next(task for task in tasks_of(VECTORS) if task.name == name)


@cache
def recorded(name: str) -> Recording:
    return record(task(name).data, task(name).dialect, models_of(VECTORS, None), task(name).settings)


def statements(name: str) -> set[str]:
    return {point for group, point in recorded(name).points if group == "statements"}


def test_recording_changes_no_result() -> None:
    stream = parse(task("plain-64x64").data)
    models = model_set(int(bundled_suite().manifest["models"]["seed"]))
    settings = replace(task("plain-64x64").settings, operating_point="sop")
    shown: list[list[bytes]] = [[], []]

    def decode(number: int) -> list[bytes]:
        picture = decode_picture(
            stream, models, settings, observer=lambda *a: shown[number].append(a[3].tobytes())
        )
        return [plane.tobytes() for plane in picture.planes]

    plain = decode(0)
    with coverage.heard_by(lambda *_: None), recording.Tracer(recording.places()):
        heard = decode(1)
    assert plain == heard
    assert shown[0] == shown[1]


def test_tracing_ends_with_its_block() -> None:
    before = sys.gettrace()
    recorded("plain-64x64")
    assert sys.gettrace() is before
    assert not coverage.is_heard()


def test_nothing_is_kept_unheard() -> None:
    row = [1, 2, 3]
    assert coverage.visited("group", "row", row) is row
    coverage.point("group", "point")
    coverage.clips("what", np.array([9]), 0, 1)


def test_every_point_is_one_that_there_is() -> None:
    known = {(group, point) for group, points in universe().items() for point in points}
    for name in ("plain-64x64", "rvs", "quality-floor", "bit-depth-12", "dimensions", "thread-empty"):
        assert recorded(name).points <= known
        assert recorded(name).points


TOOLS = {
    "AR-RVS-04": "rvs",
    "AR-RVS-02": "rvs",
    "AR-QMAP-02": "quality-floor",
    "AR-QMAP-05": "quality-floor",
    "AR-SKIP-03": "cube-flags",
    "AR-PROG-02": "progressive-16",
    "CS-THR-02": "threads-16",
    "CS-REG-01": "regions-dependent",
    "CS-REG-02": "regions-independent",
    "CS-GEO-06": "regions-dependent",
    "CS-CON-09": "minimal",
    "CS-DIA-01": "dis",
    "CS-PIH-45": "quality-floor",
}


@pytest.mark.parametrize(("identifier", "name"), TOOLS.items())
def test_only_a_stream_with_the_tool_exercises_it(identifier: str, name: str) -> None:
    assert identifier in statements(name)
    assert identifier not in statements("plain-64x64")


def test_a_refused_stream_counts_for_its_refusal_alone() -> None:
    found = recorded("left-over-sors")
    assert found.error == "CorruptPayloadError"
    assert {group for group, _ in found.points} == {"refusals", "error-classes"}
    assert statements("second-soc") == {"CS-CON-04", "CS-CON-05"}
    assert statements("level") == {"CS-LVL-01", "CS-ERR-01", "CS-ERR-02"}


def test_a_stream_that_does_not_end_as_it_must_counts_for_nothing() -> None:
    for name, expected in (("plain-64x64", "refused"), ("no-soc", "decodes")):
        found = exercise(VECTORS, None, replace(task(name), expected=expected))  # type: ignore[arg-type]
        assert found.problem
        assert not found.points


def test_attempts_in_another_dialect_are_not_recorded() -> None:
    """A draft stream read as a published one is refused, with a hint for which the other is tried."""
    found = recorded("dialect")
    assert found.error is not None
    assert ("headers", "dialect dis") not in found.points
    assert all(group != "headers" or "broken" in point for group, point in found.points)


def test_coder_states_are_those_that_an_encoder_passes() -> None:
    """States, worked out backwards as an encoder does it, with the masses alone."""
    random = Splitmix(SEED)
    levels = random.integers(0, 31, (400,)).astype(np.uint8)
    values = random.integers(-3, 3, (400,))
    mask = random.integers(0, 3, (400,)) > 0
    golden = entropy.engine("golden")
    data, sizes = golden.encode_residual(values, levels, mask, 2)
    seen: set[str] = set()
    with coverage.heard_by(lambda group, point: seen.add(f"{group} {point}")):
        golden.decode_residual(data, sizes, levels, mask)
    tables = coder_tables()
    expected, states = set(), [0, 0]
    for i in reversed(range(400)):
        if not mask[i]:
            continue
        d, bound = int(levels[i]), int(tables.bounds[levels[i]])
        symbol = int(values[i]) if abs(values[i]) < bound else -bound
        column = 2 * symbol if symbol >= 0 else -2 * symbol - 1
        mass, start = int(tables.masses[d, column]), int(tables.starts[d, column])
        x = 256 + states[i % 2]
        while x >= 2 * mass:
            x >>= 1
        states[i % 2] = int(tables.state_map[d, start + x - mass])
        expected.add(f"tans-states {d}[{states[i % 2]}]")
    assert {point for point in seen if point.startswith("tans")} == expected


def test_each_side_of_a_clip_is_told_apart() -> None:
    graph = Graph((GraphInput("x", 2, -9, 9),), (Node("y", "clip", ("x",), {}, {}, -3, 3),), ("y",))

    def sides(*values: int) -> set[str]:
        seen: set[str] = set()
        x = np.array(values, np.int16).reshape(2, 1, -1)
        with coverage.heard_by(lambda group, point: seen.add(f"{group} {point}")):
            run(graph, {"x": x}, (16, 16), engine="golden")
        return seen

    assert sides(-3, 0, 1, 3) == set()
    assert sides(-4, 0, 0, 3) == {"saturation clip low"}
    assert sides(-3, 0, 0, 4) == {"saturation clip high"}
    assert sides(9, 0, 0, -9) == {"saturation clip low", "saturation clip high"}


def test_escapes_are_told_apart() -> None:
    golden = entropy.engine("golden")
    bound = int(coder_tables().bounds[5])

    def kinds(*values: int) -> Any:
        levels, mask = np.full(len(values), 5, np.uint8), np.ones(len(values), bool)
        data, sizes = golden.encode_residual(np.array(values), levels, mask, 1)
        seen = set()
        with coverage.heard_by(lambda group, point: seen.add((group, point))):
            golden.decode_residual(data, sizes, levels, mask)
        return {point for group, point in seen if group == "escapes"}

    assert kinds(0, bound - 1, 1 - bound) == set()
    assert kinds(bound, -bound - 3) == {"3 bits, code 0", "3 bits, code 7"}
    assert kinds(bound + 4, -32768) == {"16 bits, positive", "16 bits, negative"}


def test_a_picture_that_cannot_be_shown_is_refused_not_half_decoded() -> None:
    stream = parse(task("plain-64x64").data)
    subsampled = replace(stream.picture, s_ver_minus1=1, s_hor_minus1=1, c_ver_minus1=1, c_hor_minus1=1)
    data = rewrite(replace(stream, picture=replace(subsampled, colour_transform_idx=1)))
    models = model_set(int(bundled_suite().manifest["models"]["seed"]))
    found = record(data, stream.dialect, models, task("plain-64x64").settings)
    assert found.error == "UnsupportedFeatureError"
    assert ("statements", "AR-PIC-09") in found.points
