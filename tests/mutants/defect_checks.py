"""What shows a known defect where no stream does: encoders, importers, numbers too small for a stream.

Each check passes as the program is, and fails with the mutant that the table of
:mod:`tests.mutants.known_defects` names for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from conformance.encoder import decisions, quality, quantise
from refdec import entropy, integer
from refdec.codestream.geometry import filter_tile_count
from refdec.codestream.headers import Icci, IcciTile
from refdec.entropy.golden import scales, z
from refdec.entropy.tables import coder_tables
from refdec.filters import FilterPlanes, eicci
from refdec.integer.golden import attention
from refdec.integer.golden.bounds import Watch
from refdec.integer.hyper_scale import ScaleLayer, hyper_scale_decoder_graph
from refdec.tables import table
from tests.filters import test_eicci

LUMA_SIZE = (70, 100)


def cubes_are_skipped_up_to_an_error_of_3() -> None:
    error = np.zeros((2, 32, 32), np.float32)
    error[1, 16, 0] = 3.5
    error[0, 0, 16] = 3
    flags = decisions.cube_flags(error)
    assert flags[0].tolist() == [[1, 1], [0, 1]] and flags[1:].all()


def maps_have_the_latents_size() -> None:
    rows, columns = (-(-n // 16) for n in LUMA_SIZE)
    assert quality.interest_map([quality.Interest(20, 20, 40, 30, 5)], LUMA_SIZE).shape == (rows, columns)
    with TemporaryDirectory() as folder:
        for name, write in (("map.npy", np.save), ("map.txt", np.savetxt)):
            path = Path(folder) / name
            write(path, np.array([[-8, 0], [1, 8]]), **({"fmt": "%d"} if name == "map.txt" else {}))
            found = quality.load_map(path, LUMA_SIZE)
            assert found.shape == (rows, columns) and set(found.flat) == {-8, 0, 1, 8}


def entropy_index_counts_the_first_delta_as_zero() -> None:
    deltas = np.zeros((2, 2), np.int32)
    deltas[0, 0] = 7
    assert decisions.quality_entropy_index(deltas) == decisions.quality_entropy_index(0 * deltas)
    deltas[1, 1] = 1
    assert decisions.quality_entropy_index(deltas) != decisions.quality_entropy_index(0 * deltas)


def gain_flags_of_equal_means_go_to_the_lower_channel() -> None:
    log = np.full((96, 2, 2), 500, np.int32)
    log[40] = 600
    flags = decisions.grfs_flags(log, 1, 0, 96)
    assert np.flatnonzero(flags).tolist() == [*range(9), 40]


def z_distribution_is_exact() -> None:
    freqs = np.full((2, 63), 16_000_000, np.int32)
    freqs[1] = np.arange(63) * 500_000 + 1
    expected = []
    for row in freqs.tolist():
        total, sums = sum(row), [sum(row[: k + 1]) for k in range(63)]
        expected.append([(255 * s + total // 2) // total for s in sums])
    assert z.z_cdf(freqs).tolist() == expected


def models_do_not_share_tables() -> None:
    """Two payloads of two models of the same shape, one after the other."""
    engine = entropy.engine("golden")
    values = (np.arange(2 * 4) % 9 - 4).reshape(2, 2, 2).astype(np.int8)
    for low in (1, 60):
        freqs = np.full((2, 63), low, np.int32)
        freqs[:, 31] = 1000
        cdfs = [engine.z_cdf(freqs)]
        data, sizes = engine.encode_z([values], cdfs, 1)
        (found,) = engine.decode_z(data, sizes, cdfs, 2, 2)
        np.testing.assert_array_equal(found, values)


def a_thread_may_need_all_the_room() -> None:
    """One thread of four has an escape at every position, the others nothing."""
    engine = entropy.engine("jit")
    levels, mask = np.zeros(4096, np.uint8), np.ones(4096, np.bool_)
    values = np.where(np.arange(4096) % 4 == 1, 32767, 0)
    data, sizes = engine.encode_residual(values, levels, mask, 4)
    assert max(sizes) > 5 * min(sizes), sizes
    found = entropy.engine("golden").decode_residual(data, sizes, levels, mask)
    np.testing.assert_array_equal(found, values)


def z_beyond_31_is_not_coded() -> None:
    cdf = z.z_cdf(np.ones((1, 63), np.int32))
    with pytest.raises(ValueError, match="must be in"):
        z.encode_z([np.full((1, 1, 1), 32)], [cdf], 1)


def encoder_and_decoder_have_the_same_levels() -> None:
    assert len(coder_tables().bounds) == quantise.LEVELS == int(scales.levels(np.array([9999]))[0]) + 1
    # A doubled step is so many levels: the decoder's table of quality offsets says how many.
    step = math.log(quantise.SIGMA_MAX / quantise.SIGMA_MIN) / (quantise.LEVELS - 1)
    assert table("parameters", "quality_log")[12] == round(128 * math.log(2) / step)


def hyper_scale_sums_need_all_their_bits() -> None:
    """A sum of 25 bits one below a multiple of the divisor: a scale that steers the entropy coder."""
    bias = (np.arange(1000, 1032) << 15) - 1
    none = np.zeros(2, np.int32)
    graph = hyper_scale_decoder_graph(
        ScaleLayer(np.zeros((2, 2, 1, 1), np.int8), none, none),
        ScaleLayer(np.zeros((2, 2, 3, 3), np.int8), none, none),
        ScaleLayer(np.zeros((32, 2, 1, 1), np.int8), bias.astype(np.int32), np.full(32, 15)),
    )
    inputs = {"z_hat": np.zeros((2, 1, 1), np.int16)}
    found = integer.run(graph, inputs, (64, 64), engine="golden")["log_sigma"]
    assert sorted(found.reshape(-1).tolist()) == list(range(999, 1031))


def activation_in_front_of_the_shift_is_the_same() -> None:
    """Where the next layer's clip begins at 0, an arithmetic shift and ``max(0, .)`` commute."""
    sums = np.arange(-70_000, 70_000, 7)
    for shift in range(18):
        assert np.array_equal(np.maximum(sums, 0) >> shift, np.maximum(sums >> shift, 0))


