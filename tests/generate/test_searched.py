"""Streams that are found by search, and the model set that reaches what the first one leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from conformance.coverage.report import write_statements
from conformance.coverage.suite import cover
from conformance.executors.local import InProcess
from conformance.generate.ascent import PARTS, Search, ascend, sums_of
from conformance.generate.entry import SuiteSpec, context_of
from conformance.generate.layers import Layers
from conformance.generate.other_models import PAIRS, WIDE_SHIFT, OtherModels, Z, gains
from conformance.generate.plan import Plan
from conformance.generate.recipes.block_means import displacement, sums
from conformance.generate.registry import RECIPES, all_items
from conformance.generate.run import generate_suite
from conformance.suite.records import open_pictures
from conformance.verify.synthetic import Splitmix
from refdec.codestream import CHANNELS
from refdec.entropy.tables import SCALE_INDEX_MAX, SCALE_INDEX_MIN
from refdec.integer import GraphInput, exp2, golden, prove
from refdec.models_io import HYPER_SCALE_DECODER


def small_graph() -> Search:
    net = Layers(Splitmix(3), GraphInput("x", 12, -32767, 32767))
    net.conv("first", "x", 6, groups=3, wide=True, gain=3)
    net.conv("second", "first", 8, 3, lo=0)
    return Search(net.graph("second"), (4, 4), (64, 64), 32767, 60, {})


def test_a_search_gets_further_than_its_best_draw_and_is_the_same_again() -> None:
    search = small_graph()
    start, none = ascend(Search(**{**vars(search), "budget": 0}), "second", Splitmix(5))
    signs, share = ascend(search, "second", Splitmix(5))
    again, share_again = ascend(search, "second", Splitmix(5))
    assert share_again == share > none > 0
    np.testing.assert_array_equal(signs, again)
    assert set(np.unique(signs)) == {-1, 1} and signs.shape == start.shape == (12, 4, 4)
    bound = prove(search.graph).accumulators["second"]
    found = sums_of(search, "second", signs)
    reached = np.maximum(
        -found.min(axis=(1, 2)) * PARTS // -bound.acc_lo, found.max(axis=(1, 2)) * PARTS // bound.acc_hi
    )
    assert share <= int(reached.max()) <= PARTS
    with pytest.raises(ValueError, match="adds nothing"):
        sums_of(search, "third", signs)


def test_displacements_put_means_at_the_bounds() -> None:
    log_skip = Splitmix(7).integers(0, 2500, (160, 24, 24)).astype(np.int32)
    log_skip = (log_skip // 8 + 160 * np.arange(160)[:, None, None] // 16).astype(np.int32)
    beta = displacement(log_skip, [1003, 1352])
    total, moving = sums(log_skip)
    at = total + beta * moving
    means = (at + 32) >> 6
    assert np.any(means == 1003) and np.any(means == 1004) and np.any(at == 64 * 1352 + 32)


def test_gains_and_displacements_read_the_whole_table() -> None:
    context, read = context_of(SuiteSpec(), others=True), set()
    for step in RECIPES["gain-table"].variants or {}:
        plan = RECIPES["gain-table"](context, step)
        assert isinstance(plan, Plan)
        for c in (0, 1):
            read |= set((gains(CHANNELS[c]) + plan.parts[c].beta).tolist())
    assert read == set(range(SCALE_INDEX_MIN, SCALE_INDEX_MAX + 1))


def test_sums_of_the_second_set_are_not_those_of_32_bit_floats() -> None:
    graph = OtherModels(1).load(0, "entropy", 0).graphs[HYPER_SCALE_DECODER]
    heard = {}
    golden.run(
        graph,
        {"z_hat": np.full((160, 3, 3), Z, np.int16)},
        (192, 192),
        accumulators=lambda node, found: heard.__setitem__(node, found),
    )
    middle = heard["depthwise"][:, 1, 1]
    assert np.all(middle > 1 << 24) and np.all((middle + 1) % (1 << WIDE_SHIFT) == 0)
    assert np.all(middle.astype(np.float32).astype(np.int64) > middle)


def test_the_second_set_is_only_for_streams_that_name_it() -> None:
    others = {item.name for item in all_items() if item.recipe.others}
    assert {"scale-sums", "attention-model", "gain-table-00"} <= others
    models = OtherModels(1)
    assert not models.has(1, "entropy", 0) and not models.has(0, "sop", 2)
    assert models.has_eicci("bop", 1) and not models.has_eicci("bop", 2) and not models.has_eicci("hop", 0)
    for index in (0, 1):
        network = models.eicci("bop", index)
        assert np.unique(network.chroma.fraction).size == 4
        assert np.unique(network.chroma.graph.clip_range("bands")[1]).size > 1


def test_pairs_of_the_second_set_lie_at_the_edge_of_a_rounding() -> None:
    def weights(power: int) -> tuple[int, ...]:
        total = (1 << 26) + power
        return tuple(((e << 15) + (total >> 1)) // total for e in (1 << 26, power))

    for temperature in PAIRS:
        # The cosine is 2 below the largest: so many steps of 2^-16 are between the two.
        steps = 2 * temperature
        product = exp2.HIGH[(steps >> 8) & 255] * exp2.LOW[steps & 255]
        floored, rounded = product >> 26, (product + (1 << 25)) >> 26
        assert weights(floored >> (steps >> 16)) != weights(rounded >> (steps >> 16))


def test_records_with_statements(tmp_path: Path) -> None:
    only = ["smallest", "twice-ton", "behind-the-end-zeros"]
    generate_suite(tmp_path, SuiteSpec(statements=True), InProcess(), only=only)
    entries = {e["name"]: e for e in json.loads((tmp_path / "suite.json").read_text())["streams"]}
    assert entries["twice-ton"]["statements"] == ["CS-CON-08"]
    assert {"AR-PIC-08", "CS-PIH-07"} <= set(entries["smallest"]["statements"])
    assert set(entries["behind-the-end-zeros"]["statements"]) - set(entries["smallest"]["statements"]) == {
        "CS-CON-06"
    }
    before = [entry["statements"] for entry in entries.values()]
    write_statements(tmp_path, cover(tmp_path))
    after = json.loads((tmp_path / "suite.json").read_text())["streams"]
    assert [entry["statements"] for entry in after] == before
    assert generate_suite(tmp_path, SuiteSpec(statements=True), InProcess(), only=only).kept == 3
    assert [r.name for r in open_pictures(tmp_path).records]
