"""Phases, regions and tiles over small integer graphs, against direct evaluations written differently."""

from __future__ import annotations

import numpy as np
import pytest

from refdec import integer
from refdec.codestream.geometry import CHANNELS, Rect, SynthesisTile
from refdec.errors import ModelError
from refdec.integer import Graph, GraphInput, Model, Node
from refdec.networks import (
    PHASE_POSITIONS,
    decode_latent,
    hyper_decoder,
    latent_model,
    picture_latent,
    picture_psi,
    run_phases,
    scale_latent,
    split_phases,
    synthesis_model,
    synthesise,
    synthesise_tile,
)

LIMIT = 32767
ENGINES = pytest.mark.parametrize("engine", ["golden", "jit"])


def add(name, a, b, channels, shifts=(0, 0, 0)):
    tensors = {
        role: np.full(channels, value, np.uint8)
        for role, value in zip(("shift_a", "shift_b", "shift"), shifts, strict=True)
    }
    return Node(name, "add", (a, b), {}, tensors, -LIMIT, LIMIT)


def conv(name, source, weight, shift, lo=-LIMIT, hi=LIMIT, **attributes):
    out = weight.shape[0]
    bias = (np.arange(out, dtype=np.int32) * 37) % 101 - 50
    tensors = {"weight": weight, "bias": bias, "shift": np.full(out, shift, np.uint8)}
    return Node(name, "conv", (source,), attributes, tensors, lo, hi)


def thin_weight(random, outputs, inputs, kernel=1):
    """Each output reads one input channel: small proofs and small runs."""
    weight = np.zeros((outputs, inputs, kernel, kernel), np.int16)
    weight[np.arange(outputs), random.integers(0, inputs, outputs)] = random.integers(
        -90, 90, (outputs, kernel, kernel)
    )
    return weight


def make_latent(component, *, psi_limit=2000, change=None):
    random = np.random.default_rng(component + 5)
    channels = CHANNELS[component]
    z = GraphInput("z_hat", channels, -31, 31)
    up = np.zeros((channels, channels, 4, 4), np.int16)
    up[np.arange(channels), np.arange(channels)] = random.integers(-90, 90, (channels, 4, 4))
    tensors = {"weight": up, "bias": np.zeros(channels, np.int32), "shift": np.zeros(channels, np.uint8)}
    spread = Node("up", "transposed_conv", ("z_hat",), {}, tensors, -LIMIT, LIMIT)
    crop = Node("up.crop", "crop", ("up",), {"divisor": 32})
    last = conv(
        "psi", "up.crop", thin_weight(random, 4 * channels, channels, 3), 6, -2000, 2000, pad=(1, 1, 1, 1)
    )
    graphs = {"hyper_decoder": Graph((z,), (spread, crop, last), ("psi",))}
    for phase in range(4):
        if component == 0:
            psi = GraphInput("psi", channels, -psi_limit, psi_limit)
            earlier = [GraphInput(f"y_hat.{k}", channels, -LIMIT, LIMIT) for k in range(phase)]
            names = (*(item.name for item in earlier), "psi")
            nodes = [Node("all", "concat", names)] if phase else []
            weight = thin_weight(random, channels, (phase + 1) * channels, 3)
            nodes.append(conv("mu", "all" if phase else "psi", weight, 7, pad=(1, 1, 1, 1)))
            graphs[f"mcm.{phase}"] = Graph((*earlier, psi), tuple(nodes), ("mu",))
        inputs = tuple(GraphInput(name, channels, -LIMIT, LIMIT) for name in ("mu", "residual"))
        graphs[f"sum.{phase}"] = Graph(inputs, (add("y_hat", "mu", "residual", channels),), ("y_hat",))
    constants = {"latent_fraction": (np.arange(channels) % 13).astype(np.int32)}
    if change is not None:
        change(graphs, constants)
    return Model(f"latent_{'Y' if component == 0 else 'UV'}", graphs, constants, {})


@pytest.fixture(scope="module")
def luma():
    return latent_model(make_latent(0), 0)


@pytest.fixture(scope="module")
def chroma():
    return latent_model(make_latent(1), 1)


def residual_of(channels, size, seed=1):
    random = np.random.default_rng(seed)
    return random.integers(-(2**20), 2**20, (channels, *size), dtype=np.int32)