def attention_sums_need_all_their_bits() -> None:
    random = np.random.default_rng(1)
    q, k = (random.integers(-32767, 32768, (3, 4096)) for _ in range(2))
    found = attention.cosines(q, k, Watch("attention", None, None))
    for i, row in enumerate(q.tolist()):
        for j, other in enumerate(k.tolist()):
            assert found[i, j] == _cosine(row, other)


def _cosine(q: list[int], k: list[int]) -> int:
    """AN-ATT-01 to 03, in Python's integers."""
    product = sum(a * b for a, b in zip(q, k, strict=True))
    norms, shift = [], 0
    for row in (q, k):
        total, exponent = sum(a * a for a in row), 0
        while total << 2 * exponent < 1 << 50:
            exponent += 1
        while total >> -2 * exponent >= 1 << 52 if exponent < 0 else total << 2 * exponent >= 1 << 52:
            exponent -= 1
        norms.append(math.isqrt(total << 2 * exponent if exponent >= 0 else total >> -2 * exponent))
        shift += exponent
    scaled = product << shift if shift >= 0 else product >> -shift
    half = (scaled // norms[0]) << 24
    return (half + norms[1] // 2) // norms[1]


def attention_blocks_want_even_maps() -> None:
    import torch

    from conformance.networks.primitives import ConvolutionalAttention, TransformerAttention

    for block in (ConvolutionalAttention(4), TransformerAttention(4, resample=True)):
        for odd in ((3, 4), (4, 3)):
            with pytest.raises(ValueError, match="cannot be halved"):
                block(torch.zeros(1, 4, *odd))


def attention_runs_on_what_is_not_yet_cut() -> None:
    """Luma's HOP transform of a picture whose quarter has an odd size."""
    import torch

    from conformance.networks.synthesis import PrimaryHOP

    torch.manual_seed(1)
    with torch.no_grad():
        net = PrimaryHOP(4, 8)
        assert net(torch.randn(1, 4, 2, 2), (18, 21)).shape == (1, 1, 18, 21)


def luma_is_padded_by_its_network() -> None:
    import torch

    from conformance.networks.analysis import PrimaryAnalysisBOP
    from conformance.networks.primitives import pad_to_even

    torch.manual_seed(1)
    luma = 255 * torch.rand(1, 1, 33, 47)
    with torch.no_grad():
        net = PrimaryAnalysisBOP(4, 8)
        found, expected = net(luma), net(pad_to_even(luma))
    assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)


def eicci_tiles_in_raster_order_and_in_place() -> None:
    """Overlapping tiles against the definition, computed tile by tile."""
    picture = test_eicci.picture_of(96, 368)
    count = filter_tile_count(96, 368, 208, 48)
    tile = IcciTile((1, 1, 1), 0, 3, 6)
    icci = Icci(tuple(replace(tile, index_Y=k) for k in range(count)), 1, 13, 3)
    planes = test_eicci.planes_of(np.random.default_rng(1), picture)
    expected = test_eicci.plainly(planes, picture, icci)
    context = test_eicci.context_of(picture, icci, engine="jit")
    for a, b in zip(eicci.apply(FilterPlanes(planes), context).planes, expected, strict=True):
        np.testing.assert_array_equal(a, b)


CHECKS: dict[str, Callable[[], None]] = {
    name: item
    for name, item in list(globals().items())
    if callable(item) and getattr(item, "__module__", "") == __name__ and not name.startswith("_")
}
NEED_TORCH = {
    "attention_blocks_want_even_maps",
    "attention_runs_on_what_is_not_yet_cut",
    "luma_is_padded_by_its_network",
}
