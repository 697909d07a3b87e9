"""eICCI as a whole: engines, tiles, chroma formats, networks by index, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.verify.synthetic_eicci import BAND_RANGE, add_eicci, eicci_model
from refdec.codestream import PictureHeader, ToolHeader
from refdec.codestream.geometry import filter_tile_count
from refdec.codestream.headers import Icci, IcciTile
from refdec.errors import ModelError
from refdec.filters import PLANE_LIMIT, WHITE, FilterContext, FilterPlanes, Planes, eicci
from refdec.filters.eicci_tiles import filter_tiles
from refdec.filters.golden import eicci as golden
from refdec.integer import Graph, GraphInput, Node, graphs_run_by, run
from refdec.models_io import ModelSet
from refdec.networks.eicci import eicci_model as check_model
from refdec.settings import Settings
from tests.picture.test_picture import formats, header

MODELS = add_eicci(ModelSet(None), 5)
POINTS = {"sop": 0, "bop": 1, "hop": 2}


def context_of(
    picture: PictureHeader, icci: Icci, models: ModelSet = MODELS, **options: Any
) -> FilterContext:
    tools = ToolHeader(icci_enable_flag=1, icci=icci)
    return FilterContext(picture, tools, None, models, Settings(**options))


def picture_of(
    height: int, width: int, source: str = "444", point: str = "bop", **fields: Any
) -> PictureHeader:
    picture = header(width, height, **formats(source, source), **fields)
    return replace(picture, synthesis_transform_id=(POINTS[point],))


def planes_of(random: np.random.Generator, picture: PictureHeader, overshoot: bool = False) -> Planes:
    shown = picture.display_height, picture.display_width
    down, across = picture.source_subsampling
    small = -(-shown[0] // down), -(-shown[1] // across)
    reach = PLANE_LIMIT if overshoot else 1 << 24
    chroma = [random.integers(-reach, reach, small, dtype=np.int32) for _ in range(2)]
    if not overshoot:
        chroma = [np.abs(c) for c in chroma]
    return random.integers(0, WHITE + 1, shown, dtype=np.int32), chroma[0], chroma[1]


def random_icci(random: np.random.Generator, picture: PictureHeader) -> Icci:
    """Any header that the syntax lets through."""

    def entry() -> IcciTile:
        short = int(random.integers(2))
        luma, chroma = random.integers(0, 2 if short else 10, 2).tolist()
        return IcciTile(tuple(random.integers(0, 2, 3).tolist()), short, luma, chroma)

    if random.integers(3) == 0:
        return Icci((entry(),))
    sides = picture.height, picture.width
    size = 16 * int(random.choice([2, 3, 4, 8, 13]))
    overlap = 16 * int(random.integers(0, min(size, *sides, 64) // 16))
    while min(size, *sides) <= overlap:
        overlap -= 16
    count = filter_tile_count(*sides, size, overlap)
    return Icci(tuple(entry() for _ in range(count)), 1, size // 16, overlap // 16)


@given(st.integers(0, 2**32), st.sampled_from(["444", "422"]), st.sampled_from(["sop", "bop", "hop"]))
@settings(max_examples=12, deadline=None)
def test_engines_agree(seed: int, source: str, point: str) -> None:
    random = np.random.default_rng(seed)
    height, width = random.integers(64, 110, 2).tolist()
    cut = random.integers(0, 20, 2).tolist()
    picture = picture_of(
        height, width, source, point, diff_display_img_height=cut[0], diff_display_img_width=cut[1]
    )
    icci = random_icci(random, picture)
    state = FilterPlanes(planes_of(random, picture, overshoot=bool(random.integers(2))))
    before = [plane.copy() for plane in state.planes]
    expected = eicci.apply(state, context_of(picture, icci, engine="golden")).planes
    for threads in (1, 2):
        found = eicci.apply(state, context_of(picture, icci, threads=threads)).planes
        for a, b, c in zip(found, expected, before, strict=True):
            assert a.dtype == np.int32 and a.shape == c.shape
            np.testing.assert_array_equal(a, b)
            assert a.min() >= 0 and a.max() <= WHITE
    for plane, kept in zip(state.planes, before, strict=True):
        np.testing.assert_array_equal(plane, kept)


@pytest.mark.parametrize("size", [(64, 64), (70, 101)])
def test_twin_agrees(size: tuple[int, int]) -> None:
    twin = pytest.importorskip("conformance.twin")
    random = np.random.default_rng(8)
    picture = picture_of(*size)
    context = context_of(picture, Icci((IcciTile((1, 1, 1), 0, 3, 6),)), engine="golden")
    state = FilterPlanes(planes_of(random, picture))
    expected = eicci.apply(state, context).planes
    with graphs_run_by(twin.run):
        found = eicci.apply(state, context).planes
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def plainly(planes: Planes, picture: PictureHeader, icci: Icci) -> list[npt.NDArray[np.int32]]:
    """The definition without any shortcut: every tile computed whole, one after the other."""
    out = [plane.copy() for plane in planes]
    for (read, core), entry in zip(filter_tiles(picture, icci), icci.tiles, strict=True):
        if 0 in core[2:]:
            continue
        seen = [plane[read.slices()].copy() for plane in out]
        indices = eicci.networks_of(entry, "bop", picture.model_id)
        for index, trunk, first in zip(indices, ("luma", "chroma"), (0, 1), strict=True):
            if index is None:
                continue
            model = MODELS.eicci("bop", index)
            part = getattr(model, trunk)
            low, high = part.graph.clip_range("bands")
            bands = golden.bands(tuple(seen), model.band_fraction, low, high)
            delta = run(part.graph, {"bands": bands}, (read.h, read.w))["delta"]
            for k in range(len(delta) // 16):
                if not entry.icci_use[first + k]:
                    continue
                top, left = core.y - read.y, core.x - read.x
                inner = slice(top, top + core.h), slice(left, left + core.w)
                part16 = slice(16 * k, 16 * k + 16)
                golden.correct(out[first + k], delta[part16], part.fraction[part16], inner, core.slices())
    return [np.clip(plane, 0, WHITE) for plane in out]


@pytest.mark.parametrize("size, overlap", [(64, 16), (64, 48), (128, 32), (208, 16), (192, 0), (256, 48)])
@pytest.mark.parametrize("cut", [(0, 0), (3, 14)])
def test_a_tile_sees_all_of_its_rectangle(size: int, overlap: int, cut: tuple[int, int]) -> None:
    """Only what the core depends on is computed; the result is that of whole tiles."""
    random = np.random.default_rng(size + overlap)
    sides = 2 * size - overlap + 34, 2 * size - overlap + 19
    picture = picture_of(*sides, diff_display_img_height=cut[0], diff_display_img_width=cut[1])
    count = filter_tile_count(*sides, size, overlap)
    tiles = tuple(IcciTile((1, int(k % 3 > 0), int(k % 2)), 0, k % 10, (3 * k) % 10) for k in range(count))
    icci = Icci(tiles, 1, size // 16, overlap // 16)
    planes = planes_of(random, picture)
    expected = plainly(planes, picture, icci)
    found = eicci.apply(FilterPlanes(planes), context_of(picture, icci)).planes
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_later_tiles_see_what_earlier_ones_did() -> None:
    """The result depends on the order: filtering cores of an untouched picture gives something else."""
    random = np.random.default_rng(1)
    picture = picture_of(96, 368)
    count = filter_tile_count(96, 368, 208, 48)
    icci = Icci((IcciTile((1, 1, 1)),) * count, 1, 13, 3)
    planes = planes_of(random, picture)
    found = eicci.apply(FilterPlanes(planes), context_of(picture, icci)).planes
    whole = eicci.apply(FilterPlanes(planes), context_of(picture, Icci((IcciTile((1, 1, 1)),)))).planes
    columns = np.flatnonzero((found[0] != whole[0]).any(0))
    # 24 columns of overlap hold all that a core depends on, were it not for the left tile's results in it
    first = filter_tiles(picture, icci)[1]
    assert columns.min() == first.core.x and columns.max() < first.core.x + 24


def test_entries_of_the_first_tile_for_all() -> None:
    random = np.random.default_rng(2)
    picture = picture_of(80, 300)
    count = filter_tile_count(80, 300, 112, 16)
    own = tuple(IcciTile((1, 1, 1), 0, k, 9 - k) for k in range(count))
    planes = FilterPlanes(planes_of(random, picture))
    results = [
        eicci.apply(planes, context_of(picture, Icci(tiles, 1, 7, 1), eicci_first_tile=first)).planes
        for tiles, first in ((own, False), (own, True), (own[:1] * count, False))
    ]
    differing = [bool((a != b).any()) for a, b in zip(results[0], results[1], strict=True)]
    assert count > 2 and differing == [True, True, True]
    for a, b in zip(results[1], results[2], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("use", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
def test_planes_that_are_not_filtered_stay(use: tuple[int, int, int]) -> None:
    picture = picture_of(66, 75)
    planes = planes_of(np.random.default_rng(3), picture)
    found = eicci.apply(FilterPlanes(planes), context_of(picture, Icci((IcciTile(use, 0, 2, 4),)))).planes
    for on, a, b in zip(use, found, planes, strict=True):
        assert (np.clip(b, 0, WHITE) != a).any() == bool(on)


def test_subsampled_chroma_is_resampled_even_if_nothing_is_filtered() -> None:
    picture = picture_of(66, 75, "422")
    planes = planes_of(np.random.default_rng(3), picture)
    found = eicci.apply(FilterPlanes(planes), context_of(picture, Icci((IcciTile((0, 0, 0)),)))).planes
    np.testing.assert_array_equal(found[0], planes[0])
    assert (found[1] != planes[1]).any()


@pytest.mark.parametrize("point", ["sop", "bop", "hop"])
@pytest.mark.parametrize("model_id", [0, 1, 2, 3])
def test_networks_by_short_and_long_index(point: str, model_id: int) -> None:
    published = {
        "sop": ((5, 6), (2, 6), (2, 7), (3, 8), (0, 1), (0, 1), (1, 2), (1, 2)),
        "bop": ((5, 6), (3, 6), (2, 7), (3, 8), (0, 1), (1, 2), (2, 3), (2, 3)),
        "hop": ((5, 6), (6, 8), (2, 7), (3, 9), (0, 2), (1, 3), (2, 3), (2, 3)),
    }[point]
    for k in (0, 1):
        short = IcciTile((1, 1, 0), 1, k, 1 - k)
        expected = published[model_id][k], published[4 + model_id][1 - k]
        assert eicci.networks_of(short, point, model_id) == expected
    assert eicci.networks_of(IcciTile((1, 0, 1), 0, 9, 4), point, model_id) == (9, 4)
    assert eicci.networks_of(IcciTile((0, 0, 1), 0, 9, 4), point, model_id) == (None, 4)
    picture = replace(picture_of(64, 64, point=point), model_id=model_id)
    tools = ToolHeader(icci_enable_flag=1, icci=Icci((IcciTile((1, 1, 0), 1, 1, 0),)))
    bank = "hop" if point == "hop" else "bop"
    assert eicci.needed(picture, tools, Settings()) == sorted(
        {(bank, published[model_id][1]), (bank, published[4 + model_id][0])}
    )


def test_a_bank_has_networks_of_its_own() -> None:
    planes = FilterPlanes(planes_of(np.random.default_rng(6), picture_of(64, 64)))
    icci = Icci((IcciTile((1, 1, 1), 0, 1, 1),))
    base, high = (
        eicci.apply(planes, context_of(picture_of(64, 64, point=point), icci)).planes
        for point in ("sop", "hop")
    )
    assert all((a != b).any() for a, b in zip(base, high, strict=True))


def test_a_missing_network_is_named() -> None:
    fewer = ModelSet(None, loaded_eicci={k: m for k, m in MODELS.loaded_eicci.items() if k != ("bop", 3)})
    picture = picture_of(64, 64)
    icci = Icci((IcciTile((1, 1, 0), 0, 2, 3),))
    context = context_of(picture, icci, fewer)
    assert not eicci.available(picture, context.tools, fewer, context.settings)
    with pytest.raises(ModelError, match="eicci_bop_3"):
        eicci.memory(picture, context.tools, fewer, context.settings)
    with pytest.raises(ModelError, match="eicci_bop_3"):
        eicci.apply(FilterPlanes(planes_of(np.random.default_rng(0), picture)), context)
    luma_alone = context_of(picture, Icci((IcciTile((1, 0, 0), 0, 2, 3),)), fewer)
    assert eicci.available(picture, luma_alone.tools, fewer, luma_alone.settings)


def strange(change: str) -> Any:
    """A network that is not one, by what is wrong with it."""
    model = eicci_model(1, "bop", 0)
    graph = model.graphs["luma"]
    nodes, constants = list(graph.nodes), dict(model.constants)
    if change == "no graph":
        return replace(model, graphs={"luma": graph})
    if change == "fraction":
        constants["luma_fraction"] = constants["luma_fraction"] + 7
    elif change == "no fraction":
        del constants["band_fraction"]
    elif change == "channels":
        graph = Graph((GraphInput("bands", 48, -BAND_RANGE, BAND_RANGE),), (), ("bands",))
    elif change == "stride":
        nodes[0] = replace(nodes[0], attributes={**nodes[0].attributes, "stride": 2})
    elif change == "pad":
        nodes[0] = replace(nodes[0], attributes={**nodes[0].attributes, "pad": (0, 0, 0, 0)})
    elif change == "crop":
        nodes.append(Node("cut", "crop", ("delta",), {"divisor": 1}))
        nodes[-1] = replace(nodes[-1], name="delta")
        nodes[-2] = replace(nodes[-2], name="all")
        nodes[-1] = replace(nodes[-1], inputs=("all",))
    elif change == "reach":
        last = nodes.pop()
        one = np.zeros((48, 1, 15, 15), np.int16)
        one[:, :, 7, 7] = 1
        none = {"bias": np.zeros(48, np.int32), "shift": np.zeros(48, np.uint8)}
        for k in range(9):
            attributes = {"groups": 48, "pad": (7,) * 4}
            before = nodes[-1].name
            nodes.append(Node(f"far{k}", "conv", (before,), attributes, {"weight": one, **none}, -9, 9))
        nodes.append(replace(last, inputs=("far8",)))
    if change in ("stride", "pad", "crop", "reach"):
        graph = Graph(graph.inputs, tuple(nodes), graph.outputs)
    return replace(model, graphs={**model.graphs, "luma": graph}, constants=constants)


@pytest.mark.parametrize(
    "change, words",
    [
        ("no graph", "no graph 'chroma'"),
        ("fraction", "leaves 0..22"),
        ("no fraction", "called 'band_fraction'"),
        ("channels", "expected 'delta'"),
        ("stride", "changes the size"),
        ("pad", "changes the size"),
        ("crop", "beyond a neighbourhood"),
        ("reach", "columns far"),
    ],
)
def test_models_that_do_not_fit_are_refused(change: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_model(strange(change))


def test_a_network_looks_as_far_as_its_kernels() -> None:
    model = check_model(eicci_model(1, "bop", 0))
    assert model.luma.reach == (4, 4) and model.chroma.reach == (6, 6)


@pytest.mark.parametrize("engine", ["jit", "golden"])
def test_tiles_of_which_nothing_is_shown_take_no_memory(engine: str) -> None:
    """A row of tiles lies beyond the displayed picture: it has entries in the header, nothing to filter."""
    picture = picture_of(80, 81, "444", "sop", diff_display_img_height=33)
    entry = IcciTile((1, 1, 1), 0, 3, 4)
    icci = Icci((entry,) * filter_tile_count(80, 81, 32, 0), 1, 2, 0)
    tiles = filter_tiles(picture, icci)
    assert any(tile.core.h == 0 for tile in tiles)
    context = context_of(picture, icci, engine=engine)
    assert 0 < eicci.memory(picture, context.tools, MODELS, context.settings) < 1 << 30
