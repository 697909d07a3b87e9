"""The quantisation rectifier: decodes with a drawn one, what it may be, and that nothing runs without it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import twin
from conformance.verify.suite import Suite
from refdec.cli import app
from refdec.codestream import CHANNELS, parse
from refdec.codestream.geometry import synthesis_tiles
from refdec.decoder import decode
from refdec.errors import ModelError, ResourceLimitError
from refdec.integer import Graph, GraphInput, Model, Node, graphs_run_by, save_model
from refdec.integer import run as run_graph
from refdec.latent_stage import rectifier_models
from refdec.limits import Limits
from refdec.memory import latent_memory, picture_memory
from refdec.models_io import (
    MODEL_IDS,
    ModelSet,
    bundled_models,
    bundled_rectifiers,
    file_name,
    open_models,
    with_rectifiers,
)
from refdec.networks.models import RECTIFIER, rectifier_model
from refdec.settings import Settings
from refdec.synthesis_stage import synthesis_models
from tests.cli.commands import Done, call
from tests.decode.conftest import Changed
from tests.decode.small_models import FRACTION, LIMIT
from tests.decode.test_decode import Recorder, sums
from tests.decode.test_decode import run as run_stream

REACH = 3
LEAKY = {"numerator": 1, "shift": 3}


def drawn(seed: int, c: int, **changes: Any) -> Model:
    """Two thin convolutions (5x5, leaky, and 3x3) and a sum: the structure of a rectifier, drawn weights.

    :param changes: attributes of the first convolution, ``extra``: a node behind it, or constants.
    """
    random, n = np.random.default_rng(seed), CHANNELS[c]
    zeros = {role: np.zeros(n, np.uint8) for role in ("shift_a", "shift_b", "shift")}
    first = random.integers(-30, 31, (16, n, 5, 5)).astype(np.int8)
    last = random.integers(-90, 91, (n, 16, 3, 3)).astype(np.int8)

    def conv(name: str, source: str, weight: Any, shift: int, limit: int, **attributes: Any) -> Node:
        out, pad = len(weight), weight.shape[2] // 2
        bias = random.integers(-5000, 5001, out).astype(np.int32)
        tensors = {"weight": weight, "bias": bias, "shift": np.full(out, shift, np.uint8)}
        return Node(name, "conv", (source,), {"pad": (pad,) * 4, **attributes}, tensors, -limit, limit)

    extra = changes.pop("extra", None)
    nodes = [
        conv(
            "conv1", "y_hat", first, 9, 1500, leaky={"numerator": 1, "shift": 3}, **changes.pop("conv1", {})
        ),
        *([] if extra is None else [extra]),
        conv("correction", "conv1" if extra is None else extra.name, last, 11, 3000),
        Node("y_hat_rectified", "add", ("y_hat", "correction"), {}, zeros, -LIMIT, LIMIT),
    ]
    limit = changes.pop("limit", LIMIT)
    nodes[-1] = replace(nodes[-1], lo=-limit, hi=limit)
    inputs = (GraphInput("y_hat", n, -changes.get("accepts", LIMIT), changes.pop("accepts", LIMIT)),)
    graph = Graph(inputs, tuple(nodes), ("y_hat_rectified",))
    constants = {"latent_fraction": changes.pop("fraction", FRACTION[c])}
    kind = f"rectifier_{'Y' if c == 0 else 'UV'}"
    return Model(kind, {RECTIFIER: graph}, constants, {"seed": seed, **changes})


@pytest.fixture(scope="module")
def rectified(models: ModelSet) -> ModelSet:
    """The small models with a rectifier for every component of every rate point."""
    loaded = dict(models.loaded)
    for m in MODEL_IDS:
        loaded |= {(m, RECTIFIER, c): drawn(10 * m + c, c) for c in (0, 1)}
    return ModelSet(None, loaded)


STREAMS = ["odd-65x79", "rvs-grfs-lsbs", "regions-dependent", "channels-0-1"]


@pytest.mark.parametrize("name", STREAMS)
def test_engines_agree_and_the_rectifier_comes_last_before_synthesis(
    suite: Suite, rectified: ModelSet, models: ModelSet, name: str
) -> None:
    traces, recorder = [], Recorder()
    for engine, threads in (("golden", 1), ("jit", 1), ("jit", 3)):
        recorder = Recorder()
        picture = run_stream(suite, rectified, name, engine=engine, threads=threads, observer=recorder)
        traces.append((recorder.digests(), sums(picture)))
    with graphs_run_by(twin.run):
        last = Recorder()
        picture = run_stream(suite, rectified, name, observer=last)
        traces.append((last.digests(), sums(picture)))
    assert all(trace == traces[0] for trace in traces)
    assert all(list(trace[0]) == list(traces[0][0]) for trace in traces)
    assert sums(run_stream(suite, rectified, name)) == traces[0][1]

    names, tensors = list(recorder.tensors), recorder.tensors
    for c, first in (("Y", "psi.UV"), ("UV", "synthesis.mixed.Y")):
        source = f"y_hat_scaled.{c}" if f"y_hat_scaled.{c}" in tensors else f"y_hat.{c}"
        at = names.index(f"y_hat_rectified.{c}")
        assert names[at - 1] == source and names[at + 1].startswith(first.split(".r")[0])
        before, after = tensors[source], tensors[f"y_hat_rectified.{c}"]
        assert after.dtype == np.int16 and after.shape == before.shape
        assert np.count_nonzero(before != after) > before.size // 2
        # the whole latent goes in at once, whatever regions it was decoded in
        graph = rectified.loaded[0, RECTIFIER, int(c == "UV")].graphs[RECTIFIER]
        size = (16 * before.shape[1], 16 * before.shape[2])
        entry = next(v for v in suite.manifest["streams"] if v["name"] == name)
        if parse(suite.streams[entry["file"]]).picture.model_id == 0:
            alone = run_graph(graph, {"y_hat": before}, size, engine="golden")["y_hat_rectified"]
            np.testing.assert_array_equal(alone, after)


def test_without_the_file_or_by_choice_nothing_changes(
    suite: Suite, rectified: ModelSet, models: ModelSet
) -> None:
    plain, off, on = Recorder(), Recorder(), Recorder()
    expected = sums(run_stream(suite, models, "odd-65x79", observer=plain))
    assert sums(run_stream(suite, rectified, "odd-65x79", rectifier=False, observer=off)) == expected
    assert sums(run_stream(suite, rectified, "odd-65x79", observer=on)) != expected
    assert plain.digests() == off.digests()
    assert [name for name in on.tensors if name not in plain.tensors] == [
        "y_hat_rectified.Y",
        "y_hat_rectified.UV",
    ]
    # luma alone: chroma's latent stays
    half = ModelSet(None, {k: v for k, v in rectified.loaded.items() if k[1:] != (RECTIFIER, 1)})
    luma = Recorder()
    run_stream(suite, half, "odd-65x79", observer=luma)
    assert "y_hat_rectified.Y" in luma.tensors and "y_hat_rectified.UV" not in luma.tensors


def test_synthesis_tiles_are_cut_from_the_rectified_latent(rectified: ModelSet, changed: Changed) -> None:
    tiled = changed("regions-dependent", tiling=(32, 16))
    assert len(synthesis_tiles(parse(tiled).picture)) > 1
    whole = changed("regions-dependent")
    latents = []
    for data in (whole, tiled):
        traces = []
        for engine in ("golden", "jit"):
            recorder = Recorder()
            picture = decode(data, rectified, engine=engine, observer=recorder)
            traces.append((recorder.digests(), sums(picture)))
        assert traces[0] == traces[1]
        latents.append({k: v for k, v in traces[0][0].items() if k.startswith("y_hat")})
    assert latents[0] == latents[1]


def test_reach(rectified: ModelSet) -> None:
    """One sample changes the result as far as the proved reach, and no farther."""
    for engine in ("golden", "jit"):
        model = rectified.rectifier(0, 0)
        assert model.reach == REACH
        y = np.random.default_rng(3).integers(-4000, 4000, (CHANNELS[0], 15, 17)).astype(np.int16)
        other = y.copy()
        other[:, 7, 8] += 3000
        out = [
            run_graph(model.graph, {"y_hat": v}, (240, 272), engine=engine)["y_hat_rectified"]
            for v in (y, other)
        ]
        rows, columns = np.nonzero((out[0] != out[1]).any(0))
        assert (rows.min(), rows.max()) == (7 - REACH, 7 + REACH)
        assert (columns.min(), columns.max()) == (8 - REACH, 8 + REACH)


def _node(op: str, channels: int, **attributes: Any) -> Node:
    tensors = {}
    if op == "channel_attention":
        tensors = {"temperature": np.full(1, 1000, np.int32), "shift": np.full(5, 15, np.uint8)}
    return Node("extra", op, ("conv1",), attributes, tensors)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"fraction": FRACTION[0] + 1}, "in another scale"),
    ({"accepts": LIMIT - 1}, "outside of what its reader accepts"),
    ({"latent_sha256": "0" * 64}, "made for another latent model"),
    ({"conv1": {"pad": (2, 2, 2, 1)}}, "leaves the latent's grid"),
    ({"conv1": {"pad": (3, 2, 1, 2)}}, "leaves the latent's grid"),
    ({"extra": _node("crop", 16, divisor=16)}, "cannot hold 'crop'"),
]


@pytest.mark.parametrize("changes, text", WRONG)
def test_what_a_rectifier_must_be(models: ModelSet, changes: dict[str, Any], text: str) -> None:
    latent = models.latent(0, 0)
    rectifier_model(drawn(1, 0, latent_sha256=latent.digest), latent)
    with pytest.raises(ModelError, match=text):
        rectifier_model(drawn(1, 0, **changes), latent)


def test_range_and_tensors_of_the_latent(models: ModelSet) -> None:
    latent = models.latent(0, 0)
    narrow = replace(latent, hi=latent.hi - 1)
    rectifier_model(drawn(1, 0, limit=LIMIT - 1), replace(narrow, lo=latent.lo + 1))
    with pytest.raises(ModelError, match="can leave the range of the latent"):
        rectifier_model(drawn(1, 0), narrow)
    with pytest.raises(ModelError, match="expected"):
        rectifier_model(drawn(1, 1), latent)
    with pytest.raises(ModelError, match="no graph 'rectifier'"):
        rectifier_model(models.loaded[0, "sop", 0], latent)


def test_memory_is_foreseen(rectified: ModelSet, stream: Callable[[str], Any], suite: Suite) -> None:
    picture = stream("odd-65x79").picture
    for engine in ("golden", "jit"):
        settings = Settings(engine)
        rectifiers = rectifier_models(picture, rectified, settings)
        assert None not in rectifiers
        assert rectifier_models(picture, rectified, replace(settings, rectifier=False)) == (None, None)
        plain = latent_memory(picture, settings)
        assert latent_memory(picture, settings, rectifiers) > plain
        needed = picture_memory(
            picture, synthesis_models(picture, rectified, settings), settings, rectifiers=rectifiers
        )
        with pytest.raises(ResourceLimitError):
            run_stream(
                suite, rectified, "odd-65x79", engine=engine, limits=Limits(max_memory_bytes=needed - 1)
            )
        tracemalloc.start()
        try:
            run_stream(suite, rectified, "odd-65x79", engine=engine)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # headers, field records and the networks' plans come on top
        assert peak <= needed + (4 << 20)


def test_folders_and_commands(
    models: ModelSet,
    models_folder: Path,
    suite: Suite,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder of rectifiers beside a set; what commands show and write; a damaged and a misplaced file."""
    entry = next(v for v in suite.manifest["streams"] if v["name"] == "plain-64x64")
    assert parse(suite.streams[entry["file"]]).picture.model_id == 0
    stream, folder = tmp_path / "stream.jai", tmp_path / "rectifiers"
    stream.write_bytes(suite.streams[entry["file"]])
    (folder / "model0").mkdir(parents=True)
    with pytest.raises(ModelError, match="holds no rectifier"):
        with_rectifiers(open_models(models_folder), folder)
    file = folder / file_name(0, RECTIFIER, 0)
    save_model(file, drawn(1, 0, latent_sha256=models.latent(0, 0).digest))
    together = with_rectifiers(open_models(models_folder), folder)
    assert together.has(0, RECTIFIER, 0) and not together.has(0, RECTIFIER, 1)
    assert file_name(0, RECTIFIER, 0) in together.digests(0, ("entropy", "latent", "sop"))
    assert file_name(0, RECTIFIER, 0) not in together.digests(0, ("entropy",))

    def refdec(*words: object) -> Done:
        return call(app, capsys, *words)

    use = ("--models", models_folder)
    with_it = (*use, "--rectifier", folder)
    pictures = {}
    for name, options in (("plain", use), ("better", with_it), ("off", (*use, "--rectifier", "none"))):
        done = refdec("decode", stream, tmp_path / f"{name}.npy", *options)
        assert done.code == 0, done.err
        pictures[name] = (tmp_path / f"{name}.npy").read_bytes()
    assert pictures["plain"] == pictures["off"] != pictures["better"]
    done = refdec("trace", stream, "-o", tmp_path / "t.jsonl", *with_it)
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert file_name(0, RECTIFIER, 0) in lines[0]["models"]
    assert [x["component"] for x in lines[1:] if x.get("point") == "y_hat_rectified"] == ["Y"]
    assert "rectifier" in refdec("models", "list", folder).out
    rows = json.loads(refdec("models", "prove", folder, "--json").out)
    assert {row["node"] for row in rows} == {"conv1", "correction", "y_hat_rectified"}

    damaged = bytearray(file.read_bytes())
    damaged[-7] ^= 1
    file.write_bytes(damaged)
    done = refdec("decode", stream, tmp_path / "x.npy", *with_it)
    assert done.code == 2 and "digest" in done.err, done.err
    save_model(file, models.loaded[0, "latent", 0])
    done = refdec("decode", stream, tmp_path / "x.npy", *with_it)
    assert done.code == 2 and "expected 'rectifier_Y'" in done.err, done.err
    assert not (tmp_path / "x.npy").exists()


