"""eICCI's float networks: Haar bands, official names, integer models, import, and filtering as in float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conformance.cli import app
from conformance.importer.filters import FOLDER, eicci_name, eicci_names
from conformance.importer.folder import import_folder
from conformance.networks import convert_filters
from conformance.networks.eicci import (
    NETWORKS,
    Eicci,
    eicci_graphs,
    haar,
    picture_bands,
    planes_of_bands,
)
from conformance.networks.synthetic import fill_synthetic, synthetic_samples
from refdec.codestream.headers import Icci, IcciTile
from refdec.command import run
from refdec.errors import ModelError
from refdec.filters import FilterPlanes, eicci
from refdec.filters.eicci_tiles import filter_tiles
from refdec.models_io import ModelSet, open_models
from tests.filters.test_eicci import context_of, picture_of
from tests.networks.official import save
from tests.stage import official

INDICES = (2, 7)


def network(index: int) -> Eicci:
    """Synthetic weights, another set for every index."""
    module = fill_synthetic(Eicci())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.roll(index))
    assert isinstance(module, Eicci)
    return module.eval()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Two networks of the bank, through official files."""
    folder = tmp_path_factory.mktemp("eicci")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_filters, "WINDOW", 64)
        patch.setattr(convert_filters, "NOISE_SIDE", 64)
        for index in INDICES:
            save(folder / "in", eicci_name("bop", index), network(index).state_dict())
        report = import_folder(folder / "in", folder / "out")
    assert [file for file, *_ in report.written] == [f"eicci_bop_{k}.safetensors" for k in INDICES]
    assert set(eicci_names()) - set(report.absent) == {eicci_name("bop", k) for k in INDICES}
    return open_models(folder / "out")


def test_official_names_and_shapes() -> None:
    state = network(0).state_dict()
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "tracked" not in k) == 147225
    assert {
        "conv_first_Y.weight",
        "conv_firstUV.bias",
        "BNY.running_mean",
        "BNUV.num_batches_tracked",
    } <= set(state)
    assert state["hidden_layer_UV.3.conv1.weight"].shape == (48, 48, 1, 3)
    assert state["hidden_layer_Y.1.conv2.weight"].shape == (48, 48, 3, 1)
    assert state["hidden_layer_Y.0.scale"].shape == state["scaleU"].shape == (1,)
    assert "hidden_layer_Y.2.scale" not in state and "hidden_layer_UV.4.scale" not in state
    assert NETWORKS.index("mse075") == 3 and NETWORKS.index("mss050") == 7
    assert eicci_name("hop", 5) == "eICCI_bophop_2d020448_20240229/eicci_hop_mss012_300k.pth"


def test_haar_bands_are_those_of_the_definition() -> None:
    plane = synthetic_samples(1, 8, 12)
    a, b, c, d = plane[..., ::2, ::2], plane[..., 1::2, ::2], plane[..., ::2, 1::2], plane[..., 1::2, 1::2]
    expected = torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1) / 2
    torch.testing.assert_close(haar(plane), expected)
    both = torch.cat([haar(expected[:, k : k + 1]) for k in range(4)], 1)
    torch.testing.assert_close(picture_bands(plane), both)
    torch.testing.assert_close(planes_of_bands(both), plane)


def test_graphs_are_the_modules_with_everything_folded() -> None:
    module = network(3).double()
    bands = picture_bands(synthetic_samples(3, 40, 52) / 255)
    with torch.no_grad():
        expected = {"luma": module.luma(bands), "chroma": module.chroma(bands)}
    for name, graph in eicci_graphs(module).items():
        found = graph.run({"bands": (bands[0] * 255 / 256).numpy()}, dtype=torch.float64)["delta"]
        assert np.abs(found * 256 / 255 - expected[name][0].numpy()).max() < 1e-12


def float_filter(planes: Tensor, tiles: Any, entries: tuple[IcciTile, ...]) -> Tensor:
    """The filter in float, tile by tile; ``[1, 3, H, W]``, 0..255."""
    out = planes.double() / 255
    for (read, core), entry in zip(tiles, entries, strict=True):
        if not any(entry.icci_use):
            continue
        seen = out[..., read.y : read.y + read.h, read.x : read.x + read.w]
        with torch.no_grad():
            luma, chroma = (network(k).double()(seen) for k in (entry.index_Y, entry.index_UV))
        done = torch.cat((luma[:, :1], chroma[:, 1:]), 1)
        for k in (p for p in range(3) if entry.icci_use[p]):
            inner = done[:, k, core.y - read.y :, core.x - read.x :][..., : core.h, : core.w]
            out[:, k, core.y : core.y + core.h, core.x : core.x + core.w] = inner
    return out.clamp(0, 1) * 255


