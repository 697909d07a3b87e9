"""Whole decodes, bytes to picture, with small models: engines, threads, tools, formats, refusals."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conformance.verify.suite import Suite
from refdec.codestream import Dialect, parse
from refdec.codestream.geometry import synthesis_tiles
from refdec.decoder import OperatingPointError, Picture, decode
from refdec.errors import ModelError, ResourceLimitError, UnsupportedFeatureError
from refdec.limits import DEFAULT_LIMITS
from refdec.memory import picture_memory
from refdec.models_io import ModelSet
from refdec.settings import Settings
from refdec.synthesis_stage import synthesis_models
from refdec.trace import digest, key, point_of
from tests.decode.conftest import Changed
from tests.picture import real_formulas as real

STREAMS = [
    "plain-64x64",
    "odd-65x79",
    "rvs-grfs-lsbs",
    "regions-dependent",
    "regions-independent",
    "channels-0-1",
    "dis",
    "everything",
]


class Recorder:
    """Every tensor of a decode by its key, in order."""

    def __init__(self) -> None:
        self.tensors: dict[str, npt.NDArray[Any]] = {}

    def __call__(self, point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        known = point_of(point)
        assert known is not None
        name = key(point, component, region)
        assert name not in self.tensors
        self.tensors[name] = tensor.copy()

    def digests(self) -> dict[str, str]:
        out = {}
        for name, tensor in self.tensors.items():
            known = point_of(name.split(".")[0])
            assert known is not None
            out[name] = digest(tensor, known.dtype_of(tensor))
        return out


def sums(picture: Picture) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest() for p in picture.planes]


def run(suite: Suite, models: ModelSet, name: str, **options: Any) -> Picture:
    entry = next(v for v in suite.manifest["streams"] if v["name"] == name)
    options = {"quality_rounding": entry["quality_rounding"], **options}
    return decode(suite.streams[entry["file"]], models, dialect=Dialect(entry["dialect"]), **options)


@pytest.mark.parametrize("name", STREAMS)
def test_engines_and_threads_agree_on_every_tensor(suite: Suite, models: ModelSet, name: str) -> None:
    traces = []
    for engine, threads in (("golden", 1), ("jit", 1), ("jit", 3)):
        recorder = Recorder()
        picture = run(suite, models, name, engine=engine, threads=threads, observer=recorder)
        traces.append((recorder.digests(), sums(picture)))
    assert list(traces[0][0]) == list(traces[1][0])
    assert traces[0] == traces[1] == traces[2]
    # without an observer, the networks run another way
    for threads in (1, 2):
        assert sums(run(suite, models, name, threads=threads)) == traces[0][1]
    red = np.unique(picture.planes[0])
    assert len(red) > (100 if name != "channels-0-1" else 2), "a picture that says something"


def test_trace_points_and_their_order(suite: Suite, models: ModelSet) -> None:
    recorder = Recorder()
    picture = run(suite, models, "rvs-grfs-lsbs", observer=recorder)
    names = list(recorder.tensors)
    entropy = ["z_hat", "log_sigma_raw", "log_sigma_skip", "skip_mask", "log_sigma", "residual"]
    entropy.append("residual_dequantised")
    nodes = ["mixed", "spread", "smooth", "signal"]
    assert names == [
        *(f"{point}.{c}" for c in ("Y", "UV") for point in entropy),
        "psi.Y",
        *(f"mu.{k}.Y" for k in range(4)),
        "y_hat.Y",
        "y_hat_scaled.Y",
        "psi.UV",
        "y_hat.UV",
        "y_hat_scaled.UV",
        *(f"synthesis.{node}.Y" for node in nodes),
        "synthesis.both.UV",
        *(f"synthesis.{node}.UV" for node in nodes),
        "plane.Y",
        "plane.U",
        "plane.V",
        "picture.R",
        "picture.G",
        "picture.B",
    ]
    tensors = recorder.tensors
    assert not np.array_equal(tensors["y_hat.Y"], tensors["y_hat_scaled.Y"])
    for plane, signal in (("Y", "Y"), ("U", "UV"), ("V", "UV")):
        index = 1 if plane == "V" else 0
        assert tensors[f"plane.{plane}"].dtype == np.uint16
        np.testing.assert_array_equal(
            tensors[f"plane.{plane}"].astype(int),
            tensors[f"synthesis.signal.{signal}"][index].astype(int) + 32640,
        )
    y, u, v = (tensors[f"plane.{name}"] / 256 for name in "YUV")
    for name, samples, exact in zip("RGB", picture.planes, real.rgb(y, u, v), strict=True):
        np.testing.assert_array_equal(tensors[f"picture.{name}"], samples)
        distance = np.abs(samples.astype(int) - real.samples(exact, 8))
        assert distance.max() <= 1 and np.count_nonzero(distance) <= 0.003 * distance.size


def test_regions_are_shown_one_by_one(suite: Suite, models: ModelSet) -> None:
    recorder = Recorder()
    run(suite, models, "regions-dependent", observer=recorder)
    names = recorder.tensors.keys()
    assert {"psi.Y.r0", "psi.Y.r1", "psi.Y", "mu.0.Y.r0", "mu.3.Y.r1", "y_hat.Y"} <= names
    assert "mu.0.Y" not in names


FORMATS = [
    ("444", "420", 1, 0),
    ("444", "422", 1, 1),
    ("444", "444", 1, 1),
    ("444", "420", 0, 0),
    ("422", "422", 0, 0),
    ("420", "420", 0, 1),
]


@pytest.mark.parametrize("source, coded, transform, depth", FORMATS)
def test_formats(
    models: ModelSet, changed: Changed, source: str, coded: str, transform: int, depth: int
) -> None:
    factors = {"444": (0, 0), "422": (0, 1), "420": (1, 1)}
    data = changed(
        "odd-65x79",
        s_ver_minus1=factors[source][0],
        s_hor_minus1=factors[source][1],
        c_ver_minus1=factors[coded][0],
        c_hor_minus1=factors[coded][1],
        colour_transform_idx=transform,
        bit_depth_idc=depth,
        diff_display_img_width=5,
        diff_display_img_height=2,
    )
    recorder = Recorder()
    golden = decode(data, models, engine="golden", observer=recorder)
    fast = decode(data, models, threads=2)
    assert sums(golden) == sums(fast)
    assert fast.size == (63, 74) and fast.bit_depth == (8, 10)[depth]
    down, across = (f + 1 for f in factors[source])
    assert fast.planes[1].shape == (-(-63 // down), -(-74 // across))
    y, u, v = (recorder.tensors[f"plane.{name}"] / 256 for name in "YUV")
    if source != coded:
        u, v = real.interpolated(u, (63, 74)), real.interpolated(v, (63, 74))
    exact = real.rgb(y, u, v) if transform else (y, u, v)
    for samples, value in zip(fast.planes, exact, strict=True):
        assert np.abs(samples.astype(int) - real.samples(value, fast.bit_depth)).max() <= 1


def test_operating_points(suite: Suite, models: ModelSet) -> None:
    default = run(suite, models, "plain-64x64")
    chosen = {point: run(suite, models, "plain-64x64", operating_point=point) for point in ("sop", "bop")}
    assert sums(default) == sums(chosen["bop"]) != sums(chosen["sop"])
    with pytest.raises(OperatingPointError, match="lists bop, sop") as caught:
        run(suite, models, "plain-64x64", operating_point="hop")
    assert caught.value.exit_code == 2


def test_progressive_decoding_changes_the_picture_by_and_by(suite: Suite, models: ModelSet) -> None:
    whole = run(suite, models, "progressive-16")
    parts = [run(suite, models, "progressive-16", channels=n) for n in (0, 40, 160)]
    assert sums(parts[2]) == sums(whole)
    distances = [
        int(np.abs(part.planes[1].astype(int) - whole.planes[1].astype(int)).sum()) for part in parts
    ]
    assert distances[0] > distances[2] == 0 and distances[1] > 0


@pytest.mark.parametrize("tiling", [(128, 32), (160, 0), (64, 32)])
@pytest.mark.parametrize("name", ["regions-dependent", "regions-independent"])
def test_tiles_are_decoded_alone(
    suite: Suite, models: ModelSet, changed: Changed, name: str, tiling: tuple[int, int]
) -> None:
    """Every tile's core is what the transform makes of that tile's latents; nothing else is looked at."""
    data = changed(name, tiling=tiling)
    parsed = parse(data)
    recorder = Recorder()
    picture = decode(data, models, observer=recorder)
    assert sums(picture) == sums(decode(data, models, engine="golden"))
    tiles = synthesis_tiles(parsed.picture)
    assert len(tiles) > 1
    covered = np.zeros((parsed.picture.height, parsed.picture.width), np.int64)
    for index, (tile, _, core) in enumerate(tiles):
        covered[core.slices()] += 1
        signal = recorder.tensors[f"synthesis.signal.Y.r{index}"][0].astype(int)
        assert signal.shape == (tile.h, tile.w)
        kept = signal[core.y - tile.y :, core.x - tile.x :][: core.h, : core.w] + 32640
        np.testing.assert_array_equal(recorder.tensors["plane.Y"][core.slices()], kept)
    assert (covered == 1).all()
    # the small transform looks one sample far, and over an overlap unless that is another region
    assert (sums(picture) == sums(run(suite, models, name))) == (
        tiling[1] > 0 and name == "regions-dependent"
    )


def test_subsampled_rgb_is_refused(models: ModelSet, changed: Changed) -> None:
    data = changed("plain-64x64", s_ver_minus1=1, s_hor_minus1=1, c_ver_minus1=1, c_hor_minus1=1)
    with pytest.raises(UnsupportedFeatureError, match="subsampled"):
        decode(data, models)


def test_missing_models_are_named(suite: Suite, models: ModelSet) -> None:
    for kind, name in (("latent", "latent_Y"), ("bop", "bop_Y")):
        fewer = ModelSet(None, {k: m for k, m in models.loaded.items() if k[1] != kind})
        with pytest.raises(ModelError, match=name):
            run(suite, fewer, "plain-64x64")
    without_bop = ModelSet(None, {k: m for k, m in models.loaded.items() if k[1] != "bop"})
    run(suite, without_bop, "plain-64x64", operating_point="sop")


def test_a_transform_for_other_latents_is_refused(suite: Suite, models: ModelSet) -> None:
    transform = models.loaded[0, "bop", 1]
    shifted = transform.constants["latent_fraction.UV"] + 1
    broken = replace(transform, constants={**transform.constants, "latent_fraction.UV": shifted})
    mixed = ModelSet(None, {**models.loaded, (0, "bop", 1): broken})
    with pytest.raises(ModelError, match="scale"):
        run(suite, mixed, "plain-64x64")


def test_progress_counts_to_its_end(models: ModelSet, changed: Changed) -> None:
    seen: list[tuple[int, int]] = []
    data = changed("regions-dependent", tiling=(128, 32))
    decode(data, models, progress=lambda done, total: seen.append((done, total)))
    total = 3 + 2 * len(synthesis_tiles(parse(data).picture))
    assert seen == [(k, total) for k in range(total + 1)]


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize(
    "name, engine",
    [
        ("regions-independent", "jit"),
        ("everything", "jit"),
        ("dis-regions", "jit"),
        ("regions-dependent", "golden"),
        ("plain-64x64", "golden"),
    ],
)
def test_memory_stays_below_the_estimate(
    suite: Suite, models: ModelSet, name: str, engine: str, observed: bool
) -> None:
    entry = next(v for v in suite.manifest["streams"] if v["name"] == name)
    picture = parse(suite.streams[entry["file"]], Dialect(entry["dialect"])).picture
    settings = Settings(engine=engine)
    estimate = picture_memory(picture, synthesis_models(picture, models, settings), settings, observed)
    observer = (lambda *_: None) if observed else None
    run(suite, models, name, engine=engine, observer=observer)
    tracemalloc.start()
    try:
        run(suite, models, name, engine=engine, observer=observer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # headers, field records and the networks' plans come on top
    assert peak <= estimate + (4 << 20)
    assert estimate <= 12 * peak + (64 << 20), "an estimate that says something"


def test_limits_are_checked_before_anything_is_decoded(suite: Suite, models: ModelSet) -> None:
    picture = parse(suite.streams["plain-64x64.jai"]).picture
    settings = Settings()
    needed = picture_memory(picture, synthesis_models(picture, models, settings), settings)
    limits = replace(DEFAULT_LIMITS, max_memory_bytes=needed)
    run(suite, models, "plain-64x64", limits=limits)

    def never(*_: object) -> None:
        raise AssertionError("something was decoded")

    limits = replace(DEFAULT_LIMITS, max_memory_bytes=needed - 1)
    with pytest.raises(ResourceLimitError) as caught:
        run(suite, models, "plain-64x64", limits=limits, observer=never)
    assert caught.value.exit_code == 5
    with pytest.raises(ResourceLimitError):
        run(suite, models, "plain-64x64", limits=replace(DEFAULT_LIMITS, max_pixels=64 * 64 - 1))
