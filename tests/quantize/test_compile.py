"""Compiled graphs: proved, equal in the engines, close to the float network, and reproducible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conformance import twin
from conformance.quantize import (
    CompilationReport,
    FloatGraph,
    Format,
    Options,
    QuantisationError,
    Sample,
    compile_graph,
)
from conformance.quantize.report import signal_to_noise
from refdec.integer import Graph, prove, run
from tests.quantize.networks import attention, latents, leaky_gates, relu6_gates, weights

NETWORKS: dict[str, tuple[Callable[[], FloatGraph], tuple[int, int] | None]] = {
    "leaky_gates": (leaky_gates, None),
    "relu6_gates": (relu6_gates, (93, 125)),
    "attention": (attention, None),
}


def samples(graph: FloatGraph, size: tuple[int, int] | None, seed: int, count: int = 4) -> list[Sample]:
    """Inputs of one network: the same statistics for every seed."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    mixing = {i.name: weights(fixed, i.channels, i.channels) * 3 for i in graph.inputs}
    shape = (8, 12)
    if size is not None:
        shape = (-(-size[0] // 16), -(-size[1] // 16))
    return [
        ({i.name: latents(rng, i.channels, *shape, mixing[i.name]) for i in graph.inputs}, size)
        for _ in range(count)
    ]


def feed(graph: Graph, report: CompilationReport, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {}
    for item in graph.inputs:
        lo, hi = graph.clip_range(item.name)
        scaled = np.rint(values[item.name] * report.scales[item.name][:, None, None])
        out[item.name] = np.clip(scaled, lo[:, None, None], hi[:, None, None]).astype(np.int16)
    return out


def quality(real: FloatGraph, graph: Graph, report: CompilationReport, test: list[Sample]) -> float:
    """SNR in dB of the integer output (twin) against the float one."""
    name, pairs = graph.outputs[0], []
    for values, size in test:
        got = twin.run(graph, feed(graph, report, dict(values)), size or (1, 1))[name]
        pairs.append((real.run(values, size)[name], got / report.scales[name][:, None, None]))
    return signal_to_noise(pairs)


@pytest.mark.parametrize(
    ("name", "scheme", "least"),
    [
        ("leaky_gates", "w16a16", 55),
        ("leaky_gates", "w8a8", 15),
        ("relu6_gates", "w8a16", 35),
        ("attention", "w16a16", 50),
        pytest.param("leaky_gates", "w8a16", 35, marks=pytest.mark.slow),
        pytest.param("relu6_gates", "w16a16", 55, marks=pytest.mark.slow),
        pytest.param("relu6_gates", "w8a8", 15, marks=pytest.mark.slow),
        pytest.param("attention", "w8a16", 30, marks=pytest.mark.slow),
    ],
)
def test_close_to_float_on_new_inputs(name: str, scheme: str, least: float) -> None:
    build, size = NETWORKS[name]
    real = build()
    graph, report = compile_graph(real, samples(real, size, 1, 10), scheme)
    assert quality(real, graph, report, samples(real, size, 2)) > least
    for node in graph.nodes:
        if "weight" in node.tensors and node.op != "layer_norm":
            assert node.tensors["weight"].dtype == (np.int8 if scheme.startswith("w8") else np.int16)
    for name, accumulator in prove(graph).accumulators.items():
        assert accumulator.bound.max() <= accumulator.limit, name
    if scheme == "w8a8":
        for node in graph.nodes:
            if node.name not in graph.outputs and node.name in graph.clips:
                assert max(abs(v).max() for v in graph.clips[node.name]) <= 127, node.name


@pytest.mark.parametrize("name", list(NETWORKS))
def test_golden_and_twin_agree_on_what_was_compiled(name: str) -> None:
    build, size = NETWORKS[name]
    real = build()
    graph, report = compile_graph(real, samples(real, size, 1), "w16a16")
    values, _ = samples(real, size, 3, 1)[0]
    # Ten times the calibrated range: everything saturates somewhere.
    for factor in (1, 10):
        fed = feed(graph, report, {k: v * factor for k, v in values.items()})
        golden = run(graph, fed, size or (1, 1), engine="golden")
        other = twin.run(graph, fed, size or (1, 1))
        for key in golden:
            np.testing.assert_array_equal(golden[key], other[key])


def test_same_inputs_same_bytes() -> None:
    real = leaky_gates()
    made = [compile_graph(real, samples(real, None, 1), "w8a16")[0] for _ in range(2)]
    (first, tensors), (second, again) = (g.to_json() for g in made)
    assert first == second and tensors.keys() == again.keys()
    for key in tensors:
        np.testing.assert_array_equal(tensors[key], again[key])


def test_adaptive_rounding_and_bias_correction_help() -> None:
    real, size = relu6_gates(), NETWORKS["relu6_gates"][1]
    learn, test = samples(real, size, 1, 24), samples(real, size, 2)
    plain, corrected, adaptive = (
        quality(real, *compile_graph(real, learn, "w8a16", options=options), test)
        for options in (
            Options(rounding="nearest", bias_correction=False),
            Options(rounding="nearest"),
            Options(),
        )
    )
    assert corrected > plain + 0.1
    assert adaptive > corrected + 1.0


def test_free_scales_use_the_weights_better() -> None:
    real = leaky_gates()
    learn, test = samples(real, None, 1, 8), samples(real, None, 2)
    free, powers = (
        compile_graph(real, learn, "w8a16", options=Options(free_scales=f)) for f in (True, False)
    )
    for scales in powers[1].scales.values():
        assert np.array_equal(np.log2(scales), np.rint(np.log2(scales)))
    assert quality(real, *free, test) > quality(real, *powers, test)
    # Where others read the integers, in and out, the scales are powers of two all the same.
    for name in ("y", "out"):
        assert np.array_equal(np.log2(free[1].scales[name]), np.rint(np.log2(free[1].scales[name])))


def test_32_bits_are_used_and_not_exceeded() -> None:
    """Many inputs at full range: 16-bit weights cannot all be used, and the proof decides how many."""
    rng = np.random.default_rng(0)
    real = FloatGraph()
    real.output(real.conv("c", real.input("x", 64), weights(rng, 8, 64, 3, 3), rng.standard_normal(8) * 100))
    flat = [({"x": rng.uniform(-100, 100, (64, 16, 16)).astype(np.float32)}, None)]
    graph, report = compile_graph(real, flat, "w16a16", options=Options(plan_scales=False))
    bound = prove(graph).accumulators["c"].bound
    assert bound.max() <= 2**31 - 1
    assert bound.min() > 2**29
    assert report.layers[-1].accumulator_bits == 32
    planned = compile_graph(real, flat, "w16a16")
    assert quality(real, *planned, flat) > quality(real, graph, report, flat) + 3


def test_formats_from_outside_are_kept() -> None:
    real = leaky_gates()
    fraction = np.arange(16) % 3 + 8
    given = {"y": Format(fraction, -20000, 20000), "out": Format(12, -4096, 4000)}
    graph, report = compile_graph(real, samples(real, None, 1), "w16a16", formats=given)
    assert graph.inputs[0].fraction == tuple(fraction)
    assert [v.tolist() for v in graph.clip_range("y")] == [[-20000] * 16, [20000] * 16]
    assert graph.node("out").fraction == 12
    assert [v.tolist() for v in graph.clip_range("out")] == [[-4096] * 4, [4000] * 4]
    np.testing.assert_array_equal(report.scales["y"], 2.0**fraction)


def test_integer_inputs_are_exact_at_their_own_scale() -> None:
    real = FloatGraph()
    rng = np.random.default_rng(0)
    x = real.input("z", 4, step=1.0, lo=-31, hi=31)
    real.output(real.transposed_conv("t", x, weights(rng, 4, 4, 4, 4)))
    z = [({"z": rng.integers(-9, 9, (4, 8, 8)).astype(np.float32)}, None)]
    graph, report = compile_graph(real, z, "w16a16")
    assert graph.inputs[0].fraction == 0 and graph.inputs[0].lo == -31
    assert report.layers[0].snr == float("inf")
    assert quality(real, graph, report, z) > 75


def test_saturation_is_counted() -> None:
    real = leaky_gates()
    learn = samples(real, None, 1)
    calm = compile_graph(real, learn, "w16a16")[1]
    assert sum(layer.saturated for layer in calm.layers) == 0
    tight = compile_graph(real, learn, "w16a16", options=Options(headroom=0.7))[1]
    assert sum(layer.saturated for layer in tight.layers) > 50
    assert "saturated" in calm.markdown() and len(calm.markdown().splitlines()) == 2 + len(calm.layers)


def test_a_range_that_is_given_is_no_saturation() -> None:
    real = leaky_gates()
    learn = samples(real, None, 1)
    limits = {"out": Format(12, -2048, 2048)}
    graph, report = compile_graph(real, learn, "w16a16", formats=limits)
    found = run(graph, feed(graph, report, dict(learn[0][0])), (1, 1), engine="golden")["out"]
    assert (np.abs(found) == 2048).sum() > 50
    assert report.layers[-1].saturated == 0 and report.layers[-1].snr > 50


def test_a_sum_is_not_cut_where_its_terms_are_not() -> None:
    graph = FloatGraph("skip")
    x = graph.input("x", 1)
    graph.output(graph.add("sum", x, graph.conv("small", x, np.full((1, 1, 1, 1), 0.125))))
    quiet = [({"x": np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)}, None)]
    made, report = compile_graph(graph, quiet, formats={"x": Format(8, -20 * 256, 20 * 256)})
    loud = np.full((1, 8, 8), 20 * 256, np.int16)
    found = run(made, {"x": loud}, (1, 1), engine="golden")["sum"] / report.scales["sum"][0]
    # the skipped-over term passes whole, although calibration saw a twentieth of it
    assert found.min() > 20


def test_explosions_do_not_set_the_range() -> None:
    rng = np.random.default_rng(0)
    real = FloatGraph()
    real.output(real.conv("c", real.input("x", 4), weights(rng, 4, 4, 1, 1)))
    x = rng.standard_normal((4, 160, 160)).astype(np.float32)
    x[:, 3, 5] = 1000
    cut = compile_graph(real, [({"x": x}, None)], "w16a16")[1].layers[0]
    kept = compile_graph(real, [({"x": x}, None)], "w16a16", options=Options(explosion=1e9))[1].layers[0]
    assert cut.hi < 30 < 1000 < kept.hi
    assert cut.saturated == 4 and kept.saturated == 0


def test_what_cannot_be_compiled() -> None:
    real = leaky_gates()
    learn = samples(real, None, 1, 1)
    with pytest.raises(QuantisationError, match="no scheme"):
        compile_graph(real, learn, "w4a4")
    with pytest.raises(QuantisationError, match="at least one"):
        compile_graph(real, [], "w16a16")
    with pytest.raises(QuantisationError, match="no inputs or outputs"):
        compile_graph(real, learn, "w16a16", formats={"gate1": Format(3)})