@pytest.mark.parametrize("tiling", [None, (208, 48)])
def test_filtering_is_close_to_float(imported: ModelSet, tiling: tuple[int, int] | None) -> None:
    picture = picture_of(75, 368)
    random = np.random.default_rng(1)
    smooth = np.kron(random.uniform(20, 235, (3, 10, 46)), np.ones((8, 8)))[:, :75, :368]
    planes = np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255)
    entries = (IcciTile((1, 1, 1), 0, 2, 7), IcciTile((1, 0, 1), 0, 7, 2))[: 2 if tiling else 1]
    icci = Icci(entries, 1, tiling[0] // 16, tiling[1] // 16) if tiling else Icci(entries)
    tiles = filter_tiles(picture, icci)
    integers = tuple(np.rint(plane * 65536).astype(np.int32) for plane in planes)
    expected = float_filter(torch.from_numpy(planes)[None], tiles, entries)[0].numpy()
    found = eicci.apply(FilterPlanes(integers), context_of(picture, icci, imported)).planes
    for k in range(3):
        error = found[k] / 65536 - expected[k]
        assert np.abs(expected[k] - planes[k]).max() > 3, "a filter that does something"
        assert np.sqrt((error**2).mean()) < 0.03 and np.abs(error).max() < 0.2


def test_integer_models_say_how_close_they_are(imported: ModelSet) -> None:
    for index in INDICES:
        model = imported.eicci("bop", index)
        facts = imported.loaded_eicci["bop", index].provenance
        assert facts["source"] == eicci_name("bop", index)
        for trunk in ("luma", "chroma"):
            assert facts["quality"][trunk]["snr_db"] > 50 and facts["quality"][trunk]["saturated"] == 0
        assert model.luma.reach == (4, 4) and model.chroma.reach == (6, 6)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"BNY.running_var": torch.full((48,), -0.1)}, "negative variance"),
        ({"scaleU": torch.tensor([float("nan")])}, "no numbers"),
        ({"conv_last_v.bias": None}, "conv_last_v.bias"),
        ({"conv_last_v.bias": torch.zeros(15)}, "expected float32"),
    ],
)
def test_checkpoints_that_do_not_fit(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    state = {k: v for k, v in {**network(0).state_dict(), **change}.items() if v is not None}
    save(tmp_path / "in", f"{FOLDER}/eicci_hop_mse012_300k.pth", state)
    with pytest.raises(ModelError, match=words):
        import_folder(tmp_path / "in", tmp_path / "out")


def test_command_lines_know_the_files(imported: ModelSet, capsys: pytest.CaptureFixture[str]) -> None:
    from refdec.cli import app as refdec

    for command in ("list", "check", "prove"):
        assert run(refdec, ["models", command, str(imported.root)]) == 0
        assert "eicci_bop_7" in capsys.readouterr().out
    assert imported.root is not None
    damaged = imported.root.parent / "damaged"
    damaged.mkdir()
    data = bytearray((imported.root / "eicci_bop_2.safetensors").read_bytes())
    data[-1] ^= 1
    (damaged / "eicci_bop_2.safetensors").write_bytes(data)
    assert run(refdec, ["models", "check", str(damaged)]) == 1
    assert "bad" in capsys.readouterr().out
    with pytest.raises(ModelError, match="eicci_bop_2"):
        open_models(damaged).eicci("bop", 2)
    with pytest.raises(ModelError, match="holds bop 2"):
        open_models(damaged).eicci("bop", 3)


def test_entropy_only_leaves_the_filters_out(tmp_path: Path) -> None:
    official.write(tmp_path / "in")
    save(tmp_path / "in", eicci_name("bop", 0), network(0).state_dict())
    assert run(app, ["import", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--entropy-only"]) == 0
    assert list(open_models(tmp_path / "out").eicci_files()) == []