def test_the_bundled_set_has_none_of_its_own_and_ours_belong_to_it() -> None:
    """So that the digests of the bundled suite are those of the plain decoder."""
    models = bundled_models()
    assert not any(models.has(m, RECTIFIER, c) for m in MODEL_IDS for c in (0, 1))
    together = with_rectifiers(models, bundled_rectifiers())
    for m in MODEL_IDS:
        model = together.load(m, RECTIFIER, 0)
        assert model.provenance["latent_sha256"] == together.latent(m, 0).digest
        assert together.rectifier(m, 0).reach == 2
        assert (bundled_rectifiers() / file_name(m, RECTIFIER, 0)).stat().st_size < 200_000
    mixed = ModelSet(None, {**models.loaded, (0, RECTIFIER, 0): together.load(1, RECTIFIER, 0)})
    mixed.loaded[0, "latent", 0] = together.load(0, "latent", 0)
    with pytest.raises(ModelError, match="another latent model"):
        mixed.rectifier(0, 0)


def test_another_folder_replaces_what_a_set_has_loaded_already(rectified: ModelSet, tmp_path: Path) -> None:
    """A set whose own rectifiers have run then runs those of the folder and no others."""
    file = tmp_path / file_name(0, RECTIFIER, 0)
    file.parent.mkdir()
    save_model(file, drawn(99, 0))
    own = rectified.rectifier(0, 0)
    together = with_rectifiers(rectified, tmp_path)
    assert together.rectifier(0, 0).digest != own.digest == rectified.rectifier(0, 0).digest
    assert not together.has(0, RECTIFIER, 1) and not together.has(1, RECTIFIER, 0)