def psi_of(channels, size, seed=2):
    random = np.random.default_rng(seed)
    grid = (-(-size[0] // 2), -(-size[1] // 2))
    return random.integers(-2000, 2001, (4 * channels, *grid)).astype(np.int16)


def rounded(residual, fraction):
    exact = residual.astype(np.float64) * np.ldexp(1.0, fraction - 12)[:, None, None]
    return np.clip(np.floor(exact + 0.5), -LIMIT, LIMIT)


@ENGINES
@pytest.mark.parametrize("size", [(5, 7), (4, 6), (1, 1), (2, 5), (3, 2)])
def test_context_model(luma, size, engine):
    residual, psi = residual_of(160, size), psi_of(160, size)
    found = decode_latent(luma, psi, residual, engine=engine)
    grid = psi.shape[1:]
    whole = np.zeros((160, 2 * grid[0], 2 * grid[1]))
    addend = np.zeros_like(whole)
    addend[:, : size[0], : size[1]] = rounded(residual, luma.fraction)
    context = []
    for phase, (row, column) in enumerate([(0, 0), (1, 1), (0, 1), (1, 0)]):
        block = psi[160 * phase : 160 * phase + 160].astype(np.float64)
        node = luma.means[phase].node("mu")
        weight, bias = (node.tensors[k].astype(np.float64) for k in ("weight", "bias"))
        source = np.pad(np.concatenate([*context, block]), ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(source, (3, 3), (1, 2))
        mean = np.einsum("oikl,iyxkl->oyx", weight, windows) + bias[:, None, None]
        mean = np.clip(np.floor(mean / 128 + 0.5), -LIMIT, LIMIT)
        latent = np.clip(mean + addend[:, row::2, column::2], -LIMIT, LIMIT)
        context.append(latent)
        whole[:, row::2, column::2] = latent
    assert found.dtype == np.int16
    assert np.array_equal(found, whole[:, : size[0], : size[1]])


@ENGINES
def test_chroma_mean_is_psi_in_its_phases(chroma, engine):
    size = (5, 4)
    residual, psi = residual_of(96, size), psi_of(96, size)
    found = decode_latent(chroma, psi, residual, engine=engine)
    expected = rounded(residual, chroma.fraction)
    for y in range(5):
        for x in range(4):
            phase = [(0, 0), (1, 1), (0, 1), (1, 0)].index((y % 2, x % 2))
            expected[:, y, x] += psi[96 * phase : 96 * phase + 96, y // 2, x // 2]
    assert np.array_equal(found, np.clip(expected, -LIMIT, LIMIT))


def test_trace_of_means(luma):
    shown = {}
    decode_latent(
        luma, psi_of(160, (3, 3)), residual_of(160, (3, 3)), engine="golden", show=shown.__setitem__
    )
    assert list(shown) == ["mu.0", "mu.1", "mu.2", "mu.3"]
    assert all(value.shape == (160, 2, 2) and value.dtype == np.int16 for value in shown.values())


def test_an_encoder_that_decides_the_residual_gets_the_decoders_latent(luma):
    size, psi = (3, 5), psi_of(160, (3, 5))
    chosen = []

    def step(phase, mean):
        # half of the mean, negated: something only the mean can tell; nothing beyond the latent
        value = -(mean >> 1)
        row, column = PHASE_POSITIONS[phase]
        value[:, (size[0] - row + 1) // 2 :] = 0
        value[:, :, (size[1] - column + 1) // 2 :] = 0
        chosen.append(value)
        return value

    encoded = run_phases(luma, psi, size, step, engine="golden")
    residual = np.zeros((160, 4, 6), np.int32)
    for (row, column), value in zip(PHASE_POSITIONS, chosen, strict=True):
        residual[:, row::2, column::2] = value
    shift = (12 - luma.fraction)[:, None, None]
    assert np.array_equal(encoded, decode_latent(luma, psi, residual[:, :3, :5] << shift, engine="golden"))


def test_split_phases_pads_with_zero():
    latent = np.arange(1, 16, dtype=np.int16).reshape(1, 3, 5)
    parts = [part[0].tolist() for part in split_phases(latent)]
    assert parts[0] == [[1, 3, 5], [11, 13, 15]]
    assert parts[1] == [[7, 9, 0], [0, 0, 0]]
    assert parts[2] == [[2, 4, 0], [12, 14, 0]]
    assert parts[3] == [[6, 8, 10], [0, 0, 0]]


@ENGINES
def test_engines_agree_on_psi(luma, engine):
    z = np.random.default_rng(4).integers(-31, 32, (160, 2, 3)).astype(np.int8)
    psi = hyper_decoder(luma, z[:, ::-1], (75, 190), engine=engine)
    graph = luma.hyper_decoder
    direct = integer.run(graph, {"z_hat": z[:, ::-1].astype(np.int16)}, (75, 190), engine="golden")["psi"]
    assert psi.shape == (640, 3, 6)
    assert np.array_equal(psi, direct)


def rectangles(heights, widths):
    return [Rect(top, left, bottom - top, right - left) for top, bottom in heights for left, right in widths]


def test_independent_regions_do_not_see_each_other(chroma):
    # 256 x 200 luma samples in regions of 128 rows: latent 16 x 13, psi 8 x 7, hyper-latent 4 x 4
    z = np.random.default_rng(9).integers(-31, 32, (96, 4, 4)).astype(np.int8)
    residual = residual_of(96, (16, 13))
    sizes = rectangles([(0, 128), (128, 256)], [(0, 200)])
    hyper = rectangles([(0, 2), (2, 4)], [(0, 4)])
    psi_grid = rectangles([(0, 4), (4, 8)], [(0, 7)])
    latent = rectangles([(0, 8), (8, 16)], [(0, 13)])
    shown = []
    psi = picture_psi(
        chroma,
        z,
        sizes,
        hyper,
        psi_grid,
        engine="golden",
        show=lambda k, value: shown.append((k, value.shape)),
    )
    assert shown == [(0, (384, 4, 7)), (1, (384, 4, 7))]
    halves = [
        hyper_decoder(chroma, z[:, rows], (128, 200), engine="golden") for rows in (slice(2), slice(2, 4))
    ]
    assert np.array_equal(psi, np.concatenate(halves, 1))
    y_hat = picture_latent(chroma, psi, residual, latent, psi_grid, trim=False, engine="golden")
    assert np.array_equal(y_hat, decode_latent(chroma, psi, residual, engine="golden"))


def test_dependent_regions_overlap_and_later_ones_win(luma):
    size, psi = (12, 8), psi_of(160, (12, 8))
    residual = residual_of(160, size)
    # rows 0..5 and 6..11, each grown by 4
    latent = rectangles([(0, 10), (2, 12)], [(0, 8)])
    grid = rectangles([(0, 5), (1, 6)], [(0, 4)])
    shown = []
    found = picture_latent(
        luma,
        psi,
        residual,
        latent,
        grid,
        trim=True,
        engine="golden",
        show=lambda *what: shown.append(what[:2]),
    )
    upper = decode_latent(luma, psi[:, :5], residual[:, :10], engine="golden")
    lower = decode_latent(luma, psi[:, 1:], residual[:, 2:], engine="golden")
    assert np.array_equal(found, np.concatenate([upper[:, :3], lower[:, 1:]], 1))
    assert not np.array_equal(upper[:, 3:10], found[:, 3:10])
    assert [k for k, _ in shown] == [0] * 4 + [1] * 4
    whole = picture_latent(
        luma, psi, residual, [Rect(0, 0, 12, 8)], [Rect(0, 0, 6, 4)], trim=True, engine="golden"
    )
    assert np.array_equal(whole, decode_latent(luma, psi, residual, engine="golden"))


def make_synthesis(component, latents, *, lo=-32640, fraction=None):
    random = np.random.default_rng(component + 11)
    names = ("y_hat",) if component == 0 else ("y_hat.Y", "y_hat.UV")
    keys = ("latent_fraction",) if component == 0 else ("latent_fraction.Y", "latent_fraction.UV")
    inputs = tuple(GraphInput(n, m.channels, -LIMIT, LIMIT) for n, m in zip(names, latents, strict=True))
    channels = sum(m.channels for m in latents)
    nodes = [Node("both", "concat", names)] if component else []
    weight = thin_weight(random, 256 * (1 + component), channels, 3)
    nodes.append(conv("features", "both" if component else "y_hat", weight, 4, lo, 32640, pad=(1, 1, 1, 1)))
    nodes.append(Node("shuffle", "pixel_shuffle", ("features",), {"factor": 16}))
    nodes.append(Node("signal", "crop", ("shuffle",), {"divisor": 1}))
    constants = {k: m.fraction if fraction is None else fraction for k, m in zip(keys, latents, strict=True)}
    return Model("sop_Y", {"synthesis": Graph(inputs, tuple(nodes), ("signal",))}, constants, {})


@ENGINES
def test_tiles_are_cut_to_their_cores(luma, chroma, engine):
    random = np.random.default_rng(8)
    ys = [random.integers(-LIMIT, LIMIT + 1, (c, 5, 4)).astype(np.int16) for c in (160, 96)]
    model = synthesis_model(make_synthesis(1, [luma, chroma]), 1, [luma, chroma])
    tiles = [
        SynthesisTile(Rect(0, 0, 48, 55), Rect(0, 0, 3, 4), Rect(0, 0, 40, 55)),
        SynthesisTile(Rect(32, 0, 43, 55), Rect(2, 0, 3, 4), Rect(40, 0, 35, 55)),
    ]
    seen = []
    planes = synthesise(
        model, ys, tiles, engine=engine, observe=lambda k, name, _value: seen.append((k, name))
    )
    assert planes.shape == (2, 75, 55) and planes.dtype == np.uint16
    nodes = [node.name for node in model.graph.nodes]
    assert seen == [(k, name) for k in (0, 1) for name in nodes]
    upper = synthesise_tile(model, [y[:, :3] for y in ys], (48, 55), engine="golden").astype(np.int64)
    lower = synthesise_tile(model, [y[:, 2:] for y in ys], (43, 55), engine="golden").astype(np.int64)
    expected = np.concatenate([upper[:, :40], lower[:, 8:]], 1) + 32640
    assert np.array_equal(planes, expected)
    assert not np.array_equal(upper[:, 32:40], lower[:, :8])


@ENGINES
def test_latent_scaling_works_on_the_latents_own_scale(chroma, engine):
    class Scaling:
        """Stands in for the entropy engine: remembers what it was given."""

        def lsbs(self, y, residual, segments, model_id):
            self.given = (y, residual, segments, model_id)
            return y.astype(np.int32) * 3 - residual

    y = np.random.default_rng(3).integers(-LIMIT, LIMIT + 1, (96, 3, 2)).astype(np.int16)
    residual = residual_of(96, (3, 2))
    segments = np.ones((96, 3, 2), np.uint8)
    scaling = Scaling()
    out = scale_latent(chroma, y, residual, segments, 2, scaling, engine=engine)
    expected = np.clip(3.0 * y - rounded(residual, chroma.fraction), -LIMIT, LIMIT)
    assert out.dtype == np.int16
    assert np.array_equal(out, expected)
    assert scaling.given[3] == 2


def refuse(component, change, match):
    with pytest.raises(ModelError, match=match):
        latent_model(make_latent(component, change=change), component, "file")


def test_models_that_do_not_fit_together_are_refused(luma, chroma):
    refuse(0, lambda graphs, _: graphs.pop("mcm.2"), "no graph 'mcm.2'")
    refuse(1, lambda graphs, _: graphs.update(hyper_decoder=graphs["sum.1"]), "'hyper_decoder' makes")
    refuse(1, lambda _, constants: constants.pop("latent_fraction"), "needs integers")
    refuse(1, lambda _, constants: constants["latent_fraction"].__setitem__(3, 16), "leaves 0..15")
    with pytest.raises(ModelError, match="'psi' can be outside"):
        latent_model(make_latent(0, psi_limit=1999), 0)
    with pytest.raises(ModelError, match="signal reaches"):
        synthesis_model(make_synthesis(0, [luma], lo=-32641), 0, [luma])
    other = (luma.fraction + 1).astype(np.int32)
    with pytest.raises(ModelError, match="another scale"):
        synthesis_model(make_synthesis(0, [luma], fraction=other), 0, [luma])


def test_wrong_uses_are_refused(luma):
    with pytest.raises(ValueError, match="engine must be one of"):
        decode_latent(luma, psi_of(160, (2, 2)), residual_of(160, (2, 2)), engine="fast")
    with pytest.raises(ValueError, match="psi of shape"):
        decode_latent(luma, psi_of(160, (2, 2)), residual_of(160, (3, 2)), engine="golden")
